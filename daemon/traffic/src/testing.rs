//! Connections as agents have them, for tests and the fuzzer's corpus.

use std::io::Write as _;

use flate2::{Compress, Compression, FlushCompress};

use crate::exchange::Direction;
use crate::hpack::huffman;
use crate::http2::PREFACE;

/// What goes which way, in order.
pub type Trace = Vec<(Direction, Vec<u8>)>;

/// Traces by their names: calls of models over HTTP/1.1, HTTP/2 and a WebSocket, and MCP.
pub fn traces() -> Vec<(&'static str, Trace)> {
    vec![
        ("http1_events", chat(true)),
        ("http1_json", chat(false)),
        ("http2", interleaved()),
        ("websocket", codex()),
        ("mcp", mcp()),
        ("http1_gzip", compressed()),
        ("bedrock", bedrock()),
    ]
}

pub(crate) fn sent(bytes: impl AsRef<[u8]>) -> (Direction, Vec<u8>) {
    (Direction::Sent, bytes.as_ref().to_vec())
}

pub(crate) fn received(bytes: impl AsRef<[u8]>) -> (Direction, Vec<u8>) {
    (Direction::Received, bytes.as_ref().to_vec())
}

/// A POST with a body of a length.
pub(crate) fn post(host: &str, path: &str, body: &str) -> (Direction, Vec<u8>) {
    let length = body.len();
    sent(format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer sk-secret\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// An answer with a body of a length.
pub(crate) fn answer(body: &str) -> (Direction, Vec<u8>) {
    let length = body.len();
    received(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// An answer with a body in chunks.
pub(crate) fn chunked(media_type: &str, pieces: &[&str]) -> (Direction, Vec<u8>) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = |piece: &&str| format!("{:x}\r\n{piece}\r\n", piece.len());
    let chunks: Vec<String> = pieces.iter().map(chunk).collect();
    received(head + &chunks.concat() + "0\r\n\r\n")
}

/// Three calls, one behind the other.
fn chat(stream: bool) -> Trace {
    let asked = r#"{"model":"gpt-5","messages":[{"role":"user","content":"hello there"}]}"#;
    let told = r#"{"model":"gpt-5","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":20}}"#;
    let event = format!("data: {told}\n\n");
    let got = if stream {
        chunked("text/event-stream", &[&event, "data: [DONE]\n\n"])
    } else {
        answer(told)
    };
    let one = vec![post("api.openai.com", "/v1/chat/completions", asked), got];
    [one.clone(), one.clone(), one].concat()
}

/// The same call with its answer in gzip.
fn compressed() -> Trace {
    let mut trace = chat(false);
    let told = br#"{"model":"gpt-5","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":20}}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    // Writing to a Vec does not fail.
    let _ = gzip.write_all(told);
    let body = gzip.finish().unwrap_or_default();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    trace.truncate(1);
    trace.push(received([head.as_bytes(), &body].concat()));
    trace
}

/// A message of Amazon's event stream, with one header.
fn amazon(payload: &str) -> Vec<u8> {
    let header = b"\x0b:event-type\x07\x00\x05chunk";
    let number = |length: usize| u32::try_from(length).unwrap_or(0).to_be_bytes();
    let all = number(16 + header.len() + payload.len());
    [
        &all,
        &number(header.len()),
        &b"crc1"[..],
        header,
        payload.as_bytes(),
        b"crc2",
    ]
    .concat()
}

pub(crate) fn amazon_answer(payloads: &[String]) -> (Direction, Vec<u8>) {
    let body: Vec<u8> = payloads.iter().flat_map(|payload| amazon(payload)).collect();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    received([head.as_bytes(), &body].concat())
}

pub(crate) const BEDROCK: &str = "bedrock-runtime.us-east-1.amazonaws.com";

/// An event as `InvokeModelWithResponseStream` wraps it.
pub(crate) fn wrapped(event: &str) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let coded = event.as_bytes().chunks(3).flat_map(|three| {
        let all = three.iter().fold(0_usize, |all, byte| all << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        let digit = move |at: usize| digits.get(all >> (18 - 6 * at) & 63).copied().map_or('?', char::from);
        (0..4).map(move |at| if at > three.len() { '=' } else { digit(at) })
    });
    format!(r#"{{"bytes":"{}","p":"abcdef"}}"#, coded.collect::<String>())
}

fn bedrock() -> Trace {
    let events = [
        r#"{"type":"message_start","message":{"model":"claude-sonnet-4","content":[],"usage":{"input_tokens":9,"output_tokens":1}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":21}}"#,
    ];
    let path = "/model/us.anthropic.claude-sonnet-4/invoke-with-response-stream";
    let asked = r#"{"messages":[],"tools":[{"name":"bash"}]}"#;
    vec![post(BEDROCK, path, asked), amazon_answer(&events.map(wrapped))]
}

pub(crate) const TOOL_CALL: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_weather","arguments":{"name":"no","id":9}}}"#;
pub(crate) const TOOL_RESULT: &str =
    r#"{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"error","id":7}],"isError":true}}"#;

/// The governed process is the server.
fn mcp() -> Trace {
    let turned = |(direction, bytes): (Direction, Vec<u8>)| (direction.opposite(), bytes);
    let event = format!("event: message\ndata: {TOOL_RESULT}\n\n");
    vec![
        turned(post("localhost:3000", "/mcp", TOOL_CALL)),
        turned(chunked("text/event-stream", &[&event])),
    ]
}

/// An encoder of HPACK that puts all it says into its table, as clients do.
#[derive(Default)]
pub(crate) struct Encoder(Vec<(String, String)>);

/// A length that fits where it is written; texts here are short.
fn short(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(0)
}

impl Encoder {
    pub(crate) fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            let field = ((*name).to_owned(), (*value).to_owned());
            if let Some(at) = self.0.iter().position(|known| *known == field) {
                block.push(0x80 | short(62 + at));
                continue;
            }
            block.push(0x40);
            for text in [name, value] {
                let coded = huffman::encode(text.as_bytes());
                block.push(0x80 | short(coded.len()));
                block.extend(coded);
            }
            self.0.insert(0, field);
        }
        block
    }
}

/// A frame of HTTP/2.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A client's beginning.
pub(crate) fn preface() -> Vec<u8> {
    let settings = [0, 1, 0, 0, 16, 0, 0, 4, 0, 1, 0, 0];
    [PREFACE, &frame(4, 0, 0, &settings), &frame(8, 0, 0, &[0, 1, 0, 0])].concat()
}

/// A request of a model, its data in frames of so many bytes.
pub(crate) fn ask(encoder: &mut Encoder, stream: u32, body: &str, size: usize) -> Vec<u8> {
    let block = encoder.block(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/v1/messages?beta=true"),
        (":authority", "api.anthropic.com"),
        ("x-api-key", "sk-secret"),
        ("content-type", "application/json"),
    ]);
    // Padding, priority, and the block in three frames.
    let (one, rest) = block.split_at_checked(block.len() / 3).unwrap_or_default();
    let (two, three) = rest.split_at_checked(rest.len() / 2).unwrap_or_default();
    let mut all = frame(1, 0x28, stream, &[&[2, 0, 0, 0, 0, 16], one, &[0, 0]].concat());
    all.extend(frame(9, 0, stream, two));
    all.extend(frame(9, 4, stream, three));
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
    for (number, piece) in pieces.iter().enumerate() {
        let last = u8::from(number + 1 == pieces.len());
        all.extend(frame(0, last | 8, stream, &[&[3], *piece, &[0; 3]].concat()));
    }
    all
}

/// Its answer: an informal and a final head, an event, trailers.
pub(crate) fn tell(encoder: &mut Encoder, stream: u32, output: u64) -> [Vec<u8>; 3] {
    let informal = encoder.block(&[(":status", "103")]);
    let head = encoder.block(&[(":status", "200"), ("content-type", "text/event-stream")]);
    let event = format!(
        "data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}},\"usage\":{{\"input_tokens\":1,\"output_tokens\":{output}}}}}\n\n"
    );
    let end = encoder.block(&[("x-trailer", "secret")]);
    [
        [frame(1, 4, stream, &informal), frame(1, 4, stream, &head)].concat(),
        frame(0, 0, stream, event.as_bytes()),
        frame(1, 5, stream, &end),
    ]
}

pub(crate) const ASKED: &str = r#"{"model":"claude-sonnet-4-5","messages":[],"stream":true}"#;

/// Streams 1, 3 and 5, of which the answers come while the others are open.
pub(crate) fn interleaved() -> Trace {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    let mut trace = vec![
        sent(preface()),
        received(frame(4, 0, 0, &[])),
        sent(frame(4, 1, 0, &[])),
    ];
    for stream in [1, 3, 5] {
        trace.push(sent(ask(&mut client, stream, ASKED, 10)));
    }
    // Blocks come in the order in which they were encoded; data need not.
    let answers = [1, 3, 5].map(|stream| tell(&mut server, stream, u64::from(stream) * 10));
    for [head, event, end] in answers {
        let ping = frame(6, 0, 0, &[7; 8]);
        trace.extend([head, ping, event, end].map(received));
    }
    trace
}

/// A frame of a WebSocket.
pub(crate) fn message(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut all = vec![first];
    match payload.len() {
        length @ 0..=125 => all.push(masked | short(length)),
        length => {
            all.push(masked | 0x7e);
            all.extend(u16::try_from(length).unwrap_or(0).to_be_bytes());
        }
    }
    all.extend(key.iter().flatten());
    let key = key.unwrap_or_default();
    all.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    all
}

/// A message as permessage-deflate sends it, which refers to those before.
pub(crate) fn deflated(compress: &mut Compress, text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 100);
    // There is room for all of it, so that this does not fail.
    let _ = compress.compress_vec(text.as_bytes(), &mut out, FlushCompress::Sync);
    out.truncate(out.len().saturating_sub(4));
    out
}

