//! What of an answer passes, and what it binds.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{RData, Record, RecordType};
use proptest::prelude::*;

use super::{POLICY, a, aaaa, answer, cname, name, question, table};
use crate::admit::{Admitted, admit};
use crate::decide::Refusal;
use crate::surroundings::Limits;

fn admitted(kind: RecordType, records: Vec<Record>) -> Result<Admitted, Refusal> {
    admit(
        &question("Api.test", kind),
        &answer(records),
        &table(POLICY),
        &Limits::default(),
        false,
    )
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn addresses_of_the_name_are_told_and_bound_and_nothing_else_is() {
    let records = vec![
        a("api.test", 300, "140.82.112.3"),
        a("other.test", 300, "8.8.8.8"),
        a("API.test", 200, "140.82.112.4"),
        a("api.test", 300, "140.82.112.3"),
        aaaa("api.test", 300, "2606::1"),
        Record::from_rdata(name("api.test"), 1, RData::TXT(TXT::new(vec!["secret".to_owned()]))),
    ];
    let mut upstream = answer(records);
    upstream.add_authority(a("api.test", 1, "8.8.4.4"));
    upstream.add_additional(a("api.test", 1, "8.8.4.5"));
    let admitted = admit(
        &question("Api.test", RecordType::A),
        &upstream,
        &table(POLICY),
        &Limits::default(),
        false,
    )
    .unwrap();
    assert_eq!(admitted.addresses, addresses(&["140.82.112.3", "140.82.112.4"]));
    assert_eq!(admitted.ttl, Duration::from_secs(200));
    assert_eq!(admitted.left_out, None);
    assert_eq!(admitted.reply.answers.len(), 3);
    assert!(admitted.reply.authorities.is_empty() && admitted.reply.additionals.is_empty());
    assert!(
        admitted
            .reply
            .answers
            .iter()
            .all(|record| record.ttl == 200 && record.name.eq_case(&name("Api.test")))
    );
}

#[test]
fn a_binding_outlives_what_the_agent_may_remember() {
    let ttl = |ttl| {
        let admitted = admitted(RecordType::A, vec![a("api.test", ttl, "140.82.112.3")]).unwrap();
        (admitted.ttl.as_secs(), admitted.reply.answers[0].ttl)
    };
    assert_eq!(ttl(0), (60, 0));
    assert_eq!(ttl(59), (60, 59));
    assert_eq!(ttl(300), (300, 300));
    assert_eq!(ttl(86_400), (3_600, 3_600));
    assert_eq!(ttl(0x8000_0000), (60, 0), "RFC 2181 8");
}

#[test]
fn a_chain_is_followed_in_any_order_and_bound_under_the_name_asked_for() {
    let records = vec![
        a("end.cdn.test", 30, "140.82.112.3"),
        cname("mid.test", 90, "end.cdn.test"),
        cname("api.test", 120, "mid.test"),
        cname("other.test", 120, "end.cdn.test"),
    ];
    let admitted = admitted(RecordType::A, records).unwrap();
    assert_eq!(admitted.addresses, addresses(&["140.82.112.3"]));
    let owners: Vec<String> = admitted
        .reply
        .answers
        .iter()
        .map(|record| record.name.to_ascii())
        .collect();
    assert_eq!(owners, ["Api.test.", "mid.test.", "end.cdn.test."]);
    assert!(admitted.reply.answers.iter().all(|record| record.ttl == 30));
}

#[test]
fn a_chain_that_is_long_or_goes_in_a_circle_ends() {
    let circle = vec![cname("api.test", 1, "b.test"), cname("b.test", 1, "api.test")];
    assert_eq!(admitted(RecordType::A, circle), Err(Refusal::Chain { limit: 8 }));
    let long = |links: usize| {
        let owner = |number: usize| {
            if number == 0 {
                "api.test".to_owned()
            } else {
                format!("n{number}.test")
            }
        };
        let mut records: Vec<Record> = (0..links)
            .map(|number| cname(&owner(number), 1, &owner(number + 1)))
            .collect();
        records.push(a(&owner(links), 1, "140.82.112.3"));
        admitted(RecordType::A, records)
    };
    assert_eq!(long(8).unwrap().addresses.len(), 1);
    assert_eq!(long(9), Err(Refusal::Chain { limit: 8 }));
}

#[test]
fn a_chain_through_a_denied_name_is_refused() {
    let records = vec![
        cname("api.test", 1, "tracker.evil.test"),
        a("tracker.evil.test", 1, "140.82.112.3"),
    ];
    let refusal = admitted(RecordType::A, records).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the name is another name of `tracker.evil.test`, which is denied: `*.evil.test` in net.deny (line 3)"
    );
    assert_eq!(refusal.code(), Some(ResponseCode::NXDomain));
}

