//! One `POST` over a connection of its own (HTTP/1.1, RFC 9112). No redirect is followed.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::tls::{self, Stream, TlsError, Trust};

/// Bytes of an answer's head, and of what is read of its body.
pub const HEAD_LIMIT: usize = 16 << 10;
const BODY_LIMIT: usize = 64 << 10;
/// From the first look-up of the name to the answer's end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a receiver answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Three digits.
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// As much of the body as there is room for.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the connection failed")]
    Connection(#[from] io::Error),
    #[error("the answer is no HTTP")]
    NoHttp,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Three digits.
    pub status: u16,
    /// In seconds; a date is not understood.
    pub retry_after: Option<u64>,
    /// Of the body, if it is said.
    pub length: Option<u64>,
    /// The body comes in chunks.
    pub chunked: bool,
}

/// Sends a body, and reads what is answered.
pub(crate) fn post(
    address: &Address,
    headers: &[(&str, String)],
    body: &[u8],
    trust: &Trust,
) -> Result<Answer, HttpError> {
    let mut stream = tls::connect(address, trust, Instant::now() + PATIENCE)?;
    let mut head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: aa-courier/{}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n",
        address.path,
        address.authority(),
        env!("CARGO_PKG_VERSION"),
        body.len()
    );
    for (name, value) in headers {
        head.extend([name, ": ", value.as_str(), "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()?;
    read_answer(&mut stream)
}

fn read_answer(stream: &mut Stream) -> Result<Answer, HttpError> {
    let mut bytes = Vec::new();
    let (head, begin) = loop {
        if let Some(end) = end_of_head(&bytes) {
            let head = parse_head(bytes.get(..end).unwrap_or_default()).ok_or(HttpError::NoHttp)?;
            if head.status >= 200 {
                break (head, end);
            }
            // An interim answer; the real one follows.
            bytes.drain(..end);
        } else if bytes.len() >= HEAD_LIMIT || read_more(stream, &mut bytes)? == 0 {
            return Err(HttpError::NoHttp);
        }
    };
    let mut body = bytes.split_off(begin);
    let wanted = head
        .length
        .map_or(BODY_LIMIT, |length| usize::try_from(length).unwrap_or(BODY_LIMIT));
    // The status is what counts: that it ends early does not make it another.
    while body.len() < wanted.min(BODY_LIMIT) && matches!(read_more(stream, &mut body), Ok(1..)) {}
    Ok(Answer {
        status: head.status,
        retry_after: head.retry_after.map(Duration::from_secs),
        body: if head.chunked { dechunk(&body) } else { body },
    })
}

fn read_more(stream: &mut Stream, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer)?;
    bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
    Ok(count)
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads a head with its empty line; `None` if it is none.
pub fn parse_head(bytes: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.len() <= HEAD_LIMIT)?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    let digits = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
    let mut head = Head {
        status: status
            .parse()
            .ok()
            .filter(|status| digits && (100..600).contains(status))?,
        ..Head::default()
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim_ascii();
        match name.to_ascii_lowercase().as_str() {
            "retry-after" => head.retry_after = value.parse().ok(),
            "content-length" => head.length = value.parse().ok(),
            "transfer-encoding" => head.chunked = value.eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    Some(head)
}

/// What chunks hold, as far as they are whole.
pub fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let (line, rest) = bytes.split_at(end);
        let size = std::str::from_utf8(line).unwrap_or_default();
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
        let chunk = size
            .ok()
            .filter(|size| *size > 0)
            .and_then(|size| rest.get(2..)?.split_at_checked(size));
        let Some((chunk, rest)) = chunk else { break };
        body.extend_from_slice(chunk);
        bytes = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_a_status_and_says_when_to_come_back() {
        let head =
            parse_head(b"HTTP/1.1 429 Too Many Requests\r\nRETRY-AFTER: 17\r\nContent-Length: 2\r\n\r\n").unwrap();
        assert_eq!(
            (head.status, head.retry_after, head.length, head.chunked),
            (429, Some(17), Some(2), false)
        );
        for bad in [
            "",
            "\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 20 x\r\n\r\n",
            "HTTP/1.1 +20 x\r\n\r\n",
            "HTTP/1.1 999 x\r\n\r\n",
            "220 smtp\r\n\r\n",
        ] {
            assert_eq!(parse_head(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn chunks_are_put_together_as_far_as_they_come() {
        assert_eq!(dechunk(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"), b"abcde");
        assert_eq!(dechunk(b"3\r\nabc\r\nff\r\nde"), b"abc");
        assert_eq!(dechunk(b"ffffffffffffffff\r\nde"), b"");
    }
}
