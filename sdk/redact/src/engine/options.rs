//! What an engine is made of.

use crate::detector::{Class, Detector};
use crate::filter::LITERAL_MAX;
use crate::known::KnownSecrets;
use crate::replace::Style;
use crate::table;

/// Why an engine cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No detector or class has this name.
    #[error("there is no detector or class `{name}`")]
    UnknownName {
        /// As given.
        name: String,
    },
    /// A literal is too short to look for, or too long.
    #[error("detector `{detector}`: a literal must have 2 to {LITERAL_MAX} bytes and no white space but at its end")]
    BadLiteral {
        /// Whose it is.
        detector: &'static str,
    },
    /// More rows than there are numbers for.
    #[error("more than 65,000 detectors")]
    TooMany,
}

/// What an engine looks for and what it writes instead.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is looked for.
    pub detectors: Vec<Detector>,
    /// What is written instead.
    pub style: Style,
    /// Encoded forms (base64, hexadecimal, UTF-16, escaped letters) are looked for too.
    pub encodings: bool,
    /// Values that are hidden wherever they are.
    pub known: KnownSecrets,
}

impl Default for Options {
    /// Everything in the table but IP and MAC addresses, which a policy has to ask for.
    fn default() -> Self {
        Self {
            detectors: table::detectors()
                .filter(|detector| !matches!(detector.class, Class::IpAddress | Class::MacAddress))
                .copied()
                .collect(),
            style: Style::Label,
            encodings: true,
            known: KnownSecrets::default(),
        }
    }
}

impl Options {
    /// Only detectors and classes with these names. An error if one is neither.
    pub fn only(mut self, names: &[&str]) -> Result<Self, EngineError> {
        let known =
            |name: &str| Class::from_name(name).is_some() || table::detectors().any(|detector| detector.name == name);
        if let Some(name) = names.iter().find(|name| !known(name)) {
            return Err(EngineError::UnknownName {
                name: (*name).to_owned(),
            });
        }
        self.detectors = table::detectors()
            .filter(|detector| names.contains(&detector.name) || names.contains(&detector.class.name()))
            .copied()
            .collect();
        Ok(self)
    }
}
