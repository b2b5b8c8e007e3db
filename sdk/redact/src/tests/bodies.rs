use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut output = Vec::new();
    brotli::CompressorWriter::new(&mut output, 4096, 5, 22)
        .write_all(text)
        .unwrap();
    output
}

type Compress = fn(&[u8]) -> Vec<u8>;
const ENCODINGS: [(&str, Compress); 5] = [
    ("gzip", gzip),
    ("deflate", zlib),
    ("Deflate", deflate),
    ("br", brotli),
    ("zstd", zstd),
];

fn run(encoding: &str, body: &[u8], piece: usize) -> (String, Vec<Finding>) {
    cut(encoding, body.chunks(piece))
}

fn cut<'a>(encoding: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, Vec<Finding>) {
    let mut stream = BodyRedactor::new(&engine(), encoding, BodyLimits::default());
    let mut output = Vec::new();
    for piece in pieces {
        output.extend_from_slice(stream.push(piece));
    }
    output.extend_from_slice(stream.finish());
    (String::from_utf8_lossy(&output).into_owned(), stream.take_findings())
}

/// JSON of some size with a token near its end.
fn body(seed: u64) -> String {
    let mut seed = Seed::new(seed);
    let lines: Vec<String> = (0..1000)
        .map(|number| {
            format!(
                "{{\"line\":{number},\"x\":\"{}\"}}\n",
                seed.text(&Charset::of("a-f"), 20)
            )
        })
        .collect();
    format!("{}{{\"t\":\"{}\"}}\n", lines.concat(), token("github-token", &mut seed))
}

#[test]
fn bodies_are_redacted_whatever_they_are_packed_in() {
    let text = body(51);
    for (name, compress) in ENCODINGS {
        let packed = compress(text.as_bytes());
        for piece in [1, 999, usize::MAX] {
            let (output, findings) = run(name, &packed, piece);
            assert_eq!(output, shown(&text), "{name} by {piece}");
            assert_eq!(findings.len(), 1);
        }
    }
    let twice = brotli(&gzip(text.as_bytes()));
    assert_eq!(run("gzip, br", &twice, 1400).0, shown(&text));
    assert_eq!(run("", text.as_bytes(), 1400).0, shown(&text));
    let two = [gzip(b"one "), gzip(b"two")].concat();
    assert_eq!(run("gzip", &two, 7).0, "one two");
}

#[test]
fn every_split_of_a_body_gives_what_the_whole_gives() {
    let text = format!("{{\"t\":\"{}\"}}\n", token("github-token", &mut Seed::new(52)));
    for (name, compress) in ENCODINGS {
        let packed = compress(text.as_bytes());
        let expected = run(name, &packed, usize::MAX);
        assert_eq!(expected.0, shown(&text));
        for at in 0..packed.len() {
            let (head, tail) = packed.split_at(at);
            assert_eq!(cut(name, [head, tail]), expected, "{name} cut at {at}");
        }
    }
}

#[test]
fn what_cannot_be_decoded_is_withheld_with_its_reason() {
    let text = body(52);
    for (name, compress) in ENCODINGS {
        let packed = compress(text.as_bytes());
        let cut = packed.get(..packed.len() / 2).unwrap();
        let (output, findings) = run(name, cut, 100);
        assert!(output.ends_with("[REDACTED:withheld]"), "{name}");
        assert!(text.starts_with(output.strip_suffix("[REDACTED:withheld]").unwrap()));
        assert_eq!(findings[0].reason, Some(Reason::Undecodable), "{name}");
        if name == "Deflate" {
            // It has no checksum: what is broken in it is another text, which is looked at like any.
            continue;
        }
        let mut broken = packed.clone();
        let place = broken.len() / 3;
        broken
            .iter_mut()
            .skip(place)
            .take(40)
            .for_each(|byte| *byte = byte.wrapping_mul(7) ^ 0x5a);
        let (_, findings) = run(name, &broken, 100);
        assert_eq!(
            findings.last().and_then(|finding| finding.reason),
            Some(Reason::Undecodable),
            "{name}"
        );
    }
    for encoding in ["compress", "gzip, gzip, gzip, gzip"] {
        let (output, findings) = run(encoding, b"x", 1);
        assert_eq!(
            (output.as_str(), findings[0].reason),
            ("[REDACTED:withheld]", Some(Reason::UnknownEncoding))
        );
    }
}

#[test]
fn a_bomb_is_noticed_before_it_is_unpacked() {
    let zeros = vec![b'0'; 16 << 20];
    for (name, compress) in ENCODINGS {
        let packed = compress(&zeros);
        assert!(packed.len() < 1 << 20);
        let (output, findings) = run(name, &packed, usize::MAX);
        assert_eq!(
            findings.last().and_then(|finding| finding.reason),
            Some(Reason::DecodeLimit),
            "{name}"
        );
        assert!(output.len() < 8 << 20);
    }
}
