//! Bytes to questions, and which of these are forwarded.

use std::time::Duration;

use aa_policy::HostTable;
use aa_wire::AgentId;
use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use proptest::prelude::*;

use super::{POLICY, a, message, name, question, table};
use crate::decide::{Refusal, Verdict, decide};
use crate::meter::{Meter, TooMuch};
use crate::question::{NoQuestion, Question};
use crate::surroundings::Limits;

const AGENT: AgentId = AgentId(7);

fn decoded(message: &Message) -> Result<Question, NoQuestion> {
    Question::decode(&message.to_vec().unwrap(), 4_096)
}

fn code(message: &Message) -> ResponseCode {
    match decoded(message) {
        Err(NoQuestion::Reply { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

struct Asking {
    hosts: std::sync::Arc<HostTable>,
    meter: Meter,
    limits: Limits,
    now: Duration,
}

impl Asking {
    fn new(limits: Limits) -> Self {
        Self {
            hosts: table(POLICY),
            meter: Meter::default(),
            limits,
            now: Duration::from_secs(5),
        }
    }

    fn ask(&mut self, text: &str) -> Verdict {
        self.ask_for(text, RecordType::A, AGENT)
    }

    fn ask_for(&mut self, text: &str, kind: RecordType, agent: AgentId) -> Verdict {
        let question = question(text, kind);
        decide(&question, agent, &self.hosts, &mut self.meter, &self.limits, self.now)
    }

    fn too_much(&mut self, text: &str) -> TooMuch {
        match self.ask(text) {
            Verdict::Refuse(Refusal::TooMuch(much)) => much,
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_question_is_read_in_any_case_and_keeps_the_letters_it_was_asked_in() {
    let question = question("aPi.TeSt", RecordType::A);
    assert_eq!(question.name.as_str(), "api.test");
    assert!(question.query.name().eq_case(&name("aPi.TeSt")));
    assert!(question.metadata.recursion_desired);
}

#[test]
fn what_is_no_question_gets_silence_or_a_code() {
    assert_eq!(Question::decode(b"", 4_096), Err(NoQuestion::Silent));
    assert_eq!(Question::decode(&[0; 11], 4_096), Err(NoQuestion::Silent));
    let reply = message("api.test", RecordType::A).into_response();
    assert_eq!(decoded(&reply), Err(NoQuestion::Silent));

    let mut update = message("api.test", RecordType::A);
    update.metadata.op_code = OpCode::Update;
    assert_eq!(code(&update), ResponseCode::NotImp);
    assert_eq!(code(&Message::query()), ResponseCode::FormErr);
    let mut two = message("api.test", RecordType::A);
    two.add_query(Query::query(name("asked.test"), RecordType::A));
    assert_eq!(code(&two), ResponseCode::FormErr);
    let mut carrying = message("api.test", RecordType::A);
    carrying.add_answer(a("secret.test", 1, "1.2.3.4"));
    assert_eq!(code(&carrying), ResponseCode::FormErr);
    let mut chaos = message("api.test", RecordType::A);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(code(&chaos), ResponseCode::Refused);
    let mut odd = Message::query();
    odd.add_query(Query::query(
        Name::from_labels([b"a b".as_slice(), b"test"]).unwrap(),
        RecordType::A,
    ));
    assert_eq!(code(&odd), ResponseCode::NXDomain);
    let mut cut = message("api.test", RecordType::A).to_vec().unwrap();
    cut.truncate(20);
    assert!(matches!(
        Question::decode(&cut, 4_096),
        Err(NoQuestion::Reply {
            code: ResponseCode::FormErr,
            ..
        })
    ));
    let long = [cut.as_slice(), &[0; 5_000]].concat();
    assert!(matches!(
        Question::decode(&long, 4_096),
        Err(NoQuestion::Reply {
            code: ResponseCode::FormErr,
            ..
        })
    ));
}

#[test]
fn names_the_policy_lists_are_forwarded_and_others_refused_with_the_rule() {
    let mut asking = Asking::new(Limits::default());
    for listed in ["api.test", "API.test", "x.wild.test", "y.x.wild.test", "asked.test"] {
        assert_eq!(asking.ask(listed), Verdict::Forward, "{listed}");
    }
    for (other, reason) in [
        ("wild.test", "no rule of net lists this name"),
        ("x.api.test", "no rule of net lists this name"),
        ("api.test.evil", "no rule of net lists this name"),
        ("x.evil.test", "`*.evil.test` in net.deny (line 3)"),
    ] {
        let Verdict::Refuse(refusal) = asking.ask(other) else {
            panic!("{other} is forwarded");
        };
        assert_eq!(refusal.to_string(), format!("not looked up: {reason}"));
        assert_eq!(refusal.code(), Some(ResponseCode::NXDomain));
    }
}

#[test]
fn only_addresses_are_looked_up_unless_a_type_is_configured_and_some_never_are() {
    use RecordType as T;
    let mut asking = Asking::new(Limits::default());
    for kind in [
        T::TXT,
        T::NULL,
        T::ANY,
        T::HTTPS,
        T::SVCB,
        T::SRV,
        T::CNAME,
        T::AXFR,
        T::Unknown(65_280),
    ] {
        let verdict = asking.ask_for("api.test", kind, AGENT);
        assert_eq!(verdict, Verdict::Refuse(Refusal::Type { kind }));
    }
    assert_eq!(asking.ask_for("api.test", T::AAAA, AGENT), Verdict::Forward);
    asking.limits.extra_types = vec![T::SRV, T::HTTPS, T::ANY];
    assert_eq!(asking.ask_for("api.test", T::SRV, AGENT), Verdict::Forward);
    assert_eq!(
        asking.ask_for("api.test", T::HTTPS, AGENT),
        Verdict::Refuse(Refusal::Type { kind: T::HTTPS })
    );
    assert_eq!(
        asking.ask_for("api.test", T::ANY, AGENT),
        Verdict::Refuse(Refusal::Type { kind: T::ANY })
    );
}

#[test]
fn different_names_below_a_wildcard_are_counted_by_agent_and_forgotten_in_time() {
    let mut asking = Asking::new(Limits {
        names_per_window: 3,
        ..Limits::default()
    });
    for known in [
        "a.wild.test",
        "b.wild.test",
        "c.wild.test",
        "a.wild.test",
        "A.WILD.test",
    ] {
        assert_eq!(asking.ask(known), Verdict::Forward, "{known}");
    }
    let told = asking.too_much("d.wild.test").to_string();
    assert_eq!(told, "more than 3 different names below `wild.test` in 600 s");
    assert_eq!(asking.ask("b.wild.test"), Verdict::Forward);
    assert_eq!(asking.ask("api.test"), Verdict::Forward);
    assert_eq!(
        asking.ask_for("d.wild.test", RecordType::A, AgentId(8)),
        Verdict::Forward
    );
    asking.now += Duration::from_secs(600);
    assert_eq!(asking.ask("d.wild.test"), Verdict::Forward);
}

#[test]
fn below_every_name_each_domain_is_counted_by_itself() {
    let mut asking = Asking::new(Limits {
        names_per_window: 2,
        ..Limits::default()
    });
    asking.hosts = table("{allow: [\"*:443\"]}");
    for name in ["a.test", "b.test", "x.c.test", "c.test", "top", "y.a.test"] {
        assert_eq!(asking.ask(name), Verdict::Forward, "{name}");
    }
    let told = asking.too_much("z.a.test").to_string();
    assert_eq!(told, "more than 2 different names below `a.test` in 600 s");
}

#[test]
fn bytes_labels_and_depth_below_a_wildcard_are_bounded() {
    let mut asking = Asking::new(Limits {
        bytes_per_minute: 30,
        max_wild_label: 10,
        max_wild_labels: 2,
        ..Limits::default()
    });
    assert_eq!(asking.ask("0123456789.wild.test"), Verdict::Forward);
    assert_eq!(
        asking.too_much("0123456789a.wild.test"),
        TooMuch::Label { length: 11, limit: 10 }
    );
    assert_eq!(
        asking.too_much("a.b.c.wild.test"),
        TooMuch::Labels { count: 3, limit: 2 }
    );
    assert_eq!(asking.ask("1123456789.wild.test"), Verdict::Forward);
    assert_eq!(asking.too_much("2123456789.wild.test"), TooMuch::Bytes { limit: 30 });
    assert_eq!(asking.ask("1123456789.wild.test"), Verdict::Forward);
    asking.now += Duration::from_secs(60);
    assert_eq!(asking.ask("2123456789.wild.test"), Verdict::Forward);
}

#[test]
fn all_questions_are_counted_and_the_agent_longest_silent_is_forgotten() {
    let mut asking = Asking::new(Limits {
        questions_per_minute: 2,
        max_agents: 2,
        ..Limits::default()
    });
    assert_eq!(asking.ask("api.test"), Verdict::Forward);
    assert!(matches!(
        asking.ask("unlisted.test"),
        Verdict::Refuse(Refusal::NotListed { .. })
    ));
    assert_eq!(asking.too_much("api.test"), TooMuch::Questions { limit: 2 });
    for agent in 8..20 {
        asking.now += Duration::from_secs(1);
        assert_eq!(
            asking.ask_for("api.test", RecordType::A, AgentId(agent)),
            Verdict::Forward
        );
        assert!(asking.meter.agents() <= 2);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Question::decode(&bytes, 4_096);
    }

    #[test]
    fn a_question_damaged_anywhere_is_refused_or_another_question(place in 0_usize..64, value: u8) {
        let mut bytes = message("api.wild.test", RecordType::A).to_vec().unwrap();
        let place = place % bytes.len();
        bytes[place] = value;
        if let Ok(question) = Question::decode(&bytes, 4_096) {
            prop_assert!(question.name.as_str().len() <= 253);
        }
    }

    #[test]
    fn an_agent_never_gets_more_new_bytes_out_in_a_minute_than_the_budget(
        names in proptest::collection::vec("[a-z]{1,12}(\\.[a-z]{1,12}){0,2}", 1..80),
    ) {
        let mut asking = Asking::new(Limits { bytes_per_minute: 100, ..Limits::default() });
        let mut out = std::collections::BTreeSet::new();
        for label in names {
            if asking.ask(&format!("{label}.wild.test")) == Verdict::Forward {
                out.insert(label);
            }
        }
        prop_assert!(out.iter().map(String::len).sum::<usize>() <= 100);
    }
}
