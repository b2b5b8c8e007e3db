use super::*;
use crate::hpack::huffman;
use crate::{Api, Doubt, Protocol};

/// An encoder that puts all it says into its table, as a client's does.
#[derive(Default)]
pub(super) struct Encoder(Vec<(String, String)>);

impl Encoder {
    pub(super) fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            let field = ((*name).to_owned(), (*value).to_owned());
            if let Some(at) = self.0.iter().position(|known| *known == field) {
                block.push(0x80 | u8::try_from(62 + at).unwrap());
                continue;
            }
            block.push(0x40);
            for text in [name, value] {
                let coded = huffman::encode(text.as_bytes());
                block.push(0x80 | u8::try_from(coded.len()).unwrap());
                block.extend(coded);
            }
            self.0.insert(0, field);
        }
        block
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A client's beginning.
pub(super) fn preface() -> Vec<u8> {
    let settings = [0, 1, 0, 0, 16, 0, 0, 4, 0, 1, 0, 0];
    [
        crate::http2::PREFACE,
        &frame(4, 0, 0, &settings),
        &frame(8, 0, 0, &[0, 1, 0, 0]),
    ]
    .concat()
}

/// A request of a model, in frames of so many bytes.
fn ask(encoder: &mut Encoder, stream: u32, body: &str, size: usize) -> Vec<u8> {
    let block = encoder.block(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/v1/messages?beta=true"),
        (":authority", "api.anthropic.com"),
        ("x-api-key", "sk-secret"),
        ("content-type", "application/json"),
    ]);
    // Padding, priority, and the block in three frames.
    let (one, rest) = block.split_at(block.len() / 3);
    let (two, three) = rest.split_at(rest.len() / 2);
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

fn tell(encoder: &mut Encoder, stream: u32, output: u64) -> [Vec<u8>; 3] {
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

const ASKED: &str = r#"{"model":"claude-sonnet-4-5","messages":[],"stream":true}"#;

/// Streams 1, 3 and 5 with answers that come between one another.
fn interleaved() -> Trace {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    let mut trace = vec![
        sent(preface()),
        received(frame(4, 0, 0, &[])),
        sent(frame(4, 1, 0, &[])),
    ];
    for stream in [1, 3, 5] {
        trace.push(sent(ask(&mut client, stream, ASKED, 10)));
    }
    let answers: Vec<[Vec<u8>; 3]> = [1, 3, 5]
        .map(|stream| tell(&mut server, stream, u64::from(stream) * 10))
        .into();
    // Blocks must come in the order in which they were encoded; data need not.
    for answer in &answers {
        trace.push(received(&answer[0]));
        trace.push(received(frame(6, 0, 0, &[7; 8])));
        trace.push(received(&answer[1]));
        trace.push(received(&answer[2]));
    }
    trace
}

#[test]
fn streams_are_exchanges() {
    let heard = hear(&interleaved());
    assert_eq!(heard.done.len(), 3);
    for (number, Done(exchange)) in heard.done.iter().enumerate() {
        assert!(exchange.doubts.is_empty(), "{exchange:?}");
        assert_eq!(
            (exchange.protocol, exchange.host.as_str()),
            (Protocol::Http2, "api.anthropic.com")
        );
        assert_eq!((exchange.path.as_str(), exchange.status), ("/v1/messages", Some(200)));
        let call = exchange.call.as_ref().unwrap();
        assert_eq!(
            (call.api, call.model_asked.as_str()),
            (Api::Anthropic, "claude-sonnet-4-5")
        );
        assert_eq!(call.usage.output, Some(10 * (2 * u64::try_from(number).unwrap() + 1)));
        assert_eq!(exchange.request.decoded_bytes, ASKED.len() as u64);
    }
    assert_eq!(
        heard.told.iter().filter(|line| *line == "  x-trailer=secret").count(),
        3
    );
    assert_eq!(
        heard
            .told
            .iter()
            .filter(|line| *line == "  x-api-key=sk-secret")
            .count(),
        3
    );
}

#[test]
fn a_reset_stream_is_cut_short() {
    let mut client = Encoder::default();
    let asked = ask(&mut client, 1, ASKED, 1000);
    let heard = hear(&vec![
        sent([preface(), asked].concat()),
        received(frame(3, 0, 1, &[0, 0, 0, 8])),
    ]);
    assert!(heard.only().doubts.contains(Doubt::CutShort));
    assert_eq!(heard.only().call.as_ref().unwrap().model_asked, "claude-sonnet-4-5");
}

#[test]
fn bytes_lost_in_data_are_counted_and_the_rest_goes_on() {
    let mut client = Encoder::default();
    let asked = ask(&mut client, 1, ASKED, 1000);
    let (before, after) = asked.split_at(asked.len() - 30);
    let mut conversation = Conversation::new(Limits::default());
    let mut heard = Heard::default();
    conversation.bytes(Direction::Sent, &[preface(), before.to_vec()].concat(), &mut |told| {
        heard.take(&told)
    });
    conversation.gap(Direction::Sent, 20, &mut |told| heard.take(&told));
    conversation.bytes(Direction::Sent, &after[20..], &mut |told| heard.take(&told));
    conversation.bytes(Direction::Sent, &ask(&mut client, 3, ASKED, 1000), &mut |told| {
        heard.take(&told)
    });
    conversation.closed(&mut |told| heard.take(&told));
    let first = &heard.done[0].0;
    assert_eq!(
        (first.request.missing_bytes, first.request.decoded_bytes),
        (20, ASKED.len() as u64 - 20)
    );
    assert!(first.doubts.contains(Doubt::Gap));
    let second = &heard.done[1].0;
    assert_eq!(
        (second.host.as_str(), second.doubts.contains(Doubt::Gap)),
        ("api.anthropic.com", false)
    );
}

/// Of a connection that is older than us, frames are found again, and of fields what was said since.
#[test]
fn a_connection_joined_in_the_middle_is_understood_as_far_as_it_can_be() {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    let unheard = ask(&mut client, 101, ASKED, 1000);
    tell(&mut server, 101, 7);
    let pieces = [
        sent(&unheard[unheard.len() - 20..]),
        sent(ask(&mut client, 103, ASKED, 1000)),
        received(tell(&mut server, 103, 7).concat()),
    ];
    for size in [1, 5, 1000] {
        let mut conversation = Conversation::new(Limits::default());
        let mut heard = Heard::default();
        for direction in [Direction::Sent, Direction::Received] {
            conversation.gap(direction, 0, &mut |told| heard.take(&told));
        }
        for (direction, bytes) in &pieces {
            for piece in bytes.chunks(size) {
                conversation.bytes(*direction, piece, &mut |told| heard.take(&told));
            }
        }
        conversation.closed(&mut |told| heard.take(&told));
        let exchange = heard.only();
        assert!(exchange.doubts.contains(Doubt::OlderThanUs));
        // The path could not be told: the body could.
        let call = exchange.call.as_ref().unwrap();
        assert_eq!(
            (call.model_asked.as_str(), call.usage.output),
            ("claude-sonnet-4-5", Some(7)),
            "{size}"
        );
    }
}

#[test]
fn a_server_may_begin() {
    let mut trace = interleaved();
    trace.swap(0, 1);
    assert_eq!(hear(&trace).done.len(), 3);
}

pub(super) fn trace() -> Trace {
    interleaved()
}
