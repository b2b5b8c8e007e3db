//! How fast conversations are read: `cargo run --release -p aa-traffic --example speed`.

use std::time::Instant;

use aa_traffic::{Conversation, Direction, Limits, Told};
use flate2::{Compress, Compression, FlushCompress};

/// What one write of a TLS library has at most.
const RECORD: usize = 16 << 10;
const REPEAT: usize = 8;

type Trace = Vec<(Direction, Vec<u8>)>;

fn main() {
    println!("| what | MB/s | of |\n|---|---|---|");
    measure("HTTP/1.1, a request of 8 MB in long strings", &json(4000));
    measure("HTTP/1.1, a request of 8 MB in short strings", &json(40));
    measure("HTTP/1.1, server-sent events in chunks", &events());
    measure("HTTP/2, a request of 8 MB", &http2());
    measure("WebSocket with permessage-deflate, inflated bytes", &websocket());
}

fn measure(what: &str, trace: &Trace) {
    let mut best = f64::MAX;
    let mut bodies = 0;
    for _ in 0..REPEAT {
        let begun = Instant::now();
        let (mut told, mut calls) = (0, 0);
        let mut tell = |what: Told<'_>| match what {
            Told::Body(piece) => told += piece.bytes.len(),
            Told::Call(_) => calls += 1,
            _ => {}
        };
        let mut conversation = Conversation::new(Limits::default());
        for (direction, bytes) in trace {
            for record in bytes.chunks(RECORD) {
                conversation.bytes(*direction, record, &mut tell);
            }
        }
        conversation.closed(&mut tell);
        assert!(calls > 0, "{what}: no call was found");
        bodies = told;
        best = best.min(begun.elapsed().as_secs_f64());
    }
    let megabytes = u32::try_from(bodies).map_or(0.0, f64::from) / 1e6;
    println!("| {what} | {:.0} | {megabytes:.1} MB |", megabytes / best);
}

/// A request whose messages have texts of a length.
fn body(length: usize) -> String {
    let text = "what the agent read in a file, again\\n".repeat(length / 36 + 1);
    let message = format!(
        r#"{{"role":"user","content":[{{"type":"text","text":"{}"}}]}},"#,
        text.get(..length).unwrap_or_default().trim_end_matches('\\')
    );
    let messages = message.repeat((8 << 20) / message.len());
    format!(
        r#"{{"model":"claude-sonnet-4-5","messages":[{}],"stream":true}}"#,
        messages.trim_end_matches(',')
    )
}

fn json(length: usize) -> Trace {
    let body = body(length);
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
    vec![
        (Direction::Sent, (head + &body).into_bytes()),
        (Direction::Received, answer),
    ]
}

const EVENT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" Hello there\"}}\n\n";

fn events() -> Trace {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..(8 << 20) / EVENT.len() {
        answer.extend(format!("{:x}\r\n{EVENT}\r\n", EVENT.len()).into_bytes());
    }
    answer.extend(b"0\r\n\r\n");
    let mut trace = json(40);
    trace.truncate(1);
    let asked = r#"{"model":"claude-sonnet-4-5","messages":[]}"#;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nContent-Length: {}\r\n\r\n{asked}",
        asked.len()
    );
    vec![(Direction::Sent, head.into_bytes()), (Direction::Received, answer)]
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let stream = u8::from(kind != 4);
    [
        length.get(1..).unwrap_or_default(),
        &[kind, flags, 0, 0, 0, stream],
        payload,
    ]
    .concat()
}

fn http2() -> Trace {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, &[]));
    bytes.extend(frame(1, 4, b"\x83\x87\x04\x0c/v1/messages"));
    let body = body(4000);
    for piece in body.as_bytes().chunks(16 << 10) {
        bytes.extend(frame(0, 0, piece));
    }
    bytes.extend(frame(0, 1, &[]));
    vec![
        (Direction::Sent, bytes),
        (Direction::Received, [frame(4, 0, &[]), frame(1, 5, &[0x88])].concat()),
    ]
}

fn websocket() -> Trace {
    let asked = "GET /v1/responses HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let answer = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let mut compress = Compress::new(Compression::default(), false);
    let mut bytes = Vec::new();
    let delta = r#"{"type":"response.output_text.delta","item_id":"msg_1","delta":" Hello there","sequence_number":"#;
    let done =
        r#"{"type":"response.completed","response":{"model":"gpt-5","usage":{"input_tokens":1,"output_tokens":1}}}"#;
    for number in 0..80_000 {
        let text = if number == 79_999 {
            done.to_owned()
        } else {
            format!("{delta}{number}}}")
        };
        let mut out = Vec::with_capacity(text.len() + 64);
        if compress
            .compress_vec(text.as_bytes(), &mut out, FlushCompress::Sync)
            .is_err()
        {
            return Trace::new();
        }
        out.truncate(out.len().saturating_sub(4));
        bytes.extend([0xc1, u8::try_from(out.len()).unwrap_or(0)]);
        bytes.extend(out);
    }
    vec![
        (Direction::Sent, asked.into()),
        (Direction::Received, answer.into()),
        (Direction::Received, bytes),
    ]
}
