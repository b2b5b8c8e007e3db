//! Text that is told to one who asked for it, and shown to nobody else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Shown as its length only, unless it is turned to JSON.
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

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_length_is_shown() {
        assert_eq!(format!("{:?}", Secret::from("abc".to_owned())), "Secret(3 bytes)");
    }
}
