//! Heads, read as generously as any server might and with a doubt where two readers could differ: what a strict parser refuses, a lenient
//! server may still obey.

use memchr::{memchr, memmem, memrchr};

use crate::doubt::{Doubt, Doubts};
use crate::exchange::Field;
use crate::live::Head;

/// Longer than any method that is registered.
const METHOD_MAX: usize = 32;

/// What a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstLine {
    Request,
    Answer,
    Neither,
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What a whole line begins (RFC 9112, 3 and 4).
pub(crate) fn first_line(line: &[u8]) -> FirstLine {
    if line.starts_with(b"HTTP/1.") {
        let status = line.get(8..12).unwrap_or_default();
        let is_status = matches!(status, [b' ', digits @ ..] if digits.iter().all(u8::is_ascii_digit));
        return if is_status {
            FirstLine::Answer
        } else {
            FirstLine::Neither
        };
    }
    let method = memchr(b' ', line).unwrap_or(0);
    let is_method = (1..=METHOD_MAX).contains(&method) && line.iter().take(method).all(|byte| is_token(*byte));
    let version = line.trim_ascii_end();
    let is_http = version.len() > 9
        && version
            .get(version.len() - 9..)
            .is_some_and(|end| end.starts_with(b" HTTP/1."));
    if is_method && is_http {
        FirstLine::Request
    } else {
        FirstLine::Neither
    }
}

/// Methods that are sought in the middle of a line.
const METHODS: [&[u8]; 8] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"PATCH ",
    b"DELETE ",
    b"HEAD ",
    b"OPTIONS ",
    b"CONNECT ",
];

/// Where in a whole line a message begins: behind a body nothing ends the line.
pub(crate) fn find_first_line(line: &[u8]) -> Option<(usize, FirstLine)> {
    match first_line(line) {
        FirstLine::Neither => {}
        found => return Some((0, found)),
    }
    let answer = memmem::rfind(line, b"HTTP/1.")
        .filter(|at| first_line(line.get(*at..).unwrap_or_default()) == FirstLine::Answer);
    if let Some(at) = answer {
        return Some((at, FirstLine::Answer));
    }
    let line = line.trim_ascii_end();
    let target = line
        .len()
        .checked_sub(9)
        .filter(|end| line.get(*end..).is_some_and(|end| end.starts_with(b" HTTP/1.")))?;
    let before = line.get(..target)?;
    let method_end = memrchr(b' ', before)? + 1;
    let head = before.get(..method_end)?;
    let method = METHODS.iter().find(|method| head.ends_with(method))?;
    Some((method_end - method.len(), FirstLine::Request))
}

/// Whether a line of which the end is not there may be the first of a message.
pub(crate) fn may_be_first(line: &[u8]) -> bool {
    let method = memchr(b' ', line).unwrap_or(line.len());
    method <= METHOD_MAX
        && line
            .iter()
            .take(method)
            .all(|byte| is_token(*byte) || b"/\r".contains(byte))
}

/// A head, and how its body is framed.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) head: Head,
    pub(super) doubts: Doubts,
    /// `Content-Length`.
    pub(super) length: Option<u64>,
    /// The last transfer coding is `chunked`.
    pub(super) chunked: bool,
    /// There are transfer codings.
    pub(super) coded: bool,
    /// The protocol that is changed to, or asked for.
    pub(super) upgrade: String,
    is_http10: bool,
}

impl Parsed {
    /// A whole head, with the empty line that ends it.
    pub(super) fn head(bytes: &[u8]) -> Self {
        let mut parsed = Self::default();
        let end = memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
        let (first, fields) = bytes.split_at_checked(end).unwrap_or_default();
        if !first.ends_with(b"\r\n") {
            parsed.doubts.add(Doubt::Ambiguous);
        }
        parsed.first(first.trim_ascii_end());
        parsed.fields(fields);
        parsed.framing();
        parsed
    }

