//! Addresses of machines, for policies that count them as personal: IPv4, IPv6 (RFC 4291), and network cards (IEEE 802).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::charset::Charset;
use crate::detector::{Confidence, Found, Hit, Verdict};
use crate::text::Text;

/// The longest way to write one, and how far a text is looked at around a separator.
const WIDTH_MAX: usize = 45;
static FOUR_PART: Charset = Charset::of("0-9.");
static SIX_PART: Charset = Charset::of("0-9a-fA-F:.");
static MAC_PART: Charset = Charset::of("0-9a-fA-F:-");

/// At a dot or colon.
pub(crate) fn ip(text: &Text<'_>, hit: Hit) -> Verdict {
    let part = if text.byte(hit.start) == Some(b'.') {
        &FOUR_PART
    } else {
        &SIX_PART
    };
    around(text, hit, part, |word| {
        let Ok(word) = std::str::from_utf8(word) else {
            return false;
        };
        let four = word.parse::<Ipv4Addr>().is_ok_and(|address| !address.is_unspecified());
        four || (word.len() >= 6 && word.parse::<Ipv6Addr>().is_ok_and(|address| !address.is_unspecified()))
    })
}

/// At a colon or hyphen.
pub(crate) fn mac(text: &Text<'_>, hit: Hit) -> Verdict {
    around(text, hit, &MAC_PART, |word| {
        let groups = |separator: u8| word.split(move |byte| *byte == separator).map(<[u8]>::len);
        word.len() == 17
            && [b':', b'-']
                .into_iter()
                .any(|by| groups(by).count() == 6 && groups(by).all(|len| len == 2))
    })
}

fn around(text: &Text<'_>, hit: Hit, part: &Charset, good: impl Fn(&[u8]) -> bool) -> Verdict {
    let head = text.slice(hit.start.saturating_sub(WIDTH_MAX), hit.start);
    let before = head.iter().rev().take_while(|byte| part.has(**byte)).count();
    let rest = text.slice(hit.start, (hit.start + WIDTH_MAX).min(text.bytes.len()));
    let behind = rest.iter().take_while(|byte| part.has(**byte)).count();
    if behind == rest.len() && rest.len() < WIDTH_MAX && !text.last {
        return Verdict::More;
    }
    let (start, mut end) = (hit.start - before, hit.start + behind);
    if before == WIDTH_MAX || behind == WIDTH_MAX {
        return Verdict::Clean;
    }
    while end > hit.end && matches!(text.byte(end - 1), Some(b'.' | b':' | b'-')) {
        end -= 1;
    }
    let touches = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if touches(text.before(start)) || touches(text.byte(end)) || !good(text.slice(start, end)) {
        return Verdict::Clean;
    }
    Verdict::Hide(Found::new(start, end, Confidence::Medium))
}
