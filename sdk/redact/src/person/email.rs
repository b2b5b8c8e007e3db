//! E-mail addresses (RFC 5321, 4.1.2, without quoted parts).

use crate::charset::Charset;
use crate::detector::{Confidence, Found, Hit, Verdict};
use crate::text::Text;

const LOCAL_MAX: usize = 64;
const DOMAIN_MAX: usize = 253;
static LOCAL: Charset = Charset::of("A-Za-z0-9._+'-");
static DOMAIN: Charset = Charset::of("A-Za-z0-9.-");
/// Addresses that belong to no person.
const NOBODY: [&[u8]; 9] = [
    b"git",
    b"noreply",
    b"no-reply",
    b"donotreply",
    b"do-not-reply",
    b"mailer-daemon",
    b"postmaster",
    b"hg",
    b"root",
];

/// At an `@`, however it is written.
pub(crate) fn verify(text: &Text<'_>, hit: Hit) -> Verdict {
    let start = local(text, hit.start);
    let name = text.slice(start, hit.start);
    if name.is_empty() || name.starts_with(b".") || name.ends_with(b".") {
        return Verdict::Clean;
    }
    let run = text.run(hit.end, &DOMAIN, DOMAIN_MAX);
    if run.open {
        return Verdict::More;
    }
    let domain = text.slice(hit.end, run.end);
    let trailing = domain
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'.' | b'-'))
        .count();
    let domain = domain.get(..domain.len() - trailing).unwrap_or_default();
    if !is_domain(domain) || NOBODY.iter().any(|nobody| name.eq_ignore_ascii_case(nobody)) {
        return Verdict::Clean;
    }
    // `user:password@host` is a URL's business, and so is what goes on as a path.
    let before = text.before(start);
    let behind_slashes = |written: &[u8]| {
        let head = text.slice(start.saturating_sub(written.len()), start);
        head.eq_ignore_ascii_case(written)
    };
    if matches!(before, Some(b':' | b'/')) && (behind_slashes(b"//") || behind_slashes(b"%2F%2F")) {
        return Verdict::Clean;
    }
    Verdict::Hide(Found::new(start, run.end - trailing, Confidence::High))
}

/// Where the part before the `@` begins; letters of an escape (`\n`, `%20`) are not of it.
fn local(text: &Text<'_>, sign: usize) -> usize {
    let floor = sign.saturating_sub(LOCAL_MAX);
    let mut start = sign;
    while start > floor && text.byte(start - 1).is_some_and(|byte| LOCAL.has(byte)) {
        start -= 1;
    }
    let escape = match (start.checked_sub(1).and_then(|at| text.byte(at)), text.byte(start)) {
        (Some(b'\\'), Some(b'u')) => 5,
        (Some(b'\\'), Some(b'x')) => 3,
        (Some(b'\\'), Some(_)) => 1,
        (Some(b'%'), Some(_)) => 2,
        _ => 0,
    };
    let mut start = (start + escape).min(sign);
    while text.byte(start).is_some_and(|byte| matches!(byte, b'\'' | b'-' | b'.')) && start < sign {
        start += 1;
    }
    start
}

/// Labels with a top one of letters; no file's name and no version's.
fn is_domain(domain: &[u8]) -> bool {
    let mut labels = domain.split(|byte| *byte == b'.').rev();
    let top = labels.next().unwrap_or_default();
    let second = labels.next();
    let top_good = (2..=18).contains(&top.len()) && top.iter().all(u8::is_ascii_alphabetic);
    let file = matches!(
        top,
        b"png"
            | b"jpg"
            | b"svg"
            | b"css"
            | b"js"
            | b"ts"
            | b"rs"
            | b"py"
            | b"md"
            | b"json"
            | b"target"
            | b"service"
            | b"local"
    );
    let label_good = |label: &[u8]| !label.is_empty() && !label.starts_with(b"-") && !label.ends_with(b"-");
    top_good && !file && second.is_some_and(label_good) && labels.all(label_good)
}
