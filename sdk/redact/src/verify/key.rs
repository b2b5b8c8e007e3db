//! Private keys that are in no armour: PuTTY's files, and JSON web keys (RFC 7517).

use super::contains_fold;
use super::gates::is_random;
use crate::charset::{Charset, HEX, WORD};
use crate::detector::{Confidence, Found, Hit, Verdict};
use crate::sample::{Seed, mixed};
use crate::text::Text;

/// The longest key that is followed to its end, in characters.
const KEY_MAX: usize = 16 * 1024;
const MAC: &[u8] = b"Private-MAC: ";
/// How far before a member the others stand that say what it is, in bytes.
const MEMBERS: usize = 200;
/// The longest member followed.
const MEMBER_MAX: usize = 4096;

/// From the name of the format to the MAC, which is its last line.
pub(crate) fn putty(text: &Text<'_>, hit: Hit) -> Verdict {
    static FILE: Charset = Charset::except("\"'`<>{}|");
    let run = text.run(hit.end, &FILE, KEY_MAX);
    let file = text.slice(hit.end, run.end);
    if let Some(at) = memchr::memmem::find(file, MAC) {
        let mac = text.run(hit.end + at + MAC.len(), &HEX, KEY_MAX);
        return if mac.open {
            Verdict::More
        } else {
            Verdict::Hide(Found::new(hit.start, mac.end, Confidence::High))
        };
    }
    if run.open {
        return Verdict::More;
    }
    if memchr::memmem::find(file, b"Private-Lines: ").is_none() {
        return Verdict::Clean;
    }
    Verdict::Hide(Found {
        rest: run.capped.then_some(&FILE),
        ..Found::new(hit.start, run.end, Confidence::Medium)
    })
}

/// The value of a private member (RFC 7518, 6): of `d` and `k` where the others say that it is a key.
pub(crate) fn jwk(text: &Text<'_>, hit: Hit) -> Verdict {
    let run = text.run(hit.end, &WORD, MEMBER_MAX);
    if run.open {
        return Verdict::More;
    }
    let before = text.slice(hit.start.saturating_sub(MEMBERS), hit.start);
    let said = ["kty", "crv", "aqab"]
        .iter()
        .any(|word| contains_fold(before, word.as_bytes()));
    let least = if said { 40 } else { 80 };
    if run.count < least || !is_random(text.slice(hit.end, run.end)) {
        return Verdict::Clean;
    }
    Verdict::Hide(Found {
        rest: run.capped.then_some(&WORD),
        ..Found::new(hit.end, run.end, Confidence::Medium)
    })
}

pub(crate) fn sample_putty(seed: &mut Seed) -> String {
    let lines = [mixed(seed, 64), mixed(seed, 64)].join("\n");
    let mac = seed.text(&HEX, 64);
    format!(
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: me\nPublic-Lines: 1\n{lines}\nPrivate-Lines: 1\n{lines}\nPrivate-MAC: {mac}"
    )
}

pub(crate) fn sample_jwk(seed: &mut Seed) -> String {
    format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"{}\"}}", mixed(seed, 43))
}