    /// Fields alone, which is what trailers are.
    pub(super) fn fields(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let plain = line.strip_suffix(b"\n").unwrap_or(line);
            let stripped = plain.strip_suffix(b"\r");
            let line = stripped.unwrap_or(plain);
            if stripped.is_none() || line.contains(&b'\r') || line.contains(&0) {
                self.doubts.add(Doubt::Ambiguous);
            }
            if !line.is_empty() {
                self.field(line);
            }
        }
    }

    fn first(&mut self, line: &[u8]) {
        if let Some(status) = line.strip_prefix(b"HTTP/1.") {
            self.is_http10 = status.starts_with(b"0");
            let digits = std::str::from_utf8(status.get(2..5).unwrap_or_default()).unwrap_or_default();
            self.head.status = digits.parse().ok();
            if self.head.status.is_none_or(|status| status < 100) {
                self.doubts.add(Doubt::Malformed);
            }
            return;
        }
        let text = String::from_utf8_lossy(line);
        let (method, rest) = text.split_once(' ').unwrap_or_default();
        let (target, version) = rest.rsplit_once(' ').unwrap_or((rest, ""));
        self.is_http10 = version == "HTTP/1.0";
        if target.contains([' ', '\t']) || target.is_empty() {
            self.doubts.add(Doubt::Ambiguous);
        }
        method.clone_into(&mut self.head.method);
        let absolute = target.split_once("://").filter(|(scheme, _)| !scheme.contains('/'));
        if let Some((_, rest)) = absolute {
            let path = rest.find(['/', '?']).unwrap_or(rest.len());
            let (host, path) = rest.split_at_checked(path).unwrap_or_default();
            host.clone_into(&mut self.head.host);
            path.clone_into(&mut self.head.target);
        } else if method == "CONNECT" {
            target.clone_into(&mut self.head.host);
        } else {
            target.clone_into(&mut self.head.target);
        }
    }

    fn field(&mut self, line: &[u8]) {
        let is_folded = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        let (name, value) = line.split_at(memchr(b':', line).unwrap_or(0));
        if is_folded || name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            self.doubts.add(Doubt::Ambiguous);
        }
        match self.head.fields.last_mut() {
            Some(field) if is_folded => {
                field.value.push(b' ');
                field.value.extend_from_slice(line.trim_ascii());
            }
            _ => self.head.fields.push(Field {
                name: String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase(),
                value: value.strip_prefix(b":").unwrap_or(value).trim_ascii().to_vec(),
            }),
        }
    }

    fn framing(&mut self) {
        let codings: Vec<String> = self
            .head
            .values("transfer-encoding")
            .map(str::to_ascii_lowercase)
            .collect();
        self.coded = !codings.is_empty();
        let codings: Vec<&str> = codings
            .iter()
            .flat_map(|codings| codings.split(','))
            .map(str::trim)
            .collect();
        self.chunked = codings.last() == Some(&"chunked");
        if codings.iter().any(|coding| *coding != "chunked") {
            self.doubts.add(Doubt::UnknownCoding);
        }
        let (mut same, mut length) = (true, None);
        for text in self.head.values("content-length").flat_map(|value| value.split(',')) {
            let number = text
                .trim()
                .parse::<u64>()
                .ok()
                .filter(|_| !text.trim().starts_with('+'));
            same &= number.is_some() && (length.is_none() || length == number);
            length = number.or(length);
        }
        let host: Vec<String> = self.head.values("host").map(str::to_owned).collect();
        let twice = self.coded && (length.is_some() || self.is_http10);
        if !same || twice || (self.coded && !self.chunked) || host.len() > 1 {
            self.doubts.add(Doubt::Ambiguous);
        }
        self.length = length;
        if let Some(host) = host.into_iter().next().filter(|_| self.head.host.is_empty()) {
            self.head.host = host;
        }
        let mut options = self.head.values("connection").flat_map(|value| value.split(','));
        if options.any(|option| option.trim().eq_ignore_ascii_case("upgrade")) {
            self.upgrade = self
                .head
                .values("upgrade")
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
        }
    }
}
