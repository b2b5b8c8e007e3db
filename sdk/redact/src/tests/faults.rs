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
