//! `rate`: what an agent may only do so often, as token buckets.

use crate::action::Action;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Kinds of action that can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateClass {
    /// Connecting, and sending datagrams to another address than the last.
    Connect,
    /// Running a program.
    Exec,
    /// Starting a process or a thread.
    Fork,
    /// Making a file, directory or link.
    Create,
    /// Renaming.
    Rename,
    /// Removing a file or directory.
    Unlink,
}

impl RateClass {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Connect,
        Self::Exec,
        Self::Fork,
        Self::Create,
        Self::Rename,
        Self::Unlink,
    ];

    /// The word in policies.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Exec => "exec",
            Self::Fork => "fork",
            Self::Create => "create",
            Self::Rename => "rename",
            Self::Unlink => "unlink",
        }
    }

    /// Reads the word.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// Which rate counts an action, if one does. A write may be any of several: it is told as none.
    pub(crate) fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Connect { .. } | Action::ConnectHost { .. } | Action::ConnectBound { .. } => Some(Self::Connect),
            Action::Exec(_) => Some(Self::Exec),
            Action::Rename { .. } => Some(Self::Rename),
            Action::Link { .. } => Some(Self::Create),
            _ => None,
        }
    }
}

/// So many at once, and as many again spread evenly over each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RateLimit {
    /// What is counted.
    pub class: RateClass,
    /// How many, from 1 on.
    pub count: u32,
    /// In which time.
    pub period: Duration,
}

/// The longest period: a bucket is kept in nanoseconds of boot time.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

impl RateLimit {
    /// Reads `50/10s`, `100/s`, `2000/h`. `None` if it is not that, or not within 1 to 1,000,000 in at most a week.
    pub(crate) fn parse(class: RateClass, text: &str) -> Option<Self> {
        let (count, period) = text.split_once('/')?;
        let digits = period.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = period.split_at_checked(digits)?;
        let number: u64 = if number.is_empty() { 1 } else { number.parse().ok()? };
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(86_400),
            _ => return None,
        };
        let period = unit.checked_mul(u32::try_from(number).ok()?)?;
        let count: u32 = count.parse().ok()?;
        let sensible = (1..=1_000_000).contains(&count) && !period.is_zero() && period <= LONGEST;
        sensible.then_some(Self { class, count, period })
    }

    /// Nanoseconds after which one more may be done. At least 1: 0 would be no limit at all.
    pub fn interval_ns(&self) -> u64 {
        let period = u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX);
        (period / u64::from(self.count)).max(1)
    }

    /// How far ahead of its time a full bucket lets one be, nanoseconds.
    pub fn burst_ns(&self) -> u64 {
        self.interval_ns().saturating_mul(u64::from(self.count) - 1)
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.period.as_millis();
        let units = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1000, "s"),
            (1, "ms"),
        ];
        let (size, unit) = units
            .into_iter()
            .find(|(size, _)| ms.is_multiple_of(*size))
            .unwrap_or((1, "ms"));
        write!(f, "{}/", self.count)?;
        match ms / size {
            1 => f.write_str(unit),
            number => write!(f, "{number}{unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &str) -> Option<RateLimit> {
        RateLimit::parse(RateClass::Unlink, text)
    }

    #[test]
    fn a_rate_is_a_count_and_a_time() {
        let fifty = limit("50/10s").unwrap();
        assert_eq!((fifty.interval_ns(), fifty.burst_ns()), (200_000_000, 9_800_000_000));
        assert_eq!(limit("100/s").unwrap().period, Duration::from_secs(1));
        assert_eq!(
            (
                limit("1/s").unwrap().burst_ns(),
                limit("1000000/ms").unwrap().interval_ns()
            ),
            (0, 1)
        );
        for text in ["50/10s", "100/s", "3/1500ms", "2000/h", "7/7d"] {
            assert_eq!(limit(text).unwrap().to_string(), text);
        }
        assert_eq!(limit("60/60s").unwrap().to_string(), "60/m");
    }

    #[test]
    fn what_is_no_rate_is_none() {
        for text in [
            "",
            "50",
            "0/s",
            "/s",
            "5/",
            "5/0s",
            "5/8d",
            "5/s2",
            "-1/s",
            "5 / s",
            "1000001/s",
            "5/99999999999s",
            "5/1.5s",
        ] {
            assert_eq!(limit(text), None, "{text}");
        }
    }
}
