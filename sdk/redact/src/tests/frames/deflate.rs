use flate2::{Compress, Compression, FlushCompress};

use super::*;

const AGREED: &str = "x-other; a=1, permessage-deflate; server_max_window_bits=15; client_no_context_takeover";

/// A sender's compressor, as RFC 7692, 7.2.1, has it.
struct Sending(Compress);

impl Sending {
    fn new() -> Self {
        Self(Compress::new(Compression::default(), false))
    }

    fn message(&mut self, text: &[u8]) -> Vec<u8> {
        let mut packed = Vec::with_capacity(text.len() + 1024);
        self.0.compress_vec(text, &mut packed, FlushCompress::Sync).unwrap();
        assert_eq!(packed.split_off(packed.len() - 4), [0, 0, 0xff, 0xff]);
        packed
    }
}

fn agreed(sender: Sender) -> impl Fn() -> FrameRedactor {
    move || FrameRedactor::agreed(&engine(), AGREED, sender)
}

/// The same for every cut.
fn redacted(sender: Sender, bytes: &[u8]) -> (Vec<u8>, Vec<Finding>) {
    let whole = run(agreed(sender)(), bytes, bytes.len());
    for size in [1, 2, 7, 100] {
        assert_eq!(run(agreed(sender)(), bytes, size), whole, "pieces of {size}");
    }
    for at in 0..bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(cut(agreed(sender)(), [head, tail]), whole, "cut at {at}");
    }
    whole
}

#[test]
fn the_examples_of_the_rfc_are_inflated() {
    // RFC 7692, 7.2.3: one block, in fragments, a block without compression, one that is the last of its stream, two blocks, each before a message
    // that nothing compressed.
    for bytes in [
        &b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
        b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00",
        b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
    ] {
        let bytes = [bytes, b"\x81\x02ok"].concat();
        for sender in [Sender::Client, Sender::Server] {
            assert_eq!(
                redacted(sender, &bytes),
                (b"\x81\x05Hello\x81\x02ok".to_vec(), Vec::new())
            );
        }
    }
    // 7.2.3.2: the second by reference to the first.
    let twice = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00";
    assert_eq!(redacted(Sender::Server, twice).0, b"\x81\x05Hello\x81\x05Hello");
    // The last block of a stream, then one that refers to what was before it.
    let ended = b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00\xc1\x05\xf2\x00\x11\x00\x00";
    assert_eq!(redacted(Sender::Server, ended).0, b"\x81\x05Hello\x81\x05Hello");
}

#[test]
fn values_in_compressed_messages_are_hidden_masked_or_not_in_fragments_with_a_ping_between() {
    let mut seed = Seed::new(74);
    let value = token("github-token", &mut seed);
    let message = |text: &str| format!("{{\"type\":\"response.output_text.delta\",\"delta\":\"{text}\"}}");
    let (head, tail) = value.split_at(9);
    let texts = [&*format!("{value} "), head, tail, " and ", &value].map(message);
    let label = "[REDACTED:github-token]";
    let expected = [&*format!("{label} "), label, "", " and ", label].map(message);
    for key in [None, Some(KEY)] {
        for (sender, takeover) in [(Sender::Client, false), (Sender::Server, true)] {
            let mut sending = Sending::new();
            let (mut bytes, mut wanted) = (Vec::new(), Vec::new());
            for (text, expected) in texts.iter().zip(&expected) {
                if !takeover {
                    sending = Sending::new();
                }
                let packed = sending.message(text.as_bytes());
                let (head, tail) = packed.split_at(packed.len() / 2);
                bytes.extend(frame(0x41, key, head));
                bytes.extend(frame(0x89, key, b"there?"));
                bytes.extend(frame(0x80, key, tail));
                wanted.push(frame(0x81, key, expected.as_bytes()));
            }
            let (output, findings) = redacted(sender, &bytes);
            let messages: Vec<Vec<u8>> = split(&output).filter(|frame| frame[0] == 0x81).collect();
            assert_eq!(messages, wanted);
            assert_eq!(findings.len(), 4);
            let from = usize::try_from(findings[0].start).unwrap();
            assert_eq!(texts.concat().get(from..from + value.len()), Some(&*value));
        }
    }
}

