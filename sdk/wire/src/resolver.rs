//! The protocol between the sensor (`aa-sensord`, privileged) and the resolver (`aa-resolver`, a service of its own, unprivileged, in
//! the host's network namespace).
//!
//! The resolver connects to the sensor's socket `resolver.sock`; the sensor looks at the peer's user and says [`Hello`] with the table
//! of who asks beside it, then every policy that names hosts and every agent. The resolver opens its sockets and says where
//! ([`FromResolver::Ready`]); only then is anything redirected to it. When either side reads the end of the stream, or bytes that are
//! no frame, the other is gone: the resolver connects again, and until one is ready the kernel refuses lookups.
//!
//! The sensor trusts nothing the resolver says beyond what its messages can express: a binding of addresses to a class of hosts, for an
//! agent, under the policy in force. A resolver taken over can open what the policies' host rules allow, and nothing else.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::frame::{BODY_LIMIT, Message, POLICY_BODY_LIMIT};
use crate::ids::{AgentId, Generation, Slot};
use crate::text::EscapedBytes;

/// The version of this protocol; the resolver refuses a `Hello` with another.
pub const PROTOCOL_VERSION: u16 = 1;
/// The sensor's socket, in its run directory.
pub const SOCKET_NAME: &str = "resolver.sock";
/// Addresses in one [`Bind`].
pub const ADDRESS_LIMIT: usize = 64;
/// The longest life of a binding, seconds.
pub const TTL_LIMIT: u32 = 86_400;

/// A frame from the sensor. The variant with a policy comes first, so that the first byte tells the size limit.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToResolver {
    /// What a policy says of hosts; replaces what the slot had. It takes force once the resolver says
    /// [`FromResolver::PolicyTaken`], or does not say it in time.
    Policy {
        /// Where.
        slot: Slot,
        /// Which load of it: bindings are made under it.
        generation: Generation,
        /// It records and lets pass: every name is looked up.
        observes: bool,
        /// `aa_policy::HostTable` in postcard.
        hosts: Vec<u8>,
    },
    /// The first frame, with the descriptor of the table of who asks beside it.
    Hello(Hello),
    /// The policy of this slot names no hosts, or is in force no more.
    NoPolicy {
        /// Which.
        slot: Slot,
    },
    /// An agent is governed by the policy of a slot.
    Agent {
        /// Whom.
        agent: AgentId,
        /// By which.
        slot: Slot,
    },
    /// An agent has ended; its number may come again.
    AgentEnded {
        /// Which.
        agent: AgentId,
    },
    /// The answer to [`FromResolver::Bind`]: whether it is in the kernel.
    Bound {
        /// The request's.
        id: u64,
        /// If not, the answer is not given.
        bound: bool,
    },
}

impl std::fmt::Debug for ToResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Policy { slot, generation, .. } => write!(f, "Policy({slot}, generation {generation})"),
            Self::Hello(hello) => hello.fmt(f),
            Self::NoPolicy { slot } => write!(f, "NoPolicy({slot})"),
            Self::Agent { agent, slot } => write!(f, "Agent({agent}, {slot})"),
            Self::AgentEnded { agent } => write!(f, "AgentEnded({agent})"),
            Self::Bound { id, bound } => write!(f, "Bound({id}, {bound})"),
        }
    }
}

/// What the sensor says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the sensor.
    pub protocol_version: u16,
    /// `AA_ABI_VERSION` of the table of who asks.
    pub abi_version: u32,
}

/// A frame from the resolver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromResolver {
    /// It answers here: ports of the loopback addresses, the same for TCP and UDP; 0 where the family is not there.
    Ready {
        /// Of 127.0.0.1.
        port4: u16,
        /// Of ::1.
        port6: u16,
        /// Its network namespace, by the inode number of `/proc/self/ns/net`: only sockets in it can reach the resolver.
        network: u32,
    },
    /// Binds addresses before the agent learns them. Answered by [`ToResolver::Bound`].
    Bind(Bind),
    /// What became of a question, to be recorded.
    Looked(Looked),
    /// A policy is used from now on; every [`Bind`] that names bound before need under it was asked for before this.
    PolicyTaken {
        /// As told.
        slot: Slot,
        /// As told.
        generation: Generation,
    },
}

/// Lets an agent reach addresses as names of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Chosen by the resolver.
    pub id: u64,
    /// Whom.
    pub agent: AgentId,
    /// The load of its policy that the class is of: the one in force, or about to be.
    pub generation: Generation,
    /// `aa_policy::HostClassId`.
    pub class: u16,
    /// The name that leads there, for records.
    pub name: EscapedBytes,
    /// In canonical form: IPv4 as such. At most [`ADDRESS_LIMIT`].
    pub addresses: Vec<IpAddr>,
    /// For how long, at most [`TTL_LIMIT`].
    pub ttl_s: u32,
}

/// A name that leads an agent to addresses, from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Whom.
    pub agent: AgentId,
    /// What it looked up.
    pub name: EscapedBytes,
    /// Where it leads.
    pub addresses: Vec<IpAddr>,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Who asked.
    pub agent: AgentId,
    /// The load of its policy that decided.
    pub generation: Generation,
    /// What for: a host name.
    pub name: EscapedBytes,
    /// The number of the rule that decided, from zero, if one did.
    pub rule: Option<u32>,
    /// The addresses it was answered with.
    pub addresses: Vec<IpAddr>,
    /// Why not, or not in full: a sentence without a full stop.
    pub refused: Option<String>,
}

impl ToResolver {
    /// How many descriptors travel beside this frame.
    pub fn descriptors(&self) -> usize {
        usize::from(matches!(self, Self::Hello(_)))
    }
}

impl Message for ToResolver {
    fn limit(first_byte: u8) -> usize {
        // `Policy` is variant 0; a test holds it.
        if first_byte == 0 { POLICY_BODY_LIMIT } else { BODY_LIMIT }
    }
}

impl Message for FromResolver {
    fn limit(_: u8) -> usize {
        BODY_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Decoder, encode};

    #[test]
    fn a_policy_may_be_long_and_comes_whole() {
        let policy = ToResolver::Policy {
            slot: Slot(3),
            generation: Generation(7),
            observes: false,
            hosts: vec![9; BODY_LIMIT + 1],
        };
        let bytes = encode(&policy).unwrap();
        assert_eq!(bytes.get(4), Some(&0), "the first variant: its byte tells the limit");
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        assert_eq!(decoder.next_message().unwrap(), Some(policy));
    }
}