#[test]
fn addresses_that_are_not_the_internets_are_left_out_unless_a_rule_names_their_network() {
    let records = vec![
        a("api.test", 9, "127.0.0.1"),
        a("api.test", 9, "169.254.169.254"),
        a("api.test", 9, "192.168.1.1"),
        a("api.test", 9, "100.64.0.1"),
        a("api.test", 9, "0.0.0.0"),
        a("api.test", 9, "10.1.2.3"),
        a("api.test", 9, "140.82.112.3"),
    ];
    let admitted_a = admitted(RecordType::A, records).unwrap();
    assert_eq!(admitted_a.addresses, addresses(&["10.1.2.3", "140.82.112.3"]));
    assert_eq!(admitted_a.reply.answers.len(), 2);
    let told = admitted_a.left_out.unwrap().to_string();
    assert!(
        told.starts_with("5 address(es) left out of the answer, the first is loopback"),
        "{told}"
    );

    let records = [
        "::1",
        "fd00:ec2::254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "::127.0.0.1",
    ]
    .map(|address| aaaa("api.test", 9, address));
    let none = admitted(RecordType::AAAA, records.into()).unwrap();
    assert!(none.addresses.is_empty() && none.reply.answers.is_empty());
    assert_eq!(none.reply.metadata.response_code, ResponseCode::NoError);
}

#[test]
fn mapped_and_nat64_addresses_are_bound_as_their_ipv4_address_and_told_as_they_are() {
    let records = vec![
        aaaa("api.test", 9, "64:ff9b::8c52:7003"),
        aaaa("api.test", 9, "::ffff:140.82.112.3"),
        aaaa("api.test", 9, "64:ff9b::a01:203"),
        aaaa("api.test", 9, "2606::1"),
    ];
    let admitted = admitted(RecordType::AAAA, records).unwrap();
    assert_eq!(admitted.addresses, addresses(&["140.82.112.3", "10.1.2.3", "2606::1"]));
    assert_eq!(admitted.reply.answers.len(), 4);
}

#[test]
fn what_upstream_denies_is_passed_on_and_what_it_cannot_is_a_failure() {
    let mut nothing = answer(Vec::new());
    nothing.metadata.response_code = ResponseCode::NXDomain;
    let told = |message: &Message| {
        admit(
            &question("api.test", RecordType::A),
            message,
            &table(POLICY),
            &Limits::default(),
            false,
        )
    };
    let admitted = told(&nothing).unwrap();
    assert_eq!(admitted.reply.metadata.response_code, ResponseCode::NXDomain);
    assert!(admitted.addresses.is_empty());
    for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr] {
        nothing.metadata.response_code = code;
        assert_eq!(told(&nothing), Err(Refusal::Upstream));
    }
}

#[test]
fn an_answer_has_a_limited_number_of_records() {
    let records = (0..100)
        .map(|last| a("api.test", 9, &format!("140.82.112.{last}")))
        .collect();
    assert_eq!(admitted(RecordType::A, records).unwrap().addresses.len(), 32);
}

proptest! {
    #[test]
    fn every_address_that_is_told_is_bound_and_none_of_them_is_special(
        v4 in proptest::collection::vec(any::<u32>(), 0..12),
        v6 in proptest::collection::vec(any::<u128>(), 0..12),
        aliased: bool,
    ) {
        let end = if aliased { "end.test" } else { "api.test" };
        for kind in [RecordType::A, RecordType::AAAA] {
            let mut records: Vec<Record> = Vec::new();
            records.extend(v4.iter().map(|bits| a(end, 9, &std::net::Ipv4Addr::from(*bits).to_string())));
            records.extend(v6.iter().map(|bits| aaaa(end, 9, &std::net::Ipv6Addr::from(*bits).to_string())));
            if aliased {
                records.push(cname("api.test", 9, end));
            }
            let admitted = admitted(kind, records).unwrap();
            for record in &admitted.reply.answers {
                let told = match &record.data {
                    RData::A(address) => IpAddr::V4(address.0),
                    RData::AAAA(address) => IpAddr::V6(address.0),
                    _ => continue,
                };
                let octets = aa_policy::canonical(told);
                let bound = std::net::Ipv6Addr::from(octets).to_canonical();
                prop_assert!(admitted.addresses.contains(&bound));
                let special = aa_policy::special_purpose(&octets).is_some();
                prop_assert!(!special || table(POLICY).allows_special(&octets), "{}", told);
            }
        }
    }
}
