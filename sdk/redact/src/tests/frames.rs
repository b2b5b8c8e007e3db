mod deflate;

use super::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as RFC 6455, 5.2, draws it.
pub(super) fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(masked | u8::try_from(length).unwrap()),
        length @ 126..65536 => {
            bytes.push(masked | 0x7e);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(masked | 0x7f);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(key.iter().flatten());
    let stream = key.unwrap_or_default().into_iter().cycle();
    bytes.extend(payload.iter().zip(stream).map(|(byte, key)| byte ^ key));
    bytes
}

fn run(frames: FrameRedactor, bytes: &[u8], size: usize) -> (Vec<u8>, Vec<Finding>) {
    cut(frames, bytes.chunks(size))
}

fn cut<'a>(mut frames: FrameRedactor, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<Finding>) {
    let mut output = Vec::new();
    for piece in pieces {
        output.extend_from_slice(frames.push(piece));
    }
    output.extend_from_slice(frames.finish());
    (output, frames.take_findings())
}

/// The same for every cut, then the output.
fn redacted(bytes: &[u8]) -> (Vec<u8>, Vec<Finding>) {
    let run = |size| run(FrameRedactor::new(&engine()), bytes, size);
    let whole = run(bytes.len().max(1));
    for size in [1, 2, 7, 100] {
        assert_eq!(run(size), whole, "pieces of {size}");
    }
    for at in 0..bytes.len() {
        let (head, tail) = bytes.split_at(at);
        let split = cut(FrameRedactor::new(&engine()), [head, tail]);
        assert_eq!(split, whole, "cut at {at}");
    }
    whole
}

#[test]
fn the_examples_of_the_rfc_come_out_as_they_went_in() {
    // RFC 6455, 5.7: unmasked, masked, a ping, its pong, and 256 bytes; a fragmented one comes out whole.
    let whole = [
        frame(0x81, None, b"Hello"),
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec(),
        b"\x89\x05Hello".to_vec(),
        b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec(),
        frame(0x82, None, &[b' '; 256]),
        frame(0x82, Some(KEY), &vec![b' '; 65536]),
    ];
    for bytes in whole {
        assert_eq!(run(FrameRedactor::new(&engine()), &bytes, 11), (bytes, Vec::new()));
    }
    assert_eq!(redacted(b"\x01\x03Hel\x80\x02lo").0, b"\x81\x05Hello");
}

#[test]
fn a_value_in_fragments_with_a_ping_between_is_hidden_and_the_ping_comes_first() {
    let mut seed = Seed::new(71);
    let value = token("github-token", &mut seed);
    let (head, tail) = value.split_at(9);
    for key in [None, Some(KEY)] {
        let bytes = [
            frame(0x01, key, format!("use {head}").as_bytes()),
            frame(0x89, key, b"there?"),
            frame(0x80, key, format!("{tail} now").as_bytes()),
            frame(0x88, key, b"\x03\xe8bye"),
        ]
        .concat();
        let expected = [
            frame(0x89, key, b"there?"),
            frame(0x81, key, b"use [REDACTED:github-token] now"),
            frame(0x88, key, b"\x03\xe8bye"),
        ]
        .concat();
        let (output, findings) = redacted(&bytes);
        assert_eq!(output, expected);
        assert_eq!((findings[0].start, findings[0].end), (4, 4 + value.len() as u64));
    }
}

#[test]
fn a_value_spread_over_messages_is_hidden_in_the_messages_it_came_in() {
    let mut seed = Seed::new(72);
    let value = token("github-token", &mut seed);
    let message = |text: &str| format!("{{\"type\":\"response.output_text.delta\",\"delta\":\"{text}\"}}");
    let (head, tail) = value.split_at(9);
    let bytes = [
        frame(0x81, None, message(head).as_bytes()),
        frame(0x81, None, message(tail).as_bytes()),
        frame(0x81, None, message(" and").as_bytes()),
    ]
    .concat();
    let expected = [
        frame(0x81, None, message("[REDACTED:github-token]").as_bytes()),
        frame(0x81, None, message("").as_bytes()),
        frame(0x81, None, message(" and").as_bytes()),
    ]
    .concat();
    assert_eq!(redacted(&bytes).0, expected);
}

#[test]
fn a_message_of_an_extension_is_withheld_and_those_around_it_pass() {
    let bytes = [
        frame(0x81, Some(KEY), b"one"),
        frame(0x41, Some(KEY), b"\xf2\x48\xcd"),
        frame(0x80, Some(KEY), b"\xc9\xc9\x07\x00"),
        frame(0x81, Some(KEY), b"two"),
    ]
    .concat();
    let expected = [
        frame(0x81, Some(KEY), b"one"),
        frame(0x81, Some(KEY), b"[REDACTED:withheld]"),
        frame(0x81, Some(KEY), b"two"),
    ]
    .concat();
    let (output, findings) = redacted(&bytes);
    assert_eq!(output, expected);
    assert_eq!(findings[0].reason, Some(Reason::UnknownEncoding));
    assert_eq!((findings[0].start, findings[0].end), (3, 22));
}

#[test]
fn what_is_no_frame_ends_the_direction_and_nothing_behind_it_is_given_out() {
    let malformed = [
        vec![0x83, 0],                                  // an opcode nobody defined
        frame(0x80, None, b"no message to go on with"), // RFC 6455, 5.4
        [frame(0x01, None, b"a"), frame(0x81, None, b"b")].concat(),
        frame(0x09, None, b"a ping in fragments"),  // 5.5
        frame(0x89, None, &[b'x'; 126]),            // 5.5
        vec![0x81, 126, 0, 5, b'a'],                // 5.2: not the shortest form
        vec![0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], // 5.2: the highest bit
    ];
    for bytes in malformed {
        let bytes = [bytes, frame(0x81, None, b"password: hunter2x")].concat();
        let (output, findings) = redacted(&bytes);
        assert_eq!(output, frame(0x88, None, &1002_u16.to_be_bytes()), "{bytes:x?}");
        assert_eq!(findings[0].reason, Some(Reason::Undecodable));
    }
    let long = [0x81, 127, 0, 0, 0, 0, 1, 0, 0, 1];
    let (output, findings) = redacted(&long);
    assert_eq!(output, frame(0x88, None, &1009_u16.to_be_bytes()));
    assert_eq!(findings[0].reason, Some(Reason::DecodeLimit));
}

#[test]
fn a_value_in_a_control_frame_is_hidden_by_as_many_bytes() {
    let mut seed = Seed::new(73);
    let value = token("github-token", &mut seed);
    let reason = [b"\x03\xe8", value.as_bytes()].concat();
    let stars = [b"\x03\xe8".as_slice(), "*".repeat(value.len()).as_bytes()].concat();
    let (output, findings) = redacted(&frame(0x88, Some(KEY), &reason));
    assert_eq!(output, frame(0x88, Some(KEY), &stars));
    assert_eq!(findings[0].kind, "github-token");
}
