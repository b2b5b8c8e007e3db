use std::fmt::Write as _;

use super::*;
use crate::detector::Hit;
use crate::text::Text;

fn broken() -> Arc<Engine> {
    let row = Detector::special(
        "broken",
        Class::Secret,
        &["panic:"],
        |_: &Text<'_>, _: Hit| panic!("a verifier is wrong"),
        |_| String::new(),
        "https://example.org/",
    );
    let mut options = Options::default();
    options.detectors.push(row);
    Arc::new(Engine::new(&options).unwrap())
}

#[test]
fn a_panic_in_a_verifier_hides_the_rest_of_the_field_and_nothing_else() {
    let engine = broken();
    let text = br#"{"a": "fine", "b": "x panic: what nobody may see", "password": "hunter2x"}"#;
    let (output, findings) = cut(&engine, &[text.as_slice()]);
    assert_eq!(
        String::from_utf8(output.clone()).unwrap(),
        r#"{"a": "fine", "b": "x [REDACTED:withheld]", "password": "[REDACTED:password]"}"#
    );
    assert_eq!(findings[0].reason, Some(Reason::VerifierPanic));
    assert_eq!(
        (findings[0].kind, findings[0].start, findings[0].end),
        ("withheld", 22, 48)
    );
    let pieces: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(cut(&engine, &pieces), (output, findings));
}

#[test]
fn a_stream_made_to_cost_is_withheld_in_bounded_time() {
    let text = "-eyJ".repeat(100_000);
    let before = std::time::Instant::now();
    let (output, findings) = whole(&text);
    assert!(findings.iter().any(|finding| finding.reason == Some(Reason::WorkLimit)));
    assert!(output.len() < text.len());
    assert!(before.elapsed().as_secs() < 20);
}

#[test]
fn no_value_is_in_anything_that_is_printed() {
    let mut seed = Seed::new(61);
    let mut stream = Redactor::new(&engine());
    let mut events = EventRedactor::new(&engine());
    let mut body = BodyRedactor::new(&engine(), "", BodyLimits::default());
    let mut messages = MessageRedactor::new(&engine());
    let mut fragments = FrameRedactor::new(&engine());
    let mut printed = String::new();
    for row in Options::default().detectors {
        let sample = row.sample(&mut seed);
        let half = sample.len() / 2;
        // In the middle of a value too, where it is held.
        let parts = [&sample.as_bytes()[..half], &sample.as_bytes()[half..], b" "];
        for (part, first) in parts.into_iter().zip([0x01, 0x00, 0x80]) {
            stream.push(part);
            body.push(part);
            events.push(part);
            messages.push(part);
            fragments.push(&frames::frame(first, None, part));
            write!(printed, "{stream:?}{events:?}{body:?}{messages:?}{fragments:?}{row:?}").unwrap();
        }
        let findings = (
            stream.take_findings(),
            events.take_findings(),
            body.take_findings(),
            (messages.take_findings(), fragments.take_findings()),
        );
        write!(printed, "{findings:?}").unwrap();
        for secret in sample
            .split(|byte: char| !byte.is_ascii_alphanumeric())
            .filter(|part| part.len() >= 12)
        {
            assert!(!printed.contains(secret), "{}", row.name());
        }
        printed.clear();
    }
}

#[test]
fn invalid_text_passes_and_does_not_hide_what_is_in_it() {
    let mut seed = Seed::new(62);
    let value = token("github-token", &mut seed);
    let text = [b"\xff\xfe\xc0".as_slice(), value.as_bytes(), b"\xed\xa0\x80\xff"].concat();
    let (output, _) = whole(&text);
    assert_eq!(
        output,
        [
            b"\xff\xfe\xc0".as_slice(),
            b"[REDACTED:github-token]",
            b"\xed\xa0\x80\xff"
        ]
        .concat()
    );
}
