//! What is in a program, by its hash.

use crate::diagnostic::{Code, Complaint};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What patterns of content begin with.
pub(crate) const PREFIX: &str = "sha256:";

/// The SHA-256 (FIPS 180-4) of a whole file, as `sha256sum` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect();
        bytes.try_into().ok().filter(|_| digits.len() == 64).map(Self)
    }

    /// Reads what stands behind `sha256:`.
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        Self::from_hex(text).ok_or_else(|| {
            Complaint::new(Code::Exec, format!("`{PREFIX}{text}` is not a SHA-256"))
                .cause("behind `sha256:` stand 64 hexadecimal digits")
                .hint("`sha256sum FILE` prints them")
        })
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
