use std::io::Write as _;

use super::*;
use crate::Doubt;
use crate::testing::{Encoder, frame, preface};

/// What a connection may keep under the default limits, in bytes.
const MEMORY: usize = 32 << 20;

/// Says bytes again and again.
fn endless(begin: &[(Direction, Vec<u8>)], direction: Direction, again: &[u8], times: usize) -> Heard {
    let begin = begin.iter().map(|(direction, bytes)| (*direction, bytes.as_slice()));
    let heard = run(
        Limits::default(),
        begin.chain(std::iter::repeat_n((direction, again), times)),
    );
    assert!(heard.memory < MEMORY, "{} bytes are kept", heard.memory);
    heard
}

#[test]
fn an_endless_head_is_not_kept() {
    let line = [b"X-Y: ".as_slice(), &[b'a'; 1000], b"\r\n"].concat();
    let heard = endless(&[sent("GET / HTTP/1.1\r\n")], Direction::Sent, &line, 10_000);
    assert!(heard.only().doubts.contains(Doubt::Oversized));
    assert!(heard.memory < 1 << 20, "{}", heard.memory);
    let heard = endless(&[sent("GET / HTTP/1.1\r\nX: ")], Direction::Sent, &[b'a'; 1000], 10_000);
    assert!(heard.memory < 1 << 20, "{}", heard.memory);
}

#[test]
fn endless_requests_without_answers_are_given_up() {
    let request = [
        b"POST /v1/messages HTTP/1.1\r\nX: ".as_slice(),
        &[b'a'; 5000],
        b"\r\n\r\n",
    ]
    .concat();
    let heard = endless(&[], Direction::Sent, &request, 20_000);
    assert_eq!(heard.done.len(), 20_000);
    assert!(heard.done[0].0.doubts.contains(Doubt::Crowded));
}

#[test]
fn a_million_streams_are_not_kept() {
    let mut encoder = Encoder::default();
    let fields = [(":method", "POST"), (":path", "/v1/messages"), (":authority", "x")];
    let first = encoder.block(&fields);
    let block = encoder.block(&fields);
    let mut conversation = Conversation::new(Limits::default());
    let mut done = 0_u64;
    conversation.bytes(
        Direction::Sent,
        &[preface(), frame(1, 4, 1, &first)].concat(),
        &mut |_| (),
    );
    for stream in 1..1_000_000 {
        conversation.bytes(Direction::Sent, &frame(1, 4, stream * 2 + 1, &block), &mut |told| {
            done += u64::from(matches!(told, Told::Done(_)));
        });
    }
    assert!(conversation.memory() < MEMORY, "{}", conversation.memory());
    assert!(done > 999_000, "{done}");
}

#[test]
fn a_block_of_fields_that_unpacks_to_much_is_cut() {
    let mut block = [b"\x40\x01a\x7f\xa1\x1e".as_slice(), &[b'x'; 4000]].concat();
    block.extend([0xbe; 12_000]);
    let mut bytes = [preface(), frame(1, 1, 1, &block)].concat();
    bytes.extend(frame(9, 4, 1, &[0xbe; 16_000]));
    let heard = endless(&[sent(bytes)], Direction::Sent, &frame(9, 0, 1, &[0xbe; 16_000]), 1000);
    assert!(heard.done[0].0.doubts.contains(Doubt::Oversized), "{:?}", heard.done[0]);
    assert!(heard.memory < 1 << 20, "{}", heard.memory);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 4096, 9, 24)
        .write_all(bytes)
        .unwrap();
    out
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflate.write_all(bytes).unwrap();
    deflate.finish().unwrap()
}

fn coded(coding: &str, body: &[u8]) -> Trace {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    vec![
        sent("GET / HTTP/1.1\r\n\r\n"),
        received([head.as_bytes(), body].concat()),
    ]
}

#[test]
fn every_coding_is_undone() {
    let text = "data: what is in it\n\n".repeat(1000);
    for (coding, body) in [
        ("gzip", gzip(text.as_bytes())),
        ("deflate", deflate(text.as_bytes())),
        ("br", brotli(text.as_bytes())),
        ("zstd", zstd(text.as_bytes())),
        ("gzip, br", brotli(&gzip(text.as_bytes()))),
    ] {
        let heard = hear(&coded(coding, &body));
        assert!(heard.body(Direction::Received) == text, "{coding}");
        assert!(heard.only().doubts.is_empty(), "{coding} {:?}", heard.only().doubts);
        let cut = hear(&coded(coding, &body[..body.len() - 2]));
        assert!(cut.only().doubts.contains(Doubt::Undecodable), "{coding}");
    }
}

