//! What is counted, for whom, and since when.

use std::time::{Duration, SystemTime};

use aa_policy::SpendUnit;
use serde::{Deserialize, Serialize};

const SECONDS_OF_A_QUARTER: u64 = 15 * 60;

/// What calls used, or may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// Millionths of a dollar.
    pub micro_dollars: u64,
    /// Of input and output alike.
    pub tokens: u64,
    /// Of models.
    pub calls: u64,
}

impl Amount {
    /// How much of a unit it is.
    pub fn of(self, unit: SpendUnit) -> u64 {
        match unit {
            SpendUnit::MicroDollars => self.micro_dollars,
            SpendUnit::Tokens => self.tokens,
            SpendUnit::Calls => self.calls,
        }
    }

    /// Both; `u64::MAX` where that is more than fits.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    /// What is left without the other; zero where nothing is.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.each(other, u64::saturating_sub)
    }

    fn each(self, other: Self, join: fn(u64, u64) -> u64) -> Self {
        Self {
            micro_dollars: join(self.micro_dollars, other.micro_dollars),
            tokens: join(self.tokens, other.tokens),
            calls: join(self.calls, other.calls),
        }
    }
}

/// Who spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account<'a> {
    /// Whose limits these are, by name.
    pub policy: &'a str,
    /// One run of an agent.
    pub session: u64,
}

/// Since when a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// All that this session spent; other sessions do not count.
    Session,
    /// All that all sessions of the policy spent from the quarter of an hour on in which this time lies. There is no
    /// upper end, so that a clock that was set back still counts what is now in its future.
    Since(SystemTime),
}

/// How much may be spent in a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Since when it counts.
    pub span: Span,
    /// What it counts.
    pub unit: SpendUnit,
    /// Spent and reserved together never exceed it.
    pub most: u64,
}

/// How much of a cap's unit is used in its span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Charged.
    pub spent: u64,
    /// In open reservations; those of the policy, or of the session alone if the cap is a session's.
    pub reserved: u64,
}

impl Use {
    /// Whether a cap has room for so much more.
    pub(crate) fn leaves_room(self, more: u64, most: u64) -> bool {
        u128::from(self.spent) + u128::from(self.reserved) + u128::from(more) <= u128::from(most)
    }
}

/// The quarter of an hour since the Unix epoch in which a time lies; the first for times before.
pub(crate) fn quarter_of(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since_epoch.as_secs() / SECONDS_OF_A_QUARTER
}
