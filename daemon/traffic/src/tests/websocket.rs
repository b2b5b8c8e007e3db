use flate2::{Compress, Compression, FlushCompress};

use super::*;
use crate::{Api, Doubt, Protocol};

pub(super) fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut all = vec![first];
    match payload.len() {
        length @ 0..=125 => all.push(masked | u8::try_from(length).unwrap()),
        length => {
            all.push(masked | 126);
            all.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    all.extend(key.iter().flatten());
    let key = key.unwrap_or_default();
    all.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    all
}

/// A message as permessage-deflate sends it, which refers to those before.
fn deflated(compress: &mut Compress, text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 100);
    compress
        .compress_vec(text.as_bytes(), &mut out, FlushCompress::Sync)
        .unwrap();
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

fn handshake(extensions: &str) -> Trace {
    vec![
        sent(
            "GET /backend-api/codex/responses HTTP/1.1\r\nHost: chatgpt.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer secret\r\nSec-WebSocket-Key: x\r\n\r\n",
        ),
        received(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n{extensions}\r\n"
        )),
    ]
}

fn completed(model: &str, output: u64) -> String {
    format!(
        r#"{{"type":"response.completed","response":{{"status":"completed","model":"{model}","output":[{{"id":"fc_{output}","type":"function_call","name":"shell"}}],"usage":{{"input_tokens":5,"output_tokens":{output}}}}}}}"#
    )
}

fn create(model: &str) -> String {
    format!(r#"{{"type":"response.create","model":"{model}","input":[],"tools":[{{"name":"shell"}}],"stream":true}}"#)
}

/// As Codex does: each response is a call of its own.
pub(super) fn codex() -> Trace {
    let key = Some([0x12, 0x34, 0x56, 0x78]);
    let (mut client, mut server) = (
        Compress::new(Compression::default(), false),
        Compress::new(Compression::default(), false),
    );
    let mut trace = handshake("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15\r\n");
    for output in [11, 22] {
        let asked = deflated(&mut client, &create("gpt-5-codex"));
        let (one, two) = asked.split_at(asked.len() / 2);
        let mut bytes = frame(0x41, key, one);
        bytes.extend(frame(0x89, key, b"ping"));
        bytes.extend(frame(0x80, key, two));
        trace.push(sent(bytes));
        let created = deflated(
            &mut server,
            r#"{"type":"response.created","response":{"status":"in_progress","model":"gpt-5-codex"}}"#,
        );
        let done = deflated(&mut server, &completed("gpt-5-codex", output));
        trace.push(received(
            [
                frame(0x8a, None, b"ping"),
                frame(0xc1, None, &created),
                frame(0xc1, None, &done),
            ]
            .concat(),
        ));
    }
    trace
}

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
        let mut server = Compress::new(Compression::default(), false);
        trace.push(received(frame(0xc1, None, &deflated(&mut server, "hello hello hello"))));
    }
    let heard = hear(&trace);
    assert_eq!(heard.body(Direction::Received), "hello hello hello".repeat(2));
    assert!(heard.only().doubts.is_empty());
}

#[test]
fn frames_that_are_none_are_doubted() {
    for bytes in [
        frame(0x83, None, b"x"),
        frame(0x80, None, b"x"),
        frame(0x91, None, b"x"),
        frame(0xc1, None, b"x"),
    ] {
        let mut trace = handshake("");
        trace.push(received(bytes));
        assert!(hear(&trace).only().doubts.contains(Doubt::Malformed));
    }
}

#[test]
fn a_bomb_in_a_message_is_bounded() {
    let mut compress = Compress::new(Compression::best(), false);
    let bomb = deflated(&mut compress, &"0".repeat(60 << 20));
    let mut trace = handshake("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let pieces: Vec<&[u8]> = bomb.chunks(60_000).collect();
    assert!(pieces.len() < 3);
    for (number, piece) in pieces.iter().enumerate() {
        let last = if number + 1 == pieces.len() { 0x80 } else { 0 };
        trace.push(received(frame(last | if number == 0 { 0x41 } else { 0 }, None, piece)));
    }
    let heard = run(
        Limits::default(),
        trace.iter().map(|(direction, bytes)| (*direction, bytes.as_slice())),
    );
    assert!(heard.only().doubts.contains(Doubt::Expansion));
    assert!(heard.body(Direction::Received).len() < 30 << 20);
}