pub(crate) fn compress() -> Compress {
    Compress::new(Compression::default(), false)
}

pub(crate) fn handshake(extensions: &str) -> Trace {
    vec![
        sent(
            "GET /backend-api/codex/responses HTTP/1.1\r\nHost: chatgpt.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer secret\r\nSec-WebSocket-Key: x\r\n\r\n",
        ),
        received(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n{extensions}\r\n"
        )),
    ]
}

pub(crate) fn create(model: &str) -> String {
    format!(r#"{{"type":"response.create","model":"{model}","input":[],"tools":[{{"name":"shell"}}],"stream":true}}"#)
}

/// As Codex does: each response is a call of its own.
pub(crate) fn codex() -> Trace {
    let key = Some([0x12, 0x34, 0x56, 0x78]);
    let (mut client, mut server) = (compress(), compress());
    let mut trace = handshake("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15\r\n");
    for output in [11, 22] {
        let asked = deflated(&mut client, &create("gpt-5-codex"));
        let (one, two) = asked.split_at_checked(asked.len() / 2).unwrap_or_default();
        let frames = [
            message(0x41, key, one),
            message(0x89, key, b"ping"),
            message(0x80, key, two),
        ];
        trace.push(sent(frames.concat()));
        let created = r#"{"type":"response.created","response":{"status":"in_progress","model":"gpt-5-codex"}}"#;
        let done = format!(
            r#"{{"type":"response.completed","response":{{"status":"completed","model":"gpt-5-codex","output":[{{"id":"fc_{output}","type":"function_call","name":"shell"}}],"usage":{{"input_tokens":5,"output_tokens":{output}}}}}}}"#
        );
        let frames = [
            message(0x8a, None, b"ping"),
            message(0xc1, None, &deflated(&mut server, created)),
            message(0xc1, None, &deflated(&mut server, &done)),
        ];
        trace.push(received(frames.concat()));
    }
    trace
}