/// The frames of a stream, each whole.
fn split(mut bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    std::iter::from_fn(move || {
        let masked = if bytes.get(1)? & 0x80 == 0 { 0 } else { 4 };
        let (frame, rest) = bytes.split_at(2 + masked + usize::from(bytes[1] & 0x7f));
        bytes = rest;
        Some(frame.to_vec())
    })
}

#[test]
fn what_cannot_be_inflated_is_withheld_whole_and_so_is_what_refers_to_it() {
    let good = |sending: &mut Sending| frame(0xc1, None, &sending.message(b"Hello, hello, hello"));
    let shown = frame(0x81, None, b"Hello, hello, hello");
    let withheld = frame(0x81, None, b"[REDACTED:withheld]");
    for broken in [
        &b"\xff\xff\xff\xff"[..],                // a block of a type there is none of
        b"\x00\x05\x00\xfa\xff\x48\x65",         // a block that is cut
        b"\xf2\x48\xcd\xc9\xc9\x07\x40\xff\xff", // rubbish behind it
        b"\x02\x07\x00",                         // back to before the first byte
    ] {
        let broken = frame(0xc1, None, broken);
        // Without context each message stands alone.
        let bytes = [good(&mut Sending::new()), broken.clone(), good(&mut Sending::new())].concat();
        let (output, findings) = redacted(Sender::Client, &bytes);
        assert_eq!(output, [shown.clone(), withheld.clone(), shown.clone()].concat());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].reason, Some(Reason::Undecodable));
        let mut sending = Sending::new();
        let bytes = [
            good(&mut sending),
            broken,
            good(&mut sending),
            frame(0x81, None, b"plain"),
        ];
        let (output, findings) = redacted(Sender::Server, &bytes.concat());
        let expected = [
            shown.clone(),
            withheld.clone(),
            withheld.clone(),
            frame(0x81, None, b"plain"),
        ];
        assert_eq!(output, expected.concat());
        assert_eq!(findings.len(), 2);
    }
}

#[test]
fn a_compressed_bomb_is_withheld_before_it_is_inflated() {
    for size in [2 << 20, 17 << 20] {
        let bomb = frame(0xc1, None, &Sending::new().message(&vec![b'0'; size]));
        let (output, findings) = run(agreed(Sender::Client)(), &bomb, 4096);
        assert_eq!(output, frame(0x81, None, b"[REDACTED:withheld]"));
        assert_eq!(findings[0].reason, Some(Reason::DecodeLimit));
    }
}

#[test]
fn what_nobody_agreed_to_is_withheld_and_bits_within_a_message_end_the_direction() {
    let hello = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
    for extensions in ["", "permessage-bzip2", "x-permessage-deflate", "x; permessage-deflate"] {
        let stream = FrameRedactor::agreed(&engine(), extensions, Sender::Server);
        let (output, findings) = run(stream, hello, 3);
        assert_eq!(output, frame(0x81, None, b"[REDACTED:withheld]"), "{extensions}");
        assert_eq!(findings[0].reason, Some(Reason::UnknownEncoding));
    }
    // Another bit beside the one of compression.
    let (_, findings) = redacted(Sender::Server, b"\xe1\x07\xf2\x48\xcd\xc9\xc9\x07\x00");
    assert_eq!(findings[0].reason, Some(Reason::UnknownEncoding));
    // RFC 7692, 6.1: the bit on a fragment that is not the first, and on a ping.
    for bytes in [&b"\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00"[..], b"\xc9\x00"] {
        let (output, findings) = redacted(Sender::Server, bytes);
        assert_eq!(output, frame(0x88, None, &1002_u16.to_be_bytes()));
        assert_eq!(findings[0].reason, Some(Reason::Undecodable));
    }
}
