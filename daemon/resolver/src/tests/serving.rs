//! What an agent gets and what is bound, from the first byte to the last.

use std::net::IpAddr;
use std::time::Duration;

use aa_bpf::askers::Transport;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::scene::{AGENT, Bound, SHORT, Scene, Upstream, reason, unchanged};
use super::{message, name};
use crate::upstream::{read_framed, write_framed};

#[tokio::test]
async fn a_listed_name_is_answered_and_bound_before() {
    let scene = Scene::new(Upstream::Honest, unchanged).await;
    let reply = scene.ask("ApI.tEsT", RecordType::A).await.unwrap();
    assert_eq!(reply.answers.len(), 1);
    assert!(reply.metadata.recursion_available && reply.metadata.recursion_desired);
    let bound: Bound = (
        AGENT,
        vec!["140.82.112.3".parse().unwrap()],
        "api.test".to_owned(),
        Duration::from_secs(120),
    );
    assert_eq!(scene.bound(), [bound]);
    let asked = scene.seen.asked.lock().unwrap().clone();
    assert!(
        asked[0].queries[0].name().eq_case(&name("api.test")),
        "no letter of the agent's goes out"
    );

    let reply = scene.ask("asked.test", RecordType::A).await.unwrap();
    assert_eq!(reply.answers.len(), 2);
    assert_eq!(scene.bound()[1].2, "asked.test");
    let told = scene.seen.told.lock().unwrap().clone();
    assert_eq!(told[0], ("api.test".to_owned(), vec!["140.82.112.3".parse().unwrap()]));
    assert!(scene.refused().is_empty());
}

#[tokio::test]
async fn an_unlisted_name_is_not_asked_upstream_and_told_why() {
    let scene = Scene::new(Upstream::Honest, unchanged).await;
    let reply = scene.ask("secret.exfil.test", RecordType::A).await.unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    assert!(reply.authorities.is_empty(), "nobody is to remember it");
    assert_eq!(reason(&reply), "not looked up: no rule of net lists this name");
    let reply = scene.ask("api.test", RecordType::TXT).await.unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    assert_eq!(reason(&reply), "TXT records are not looked up; A and AAAA are");
    assert!(scene.seen.asked.lock().unwrap().is_empty() && scene.bound().is_empty());
    assert_eq!(scene.refused().len(), 2);
}

#[tokio::test]
async fn no_binding_no_answer() {
    let scene = Scene::new(Upstream::Honest, |world, _| world.binding_fails = true).await;
    assert_eq!(scene.ask("api.test", RecordType::A).await, None);
    assert_eq!(
        scene.refused(),
        ["api.test: the addresses could not be bound, so they are not told"]
    );
}

