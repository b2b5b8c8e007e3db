//! Random values of a form, from a seed: examples for tests and corpora, so that none stands in the source.

use crate::charset::Charset;
use crate::detector::{Checksum, Detector, Shape};

/// A generator of numbers: SplitMix64 (Steele, Lea, Flood 2014). Not for keys.
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() >> 11)
            .unwrap_or(0)
            .checked_rem(bound)
            .unwrap_or(0)
    }

    /// One of them; `None` of none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// So many characters of a set.
    pub fn text(&mut self, of: &Charset, count: usize) -> String {
        let members: Vec<u8> = of.members().filter(u8::is_ascii).collect();
        (0..count)
            .filter_map(|_| self.pick(&members).map(|byte| char::from(*byte)))
            .collect()
    }
}

impl Detector {
    /// A value in a place where this detector finds it. The value itself is what is hidden, or a part of it.
    #[must_use]
    pub fn sample(&self, seed: &mut Seed) -> String {
        let literal = seed.pick(self.literals).copied().unwrap_or_default();
        let sample = match self.shape {
            Shape::Token {
                body,
                min,
                checksum,
                lead,
            } => {
                let lead = mixed(seed, lead);
                let extra = seed.below(4);
                let body = body_of(seed, body, min + extra);
                match checksum {
                    Checksum::None => format!("{lead}{literal}{body}"),
                    Checksum::Base62Crc32 => {
                        let body = body.get(..30).unwrap_or(&body);
                        format!(
                            "{literal}{body}{}",
                            crate::verify::checksum::base62_crc32(body.as_bytes())
                        )
                    }
                }
            }
            Shape::Near { body, min, max } => {
                let count = min + seed.below((max - min).min(8) + 1);
                let upper = literal.to_ascii_uppercase().replace(['-', '.', ' '], "_");
                format!("{upper}_API_KEY={}", near_body(seed, body, count))
            }
            Shape::Assigned(_) => format!("\"{literal}\": \"{}\"", mixed(seed, 24)),
            Shape::Special { sample, .. } | Shape::Number { sample, .. } | Shape::Part { sample, .. } => sample(seed),
        };
        match self.context.first() {
            // Of numbers, those that need the word have it in their sample.
            Some(word) if !matches!(self.shape, Shape::Number { .. }) => format!("{word} {sample}"),
            _ => sample,
        }
    }
}

/// Like a random string, and sure to have a digit and, where the set has them, letters; not ending in a character that may be trimmed.
pub(crate) fn body_of(seed: &mut Seed, set: &Charset, count: usize) -> String {
    loop {
        let text = seed.text(set, count);
        let bytes = text.as_bytes();
        let letters = crate::charset::ALNUM
            .members()
            .any(|byte| byte.is_ascii_alphabetic() && set.has(byte));
        let good = bytes.iter().any(u8::is_ascii_digit)
            && (!letters || bytes.iter().any(u8::is_ascii_alphabetic))
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.first().is_some_and(u8::is_ascii_alphanumeric);
        if good || count < 4 {
            return text;
        }
    }
}

fn near_body(seed: &mut Seed, set: &Charset, count: usize) -> String {
    if std::ptr::eq(set, &raw const crate::charset::UUID) {
        return uuid(seed);
    }
    body_of(seed, set, count)
}

/// A random UUID.
pub(crate) fn uuid(seed: &mut Seed) -> String {
    let hex = seed.text(&Charset::of("0-9a-f"), 32);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-4{}-a{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

/// Letters of both cases and digits, of each at least one.
pub(crate) fn mixed(seed: &mut Seed, count: usize) -> String {
    loop {
        let text = seed.text(&crate::charset::ALNUM, count);
        let has = |test: fn(&u8) -> bool| text.as_bytes().iter().any(test);
        if count < 6 || (has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)) {
            return text;
        }
    }
}
