//! Sets of characters, built when the program is compiled.

/// A set of bytes.
pub struct Charset([bool; 256]);

impl Charset {
    /// From a list as in a regular expression's brackets: `A-Za-z0-9_-`. A hyphen stands for itself at either end.
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "evaluated when the program is compiled")]
    pub const fn of(list: &str) -> Self {
        let from = list.as_bytes();
        let mut members = [false; 256];
        let mut at = 0;
        while at < from.len() {
            let range = at + 2 < from.len() && from[at + 1] == b'-';
            let end = if range { from[at + 2] } else { from[at] };
            let mut byte = from[at];
            while byte < end {
                members[byte as usize] = true;
                byte += 1;
            }
            members[end as usize] = true;
            at += if range { 3 } else { 1 };
        }
        Self(members)
    }

    /// Every byte that is not in a list as [`Charset::of`] takes it.
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "evaluated when the program is compiled")]
    pub const fn except(list: &str) -> Self {
        let Self(mut members) = Self::of(list);
        let mut at = 0;
        while at < members.len() {
            members[at] = !members[at];
            at += 1;
        }
        Self(members)
    }

    /// Whether it is in the set.
    #[inline]
    #[must_use]
    pub fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }

    /// Its members in order.
    pub fn members(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|byte| self.has(*byte))
    }
}

impl std::fmt::Debug for Charset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Charset({})", self.members().count())
    }
}

pub(crate) static DIGIT: Charset = Charset::of("0-9");
pub(crate) static HEX: Charset = Charset::of("0-9a-fA-F");
pub(crate) static UUID: Charset = Charset::of("0-9a-fA-F-");
pub(crate) static ALNUM: Charset = Charset::of("A-Za-z0-9");
pub(crate) static LOWER: Charset = Charset::of("a-z0-9");
pub(crate) static UPPER: Charset = Charset::of("A-Z0-9");
/// Letters, digits, `_` and `-`: base64url, and most tokens.
pub(crate) static WORD: Charset = Charset::of("A-Za-z0-9_-");
/// [`WORD`] with dots: tokens of several parts.
pub(crate) static DOTTED: Charset = Charset::of("A-Za-z0-9._-");
pub(crate) static BASE64: Charset = Charset::of("A-Za-z0-9+/=");
pub(crate) static BASE64_ANY: Charset = Charset::of("A-Za-z0-9+/=_-");
/// Everything that stands in bearer tokens (RFC 6750 `b64token`).
pub(crate) static BEARER: Charset = Charset::of("A-Za-z0-9._~+/=-");
/// [`BEARER`] with what separates parts of composite tokens.
pub(crate) static COMPOSITE: Charset = Charset::of("A-Za-z0-9._~+/=:|!-");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_single_characters_and_hyphens_are_read_as_in_brackets() {
        let set = Charset::of("a-c_9-");
        let members: Vec<u8> = set.members().collect();
        assert_eq!(members, b"-9_abc");
        assert_eq!(ALNUM.members().count(), 62);
        assert_eq!(WORD.members().count(), 64);
    }
}
