//! What a row of the table of formats says.

use crate::charset::Charset;
use crate::person::Recognise;
use crate::text::Text;

/// What sort of thing a detector finds; policies switch by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// A token, key or password.
    Secret,
    /// Private key material.
    PrivateKey,
    /// A credential in a URL or connection string.
    ConnectionString,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// An IBAN.
    BankAccount,
    /// The number of a payment card.
    Card,
    /// A number a country gives to a person.
    NationalId,
    /// An IP address.
    IpAddress,
    /// The address of a network card.
    MacAddress,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Secret,
        Self::PrivateKey,
        Self::ConnectionString,
        Self::Email,
        Self::Phone,
        Self::BankAccount,
        Self::Card,
        Self::NationalId,
        Self::IpAddress,
        Self::MacAddress,
    ];

    /// As policies and findings write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::PrivateKey => "private-key",
            Self::ConnectionString => "connection-string",
            Self::Email => "pii.email",
            Self::Phone => "pii.phone",
            Self::BankAccount => "pii.iban",
            Self::Card => "pii.card",
            Self::NationalId => "pii.national-id",
            Self::IpAddress => "pii.ip",
            Self::MacAddress => "pii.mac",
        }
    }

    /// The class of a name, if it is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether it is about a person.
    #[must_use]
    pub fn is_personal(self) -> bool {
        self.name().starts_with("pii.")
    }
}

/// How sure it is that a finding is what it says. Never decides whether it is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// The name beside it says so.
    Low,
    /// Its form says so; or a checksum the format has is wrong.
    Medium,
    /// Its form can hardly be anything else, or its checksum is right.
    High,
}

impl Confidence {
    /// As findings write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a leak of it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Publishable or narrowly scoped.
    Low,
    /// Reads or writes something that belongs to one service.
    Medium,
    /// Acts as the account.
    High,
    /// Acts as the organisation, or cannot be revoked.
    Critical,
}

/// The place of a detector in its engine's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DetectorId(pub(crate) u16);

/// Where a literal of a detector stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What a verifier found at a hit. Positions are in its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) confidence: Confidence,
    /// It was followed to its bound only: everything of this set that follows is part of it.
    pub(crate) rest: Option<&'static Charset>,
}

impl Found {
    pub(crate) fn new(start: usize, end: usize, confidence: Confidence) -> Self {
        Self {
            start,
            end,
            confidence,
            rest: None,
        }
    }
}

/// What a verifier says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    /// Nothing here.
    Clean,
    /// It takes bytes that are not here yet to tell. Never said of a text that is the last.
    More,
    /// Something to hide.
    Hide(Found),
}

pub(crate) type Verify = fn(&Text<'_>, Hit) -> Verdict;
/// Makes an example from random numbers; the table's tests use it, so that no example stands in the source.
pub(crate) type Sample = fn(&mut crate::sample::Seed) -> String;

/// A checksum of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    None,
    /// The last six characters are the CRC-32 of the rest of the body in base 62 (GitHub 2021, npm 2021).
    Base62Crc32,
}

/// How a value is recognised at a literal.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// The literal, then at least `min` characters of `body`; all of the run is hidden, however long.
    Token {
        body: &'static Charset,
        min: usize,
        checksum: Checksum,
        /// Characters of `body` that stand before the literal and belong to it.
        lead: usize,
    },
    /// A value of `min..=max` characters of `body` that is assigned to, or quoted beside, a name with the literal in it.
    Near {
        body: &'static Charset,
        min: usize,
        max: usize,
    },
    /// Whatever is assigned to a name that ends in the literal.
    Assigned(Assigned),
    /// A form of its own.
    Special { verify: Verify, sample: Sample },
    /// A number of a person, looked for at runs of digits.
    Number { recognise: Recognise, sample: Sample },
    /// An address, looked for at what separates its parts.
    Part { verify: Verify, sample: Sample },
}

/// How a value must look to be taken for the one its name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assigned {
    /// A password: anything but a placeholder, a word of the language, or code.
    Password,
    /// A key or token: no spaces, a digit or mixed case, and not too regular.
    Key,
}

/// A row: one format.
#[derive(Clone, Copy)]
pub struct Detector {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) literals: &'static [&'static str],
    /// Literals match in any case.
    pub(crate) fold: bool,
    /// It is looked for at every `@` too.
    pub(crate) at_sign: bool,
    pub(crate) shape: Shape,
    /// One of these words must stand in the 160 bytes before, if there are any.
    pub(crate) context: &'static [&'static str],
    pub(crate) risk: Risk,
    pub(crate) source: &'static str,
}

impl Detector {
    /// What findings and replacements call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What sort of thing it finds.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// What a leak costs.
    #[must_use]
    pub fn risk(&self) -> Risk {
        self.risk
    }

