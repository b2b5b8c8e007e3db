//! What the courier reads: answers of receivers, and addresses that operators write.

use aa_courier::address::Address;
use aa_courier::http::{HEAD_LIMIT, dechunk, parse_head};

/// The head of an answer, and a body in chunks: what comes of these is never longer.
pub fn alert_answer(bytes: &[u8]) -> bool {
    assert!(dechunk(bytes).len() <= bytes.len());
    let Some(head) = parse_head(bytes) else { return false };
    assert!((100..600).contains(&head.status) && bytes.len() <= HEAD_LIMIT);
    true
}

/// An address goes into a request's head: nothing in it may end a line. It is read again from its parts.
pub fn alert_address(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(address) = Address::parse(text) else {
        return false;
    };
    let parts = format!("{}{}", address.authority(), address.path);
    assert!(parts.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(address.path.starts_with('/'));
    assert!(address.tls || ["127.0.0.1", "::1", "localhost"].contains(&address.host.as_str()));
    let scheme = if address.tls { "https" } else { "http" };
    assert_eq!(Address::parse(&format!("{scheme}://{parts}")), Ok(address));
    true
}
