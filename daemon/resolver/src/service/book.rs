//! What the sensor told over one connection, and what was asked of it: without I/O, but for a look into the table of who asks.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aa_bpf::askers::{Askers, Transport};
use aa_policy::{HostName, HostTable, Verdict, canonical, special_purpose};
use aa_resolver::{Asker, Refusal};
use aa_wire::resolver::{Bind, FromResolver, Looked, TTL_LIMIT, ToResolver};
use aa_wire::{AgentId, EscapedBytes, Generation, Slot};
use tokio::sync::{mpsc, oneshot};

use super::live::{Live, LiveBindings};
use super::told::Told;

/// Why addresses were not bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotBound {
    #[error("the agent has ended")]
    Ended,
    #[error("the sensor is not there")]
    Gone,
    #[error("the sensor refuses")]
    Refused,
    #[error("the sensor does not answer")]
    Timeout,
}

/// A request to be sent, where to, and where its answer comes.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) bind: Bind,
    pub(crate) outgoing: mpsc::Sender<FromResolver>,
    pub(crate) answer: oneshot::Receiver<bool>,
}

#[derive(Debug)]
struct Connection {
    askers: Askers,
    outgoing: mpsc::Sender<FromResolver>,
}

#[derive(Debug, Clone)]
struct Policy {
    generation: Generation,
    observes: bool,
    hosts: Arc<HostTable>,
}

#[derive(Debug, Clone, Copy)]
struct Agent {
    slot: Slot,
    term: u64,
}

#[derive(Debug)]
struct Request {
    agent: AgentId,
    /// Nobody waits for what a reload binds again.
    waiting: Option<oneshot::Sender<bool>>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Book {
    connection: Option<Connection>,
    policies: HashMap<Slot, Policy>,
    agents: HashMap<AgentId, Agent>,
    live: LiveBindings,
    told: Told,
    requests: HashMap<u64, Request>,
    /// The last number given to a request or a term. It goes on over connections: what a lookup began in one is nothing in the next.
    last: u64,
}

impl Book {
    /// A sensor said hello.
    pub(crate) fn open(&mut self, askers: Askers, outgoing: mpsc::Sender<FromResolver>) {
        self.close();
        self.connection = Some(Connection { askers, outgoing });
    }

    /// The sensor is gone, and with it all it told. Who waits for an answer hears of it.
    pub(crate) fn close(&mut self) {
        *self = Self {
            last: self.last,
            ..Self::default()
        };
    }

    /// Takes in what the sensor says after its hello. What is to be bound again is to be sent.
    pub(crate) fn take_in(&mut self, message: ToResolver, now: Duration) -> Vec<Bind> {
        match message {
            ToResolver::Policy {
                slot,
                generation,
                observes,
                hosts,
            } => {
                match postcard::from_bytes::<HostTable>(&hosts) {
                    Ok(hosts) => {
                        let hosts = Arc::new(hosts);
                        let policy = Policy {
                            generation,
                            observes,
                            hosts,
                        };
                        self.policies.insert(slot, policy);
                    }
                    Err(error) => {
                        tracing::error!(%slot, %error, "a policy that cannot be read; its agents get no answers");
                        self.policies.remove(&slot);
                    }
                }
                self.bind_again(slot, now)
            }
            ToResolver::NoPolicy { slot } => {
                self.policies.remove(&slot);
                self.bind_again(slot, now)
            }
            ToResolver::Agent { agent, slot } => self.begin_agent(agent, slot, now),
            ToResolver::AgentEnded { agent } => {
                self.agents.remove(&agent);
                self.live.take(agent, now);
                Vec::new()
            }
            ToResolver::Bound { id, bound } => {
                self.bound(id, bound);
                Vec::new()
            }
            // The link takes it.
            ToResolver::Hello(_) => Vec::new(),
        }
    }

    /// Who asks from an address, if it is an agent whose policy names hosts.
    pub(crate) fn asker(&self, from: SocketAddr, transport: Transport) -> Option<Asker> {
        let agent = AgentId(self.connection.as_ref()?.askers.agent(from, transport)?);
        let Agent { slot, term } = *self.agents.get(&agent)?;
        let policy = self.policies.get(&slot)?;
        Some(Asker {
            agent,
            term,
            hosts: Arc::clone(&policy.hosts),
            generation: policy.generation,
            observes: policy.observes,
        })
    }

    /// A request to bind, under the policy the name was judged by: if that is in force no more, the sensor refuses.
    pub(crate) fn begin(
        &mut self,
        asker: &Asker,
        addresses: &[IpAddr],
        name: &HostName,
        ttl: Duration,
        now: Duration,
    ) -> Result<Begun, NotBound> {
        let outgoing = self.connection.as_ref().ok_or(NotBound::Gone)?.outgoing.clone();
        if !self.is_there(asker) {
            return Err(NotBound::Ended);
        }
        let live = Live {
            id: 0,
            name: name.clone(),
            addresses: addresses.to_vec(),
            until: now + ttl,
        };
        let (waiting, answer) = oneshot::channel();
        let bind = self.request(asker, live, Some(waiting), now);
        Ok(Begun { bind, outgoing, answer })
    }