    /// Who documents the format.
    #[must_use]
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// Whose name wins where several find the same: what a literal gives away over what a name suggests.
    pub(crate) fn priority(&self) -> u8 {
        match self.shape {
            _ if self.risk == Risk::Critical && self.literals.is_empty() && self.class == Class::Secret => 6,
            Shape::Token { .. } => 5,
            Shape::Special { .. } if !self.class.is_personal() => 4,
            Shape::Near { .. } => 3,
            Shape::Assigned(_) => 2,
            Shape::Special { .. } | Shape::Number { .. } | Shape::Part { .. } => 1,
        }
    }

    /// A token that begins with a literal: a row of one's own.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use aa_redact::{Charset, Detector, Engine, Options, Redactor};
    ///
    /// # fn main() -> Result<(), aa_redact::EngineError> {
    /// static BODY: Charset = Charset::of("A-Za-z0-9");
    /// let mut options = Options::default();
    /// options.detectors.push(Detector::token("shop-key", &["shop_"], &BODY, 12, "https://shop.example/docs"));
    /// let mut stream = Redactor::new(&Arc::new(Engine::new(&options)?));
    /// let mut output = stream.push(b"use shop_q8Zk2mPwT4xR now").to_vec();
    /// output.extend_from_slice(stream.finish());
    /// assert_eq!(output, b"use [REDACTED:shop-key] now");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn token(
        name: &'static str,
        literals: &'static [&'static str],
        body: &'static Charset,
        min: usize,
        source: &'static str,
    ) -> Self {
        Self {
            name,
            class: Class::Secret,
            literals,
            fold: false,
            at_sign: false,
            shape: Shape::Token {
                body,
                min,
                checksum: Checksum::None,
                lead: 0,
            },
            context: &[],
            risk: Risk::High,
            source,
        }
    }

    /// A value of a known form that is assigned to a name of a provider.
    #[must_use]
    pub const fn near(
        name: &'static str,
        literals: &'static [&'static str],
        body: &'static Charset,
        (min, max): (usize, usize),
        source: &'static str,
    ) -> Self {
        Self {
            fold: true,
            shape: Shape::Near { body, min, max },
            ..Self::token(name, literals, body, min, source)
        }
    }

    pub(crate) const fn assigned(
        name: &'static str,
        literals: &'static [&'static str],
        kind: Assigned,
        source: &'static str,
    ) -> Self {
        Self {
            fold: true,
            shape: Shape::Assigned(kind),
            ..Self::token(name, literals, &crate::charset::WORD, 0, source)
        }
    }

    pub(crate) const fn special(
        name: &'static str,
        class: Class,
        literals: &'static [&'static str],
        verify: Verify,
        sample: Sample,
        source: &'static str,
    ) -> Self {
        Self {
            class,
            shape: Shape::Special { verify, sample },
            ..Self::token(name, literals, &crate::charset::WORD, 0, source)
        }
    }

    pub(crate) const fn number(
        name: &'static str,
        class: Class,
        recognise: Recognise,
        sample: Sample,
        source: &'static str,
    ) -> Self {
        Self {
            class,
            shape: Shape::Number { recognise, sample },
            ..Self::token(name, &[], &crate::charset::WORD, 0, source)
        }
    }

    pub(crate) const fn part(
        name: &'static str,
        class: Class,
        verify: Verify,
        sample: Sample,
        source: &'static str,
    ) -> Self {
        Self {
            class,
            shape: Shape::Part { verify, sample },
            ..Self::token(name, &[], &crate::charset::WORD, 0, source)
        }
    }

    /// With what a leak costs, where it is not [`Risk::High`].
    #[must_use]
    pub const fn risk_is(mut self, risk: Risk) -> Self {
        self.risk = risk;
        self
    }

    /// Only where one of these words (in lower case) stands shortly before.
    #[must_use]
    pub const fn after(mut self, words: &'static [&'static str]) -> Self {
        self.context = words;
        self
    }

    pub(crate) const fn at_sign(mut self) -> Self {
        self.at_sign = true;
        self
    }

    pub(crate) const fn any_case(mut self) -> Self {
        self.fold = true;
        self
    }

    pub(crate) const fn checked(mut self, sum: Checksum) -> Self {
        if let Shape::Token { checksum, .. } = &mut self.shape {
            *checksum = sum;
        }
        self
    }

    /// Of a token with so many characters before its literal.
    pub(crate) const fn behind(mut self, count: usize) -> Self {
        if let Shape::Token { lead, .. } = &mut self.shape {
            *lead = count;
        }
        self
    }
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector")
            .field("name", &self.name)
            .field("class", &self.class)
            .field("risk", &self.risk)
            .finish_non_exhaustive()
    }
}
