//! No value is in anything that is printed: `Debug` of every public type, findings, errors, and what a panic tells.

use std::fmt::Write as _;
use std::process::Command;

use super::*;
use crate::detector::Hit;
use crate::text::Text;

/// The parts of a value that would give it away, in each way it might be printed.
fn needles(sample: &str) -> Vec<String> {
    let parts = sample.split(|byte: char| !byte.is_ascii_alphanumeric());
    let written = |part: &str| {
        let bytes = part.as_bytes();
        let each = |one: fn(&u8) -> String, between: &str| bytes.iter().map(one).collect::<Vec<_>>().join(between);
        let phase = |lead: &[u8], skip: usize| {
            let packed = encodings::base64(&[lead, bytes].concat(), *b"+/", false);
            String::from_utf8(packed[skip..packed.len() - 1].to_vec()).unwrap()
        };
        [
            part.to_owned(),
            part.to_ascii_lowercase(),
            part.chars().rev().collect(),
            each(|byte| format!("{byte}"), ", "),
            each(|byte| format!("{byte:02x}"), ""),
            each(|byte| format!("{byte:02X}"), ""),
            each(|byte| format!("%{byte:02X}"), ""),
            each(|byte| format!("\\u{byte:04x}"), ""),
            each(|byte| format!("{}", char::from(*byte)), "\\0"),
            phase(b"", 0),
            phase(b"x", 2),
            phase(b"xy", 3),
        ]
    };
    // What has no digit is the name of somebody or something.
    let telling = |part: &&str| part.len() >= 8 && part.contains(|byte: char| byte.is_ascii_digit());
    parts.filter(telling).flat_map(written).collect()
}

/// Everything that looks at streams, for one engine.
struct All {
    text: Redactor,
    found: Redactor,
    events: EventRedactor,
    messages: MessageRedactor,
    frames: FrameRedactor,
    body: BodyRedactor,
}

impl All {
    fn new(engine: &Arc<Engine>) -> Self {
        Self {
            text: Redactor::new(engine),
            found: Redactor::detector(engine),
            events: EventRedactor::new(engine),
            messages: MessageRedactor::new(engine),
            frames: FrameRedactor::agreed(engine, "permessage-deflate", Sender::Client),
            body: BodyRedactor::new(engine, "", BodyLimits::default()),
        }
    }

    /// Takes a part of a value, where it is held and where it names what holds a piece; all that can be printed then.
    fn push(&mut self, part: &[u8], first: u8, printed: &mut String) {
        let named = [
            b"data: {\"",
            part,
            b"\":{\"index\":\"",
            part,
            b"\",\"text\":\"",
            part,
            b"\"}}\n",
        ]
        .concat();
        self.text.push(part);
        self.found.push(part);
        self.events.push(part);
        self.events.push(&named);
        self.messages.push(part);
        self.messages.push(&named[5..]);
        self.frames.push(&frames::frame(first, None, part));
        self.body.push(part);
        self.print(printed);
    }

    fn finish(&mut self, printed: &mut String) {
        self.text.finish();
        self.found.finish();
        self.events.finish();
        self.messages.finish();
        self.frames.finish();
        self.body.finish();
        self.print(printed);
    }

    fn print(&mut self, printed: &mut String) {
        let Self {
            text,
            found,
            events,
            messages,
            frames,
            body,
        } = self;
        write!(printed, "{text:?}{found:?}{events:?}{messages:?}{frames:?}{body:?}").unwrap();
        write!(
            printed,
            "{text:#?}{found:#?}{events:#?}{messages:#?}{frames:#?}{body:#?}"
        )
        .unwrap();
        for findings in [
            text.take_findings(),
            found.take_findings(),
            events.take_findings(),
            messages.take_findings(),
            frames.take_findings(),
            body.take_findings(),
        ] {
            write!(printed, "{findings:?}").unwrap();
        }
    }
}

#[test]
fn no_value_of_any_row_in_any_encoding_is_in_anything_that_is_printed() {
    let options = Options {
        detectors: detectors().copied().collect(),
        ..Options::default()
    };
    let engine = Arc::new(Engine::new(&options).unwrap());
    let mut seed = Seed::new(61);
    let mut forms = encodings::forms();
    forms.insert(0, <[u8]>::to_vec);
    for (number, row) in detectors().enumerate() {
        let sample = row.sample(&mut seed);
        let needles = needles(&sample);
        // Every row as it is, and each encoding with every fourteenth.
        for form in forms
            .iter()
            .enumerate()
            .filter(|(at, _)| *at == 0 || *at == number % forms.len())
        {
            let text = (form.1)(sample.as_bytes());
            let (head, tail) = text.split_at(text.len() / 2);
            let mut all = All::new(&engine);
            let mut printed = format!("{row:?}{row:#?}");
            for (part, first) in [head, tail, b" "].into_iter().zip([0x01, 0x00, 0x80]) {
                all.push(part, first, &mut printed);
            }
            all.finish(&mut printed);
            let shown = needles.iter().any(|needle| printed.contains(needle.as_str()));
            assert!(!shown, "{} in form {}", row.name(), form.0);
        }
    }
}

