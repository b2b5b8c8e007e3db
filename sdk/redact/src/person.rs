//! Personal data. It has no literals, so it is looked for where an `@` stands, or three digits, or what separates the parts of an address.
//!
//! The formats have no mark of their own either: a checksum or the word beside it makes the difference to any other number. Where the word
//! stands there, a wrong checksum does not save the number from being hidden.

pub(crate) mod address;
pub(crate) mod bank;
pub(crate) mod card;
pub(crate) mod email;
pub(crate) mod national;
pub(crate) mod number;
pub(crate) mod phone;
pub(crate) mod samples;

use number::Number;

/// What a number was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// It is what it seems without a word that says so.
    pub(crate) sure: bool,
}

impl Match {
    pub(crate) fn sure((start, end): (usize, usize)) -> Self {
        Self { start, end, sure: true }
    }

    pub(crate) fn named((start, end): (usize, usize)) -> Self {
        Self {
            start,
            end,
            sure: false,
        }
    }
}

pub(crate) type Recognise = fn(&Number<'_>) -> Option<Match>;
