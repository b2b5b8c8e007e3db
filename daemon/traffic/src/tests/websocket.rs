use super::*;
use crate::testing::{codex, compress, create, deflated, handshake, message};
use crate::{Api, Doubt, Protocol};

fn calls(heard: &Heard) -> Vec<&String> {
    heard.told.iter().filter(|line| line.starts_with("Call(")).collect()
}

#[test]
fn each_response_over_a_websocket_is_a_call() {
    let heard = hear(&codex());
    let exchange = heard.only();
    assert!(exchange.doubts.is_empty(), "{exchange:?}");
    assert_eq!((exchange.protocol, exchange.status), (Protocol::WebSocket, Some(101)));
    assert_eq!(calls(&heard).len(), 2);
    let asked = create("gpt-5-codex");
    assert_eq!(heard.body(Direction::Sent), format!("{asked}{asked}"));
}

#[test]
fn a_call_that_is_cut_off_is_told_too() {
    let mut trace = codex();
    trace.pop();
    let heard = hear(&trace);
    assert_eq!(calls(&heard).len(), 2);
    let call = heard.only().call.as_ref().unwrap();
    assert_eq!(
        (call.api, call.model_asked.as_str(), call.usage.output),
        (Api::OpenAiResponses, "gpt-5-codex", None)
    );
}

#[test]
fn without_takeover_each_message_stands_alone() {
    let mut trace = handshake("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n");
    for _ in 0..2 {
        let mut server = compress();
        trace.push(received(message(
            0xc1,
            None,
            &deflated(&mut server, "hello hello hello"),
        )));
    }
    let heard = hear(&trace);
    assert_eq!(heard.body(Direction::Received), "hello hello hello".repeat(2));
    assert!(heard.only().doubts.is_empty());
}

#[test]
fn frames_that_are_none_are_doubted() {
    for bytes in [
        message(0x83, None, b"x"),
        message(0x80, None, b"x"),
        message(0x91, None, b"x"),
        message(0xc1, None, b"x"),
    ] {
        let mut trace = handshake("");
        trace.push(received([bytes, b"sk-secret".to_vec()].concat()));
        let heard = hear(&trace);
        assert!(heard.only().doubts.contains(Doubt::Malformed));
        assert!(heard.body(Direction::Received).ends_with("sk-secret"));
    }
}

#[test]
fn a_bomb_in_a_message_is_bounded() {
    let mut compress = compress();
    let bomb = deflated(&mut compress, &"0".repeat(60 << 20));
    let mut trace = handshake("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let pieces: Vec<&[u8]> = bomb.chunks(60_000).collect();
    assert!(pieces.len() < 3);
    for (number, piece) in pieces.iter().enumerate() {
        let last = if number + 1 == pieces.len() { 0x80 } else { 0 };
        trace.push(received(message(
            last | if number == 0 { 0x41 } else { 0 },
            None,
            piece,
        )));
    }
    let heard = run(
        Limits::default(),
        trace.iter().map(|(direction, bytes)| (*direction, bytes.as_slice())),
    );
    assert!(heard.only().doubts.contains(Doubt::Expansion));
    assert!(heard.body(Direction::Received).len() < 30 << 20);
}
