//! Bytes from the kernel (paths, names) as text that is safe to show and can be turned back.
//!
//! A byte that is not part of valid UTF-8, a control character (C0, DEL, C1), a character that reorders or hides what
//! stands around it (bidirectional and zero-width formats, line and paragraph separators, byte order mark) and the
//! backslash itself are written as `\xNN` for each of their bytes, in lower case. Everything else stands for itself. So
//! a name can neither fake a line of a log nor move a terminal's cursor, and no two names look alike in the record.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes written as escaped text; see the module for the form.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EscapedBytes(String);

impl EscapedBytes {
    /// Escapes bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(escape(bytes))
    }

    /// The bytes again. Text that no escaping makes (a lone backslash) stands for itself.
    pub fn to_bytes(&self) -> Vec<u8> {
        unescape(&self.0)
    }

    /// The escaped text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for EscapedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for EscapedBytes {
    fn from(text: &str) -> Self {
        Self::from_bytes(text.as_bytes())
    }
}

/// Escapes bytes to text that is safe to show.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if must_escape(character) {
                let mut buffer = [0; 4];
                push_escaped(&mut text, character.encode_utf8(&mut buffer).as_bytes());
            } else {
                text.push(character);
            }
        }
        push_escaped(&mut text, chunk.invalid());
    }
    text
}

fn must_escape(character: char) -> bool {
    character == '\\'
        || character.is_control()
        || matches!(
            character,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

fn push_escaped(text: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    for byte in bytes {
        text.push_str("\\x");
        text.extend(
            [byte >> 4, byte & 0xf]
                .iter()
                .filter_map(|digit| DIGITS.get(usize::from(*digit))),
        );
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if let [b'\\', b'x', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            bytes.push(high << 4 | low);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

fn digit(character: u8) -> Option<u8> {
    char::from(character)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_path_stands_for_itself() {
        assert_eq!(escape("/srv/work/café.txt".as_bytes()), "/srv/work/café.txt");
    }

    #[test]
    fn what_could_deceive_is_escaped() {
        assert_eq!(escape(b"/a\n\x1b[2J\xff\\x"), "/a\\x0a\\x1b[2J\\xff\\x5cx");
        assert_eq!(escape("\u{202e}gpj".as_bytes()), "\\xe2\\x80\\xaegpj");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>) {
            let text = EscapedBytes::from_bytes(&bytes);
            prop_assert!(!text.as_str().chars().any(char::is_control));
            prop_assert_eq!(text.to_bytes(), bytes);
        }
    }
}