#[test]
fn a_bomb_is_noticed_before_it_is_unpacked() {
    let zeros = vec![0; 100 << 20];
    for (coding, body) in [
        ("gzip", gzip(&zeros)),
        ("gzip, gzip", gzip(&gzip(&zeros))),
        ("br", brotli(&zeros)),
        ("zstd", zstd(&zeros)),
    ] {
        let trace = coded(coding, &body);
        let heard = run(
            Limits::default(),
            trace.iter().map(|(direction, bytes)| (*direction, bytes.as_slice())),
        );
        let doubts = heard.only().doubts;
        assert!(doubts.contains(Doubt::Expansion), "{coding} {doubts:?}");
        assert!(heard.only().answer.decoded_bytes < 30 << 20, "{coding}");
        assert!(heard.memory < MEMORY, "{coding} {}", heard.memory);
    }
}

#[test]
fn what_is_not_in_its_coding_is_given_as_it_came() {
    for (coding, doubt) in [
        ("gzip", Doubt::Undecodable),
        ("zstd", Doubt::Undecodable),
        ("rot13", Doubt::UnknownCoding),
    ] {
        for body in ["sk-secret", "sk-secret in the clear"] {
            let heard = hear(&coded(coding, body.as_bytes()));
            assert_eq!(heard.body(Direction::Received), body, "{coding}");
            assert!(heard.only().doubts.contains(doubt), "{coding}");
        }
    }
}

/// Each stream's answer has a window of 16 MiB.
#[test]
fn decoders_of_many_streams_share_a_bound() {
    let mut encoder = Encoder::default();
    let mut bytes = preface();
    let mut answers = Vec::new();
    let body = brotli(&vec![7; 1 << 20]);
    let mut server = Encoder::default();
    for stream in (1..60).step_by(2) {
        bytes.extend(frame(
            1,
            5,
            stream,
            &encoder.block(&[(":method", "GET"), (":path", "/")]),
        ));
        answers.extend(frame(
            1,
            4,
            stream,
            &server.block(&[(":status", "200"), ("content-encoding", "br")]),
        ));
        answers.extend(frame(0, 0, stream, &body[..body.len() / 2]));
    }
    let trace = [sent(bytes), received(answers)];
    let heard = endless(&trace, Direction::Received, b"", 1);
    assert!(
        heard
            .done
            .iter()
            .filter(|done| done.0.doubts.contains(Doubt::Oversized))
            .count()
            > 20
    );
}

#[test]
fn a_document_of_any_size_is_read_in_no_memory() {
    let begin = sent(format!(
        "POST /v1/messages HTTP/1.1\r\nContent-Length: {}\r\n\r\n{{\"messages\":[\"",
        1_u64 << 40
    ));
    let heard = endless(std::slice::from_ref(&begin), Direction::Sent, &[b'a'; 10_000], 10_000);
    // What a tool is called with may have a text so long.
    assert!(heard.memory < 160 << 10, "{}", heard.memory);
    let heard = endless(&[begin], Direction::Sent, &b"\",{\"a\":[".repeat(1000), 1000);
    assert!(heard.memory < 64 << 10, "{}", heard.memory);
}

#[test]
fn members_of_gzip_follow_one_another_and_have_heads_of_any_sort() {
    let plain = gzip(b"one");
    let headed = flate2::GzBuilder::new()
        .extra(vec![1; 5])
        .filename("name")
        .comment("comment");
    let mut headed = headed.write(Vec::new(), flate2::Compression::fast());
    headed.write_all(b"two").unwrap();
    let body = [plain.clone(), headed.finish().unwrap(), plain].concat();
    let heard = hear(&coded("gzip", &body));
    assert_eq!(heard.body(Direction::Received), "onetwoone");
    assert!(heard.only().doubts.is_empty());
}

#[test]
fn what_stands_behind_the_end_of_a_coding_is_given_as_it_came() {
    for (coding, mut body) in [
        ("gzip", gzip(b"x")),
        ("deflate", deflate(b"x")),
        ("zstd", zstd(b"x")),
        ("br", brotli(b"x")),
    ] {
        body.extend(b"sk-secret");
        let heard = run(
            Limits::default(),
            coded(coding, &body)
                .iter()
                .map(|(direction, bytes)| (*direction, bytes.as_slice())),
        );
        assert!(heard.body(Direction::Received).contains("sk-secret"), "{coding}");
        assert!(heard.only().doubts.contains(Doubt::Undecodable), "{coding}");
    }
}
