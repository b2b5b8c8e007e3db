//! The bindings that agents have now: a reload makes them anew.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use aa_policy::HostName;
use aa_wire::AgentId;

/// Of each agent; beyond that the oldest is forgotten, and ends with the next reload.
const REMEMBERED: usize = 1_024;

/// One name's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    /// The request that made it last.
    pub(crate) id: u64,
    pub(crate) name: HostName,
    pub(crate) addresses: Vec<IpAddr>,
    /// When it expires.
    pub(crate) until: Duration,
}

/// By agent.
#[derive(Debug, Default)]
pub(crate) struct LiveBindings(HashMap<AgentId, VecDeque<Live>>);

impl LiveBindings {
    /// Remembers one that is about to be made: a reload meanwhile must not miss it.
    pub(crate) fn remember(&mut self, agent: AgentId, live: Live, now: Duration) {
        let all = self.0.entry(agent).or_default();
        all.retain(|one| one.until > now);
        if all.len() >= REMEMBERED {
            all.pop_front();
        }
        all.push_back(live);
    }

    /// It is in the kernel: the earlier ones of the same name and addresses that end before are within it.
    pub(crate) fn made(&mut self, agent: AgentId, id: u64) {
        let Some(all) = self.0.get_mut(&agent) else {
            return;
        };
        if let Some(made) = all.iter().find(|one| one.id == id).cloned() {
            all.retain(|one| {
                one.id == id || one.name != made.name || one.addresses != made.addresses || one.until > made.until
            });
        }
    }

    /// It could not be made.
    pub(crate) fn forget(&mut self, agent: AgentId, id: u64) {
        if let Some(all) = self.0.get_mut(&agent) {
            all.retain(|one| one.id != id);
        }
    }

    /// Takes all out that an agent has.
    pub(crate) fn take(&mut self, agent: AgentId, now: Duration) -> Vec<Live> {
        let all = self.0.remove(&agent).unwrap_or_default();
        all.into_iter().filter(|one| one.until > now).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: AgentId = AgentId(1);

    fn live(id: u64, name: &str, until_s: u64) -> Live {
        Live {
            id,
            name: HostName::parse(name).unwrap(),
            addresses: vec!["1.2.3.4".parse().unwrap()],
            until: Duration::from_secs(until_s),
        }
    }

    fn ids(bindings: &mut LiveBindings, now_s: u64) -> Vec<u64> {
        let all = bindings.take(AGENT, Duration::from_secs(now_s));
        all.into_iter().map(|one| one.id).collect()
    }

    #[test]
    fn a_binding_made_again_is_remembered_once_and_one_that_failed_leaves_the_earlier() {
        let mut bindings = LiveBindings::default();
        for (id, name) in [(1, "a.test"), (2, "a.test"), (3, "b.test"), (4, "b.test")] {
            bindings.remember(AGENT, live(id, name, 100 + id), Duration::ZERO);
        }
        bindings.made(AGENT, 2);
        bindings.forget(AGENT, 4);
        assert_eq!(ids(&mut bindings, 0), [2, 3]);
        assert!(ids(&mut bindings, 0).is_empty());
    }

    #[test]
    fn expired_ones_and_the_oldest_of_too_many_are_forgotten() {
        let mut bindings = LiveBindings::default();
        bindings.remember(AGENT, live(1, "a.test", 10), Duration::ZERO);
        bindings.remember(AGENT, live(2, "a.test", 20), Duration::ZERO);
        assert_eq!(ids(&mut bindings, 10), [2]);
        for id in 0..=REMEMBERED as u64 {
            bindings.remember(AGENT, live(id, "a.test", 30), Duration::ZERO);
        }
        let left = ids(&mut bindings, 10);
        assert_eq!((left.len(), left[0]), (REMEMBERED, 1));
    }
}
