//! Questions and answers made by hand, and a server between a client and an upstream that are both of the test.

mod admitting;
mod deciding;
mod scene;
mod serving;

use std::sync::Arc;

use aa_policy::{Environment, HostTable, Limits as TableLimits, parse_policy};
use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::question::Question;
use crate::surroundings::Limits;

const POLICY: &str =
    "{allow: [api.test:443, \"*.wild.test:443\", \"10.0.0.0/8:443\"], ask: [asked.test], deny: [\"*.evil.test\"]}";

fn table(net: &str) -> Arc<HostTable> {
    let text = format!("policy: p\nversion: 1\nnet: {net}\n");
    let policy = parse_policy(&text, "p.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"));
    Arc::new(policy.lower(&TableLimits::default()).unwrap().hosts.unwrap())
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{text}.")).unwrap()
}

/// A client's message.
fn message(text: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name(text), kind));
    message.set_edns(Edns::new());
    message
}

fn question(text: &str, kind: RecordType) -> Question {
    let bytes = message(text, kind).to_vec().unwrap();
    Question::decode(&bytes, Limits::default().max_message).unwrap()
}

fn a(owner: &str, ttl: u32, address: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(A(address.parse().unwrap())))
}

fn aaaa(owner: &str, ttl: u32, address: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::AAAA(AAAA(address.parse().unwrap())))
}

fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
}

fn answer(records: Vec<Record>) -> Message {
    let mut message = Message::query().into_response();
    message.answers = records;
    message
}