#[test]
fn neither_what_is_known_nor_a_key_is_in_options_engines_and_errors() {
    let value = sample::mixed(&mut Seed::new(62), 40);
    let mut known = KnownSecrets::new(*value.as_bytes().first_chunk().unwrap());
    known.add(value.as_bytes()).unwrap();
    let errors = [
        known.add(&value.as_bytes()[..7]),
        known.add(value.repeat(200).as_bytes()),
    ];
    let options = Options {
        style: Style::Pseudonym(value.clone().into_bytes()),
        known: known.clone(),
        ..Options::default()
    };
    let engine = Engine::new(&options).unwrap();
    let short = Detector::token("short", &["x"], &charset::WORD, 9, "https://example.org/");
    let bad = Engine::new(&Options {
        detectors: vec![short],
        ..options.clone()
    });
    let bad = bad.unwrap_err();
    let mut printed = format!(
        "{known:?}{options:?}{options:#?}{engine:?}{:?}{:?}{:?}{bad:?}{bad}",
        options.style,
        Class::ALL,
        charset::WORD
    );
    for error in errors {
        let error = error.unwrap_err();
        write!(printed, "{error:?}{error}").unwrap();
    }
    for needle in needles(&value).iter().chain(&needles(value.get(..20).unwrap())) {
        assert!(!printed.contains(needle.as_str()), "{printed}");
    }
}

const CHILD: &str = "AA_REDACT_LEAKS_CHILD";
const VALUE: &str = "q8Zk2mPwT4xRvB7n";

/// A verifier that panics with what it looks at, and one that reads beyond the end of a text.
fn telling() -> Arc<Engine> {
    let row = |name, literals, verify| {
        Detector::special(
            name,
            Class::Secret,
            literals,
            verify,
            |_| String::new(),
            "https://example.org/",
        )
    };
    let mut options = Options::default();
    options
        .detectors
        .push(row("telling", &["panic:"], |text: &Text<'_>, hit: Hit| {
            panic!("{:?}", String::from_utf8_lossy(text.slice(hit.start, text.bytes.len())))
        }));
    options
        .detectors
        .push(row("slicing", &["slice:"], |text: &Text<'_>, _: Hit| {
            let text = std::str::from_utf8(text.bytes).unwrap();
            let (beyond, _) = text.split_at(text.len() + 1);
            panic!("{beyond}")
        }));
    Arc::new(Engine::new(&options).unwrap())
}

/// In a process of its own, because what a panic tells goes to its standard error.
#[test]
fn a_panic_of_a_verifier_tells_nobody_what_it_looked_at_and_other_panics_are_told_as_before() {
    if std::env::var_os(CHILD).is_none() {
        let name =
            "tests::leaks::a_panic_of_a_verifier_tells_nobody_what_it_looked_at_and_other_panics_are_told_as_before";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let told = [child.stdout, child.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(child.status.success(), "the child failed");
        assert!(told.contains("told as ever"), "{told}");
        for needle in needles(VALUE) {
            assert!(!told.contains(&needle));
        }
        return;
    }
    let engine = telling();
    let forms = encodings::forms();
    for literal in ["panic:", "slice:"] {
        for form in forms.iter().chain([&(<[u8]>::to_vec as fn(&[u8]) -> Vec<u8>)]) {
            let text = form(format!("before {literal} {VALUE} and behind").as_bytes());
            let (head, tail) = text.split_at(text.len() / 2);
            let (mut all, mut printed) = (All::new(&engine), String::new());
            for (part, first) in [head, tail, b" "].into_iter().zip([0x01, 0x00, 0x80]) {
                all.push(part, first, &mut printed);
            }
            all.finish(&mut printed);
            println!("{printed}");
        }
    }
    let other = std::thread::spawn(|| panic!("told as ever")).join();
    assert!(other.is_err());
}

/// What cannot log has no logger.
#[test]
fn the_crate_has_no_way_to_log() {
    let manifest = include_str!("../../Cargo.toml");
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
    assert!(!["tracing", "log", "slog", "env_logger"].iter().any(|name| {
        dependencies
            .lines()
            .any(|line| line.split(['=', '.', ' ']).next() == Some(name))
    }));
}
