//! What agents send and receive, through the redactor.

use std::sync::{Arc, OnceLock};

use aa_redact::{
    BodyLimits, BodyRedactor, Engine, EventRedactor, Finding, FrameRedactor, KnownSecrets, MessageRedactor, Options,
    Redactor, Sender, detectors,
};

/// Everything there is to look for; `None` if the table is not sound, which the crate's own tests would say.
fn engine() -> Option<&'static Arc<Engine>> {
    static ENGINE: OnceLock<Option<Arc<Engine>>> = OnceLock::new();
    let make = || {
        let mut known = KnownSecrets::new([3; 32]);
        known.add(b"a known secret").ok()?;
        let options = Options {
            detectors: detectors().copied().collect(),
            known,
            ..Options::default()
        };
        Engine::new(&options).ok().map(Arc::new)
    };
    ENGINE.get_or_init(make).as_ref()
}

/// What a stream makes of its pieces, and what it found.
macro_rules! run {
    ($stream:expr, $pieces:expr) => {{
        let mut stream = $stream;
        let mut output = Vec::new();
        for piece in $pieces {
            output.extend_from_slice(stream.push(piece));
        }
        output.extend_from_slice(stream.finish());
        (output, stream.take_findings())
    }};
}

/// The same of a text whole, which is what it must be in pieces of the size that the first byte says.
macro_rules! however_cut {
    ($new:expr, $cut:expr, $text:expr) => {{
        let whole = run!($new, [$text]);
        let size = usize::from(*$cut) + 1;
        assert_eq!(run!($new, $text.chunks(size)), whole, "cut in pieces of {size}");
        whole
    }};
}

/// The first byte says how the rest is cut; the output is the same for any way, and findings stay in order and within the input.
pub fn redact_stream(bytes: &[u8]) -> bool {
    let (Some((cut, text)), Some(engine)) = (bytes.split_first(), engine()) else {
        return false;
    };
    let (_, findings) = however_cut!(Redactor::new(engine), cut, text);
    assert!(
        findings
            .iter()
            .all(|finding| finding.start < finding.end && finding.end <= text.len() as u64)
    );
    assert!(
        findings
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a.end <= b.start))
    );
    !findings.is_empty()
}

/// The same of server-sent events, of which every line is JSON after if all were; and their lines as messages, of which as many come out.
pub fn redact_events(bytes: &[u8]) -> bool {
    let (Some((cut, text)), Some(engine)) = (bytes.split_first(), engine()) else {
        return false;
    };
    let (output, findings) = however_cut!(EventRedactor::new(engine), cut, text);
    if lines_of_json(text).all(|is_json| is_json) {
        assert!(lines_of_json(&output).all(|is_json| is_json));
    }
    let mut messages = MessageRedactor::new(engine);
    let lines = || text.split(|byte| *byte == b'\n');
    let count = lines().map(|line| messages.push(line).len()).sum::<usize>() + messages.finish().len();
    assert_eq!(count, lines().count());
    !findings.is_empty()
}

/// Of each line behind `data:`, whether it is JSON.
fn lines_of_json(text: &[u8]) -> impl Iterator<Item = bool> {
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| line.strip_prefix(b"data:"))
        .map(|json| serde_json::from_slice::<serde::de::IgnoredAny>(json).is_ok())
}

/// The same of WebSocket frames, compressed or not; what comes out of frames is frames again, and of no extension.
pub fn redact_frames(bytes: &[u8]) -> bool {
    let (Some((cut, input)), Some(engine)) = (bytes.split_first(), engine()) else {
        return false;
    };
    // The first bit says who sends: of these two, the client's messages stand alone.
    let sender = if cut & 0x80 == 0 {
        Sender::Server
    } else {
        Sender::Client
    };
    let agreed = || FrameRedactor::agreed(engine, "permessage-deflate; client_no_context_takeover", sender);
    let (output, findings) = however_cut!(agreed(), cut, input);
    let is_broken = |findings: &[Finding]| findings.iter().any(|finding| finding.start == finding.end);
    if !is_broken(&findings) {
        assert!(
            !is_broken(&run!(FrameRedactor::new(engine), [&output]).1),
            "what comes out is no frames"
        );
    }
    !output.is_empty() && !is_broken(&findings)
}

/// The first byte chooses the encoding of the rest; what comes of it is bounded.
pub fn redact_body(bytes: &[u8]) -> bool {
    let (Some((encoding, body)), Some(engine)) = (bytes.split_first(), engine()) else {
        return false;
    };
    let names = ["gzip", "deflate", "br", "zstd", "gzip, br", ""];
    let name = names
        .get(usize::from(*encoding) % names.len())
        .copied()
        .unwrap_or_default();
    let limits = BodyLimits {
        bytes: 1 << 20,
        ratio: 100,
    };
    let mut stream = BodyRedactor::new(engine, name, limits);
    let mut length = 0;
    for piece in body.chunks(100) {
        length += stream.push(piece).len();
    }
    length += stream.finish().len();
    // A label is longer than what it stands for by a bounded factor.
    assert!(length <= 16 << 20);
    stream.take_findings().iter().all(|finding| finding.reason.is_none())
}
