//! What of an answer may pass, and what it binds: pure.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use aa_policy::{HostTable, Verdict as PolicyVerdict, canonical, special_purpose};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::decide::Refusal;
use crate::question::{Question, host_name};
use crate::reply;
use crate::surroundings::Limits;

/// An answer that may be given.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// To be bound before the reply is sent, in canonical form, each once.
    pub addresses: Vec<IpAddr>,
    /// For how long.
    pub ttl: Duration,
    /// What the agent is told.
    pub reply: Message,
    /// What was left out of it; of a policy that observes what would have been, or why all of it.
    pub left_out: Option<Refusal>,
}

/// Takes from an answer the chain of CNAME records that begins at the name asked for, and the records asked for at its end. All
/// else, authority and additional section included, is dropped. The rules were asked about the name; names on the chain count only
/// where a rule denies to look them up. For a policy that `observes` nothing is left out for what rules say.
pub fn admit(
    question: &Question,
    answer: &Message,
    hosts: &HostTable,
    limits: &Limits,
    observes: bool,
) -> Result<Admitted, Refusal> {
    let code = answer.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(Refusal::Upstream);
    }
    let Chain { records, end, denied } = follow(question, &answer.answers, hosts, limits)?;
    if let Some(denied) = denied.as_ref().filter(|_| !observes) {
        return Err(denied.clone());
    }
    let asked = question.record_type();
    let found = of_name(&answer.answers, &end).filter(|record| record.record_type() == asked);
    let mut kept: Vec<&Record> = Vec::new();
    let mut addresses: Vec<IpAddr> = Vec::new();
    let (mut special_count, mut special) = (0, None);
    for record in found.take(limits.max_records) {
        if let Some(address) = address_of(&record.data) {
            let octets = canonical(address);
            if let Some(what) = special_purpose(&octets).filter(|_| !hosts.allows_special(&octets)) {
                special_count += 1;
                special = special.or(Some(what));
                if !observes {
                    continue;
                }
            }
            let address = Ipv6Addr::from(octets).to_canonical();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        kept.push(record);
    }
    let ttl = records.iter().chain(&kept).map(|record| ttl_of(record)).min();
    let ttl = ttl.unwrap_or_default().min(limits.max_binding);
    let mut reply = reply::empty(question, code);
    let told = u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX);
    for record in records.iter().chain(&kept) {
        // The name as it was asked for: clients compare it.
        let name = if record.name == *question.query.name() {
            question.query.name().clone()
        } else {
            record.name.clone()
        };
        reply.add_answer(Record::from_rdata(name, told, record.data.clone()));
    }
    Ok(Admitted {
        addresses,
        ttl: ttl.max(limits.min_binding),
        reply,
        left_out: denied.or(special.map(|what| Refusal::Special {
            count: special_count,
            what,
        })),
    })
}

/// The CNAME records from the name asked for on.
struct Chain<'answer> {
    records: Vec<&'answer Record>,
    /// The name they end at.
    end: Name,
    /// The first of its names that a rule denies.
    denied: Option<Refusal>,
}

fn follow<'answer>(
    question: &Question,
    records: &'answer [Record],
    hosts: &HostTable,
    limits: &Limits,
) -> Result<Chain<'answer>, Refusal> {
    let mut chain = Chain {
        records: Vec::new(),
        end: question.query.name().clone(),
        denied: None,
    };
    if question.record_type() == RecordType::CNAME {
        return Ok(chain);
    }
    loop {
        let alias = of_name(records, &chain.end).find_map(|record| match &record.data {
            RData::CNAME(target) => Some((record, target.0.clone())),
            _ => None,
        });
        let Some((record, target)) = alias else {
            return Ok(chain);
        };
        if chain.records.len() >= limits.max_chain {
            return Err(Refusal::Chain {
                limit: limits.max_chain,
            });
        }
        // What is no host name is matched by no rule.
        if let Ok(name) = host_name(&target) {
            let lookup = hosts.find(&name).lookup;
            if lookup.verdict() == PolicyVerdict::Deny && lookup.explicit() {
                chain.denied.get_or_insert_with(|| Refusal::DeniedTarget {
                    target: name.to_string(),
                    reason: hosts.reason(lookup),
                    rule: lookup.rule(),
                });
            }
        }
        chain.records.push(record);
        chain.end = target;
    }
}

fn of_name<'answer>(records: &'answer [Record], name: &Name) -> impl Iterator<Item = &'answer Record> {
    let name = name.clone();
    records
        .iter()
        .filter(move |record| record.dns_class == DNSClass::IN && record.name == name)
}

fn address_of(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

/// With the first bit set it is 0 (RFC 2181 8).
fn ttl_of(record: &Record) -> Duration {
    let seconds = if record.ttl > i32::MAX.unsigned_abs() {
        0
    } else {
        record.ttl
    };
    Duration::from_secs(seconds.into())
}
