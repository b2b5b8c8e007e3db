//! What is told to one who asked for it, or by one who keeps it here, and shown to nobody else. Erased when it is dropped.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, Zeroizing};

/// Text, shown as its length only, unless it is turned to JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// Bytes, shown as their length only. In JSON hexadecimal digits: nothing of them is ever escaped, which parsers do in memory of their own.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// The bytes.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({})", self.0.len())
    }
}

impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(String::with_capacity(2 * self.0.len()));
        for byte in self.0.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Hexadecimal)
    }
}

struct Hexadecimal;

impl Visitor<'_> for Hexadecimal {
    type Value = SecretBytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hexadecimal digits")
    }

    /// An error does not quote them.
    fn visit_str<E: Error>(self, text: &str) -> Result<SecretBytes, E> {
        let digits = text.as_bytes();
        let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
        for pair in digits.chunks(2) {
            let mut digits = pair.iter().map(|digit| char::from(*digit).to_digit(16));
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(E::custom("not a pair of hexadecimal digits"));
            };
            bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
        }
        Ok(SecretBytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_length_is_shown() {
        assert_eq!(format!("{:?}", Secret::from("abc".to_owned())), "Secret(3 bytes)");
        let bytes = SecretBytes::from(Zeroizing::new(vec![1, 2]));
        assert_eq!(format!("{bytes:?}"), "SecretBytes(2)");
    }

    #[test]
    fn bytes_are_digits_in_json_and_errors_quote_nothing() {
        let bytes = SecretBytes::from(Zeroizing::new(vec![0, 0xab, 0xff]));
        assert_eq!(serde_json::to_string(&bytes).unwrap(), r#""00abff""#);
        assert_eq!(serde_json::from_str::<SecretBytes>(r#""00ABff""#).unwrap(), bytes);
        for bad in [r#""0""#, r#""sesame""#, r#""0\u00e9""#, "5"] {
            let error = serde_json::from_str::<SecretBytes>(bad).unwrap_err().to_string();
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}
