use aa_redact::{Options, Seed, detectors};

use super::*;

fn run(options: &Options, findings: bool, chunk: Option<u32>, text: &str) -> (bool, String) {
    run_with(&Arc::new(Engine::new(options).unwrap()), findings, chunk, text)
}

fn run_with(engine: &Arc<Engine>, findings: bool, chunk: Option<u32>, text: &str) -> (bool, String) {
    let arguments = RedactArgs {
        findings,
        chunk,
        policy: None,
        files: Vec::new(),
    };
    let mut output = Vec::new();
    let found = pass(
        engine,
        &arguments,
        "x.log",
        &mut text.as_bytes(),
        &mut output,
        &mut |_| {},
    )
    .unwrap();
    (found, String::from_utf8(output).unwrap())
}

fn token() -> String {
    let row = detectors().find(|row| row.name() == "github-token").unwrap();
    row.sample(&mut Seed::new(1))
}

#[test]
fn a_pipe_is_redacted_and_the_chunk_makes_no_difference() {
    let text = format!("{{\"token\": \"{}\", \"a\": 1}}\nno more\n", token());
    let expected = "{\"token\": \"[REDACTED:github-token]\", \"a\": 1}\nno more\n";
    for chunk in [None, Some(1), Some(7)] {
        assert_eq!(
            run(&Options::default(), false, chunk, &text),
            (true, expected.to_owned())
        );
    }
    assert_eq!(run(&Options::default(), false, None, ""), (false, String::new()));
}

#[test]
fn findings_tell_where_and_what_and_not_the_value() {
    let value = token();
    let (found, lines) = run(&Options::default(), true, None, &format!("a {value} b"));
    let end = 2 + value.len();
    assert!(found);
    assert_eq!(
        lines,
        format!(
            "{{\"file\":\"x.log\",\"start\":2,\"end\":{end},\"kind\":\"github-token\",\"class\":\"secret\",\"confidence\":\"high\"}}\n"
        )
    );
}

#[test]
fn a_value_spread_over_events_is_found() {
    let value = token();
    let (head, tail) = value.split_at(9);
    let event =
        |text: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let (found, output) = run(
        &Options::default(),
        false,
        None,
        &[event(head), event(tail), event(" x")].concat(),
    );
    assert!(found);
    assert_eq!(
        output,
        [event("[REDACTED:github-token]"), event(""), event(" x")].concat()
    );
}

#[test]
fn a_policy_chooses_what_is_looked_for_and_what_is_written() {
    let text = format!("{} a@b.example.org", token());
    let options = settings::parse("[redaction]\ndetect = ['pii.email']\nreplace = 'mask'\n[other]\n", "p").unwrap();
    assert_eq!(
        run(&options, false, None, &text).1,
        format!("{} ***************", token())
    );
    let options = settings::parse("redaction.replace = 'pseudonym'\n", "p").unwrap();
    let (_, output) = run(&options, false, None, &format!("{text} {text}"));
    let names: Vec<&str> = output.split(' ').collect();
    assert!(
        names[0].starts_with("[github-token:") && names[0] == names[2],
        "{output}"
    );
}

#[test]
fn a_policy_that_cannot_be_used_is_refused_with_a_hint() {
    for (text, part) in [
        ("version = 1\n", "no section"),
        ("redaction.detect = ['nonsense']\n", "`nonsense`"),
        ("redaction.detects = ['secret']\n", "cannot be read"),
    ] {
        let problem = settings::parse(text, "p").unwrap_err();
        assert!(problem.to_string().contains(part), "{problem}");
        assert_eq!(crate::exit::code(&problem), crate::exit::BAD_POLICY);
    }
}

#[test]
fn a_policy_names_what_is_hidden() {
    let policy = |data: &str| format!("policy: x\nversion: 1\nexec: {{}}\n{data}\n");
    let options = settings::of_policy(&policy("data: {redact: [pii.email]}"), "x.yaml").unwrap();
    let text = format!("{} me@corp.test", token());
    assert_eq!(
        run(&options, false, None, &text).1,
        format!("{} [REDACTED:email]", token())
    );
    assert!(settings::of_policy(&policy("data: {redact: []}"), "x.yaml").is_err());
    assert!(settings::of_policy(&policy(""), "x.yaml").is_err());
    assert!(settings::of_policy(&policy("data: {redact: [nothing]}"), "x.yaml").is_err());
}

#[test]
fn the_policy_language_has_the_classes_of_the_redactor() {
    let classes: Vec<&str> = aa_redact::Class::ALL.iter().map(|class| class.name()).collect();
    assert_eq!(aa_policy::DATA_CLASSES.as_slice(), classes);
}

/// Ways to write a text, and to look for it.
fn forms(text: &str) -> [String; 5] {
    let each = |one: fn(u8) -> String| text.bytes().map(one).collect::<String>();
    let sixtets = |text: &str| -> String {
        let bit = |byte: u8| (0..8).rev().map(move |place| (byte >> place) & 1);
        let bits: Vec<u8> = text.bytes().flat_map(bit).collect();
        let set: Vec<char> = ('A'..='Z')
            .chain('a'..='z')
            .chain('0'..='9')
            .chain(['+', '/'])
            .collect();
        let place = |bits: &[u8]| bits.iter().fold(0, |sum, bit| sum * 2 + usize::from(*bit));
        bits.chunks_exact(6).map(|bits| set[place(bits)]).collect()
    };
    [
        text.to_owned(),
        sixtets(text),
        each(|byte| format!("{byte:02x}")),
        each(|byte| format!("%{byte:02X}")),
        each(|byte| format!("\\u{byte:04x}")),
    ]
}

#[test]
fn no_value_in_any_encoding_is_in_what_findings_tell() {
    let engine = Arc::new(Engine::new(&Options::default()).unwrap());
    let mut seed = Seed::new(3);
    let mut told = 0;
    for row in detectors().step_by(5) {
        let value = row.sample(&mut seed);
        let mut needles = Vec::new();
        for part in value.split(|byte: char| !byte.is_ascii_alphanumeric()) {
            if part.len() >= 8 && part.contains(|byte: char| byte.is_ascii_digit()) {
                needles.extend(forms(part));
            }
        }
        for text in forms(&value) {
            let (_, lines) = run_with(&engine, true, Some(7), &format!("{text}\n"));
            told += lines.lines().count();
            for line in lines.lines() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let known = [
                    "file",
                    "start",
                    "end",
                    "kind",
                    "class",
                    "confidence",
                    "example",
                    "reason",
                ];
                assert!(
                    line.as_object()
                        .unwrap()
                        .keys()
                        .all(|key| known.contains(&key.as_str()))
                );
            }
            let shown = needles.iter().any(|needle| lines.contains(needle.as_str()));
            assert!(!shown, "{}", row.name());
        }
    }
    assert!(told > 200, "{told}");
}
