use std::fmt;

/// Why what is said of an exchange may not be all, or not be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doubt {
    /// Bytes of it were lost on the way to us.
    Gap,
    /// The connection or the stream ended before it did.
    CutShort,
    /// It began before we listened, or refers to what was said then.
    OlderThanUs,
    /// It is not as its protocol has it; others may read it differently.
    Malformed,
    /// Its length is told in more than one way (RFC 9112, 6.3), or its lines end or continue as they should not: two readers may see
    /// different messages.
    Ambiguous,
    /// More than [`crate::Limits`] let be looked at.
    Oversized,
    /// More exchanges at a time than [`crate::Limits::exchanges`]: this one was given up.
    Crowded,
    /// A content coding that nobody here knows. The body was given as it came.
    UnknownCoding,
    /// It cannot be decoded as its content coding has it. From there on the body was given as it came.
    Undecodable,
    /// It unpacks to more than [`crate::Limits`] allow. What is behind that was not looked at.
    Expansion,
    /// Looks like JSON and is none that can be read to its end.
    BadJson,
}

/// All there are, in the order of their bits.
const ALL: [Doubt; 11] = [
    Doubt::Gap,
    Doubt::CutShort,
    Doubt::OlderThanUs,
    Doubt::Malformed,
    Doubt::Ambiguous,
    Doubt::Oversized,
    Doubt::Crowded,
    Doubt::UnknownCoding,
    Doubt::Undecodable,
    Doubt::Expansion,
    Doubt::BadJson,
];

impl Doubt {
    /// A name for records and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::CutShort => "cut-short",
            Self::OlderThanUs => "older-than-us",
            Self::Malformed => "malformed",
            Self::Ambiguous => "ambiguous",
            Self::Oversized => "oversized",
            Self::Crowded => "crowded",
            Self::UnknownCoding => "unknown-coding",
            Self::Undecodable => "undecodable",
            Self::Expansion => "expansion",
            Self::BadJson => "bad-json",
        }
    }
}

/// A set of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Doubts(u16);

impl Doubts {
    pub(crate) fn add(&mut self, doubt: Doubt) {
        self.0 |= 1 << doubt as u16;
    }

    pub(crate) fn join(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Whether this one is among them.
    pub fn contains(self, doubt: Doubt) -> bool {
        self.0 & 1 << doubt as u16 != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Doubt> {
        ALL.into_iter().filter(move |doubt| self.contains(*doubt))
    }
}

impl fmt::Debug for Doubts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