#[tokio::test]
async fn who_is_not_governed_gets_no_answer() {
    let scene = Scene::new(Upstream::Honest, |world, _| world.agent = None).await;
    assert_eq!(scene.ask("api.test", RecordType::A).await, None);
    assert!(scene.seen.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn forged_answers_are_passed_over() {
    let scene = Scene::new(Upstream::Attacked, unchanged).await;
    scene.ask("api.test", RecordType::A).await.unwrap();
    assert_eq!(scene.bound()[0].1, ["140.82.112.3".parse::<IpAddr>().unwrap()]);
}

#[tokio::test]
async fn silence_and_lies_upstream_are_a_failure_in_time() {
    for kind in [Upstream::Silent, Upstream::Lying] {
        let scene = Scene::new(kind, unchanged).await;
        let reply = scene.ask("api.test", RecordType::A).await.unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
        assert!(scene.bound().is_empty());
        assert_eq!(scene.refused(), ["api.test: no answer from upstream"]);
    }
}

#[tokio::test]
async fn a_cut_answer_is_fetched_by_tcp() {
    let scene = Scene::new(Upstream::Cut, unchanged).await;
    assert_eq!(scene.ask("api.test", RecordType::A).await.unwrap().answers.len(), 1);
    assert_eq!(scene.seen.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_name_that_leads_to_metadata_has_no_address() {
    let scene = Scene::new(Upstream::Honest, unchanged).await;
    let reply = scene.ask("rebound.wild.test", RecordType::A).await.unwrap();
    assert!(reply.answers.is_empty() && scene.bound().is_empty());
    assert!(reason(&reply).contains("link-local (RFC 3927)"));
    assert!(scene.refused()[0].starts_with("rebound.wild.test: 1 address(es) left out"));
}

#[tokio::test]
async fn a_client_without_edns_gets_512_bytes_and_all_by_tcp() {
    let scene = Scene::new(Upstream::Cut, unchanged).await;
    let mut question = message("many.wild.test", RecordType::A);
    question.edns = None;
    let bytes = question.to_vec().unwrap();
    let reply = scene.send(&bytes).await.unwrap();
    assert!(reply.metadata.truncation && reply.answers.is_empty() && reply.edns.is_none());

    let mut stream = TcpStream::connect(scene.server).await.unwrap();
    for _ in 0..2 {
        write_framed(&mut stream, &bytes).await.unwrap();
        let reply = read_framed(&mut stream, 65_535).await.unwrap().unwrap();
        assert_eq!(Message::from_vec(&reply).unwrap().answers.len(), 32);
    }
    let transports = scene.seen.transports.lock().unwrap().clone();
    assert_eq!(transports, [Transport::Udp, Transport::Tcp, Transport::Tcp]);
    assert_eq!(scene.bound().len(), 3);
}

#[tokio::test]
async fn an_idle_connection_and_one_with_a_huge_message_are_closed() {
    let scene = Scene::new(Upstream::Honest, unchanged).await;
    for begin in [&b""[..], b"\0", b"\xff\xff"] {
        let mut stream = TcpStream::connect(scene.server).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, begin).await.unwrap();
        let closed = timeout(SHORT * 4, read_framed(&mut stream, 65_535)).await.unwrap();
        assert!(closed.is_err(), "{begin:?}");
    }
}

#[tokio::test]
async fn garbage_gets_a_code_or_nothing_and_the_server_goes_on() {
    let scene = Scene::new(Upstream::Honest, unchanged).await;
    assert_eq!(scene.send(b"x").await, None);
    let reply = scene
        .send(&[0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12])
        .await
        .unwrap();
    assert_eq!(
        (reply.metadata.id, reply.metadata.response_code),
        (9, ResponseCode::FormErr)
    );
    assert!(scene.ask("api.test", RecordType::A).await.is_some());
}

#[tokio::test]
async fn too_many_questions_are_refused_with_a_reason() {
    let scene = Scene::new(Upstream::Honest, |_, limits| limits.questions_per_minute = 1).await;
    scene.ask("api.test", RecordType::A).await.unwrap();
    let reply = scene.ask("api.test", RecordType::A).await.unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
    assert_eq!(reason(&reply), "more than 1 questions in a minute");
}

#[tokio::test]
async fn what_is_asked_at_two_addresses_counts_together() {
    let mut scene = Scene::new(Upstream::Honest, |_, limits| limits.questions_per_minute = 1).await;
    scene.ask("api.test", RecordType::A).await.unwrap();
    scene.server = scene.other;
    let reply = scene.ask("api.test", RecordType::A).await.unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn who_is_only_observed_is_answered_bound_and_told_of() {
    let scene = Scene::new(Upstream::Honest, |world, limits| {
        world.observes = true;
        limits.questions_per_minute = 3;
    })
    .await;
    let reply = scene.ask("end.test", RecordType::A).await.unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    assert_eq!((reply.answers.len(), scene.bound().len()), (1, 1));
    let reply = scene.ask("rebound.wild.test", RecordType::A).await.unwrap();
    assert_eq!(reply.answers.len(), 1);
    assert!(reply.edns.unwrap().options().options.is_empty(), "nothing is blocked");
    let reply = scene.ask("other.test", RecordType::TXT).await.unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    let reply = scene.ask("api.test", RecordType::A).await.unwrap();
    assert_eq!(reply.answers.len(), 1);
    let refused = scene.refused();
    assert_eq!(refused[0], "end.test: not looked up: no rule of net lists this name");
    assert!(refused[1].starts_with("rebound.wild.test: 1 address(es) left out"));
    assert!(refused[2].starts_with("other.test: not looked up"));
    assert_eq!(refused[3], "api.test: more than 3 questions in a minute");
}

#[tokio::test]
async fn who_is_only_observed_is_answered_through_denied_names_and_without_a_binding() {
    let scene = Scene::new(Upstream::Honest, |world, _| {
        world.observes = true;
        world.binding_fails = true;
    })
    .await;
    let reply = scene.ask("leads.wild.test", RecordType::A).await.unwrap();
    assert_eq!(reply.answers.len(), 2);
    assert_eq!(
        scene.refused(),
        ["leads.wild.test: the addresses could not be bound, so they are not told"]
    );
}
