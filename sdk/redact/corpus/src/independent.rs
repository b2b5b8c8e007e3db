//! Corpora that know nothing of the table.
//!
//! Their formats ([`crate::formats`]) are written by hand from what providers print and what files in projects look like, and their values have
//! no help from the table; the surroundings are shells, files, diffs, tables and chats.

use aa_redact::{Charset, Class, Seed};

use crate::corpus::{Corpus, Label};
use crate::formats::Format;
use crate::grammar::written;
use crate::third::{ORDINARY, ROWS};
use crate::words::WORDS;
use crate::write::{base64, escaped};

/// Around the value within a text; neither occurs otherwise.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// Lines of ordinary files that look like secrets and are none; `#` is a hexadecimal digit, `@` a letter or digit.
const INNOCENT: &[&str] = &[
    "Date: Mon Nov 21 10:11:12 2026 +0000, commit ########################################",
    "index #######..####### 100644",
    "      integrity sha512-@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@==",
    "checksum = \"################################################################\"",
    "FROM rust:1.95@sha256:################################################################",
    "request_id=########-####-4###-a###-############ status=200 bytes=18231 took=12.5ms",
    "\"id\": \"chatcmpl-@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\", \"system_fingerprint\": \"fp_##########\"",
    "\"id\":\"toolu_01@@@@@@@@@@@@@@@@@@@@@@\",\"type\":\"tool_use\",\"name\":\"read_file\"",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ me@laptop",
    "export OPENAI_API_KEY=sk-...   # put yours here",
    "password: ${{ secrets.DB_PASSWORD }}",
    "token = os.environ[\"SERVICE_TOKEN\"]",
    "def login(user: str, password: str, token: str | None = None) -> Session:",
    "if (password !== confirmPassword) { errors.password = t(\"passwords do not match\"); }",
    "const token = await getToken({ scope, audience });",
    "The password must have at least twelve characters, one of them a digit.",
    "secretName: shop-tls, secretKeyRef: { name: shop, key: password }",
    "max_tokens=4096, prompt_tokens: 1834, completion_tokens: 211, total_tokens: 2045",
    "\"tokenizer\": \"cl100k_base\", \"eos_token\": \"<|endoftext|>\", \"pad_token_id\": 50256",
    "/nix/store/@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@-glibc-2.40/lib/libc.so.6",
    "GET /api/v1/users/########-####-4###-a###-############/keys?page_token=2&limit=50",
    "-0.0134#, 0.7744431, 1.2e-05, 12345.678901, 0.0000#1, 99.5",
    "1760000000123 1760000000 2026-11-21T10:11:12.123456Z 10:11:12,345 +0200",
    "x-amzn-trace-id: Root=1-########-########################; etag: W/\"##########\"",
    "rustup 1.28.2 (2026-04-28), node v22.11.0, python 3.13.1, image ghcr.io/acme/shop:1.2.345",
    "background: url(data:image/png;base64,iVBORw0KGgo@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@)",
    "-----BEGIN CERTIFICATE-----\nMII@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n-----END CERTIFICATE-----",
    "call me at extension 4421, order 2026-001-3345, ISBN 978-3-16-148410-0, room 12-345",
    "see https://docs.acme.test/security/tokens#rotate-api-keys and http://localhost:8080/login?next=/admin",
];

/// Where a corpus's lines come from.
pub(crate) struct Source<'a> {
    /// A line without a value.
    pub(crate) ordinary: &'a dyn Fn(&mut Seed) -> String,
    /// Kind, class and text with a value between marks.
    pub(crate) value: &'a dyn Fn(&mut Seed) -> (&'static str, Class, String),
}

/// About so many bytes, with values of these formats.
pub(crate) fn make(seed: u64, bytes: usize, formats: &[Format]) -> Corpus {
    let ordinary = |seed: &mut Seed| {
        if seed.below(3) == 0 {
            innocent(seed)
        } else {
            prose(seed)
        }
    };
    let value = |seed: &mut Seed| {
        let (name, text) = secret(seed, formats);
        (name, Class::Secret, text)
    };
    let source = Source {
        ordinary: &ordinary,
        value: &value,
    };
    from_source(seed, bytes, &source)
}

/// The third: its own lines, its own values, those of people among them.
pub(crate) fn make_third(seed: u64, bytes: usize) -> Corpus {
    let ordinary = |seed: &mut Seed| {
        let line = seed.pick(ORDINARY).copied().unwrap_or_default();
        written(seed, line)
    };
    let value = |seed: &mut Seed| {
        let (name, class, text) = seed.pick(ROWS).copied().unwrap_or(("", Class::Secret, ""));
        (
            name,
            class,
            written(seed, text)
                .replace('«', &OPEN.to_string())
                .replace('»', &CLOSE.to_string()),
        )
    };
    let source = Source {
        ordinary: &ordinary,
        value: &value,
    };
    from_source(seed, bytes, &source)
}

fn from_source(seed: u64, bytes: usize, source: &Source<'_>) -> Corpus {
    let mut seed = Seed::new(seed);
    let mut corpus = Corpus::default();
    while corpus.bytes.len() < bytes {
        let planted = seed.below(3) == 0;
        let (kind, class, text) = scene(&mut seed, planted, source);
        let (text, form) = wrapped(&mut seed, &text, class);
        append(&text, kind, class, form, &mut corpus);
    }
    corpus
}