    /// The answer to a request did not come in time, or said no.
    pub(crate) fn give_up(&mut self, agent: AgentId, id: u64) {
        self.requests.remove(&id);
        self.live.forget(agent, id);
    }

    /// Tells what became of a question, once a minute.
    pub(crate) fn looked(
        &mut self,
        asker: &Asker,
        name: &HostName,
        addresses: &[IpAddr],
        refusal: Option<&Refusal>,
        now: Duration,
    ) {
        let Some(connection) = self.connection.as_ref().filter(|_| self.is_there(asker)) else {
            return;
        };
        let mut addresses = addresses.to_vec();
        // Servers turn them round.
        addresses.sort_unstable();
        let refused = refusal.map(ToString::to_string);
        // Who asks too much may do so by names that never come twice.
        let by_name = !matches!(refusal, Some(Refusal::TooMuch(_)));
        let key = (asker.agent, asker.term, asker.generation, by_name.then_some(name));
        if !self.told.is_new((key, &addresses, &refused), now) {
            return;
        }
        let answered = refusal.is_none() || !addresses.is_empty();
        let rule = refusal.and_then(Refusal::rule).or_else(|| {
            let lookup = asker.hosts.find(name).lookup;
            lookup.rule().filter(|_| answered)
        });
        let looked = Looked {
            agent: asker.agent,
            generation: asker.generation,
            name: EscapedBytes::from(name.as_str()),
            rule: rule.map(|rule| rule.0),
            addresses,
            refused,
        };
        if connection.outgoing.try_send(FromResolver::Looked(looked)).is_err() {
            tracing::warn!(agent = %asker.agent, "the sensor does not keep up; a lookup goes unrecorded");
        }
    }

    fn is_there(&self, asker: &Asker) -> bool {
        let agent = self.agents.get(&asker.agent);
        agent.is_some_and(|agent| agent.term == asker.term)
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn begin_agent(&mut self, agent: AgentId, slot: Slot, now: Duration) -> Vec<Bind> {
        match self.agents.get(&agent).copied() {
            Some(known) if known.slot == slot => Vec::new(),
            Some(known) => {
                self.agents.insert(agent, Agent { slot, ..known });
                self.bind_agent_again(agent, slot, now)
            }
            None => {
                let term = self.next();
                self.agents.insert(agent, Agent { slot, term });
                Vec::new()
            }
        }
    }

    fn bound(&mut self, id: u64, bound: bool) {
        let Some(request) = self.requests.remove(&id) else {
            tracing::debug!(id, bound, "an answer nobody waits for");
            return;
        };
        if bound {
            self.live.made(request.agent, id);
        } else {
            tracing::debug!(id, agent = %request.agent, "not bound");
            self.live.forget(request.agent, id);
        }
        if let Some(waiting) = request.waiting {
            // Whoever asked may have stopped waiting.
            let _ = waiting.send(bound);
        }
    }

    /// Notes a request; what it binds counts as live from now on.
    fn request(&mut self, asker: &Asker, live: Live, waiting: Option<oneshot::Sender<bool>>, now: Duration) -> Bind {
        let (id, agent) = (self.next(), asker.agent);
        let left = live.until.saturating_sub(now);
        // A begun second counts whole: the agent was told it may use the address that long.
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let bind = Bind {
            id,
            agent,
            generation: asker.generation,
            class: asker.hosts.find(&live.name).class.0,
            name: EscapedBytes::from(live.name.as_str()),
            addresses: live.addresses.clone(),
            ttl_s: u32::try_from(seconds).unwrap_or(TTL_LIMIT).min(TTL_LIMIT),
        };
        self.live.remember(agent, Live { id, ..live }, now);
        self.requests.insert(id, Request { agent, waiting });
        bind
    }

    fn bind_again(&mut self, slot: Slot, now: Duration) -> Vec<Bind> {
        let agents = self.agents.iter().filter(|(_, agent)| agent.slot == slot);
        let agents: Vec<AgentId> = agents.map(|(agent, _)| *agent).collect();
        let again = agents
            .into_iter()
            .flat_map(|agent| self.bind_agent_again(agent, slot, now));
        again.collect()
    }

    /// Requests for an agent's live bindings under its policy as it is now, as far as that would still make them.
    fn bind_agent_again(&mut self, agent: AgentId, slot: Slot, now: Duration) -> Vec<Bind> {
        let live = self.live.take(agent, now);
        let (Some(policy), Some(known)) = (self.policies.get(&slot).cloned(), self.agents.get(&agent)) else {
            return Vec::new();
        };
        let asker = Asker {
            agent,
            term: known.term,
            hosts: policy.hosts,
            generation: policy.generation,
            observes: policy.observes,
        };
        let still = live.into_iter().filter_map(|live| still_listed(live, &asker));
        still.map(|live| self.request(&asker, live, None, now)).collect()
    }
}

/// What of a binding a policy would make too.
fn still_listed(mut live: Live, asker: &Asker) -> Option<Live> {
    if asker.observes {
        return Some(live);
    }
    if asker.hosts.find(&live.name).lookup.verdict() == Verdict::Deny {
        return None;
    }
    live.addresses.retain(|address| {
        let octets = canonical(*address);
        special_purpose(&octets).is_none() || asker.hosts.allows_special(&octets)
    });
    (!live.addresses.is_empty()).then_some(live)
}
