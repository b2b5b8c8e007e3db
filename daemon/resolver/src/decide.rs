//! Whether a question is forwarded: pure, by the policy's own matcher.

use std::time::Duration;

use aa_policy::{HostTable, RuleId, Verdict as PolicyVerdict};
use aa_wire::AgentId;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::meter::{Meter, TooMuch};
use crate::question::Question;
use crate::surroundings::Limits;

/// What becomes of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is asked upstream.
    Forward,
    /// It is answered with this and nothing else.
    Refuse(Refusal),
}

/// Why there is no answer, or not all of it. `Display` is a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The policy does not list the name, or denies it.
    #[error("not looked up: {reason}")]
    NotListed {
        /// The rule, or that there is none.
        reason: String,
        /// Its number.
        rule: Option<RuleId>,
    },
    /// A type of record that could carry anything.
    #[error("{kind} records are not looked up; A and AAAA are")]
    Type {
        /// The type.
        kind: RecordType,
    },
    /// More than agents may ask.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// The answer led through a name that a rule denies.
    #[error("the name is another name of `{target}`, which is denied: {reason}")]
    DeniedTarget {
        /// The other name.
        target: String,
        /// The rule.
        reason: String,
        /// Its number.
        rule: Option<RuleId>,
    },
    /// The answer had more names in a row than are followed, or they go in a circle.
    #[error("the name leads through more than {limit} other names")]
    Chain {
        /// How many are followed.
        limit: usize,
    },
    /// The answer led to addresses that are not the internet's.
    #[error(
        "{count} address(es) left out of the answer, the first is {what}; to allow that, name its network in net.allow"
    )]
    Special {
        /// How many.
        count: usize,
        /// What the first one is.
        what: &'static str,
    },
    /// No upstream server answered in time, or none with anything usable.
    #[error("no answer from upstream")]
    Upstream,
    /// The addresses could not be bound.
    #[error("the addresses could not be bound, so they are not told")]
    NotBound,
}

impl Refusal {
    /// The rule that refuses, if one does.
    pub fn rule(&self) -> Option<RuleId> {
        match self {
            Self::NotListed { rule, .. } | Self::DeniedTarget { rule, .. } => *rule,
            _ => None,
        }
    }

    /// The code of the reply; `None` for no reply at all.
    ///
    /// An unlisted name is told not to exist. REFUSED would be more honest, but glibc and musl end their walk through the search
    /// list at it, so that `api.example.com` in a pod (`ndots:5`) would fail at `api.example.com.default.svc.cluster.local`. No SOA
    /// is sent along, so that nobody remembers it (RFC 2308 5), and the extended error says `Blocked` and why (RFC 8914).
    pub fn code(&self) -> Option<ResponseCode> {
        match self {
            Self::NotListed { .. } | Self::DeniedTarget { .. } => Some(ResponseCode::NXDomain),
            // The name exists; it has nothing of this kind.
            Self::Type { .. } | Self::Special { .. } => Some(ResponseCode::NoError),
            Self::TooMuch(_) => Some(ResponseCode::Refused),
            Self::Chain { .. } | Self::Upstream => Some(ResponseCode::ServFail),
            Self::NotBound => None,
        }
    }
}

/// What carries addresses, zones or everything at once is not looked up whatever is configured.
fn is_looked_up(kind: RecordType, limits: &Limits) -> bool {
    use RecordType::{A, AAAA, ANY, AXFR, HTTPS, IXFR, OPT, SVCB};
    match kind {
        A | AAAA => true,
        HTTPS | SVCB | ANY | AXFR | IXFR | OPT => false,
        _ => limits.extra_types.contains(&kind),
    }
}

/// Decides on a question. Counting comes first: also what is refused costs.
///
/// HTTPS and SVCB (RFC 9460) are not forwarded: their address hints would have to be bound, their targets are other names, and the
/// keys in them (ECH) would hide the name of the TLS connection. The whole record is left out; clients then take A and AAAA.
pub fn decide(
    question: &Question,
    agent: AgentId,
    hosts: &HostTable,
    meter: &mut Meter,
    limits: &Limits,
    now: Duration,
) -> Verdict {
    if let Err(much) = meter.count_question(agent, limits, now) {
        return Verdict::Refuse(much.into());
    }
    let listing = hosts.find(&question.name);
    if listing.lookup.verdict() == PolicyVerdict::Deny {
        let (reason, rule) = (hosts.reason(listing.lookup), listing.lookup.rule());
        return Verdict::Refuse(Refusal::NotListed { reason, rule });
    }
    let kind = question.record_type();
    if !is_looked_up(kind, limits) {
        return Verdict::Refuse(Refusal::Type { kind });
    }
    let Some(below) = listing.below else {
        return Verdict::Forward;
    };
    match meter.count_name(agent, &question.name, below, limits, now) {
        Ok(()) => Verdict::Forward,
        Err(much) => Verdict::Refuse(much.into()),
    }
}
