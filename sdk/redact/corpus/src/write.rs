//! How values are written: escaped, encoded, and where the secret is in them.

use aa_redact::{Class, Detector};

/// What stands before a range, the range, and what stands behind.
pub(crate) fn parts(text: &str, start: usize, end: usize) -> (&str, &str, &str) {
    let (head, behind) = text.split_at_checked(end).unwrap_or((text, ""));
    let (before, value) = head.split_at_checked(start).unwrap_or(("", head));
    (before, value, behind)
}

/// Where the secret itself stands in an example: all of a key of several lines; of what is a person's, all behind the words that say what it is; else
/// the longest word with a digit in it, without the name it is assigned to.
pub(crate) fn core(row: &Detector, sample: &str) -> (usize, usize) {
    if row.class() == Class::PrivateKey && sample.contains('\n') {
        return (0, sample.len());
    }
    if row.class().is_personal() {
        return (said_before(sample), sample.len());
    }
    let word = sample
        .split(|character: char| character.is_whitespace() || matches!(character, '"' | '\''))
        .max_by_key(|word| (word.contains(|character: char| character.is_ascii_digit()), word.len()))
        .unwrap_or_default();
    let value = match row.name() {
        "url-credentials" => word.split_once('@').and_then(|(head, _)| head.rsplit(':').next()),
        "command-line-password" | "pgpass-password" => word.rsplit(':').next(),
        "session-cookie" => word.split_once('=').map(|(_, value)| value),
        _ => word.split_once("_API_KEY=").map(|(_, value)| value),
    };
    let value = value.unwrap_or(word).trim_end_matches('.');
    let start = sample.find(value).unwrap_or(0);
    (start, start + value.len())
}

/// The words that say what a number is, if it has such before it.
fn said_before(sample: &str) -> usize {
    let first = sample.find(|character: char| character.is_ascii_digit()).unwrap_or(0);
    let head = sample.get(..first).unwrap_or_default();
    let words = head.contains(|character: char| character.is_ascii_alphabetic());
    head.rfind(' ').filter(|_| words).map_or(0, |space| space + 1)
}

/// As the inside of a JSON string.
pub(crate) fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default()
        .to_owned()
}

/// As encodeURIComponent writes it.
pub(crate) fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Padded, in the standard alphabet.
pub(crate) fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut output = String::new();
    for group in text.as_bytes().chunks(3) {
        let value = group
            .iter()
            .fold(0_usize, |value, byte| (value << 8) | usize::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let character = ALPHABET.get((value >> (18 - 6 * place)) & 63).copied().unwrap_or(b'A');
            output.push(if place <= group.len() {
                char::from(character)
            } else {
                '='
            });
        }
    }
    output
}
