//! What the resolver is given: who asks, where answers are bound, whom to tell, and its limits.

use std::error::Error;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aa_bpf::askers::Transport;
use aa_policy::{HostName, HostTable};
use aa_wire::{AgentId, Generation};
use hickory_proto::rr::RecordType;

use crate::decide::Refusal;

/// A binding could not be made; the agent gets no answer.
#[derive(Debug, thiserror::Error)]
#[error("the addresses of a name could not be bound")]
pub struct BindError(#[source] pub Box<dyn Error + Send + Sync>);

/// Where addresses are bound to names.
pub trait Bindings: Send + Sync {
    /// Lets an agent reach `addresses` as `name` for `ttl` from now. When this returns, a connection is judged by it: the answer is
    /// given after that, and not at all if it fails. Addresses are in canonical form: IPv4 as such, never mapped or by NAT64.
    fn bind(
        &self,
        asker: &Asker,
        addresses: &[IpAddr],
        name: &HostName,
        ttl: Duration,
    ) -> impl Future<Output = Result<(), BindError>> + Send;
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The agent, which only the kernel can say.
    pub agent: AgentId,
    /// Tells agents apart that had the same number one after the other.
    pub term: u64,
    /// What its policy in force says about hosts.
    pub hosts: Arc<HostTable>,
    /// Which load of the policy that is.
    pub generation: Generation,
    /// The policy records and lets pass: what would be refused is told as such, looked up, bound and answered.
    pub observes: bool,
}

/// The world around the resolver.
pub trait Surroundings: Bindings + 'static {
    /// Who sends from this address, of those whose lookups are redirected here; `None` for everybody else, who gets no answer.
    fn asker(&self, from: SocketAddr, transport: Transport) -> Option<Asker>;

    /// What became of a question, before the reply is sent: the addresses that are told, and why not, or not in full, or why it would
    /// not have been if the policy did more than observe. Not called for what is no question.
    fn looked(&self, asker: &Asker, name: &HostName, addresses: &[IpAddr], refusal: Option<&Refusal>);

    /// The servers that are asked, in this order.
    fn upstream(&self) -> Arc<[SocketAddr]>;
}

/// How much is taken in, looked up and let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Types of records that are looked up besides A and AAAA. Empty but for who needs SRV, MX and the like.
    pub extra_types: Vec<RecordType>,
    /// The shortest life of a binding: programs connect some time after they looked up.
    pub min_binding: Duration,
    /// The longest life of a binding, and the longest TTL an agent is told.
    pub max_binding: Duration,
    /// How many CNAME records lead from a name to its addresses, at most.
    pub max_chain: usize,
    /// How many records of an answer are kept, at most.
    pub max_records: usize,
    /// The largest message taken from or given to anybody, in bytes.
    pub max_message: usize,
    /// How long one try to ask one upstream server takes.
    pub upstream_timeout: Duration,
    /// How often each upstream server is tried.
    pub upstream_tries: u32,
    /// Questions in flight at a time, of all agents.
    pub max_in_flight: usize,
    /// Connections at a time, of all agents.
    pub max_connections: usize,
    /// How long a connection may be without a question, and a question may take to arrive.
    pub idle_timeout: Duration,
    /// How long names below wildcards are remembered as known.
    pub window: Duration,
    /// Different names below one wildcard, or below one domain of two labels if the wildcard is `*`, that an agent may ask for in a
    /// window.
    pub names_per_window: usize,
    /// Bytes of these names left of what the wildcard fixes, in a minute, in names not yet known. Counted as they are: no guess is
    /// made at what they could mean.
    pub bytes_per_minute: u32,
    /// The longest label left of what a wildcard fixes, in bytes.
    pub max_wild_label: usize,
    /// Labels left of what a wildcard fixes.
    pub max_wild_labels: usize,
    /// Questions of an agent in a minute, of any name.
    pub questions_per_minute: u32,
    /// Agents that are counted at a time; beyond that the one longest silent is forgotten.
    pub max_agents: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            extra_types: Vec::new(),
            min_binding: Duration::from_secs(60),
            max_binding: Duration::from_secs(3_600),
            max_chain: 8,
            max_records: 32,
            max_message: 4_096,
            upstream_timeout: Duration::from_secs(2),
            upstream_tries: 2,
            max_in_flight: 256,
            max_connections: 64,
            idle_timeout: Duration::from_secs(10),
            window: Duration::from_secs(600),
            names_per_window: 100,
            bytes_per_minute: 2_048,
            max_wild_label: 48,
            max_wild_labels: 5,
            questions_per_minute: 600,
            max_agents: 1_024,
        }
    }
}