/// Some lines of a file or a talk, perhaps with a value among them.
fn scene(seed: &mut Seed, planted: bool, source: &Source<'_>) -> (&'static str, Class, String) {
    let mut lines: Vec<String> = (0..4 + seed.below(30)).map(|_| (source.ordinary)(seed)).collect();
    let (mut kind, mut class) = ("", Class::Secret);
    if planted {
        let value;
        (kind, class, value) = (source.value)(seed);
        let at = seed.below(lines.len());
        lines.insert(at, value);
    }
    (kind, class, lines.join("\n"))
}

fn secret(seed: &mut Seed, formats: &[Format]) -> (&'static str, String) {
    let Some((name, text, prefix, set, count)) = seed.pick(formats).copied() else {
        return ("", String::new());
    };
    // Sets are few; each is built once per value, and never freed, in a program that ends soon.
    let set: &'static Charset = Box::leak(Box::new(Charset::of(set)));
    let value = loop {
        let value = seed.text(set, count);
        // As generators of passwords see to.
        let digits = value.bytes().any(|byte| byte.is_ascii_digit()) || !set.has(b'1');
        if digits && value.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) {
            break value;
        }
    };
    let value = if text.starts_with("-----BEGIN") {
        let lines: Vec<String> = value
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let label = prefix.lines().next().unwrap_or_default();
        format!("{}\n-----END {label}", lines.join("\n"))
    } else {
        value
    };
    (name, text.replacen("{}", &format!("{OPEN}{prefix}{value}{CLOSE}"), 1))
}

fn innocent(seed: &mut Seed) -> String {
    let template = seed.pick(INNOCENT).copied().unwrap_or_default();
    template
        .chars()
        .map(|character| match character {
            '#' => b"0123456789abcdef"
                .get(seed.below(16))
                .map_or('0', |byte| char::from(*byte)),
            '@' if template.contains("@@@@") => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                .get(seed.below(62))
                .map_or('a', |byte| char::from(*byte)),
            other => other,
        })
        .collect()
}

fn prose(seed: &mut Seed) -> String {
    let count = 4 + seed.below(20);
    let words: Vec<&str> = (0..count)
        .map(|_| {
            let at = seed.below(WORDS.len()).min(seed.below(WORDS.len()));
            WORDS.get(at).copied().unwrap_or_default()
        })
        .collect();
    words.join(" ")
}

/// As a file, a message, a tool's result in a message, a form, or base64 (but for what is a person's, which is not looked for in base64).
fn wrapped(seed: &mut Seed, text: &str, class: Class) -> (String, &'static str) {
    match seed.below(12) {
        0..3 => (text.to_owned(), "plain"),
        3..6 => (
            format!("{{\"role\":\"tool\",\"content\":\"{}\"}}", escaped(text)),
            "nested",
        ),
        6..9 => {
            let inner = format!("{{\"stdout\":\"{}\",\"exit\":0}}", escaped(text));
            (
                format!(
                    "{{\"jsonrpc\":\"2.0\",\"result\":{{\"text\":\"{}\"}}}}",
                    escaped(&inner)
                ),
                "deeper",
            )
        }
        9 => {
            let inner = format!("{{\"a\":\"{}\"}}", escaped(text));
            let inner = format!("{{\"b\":\"{}\"}}", escaped(&inner));
            (format!("{{\"c\":\"{}\"}}", escaped(&inner)), "deepest")
        }
        10 => (form(text), "percent"),
        _ if class.is_personal() => (text.to_owned(), "plain"),
        _ => (packed(text), "base64"),
    }
}

fn form(text: &str) -> String {
    let write = |character: char| match character {
        OPEN | CLOSE => character.to_string(),
        ' ' => "+".to_owned(),
        _ if character.is_ascii_alphanumeric() || "-_.~".contains(character) => character.to_string(),
        _ => {
            let mut buffer = [0; 4];
            let bytes = character.encode_utf8(&mut buffer).bytes();
            bytes.map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
        }
    };
    format!("q={}&lang=en", text.chars().map(write).collect::<String>())
}

/// The whole text in base64, with marks around the groups that hold the value.
fn packed(text: &str) -> String {
    let plain: String = text
        .chars()
        .filter(|character| !matches!(*character, OPEN | CLOSE))
        .collect();
    let mut packed = base64(&plain);
    if let (Some(start), Some(end)) = (text.find(OPEN), text.find(CLOSE)) {
        let end = end - OPEN.len_utf8();
        // Only groups that are all the value's: the others hold something else too.
        packed.insert(end / 3 * 4, CLOSE);
        packed.insert(start.div_ceil(3) * 4, OPEN);
    }
    format!("data={packed}")
}

fn append(text: &str, kind: &'static str, class: Class, form: &'static str, corpus: &mut Corpus) {
    let mut start = 0;
    for character in text.chars() {
        match character {
            OPEN => start = corpus.bytes.len(),
            CLOSE => corpus.labels.push(Label {
                start,
                end: corpus.bytes.len(),
                kind,
                class,
                form,
            }),
            _ => {
                let mut buffer = [0; 4];
                corpus
                    .bytes
                    .extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
        }
    }
    corpus.bytes.push(b'\n');
}
