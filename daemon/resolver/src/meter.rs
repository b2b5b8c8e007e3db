//! How much an agent may say by asking. A name below a wildcard carries what its labels spell to whoever runs the domain: this
//! bounds it, and does not stop it.

use std::collections::HashMap;
use std::time::Duration;

use aa_policy::HostName;
use aa_wire::AgentId;

use crate::surroundings::Limits;

const MINUTE: Duration = Duration::from_secs(60);

/// Which limit was reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Questions of any name.
    #[error("more than {limit} questions in a minute")]
    Questions {
        /// The limit.
        limit: u32,
    },
    /// Different names below a wildcard.
    #[error("more than {limit} different names below `{below}` in {} s", .window.as_secs())]
    Names {
        /// The name below which they lie.
        below: String,
        /// The limit.
        limit: usize,
        /// The time it is for.
        window: Duration,
    },
    /// Bytes of names below wildcards.
    #[error("more than {limit} bytes of new names below wildcards in a minute")]
    Bytes {
        /// The limit.
        limit: u32,
    },
    /// A single label.
    #[error("a label of {length} bytes below a wildcard, the limit is {limit}")]
    Label {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// How deep a name lies below a wildcard.
    #[error("{count} labels below a wildcard, the limit is {limit}")]
    Labels {
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
}

/// A count that starts anew every minute.
#[derive(Debug, Default)]
struct PerMinute {
    since: Duration,
    count: u32,
}

impl PerMinute {
    /// Adds, unless that would go beyond the limit.
    fn add(&mut self, amount: u32, limit: u32, now: Duration) -> bool {
        if now.saturating_sub(self.since) >= MINUTE {
            *self = Self { since: now, count: 0 };
        }
        let sum = self.count.saturating_add(amount);
        if sum > limit {
            return false;
        }
        self.count = sum;
        true
    }
}

#[derive(Debug, Default)]
struct Account {
    last: Duration,
    questions: PerMinute,
    bytes: PerMinute,
    /// By what they are below, the names asked for and when first.
    names: HashMap<String, HashMap<HostName, Duration>>,
}

/// What a name is counted with: those below the same wildcard, below `*` those with the same last two labels.
fn group_of<'name>(name: &'name HostName, below: &'name str) -> &'name str {
    if below != "*" {
        return below;
    }
    let name = name.as_str();
    let before = name.rmatch_indices('.').nth(1);
    before.and_then(|(place, _)| name.get(place + 1..)).unwrap_or(name)
}

/// What the agents asked lately. `now` is any clock that does not go back.
#[derive(Debug, Default)]
pub struct Meter {
    accounts: HashMap<AgentId, Account>,
}

impl Meter {
    /// Counts a question of any kind.
    pub fn count_question(&mut self, agent: AgentId, limits: &Limits, now: Duration) -> Result<(), TooMuch> {
        let limit = limits.questions_per_minute;
        if self.account(agent, limits, now).questions.add(1, limit, now) {
            Ok(())
        } else {
            Err(TooMuch::Questions { limit })
        }
    }

    /// Counts a name that a wildcard lists. One that was asked for in this window is free.
    pub fn count_name(
        &mut self,
        agent: AgentId,
        name: &HostName,
        below: &str,
        limits: &Limits,
        now: Duration,
    ) -> Result<(), TooMuch> {
        let free = name.as_str().strip_suffix(below).unwrap_or(name.as_str());
        let labels = || free.split('.').filter(|label| !label.is_empty());
        let longest = labels().map(str::len).max().unwrap_or(0);
        if longest > limits.max_wild_label {
            return Err(TooMuch::Label {
                length: longest,
                limit: limits.max_wild_label,
            });
        }
        if labels().count() > limits.max_wild_labels {
            return Err(TooMuch::Labels {
                count: labels().count(),
                limit: limits.max_wild_labels,
            });
        }
        let fresh = |first: &Duration| now.saturating_sub(*first) < limits.window;
        let group = group_of(name, below);
        let account = self.account(agent, limits, now);
        let known = account.names.get(group).and_then(|names| names.get(name));
        if known.is_some_and(fresh) {
            return Ok(());
        }
        account.names.retain(|_, names| {
            names.retain(|_, first| fresh(first));
            !names.is_empty()
        });
        if account.names.get(group).map_or(0, HashMap::len) >= limits.names_per_window {
            return Err(TooMuch::Names {
                below: group.to_owned(),
                limit: limits.names_per_window,
                window: limits.window,
            });
        }
        let bytes = u32::try_from(free.len()).unwrap_or(u32::MAX);
        if !account.bytes.add(bytes, limits.bytes_per_minute, now) {
            return Err(TooMuch::Bytes {
                limit: limits.bytes_per_minute,
            });
        }
        let names = account.names.entry(group.to_owned()).or_default();
        names.insert(name.clone(), now);
        Ok(())
    }

    /// How many agents are counted.
    pub fn agents(&self) -> usize {
        self.accounts.len()
    }

    fn account(&mut self, agent: AgentId, limits: &Limits, now: Duration) -> &mut Account {
        if !self.accounts.contains_key(&agent) && self.accounts.len() >= limits.max_agents {
            let silent = self.accounts.iter().min_by_key(|(_, account)| account.last);
            if let Some(silent) = silent.map(|(agent, _)| *agent) {
                self.accounts.remove(&silent);
            }
        }
        let account = self.accounts.entry(agent).or_default();
        account.last = now;
        account
    }
}
