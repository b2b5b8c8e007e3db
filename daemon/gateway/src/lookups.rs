//! What became of questions to the resolver: recorded, and remembered, so that a connection is told with the names that led there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aa_bpf::abi;
use aa_bpf::record::Record;
use aa_policy::{Action, HostName, RuleId};
use aa_wire::event::{AgentRef, Effect, Kind, Object, Reason, Verdict};
use aa_wire::resolver::Looked;
use aa_wire::sensor::Request;
use aa_wire::{AgentId, EscapedBytes, Event, Generation, SessionId, Timestamp};

use crate::describe::{name_or_number, policy_ref, rule_ref};
use crate::gateway::Gateway;

/// Addresses that are remembered with their names. Beyond that all are forgotten: records then name addresses alone.
const ADDRESSES: usize = 65_536;
/// Names of one address; the kernel has room for as many.
const NAMES: usize = abi::AA_BOUND_NAMES as usize;

/// What the threads share of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedLookups(Arc<Mutex<Lookups>>);

impl SharedLookups {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Lookups> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which names led an agent to an address, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    names: BTreeMap<(AgentId, IpAddr), Vec<EscapedBytes>>,
}

impl Lookups {
    pub(crate) fn note(&mut self, agent: AgentId, name: &EscapedBytes, addresses: &[IpAddr]) {
        if self.names.len() + addresses.len() > ADDRESSES {
            self.names.clear();
        }
        for address in addresses {
            let names = self.names.entry((agent, *address)).or_default();
            names.retain(|other| other != name);
            names.push(name.clone());
            if names.len() > NAMES {
                names.remove(0);
            }
        }
    }

    pub(crate) fn names(&self, agent: AgentId, address: IpAddr) -> Vec<EscapedBytes> {
        self.names.get(&(agent, address)).cloned().unwrap_or_default()
    }

    /// An agent's number is another's from now on.
    pub(crate) fn forget(&mut self, agent: AgentId) {
        self.names.retain(|(other, _), _| *other != agent);
    }
}

impl Gateway {
    /// The names that led to a record's address. `heard`: the sensor was asked already, and so all is known that it said
    /// before the record was made.
    pub(crate) async fn names_of(&self, record: &Record, heard: &mut bool) -> Vec<EscapedBytes> {
        let known = || self.lookups.lock().names(AgentId(record.agent), record.address);
        let goes_out =
            [abi::AA_ACTION_CONNECT, abi::AA_ACTION_SEND, abi::AA_ACTION_SEND_DATA].contains(&record.action.into());
        let by_names = || {
            let book = self.book.borrow();
            let load = book.load(Generation(record.generation));
            load.is_some_and(|load| load.policy.names_hosts())
        };
        let names = known();
        if *heard || !names.is_empty() || !goes_out || !by_names() {
            return names;
        }
        *heard = true;
        if let Err(problem) = self.sensor.request(Request::Losses).await {
            tracing::debug!(%problem, "a connection is told without the name it was made by");
        }
        known()
    }

    /// Records what became of a question.
    pub(crate) fn record_lookup(&self, looked: &Looked) {
        let answered = !looked.addresses.is_empty();
        let (effect, verdict) = match (&looked.refused, answered) {
            (None, _) => (Effect::Allowed, Verdict::Allow),
            // In observe mode.
            (Some(_), true) => (Effect::WouldDeny, Verdict::Deny),
            (Some(_), false) => (Effect::Denied, Verdict::Deny),
        };
        let action = u16::try_from(abi::AA_ACTION_LOOKUP).unwrap_or_default();
        let action = name_or_number(abi::action(action), action);
        let book = self.book.borrow();
        let load = book.load(looked.generation);
        let policy_action = HostName::parse(looked.name.as_str()).ok();
        let policy_action = policy_action.map(|host| Action::Lookup { host });
        let addresses: Vec<String> = looked.addresses.iter().map(IpAddr::to_string).collect();
        self.record(Event {
            verdict: Some(verdict),
            agent: Some(AgentRef {
                id: looked.agent,
                name: self.agents.borrow().get(&looked.agent).map(|agent| agent.name.clone()),
                // The question came from a socket, which may be any session's.
                session: SessionId(0),
            }),
            object: Some(Object::Host {
                name: looked.name.clone(),
            }),
            policy: Some(policy_ref(looked.generation.0, load)),
            rule: looked.rule.map(|rule| rule_ref(RuleId(rule), load)),
            reason: looked.refused.as_ref().map(|text| Reason {
                code: "not-looked-up".to_owned(),
                text: text.clone(),
            }),
            would_allow: match (&looked.refused, load, &policy_action) {
                (Some(_), Some(load), Some(action)) => load.policy.explain(action).allow,
                _ => None,
            },
            detail: answered.then(|| format!("leads to {}", addresses.join(", "))),
            ..Event::bare(Timestamp::now(), Kind::Decision, effect, action)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_by_the_latest_names_of_the_agent_alone() {
        let mut lookups = Lookups::default();
        let mut note = |agent, name: &str| {
            let addresses = ["192.0.2.1".parse().unwrap()];
            lookups.note(AgentId(agent), &EscapedBytes::from_bytes(name.as_bytes()), &addresses);
        };
        for number in 0..NAMES {
            note(1, &format!("{number}.example"));
        }
        note(1, "0.example");
        note(1, "new.example");
        note(2, "other.example");
        let names = lookups.names(AgentId(1), "192.0.2.1".parse().unwrap());
        let names: Vec<&str> = names.iter().map(EscapedBytes::as_str).collect();
        assert_eq!(names.len(), NAMES);
        assert_eq!(
            (names.first(), names.last()),
            (Some(&"2.example"), Some(&"new.example"))
        );
        lookups.forget(AgentId(1));
        assert!(lookups.names(AgentId(1), "192.0.2.1".parse().unwrap()).is_empty());
        assert_eq!(lookups.names(AgentId(2), "192.0.2.1".parse().unwrap()).len(), 1);
    }
}
