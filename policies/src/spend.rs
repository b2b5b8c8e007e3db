//! `spend`: how much of a model's time may be used in which span of time.

use std::fmt;
use std::time::SystemTime;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::policy::Policy;
use crate::rule::{Pattern, Rule};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpendUnit {
    /// Millionths of a dollar.
    MicroDollars,
    /// Of input and output alike, whether from a cache or not.
    Tokens,
    /// Of models.
    Calls,
}

impl SpendUnit {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::MicroDollars, Self::Tokens, Self::Calls];

    /// A name for records and interfaces.
    pub fn code(self) -> &'static str {
        match self {
            Self::MicroDollars => "micro-dollars",
            Self::Tokens => "tokens",
            Self::Calls => "calls",
        }
    }

    /// So many of it, for people.
    pub fn show(self, count: u64) -> String {
        match self {
            Self::MicroDollars => Money(count).to_string(),
            Self::Tokens => format!("{count} tokens"),
            Self::Calls => format!("{count} calls"),
        }
    }
}

/// In which span of time. All but a session's begin by the calendar of the policy's zone, and a week on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpendWindow {
    /// As long as one run of an agent.
    Session,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
}

impl SpendWindow {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Session, Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The word in policies.
    pub fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.word() == word)
    }

    /// When the span that this time lies in began; `None` for a session, whose beginning no calendar tells, and where no calendar reaches.
    pub fn begins(self, at: SystemTime, zone: &TimeZone) -> Option<SystemTime> {
        self.edges(at, zone).map(|(begin, _)| begin)
    }

    /// When the next one begins.
    pub fn ends(self, at: SystemTime, zone: &TimeZone) -> Option<SystemTime> {
        self.edges(at, zone).map(|(_, end)| end)
    }

    fn edges(self, at: SystemTime, zone: &TimeZone) -> Option<(SystemTime, SystemTime)> {
        let now = Timestamp::try_from(at).ok()?;
        let local = zone.to_datetime(now);
        let midnight = |date: Date| -> Option<SystemTime> {
            let begin = date.to_datetime(Time::midnight()).to_zoned(zone.clone()).ok()?;
            Some(begin.timestamp().into())
        };
        let date = local.date();
        let (begin, next) = match self {
            Self::Session => return None,
            // An hour that the clock shows twice is two.
            Self::Hour => {
                let past = i64::from(local.minute()) * 60 + i64::from(local.second());
                let begin = Timestamp::from_second(now.as_second().checked_sub(past)?).ok()?;
                return Some((begin.into(), begin.checked_add(1.hour()).ok()?.into()));
            }
            Self::Day => (date, date.tomorrow().ok()?),
            Self::Week => {
                let past = i64::from(date.weekday().since(Weekday::Monday));
                let monday = date.checked_sub(past.days()).ok()?;
                (monday, monday.checked_add(7.days()).ok()?)
            }
            Self::Month => (date.first_of_month(), date.last_of_month().tomorrow().ok()?),
        };
        Some((midnight(begin)?, midnight(next)?))
    }
}

/// So much and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpendLimit {
    /// Of what.
    pub unit: SpendUnit,
    /// In which span.
    pub window: SpendWindow,
    /// How much; 0 lets nothing happen.
    pub most: u64,
}

/// `$20.00 a day`
impl fmt::Display for SpendLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = if self.window == SpendWindow::Hour { "an" } else { "a" };
        write!(f, "{} {article} {}", self.unit.show(self.most), self.window.word())
    }
}

/// What a policy's limits have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// By whose calendar days begin.
    pub zone: TimeZone,
    /// Of which parts of a limit people are told when they are used up, per cent, rising.
    pub warn: Vec<u8>,
}

impl Policy {
    /// What its limits have in common; `None` if it has no `spend`.
    pub fn spending(&self) -> Option<&Spending> {
        self.spending.as_ref()
    }

    /// What may be used, and the rule that says so.
    pub fn spend_limits(&self) -> impl Iterator<Item = (SpendLimit, &Rule)> {
        self.rules.iter().filter_map(|rule| match rule.pattern {
            Pattern::Spend(limit) => Some((limit, rule)),
            _ => None,
        })
    }
}

/// Reads `2M`, `500k`, `1500`.
pub(crate) fn parse_count(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['k', 'M', 'G']);
    let factor: u64 = match text.strip_prefix(digits)? {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return None,
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = plain.then(|| digits.parse().ok()).flatten()?;
    count
        .checked_mul(factor)
        .filter(|count| *count <= 1_000_000_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        text.parse::<jiff::Zoned>().unwrap().timestamp().into()
    }

    #[test]
    fn spans_begin_and_end_by_the_calendar_of_the_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let now = at("2026-11-25T14:35:10[Europe/Berlin]"); // a Wednesday
        for (window, begins, ends) in [
            (SpendWindow::Hour, "2026-11-25T14:00:00", "2026-11-25T15:00:00"),
            (SpendWindow::Day, "2026-11-25T00:00:00", "2026-11-26T00:00:00"),
            (SpendWindow::Week, "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
            (SpendWindow::Month, "2026-11-01T00:00:00", "2026-12-01T00:00:00"),
        ] {
            let berlin_at = |text: &str| Some(at(&format!("{text}[Europe/Berlin]")));
            assert_eq!(window.begins(now, &berlin), berlin_at(begins), "{window:?}");
            assert_eq!(window.ends(now, &berlin), berlin_at(ends), "{window:?}");
        }
        assert_eq!(SpendWindow::Session.begins(now, &berlin), None);
        // Half past four in Kolkata, whose hours begin at half past ours.
        let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
        let begins = SpendWindow::Hour.begins(at("2026-11-25T11:05:00[UTC]"), &kolkata);
        assert_eq!(begins, Some(at("2026-11-25T10:30:00[UTC]")));
    }

    #[test]
    fn a_day_of_changed_clocks_is_as_long_as_it_is() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let length = |day: &str| {
            let noon = at(&format!("{day}T12:00:00[Europe/Berlin]"));
            let [begin, end] = [
                SpendWindow::Day.begins(noon, &berlin),
                SpendWindow::Day.ends(noon, &berlin),
            ];
            end.unwrap().duration_since(begin.unwrap()).unwrap().as_secs() / 3600
        };
        assert_eq!(
            (length("2026-10-25"), length("2026-03-29"), length("2026-11-25")),
            (25, 23, 24)
        );
        // 02:30 comes twice: two hours of an hour each.
        let [first, second] = ["2026-10-25T00:30:00[UTC]", "2026-10-25T01:30:00[UTC]"].map(at);
        let [first, second] = [first, second].map(|at| SpendWindow::Hour.begins(at, &berlin).unwrap());
        assert_eq!(second.duration_since(first).unwrap().as_secs(), 3600);
    }

    #[test]
    fn counts_have_units() {
        for (text, count) in [
            ("0", 0),
            ("1500", 1500),
            ("500k", 500_000),
            ("2M", 2_000_000),
            ("1G", 1_000_000_000),
        ] {
            assert_eq!(parse_count(text), Some(count), "{text}");
        }
        for text in [
            "",
            "k",
            "2m",
            "-1",
            "1.5M",
            "2MM",
            "2 M",
            "99999999999999999999",
            "9999999G",
        ] {
            assert_eq!(parse_count(text), None, "{text}");
        }
    }
}
