//! Messages between agents, the resolver and upstream servers.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;
use std::time::Duration;

use aa_policy::{Environment, HostTable, canonical, parse_policy, special_purpose};
use aa_resolver::admit::admit;
use aa_resolver::decide::{Verdict, decide};
use aa_resolver::meter::Meter;
use aa_resolver::question::{NoQuestion, Question};
use aa_resolver::{Limits, Refusal};
use aa_wire::AgentId;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};

/// Lists `api.test` and all below `wild.test`, and allows names to lead to 10.0.0.0/8.
static HOSTS: LazyLock<Option<HostTable>> = LazyLock::new(|| {
    let net = "{allow: [\"api.test:443\", \"*.wild.test:443\", \"10.0.0.0/8\"], deny: [\"*.evil.test\"]}";
    let text = format!("policy: p\nversion: 1\nnet: {net}\n");
    let policy = parse_policy(&text, "p.yaml", &Environment::default()).ok()?;
    policy.lower(&aa_policy::Limits::default()).ok()?.hosts
});

/// An agent's message: it is dropped, answered with a code, refused with a reason, or forwarded, and then its name is one form.
pub fn dns_question(bytes: &[u8]) -> bool {
    let (limits, Some(hosts)) = (Limits::default(), &*HOSTS) else {
        return false;
    };
    match Question::decode(bytes, limits.max_message) {
        Ok(question) => {
            let again = aa_policy::HostName::parse(question.name.as_str());
            assert!(
                question.name.as_str().contains("xn--") || again.as_ref() == Ok(&question.name),
                "{again:?}"
            );
            let mut meter = Meter::default();
            match decide(&question, AgentId(1), hosts, &mut meter, &limits, Duration::ZERO) {
                Verdict::Forward => {
                    let name = question.name.as_str();
                    assert!(
                        name == "api.test" || name.ends_with(".wild.test"),
                        "{name} is forwarded"
                    );
                }
                Verdict::Refuse(refusal) => assert!(!refusal.to_string().is_empty()),
            }
            true
        }
        Err(NoQuestion::Silent | NoQuestion::Reply { .. }) => false,
    }
}

/// The answer of a server to a question for the addresses of `api.test`, the first byte says of which family: what is told of it is
/// bound, and none of it is special.
pub fn dns_answer(bytes: &[u8]) -> bool {
    let (Some((family, bytes)), Some(hosts)) = (bytes.split_first(), &*HOSTS) else {
        return false;
    };
    let kind = if family & 1 == 0 {
        RecordType::A
    } else {
        RecordType::AAAA
    };
    let (limits, mut message) = (Limits::default(), Message::query());
    let Ok(name) = Name::from_ascii("Api.test.") else {
        return false;
    };
    message.add_query(Query::query(name, kind));
    let question = message
        .to_vec()
        .ok()
        .map(|bytes| Question::decode(&bytes, limits.max_message));
    let (Some(Ok(question)), Ok(answer)) = (question, Message::from_vec(bytes)) else {
        return false;
    };
    match admit(&question, &answer, hosts, &limits, false) {
        Ok(admitted) => {
            assert!(admitted.reply.to_vec().is_ok(), "{:?}", admitted.reply);
            assert!(admitted.ttl >= limits.min_binding && admitted.ttl <= limits.max_binding);
            for record in &admitted.reply.answers {
                assert!(Duration::from_secs(record.ttl.into()) <= admitted.ttl);
                let told = match &record.data {
                    RData::A(address) => IpAddr::V4(address.0),
                    RData::AAAA(address) => IpAddr::V6(address.0),
                    _ => continue,
                };
                let octets = canonical(told);
                assert!(
                    admitted.addresses.contains(&Ipv6Addr::from(octets).to_canonical()),
                    "{told}"
                );
                assert!(
                    special_purpose(&octets).is_none() || hosts.allows_special(&octets),
                    "{told}"
                );
            }
            !admitted.addresses.is_empty()
        }
        Err(refusal) => {
            let expected = matches!(
                refusal,
                Refusal::Upstream | Refusal::Chain { .. } | Refusal::DeniedTarget { .. }
            );
            assert!(expected, "{refusal}");
            false
        }
    }
}
