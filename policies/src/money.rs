//! Dollars, as whole millionths: nothing is rounded that was written.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Millionths of a dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub u64);

impl Money {
    const DOLLAR: u64 = 1_000_000;
    /// More is a mistake: a billion dollars.
    const MOST: u64 = 1_000_000_000 * Self::DOLLAR;

    /// Reads `$20`, `$0.05`: at most six digits behind the point.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('$')?;
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || part.len() > 6 {
            return None;
        }
        let whole: u64 = whole.parse().ok()?;
        let part: u64 = format!("{part:0<6}").parse().ok()?;
        let all = whole.checked_mul(Self::DOLLAR)?.checked_add(part)?;
        Some(Self(all)).filter(|all| all.0 <= Self::MOST)
    }
}

/// `$1.50`, and as many digits behind the point as it takes, at least two.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:06}", self.0 % Self::DOLLAR);
        let shown = part.trim_end_matches('0').len().max(2);
        write!(f, "${}.{}", self.0 / Self::DOLLAR, part.get(..shown).unwrap_or(&part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_and_shown_to_the_millionth() {
        for (text, millionths, shown) in [
            ("$20", 20_000_000, "$20.00"),
            ("$0.05", 50_000, "$0.05"),
            ("$0.000001", 1, "$0.000001"),
            ("$1.5", 1_500_000, "$1.50"),
            ("$0", 0, "$0.00"),
        ] {
            assert_eq!(Money::parse(text), Some(Money(millionths)), "{text}");
            assert_eq!(Money(millionths).to_string(), shown);
        }
        for text in [
            "20",
            "$",
            "$-1",
            "$1.",
            "$.5",
            "$1.0000001",
            "$1e3",
            "$1,000",
            "$ 1",
            "$9999999999",
            "€1",
        ] {
            assert_eq!(Money::parse(text), None, "{text}");
        }
    }
}
