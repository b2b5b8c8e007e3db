//! Labelled agent traffic from a seed: what is planted where, to the byte.
//!
//! A record is built as text with marks around planted values, escaped as its place asks, and the marks are taken out at the end; so a label is
//! where the value really is in the record. Values come from the table's own shapes ([`aa_redact::Detector::sample`]) and from forms written here
//! that know nothing of the rules.

use aa_redact::{Charset, Class, Detector, Seed, detectors};

use crate::words::{FIRST, HOSTS, LAST, WORDS};
use crate::write::{base64, core, escaped, parts, percent};

/// Around a planted value while the record is built; neither occurs otherwise.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// A planted value.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    /// Bytes of the corpus before it.
    pub(crate) start: usize,
    /// Up to its end.
    pub(crate) end: usize,
    /// The row it is an example of.
    pub(crate) kind: &'static str,
    /// Its class.
    pub(crate) class: Class,
    /// How it was written: `plain`, `nested`, `deeper`, `base64`, `hex`, `percent`, `escaped`.
    pub(crate) form: &'static str,
}

/// Bytes and what is in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Corpus {
    /// JSON lines, SSE and HTTP captures, logs and code.
    pub(crate) bytes: Vec<u8>,
    /// In order.
    pub(crate) labels: Vec<Label>,
}

struct Planted {
    kind: &'static str,
    class: Class,
    form: &'static str,
}

struct Maker {
    seed: Seed,
    /// Dealt like cards: each is planted before any comes again.
    rows: Vec<&'static Detector>,
    planted: Vec<Planted>,
}

/// What is planted: all but what is hidden only where a policy names it.
pub(crate) fn planted_rows() -> impl Iterator<Item = &'static Detector> {
    detectors().filter(|row| !matches!(row.class(), Class::IpAddress | Class::MacAddress))
}

/// About `bytes` bytes, with a value about every `every` records (none if 0).
pub(crate) fn make(seed: u64, bytes: usize, every: usize) -> Corpus {
    let mut maker = Maker {
        seed: Seed::new(seed),
        rows: Vec::new(),
        planted: Vec::new(),
    };
    let mut corpus = Corpus::default();
    while corpus.bytes.len() < bytes {
        let planted = every > 0 && maker.seed.below(every) == 0;
        let record = maker.record(planted);
        maker.append(&record, &mut corpus);
    }
    corpus
}

impl Maker {
    fn append(&mut self, record: &str, corpus: &mut Corpus) {
        let mut planted = self.planted.drain(..);
        let mut start = None;
        for character in record.chars() {
            match character {
                OPEN => start = Some(corpus.bytes.len()),
                CLOSE => {
                    if let (Some(start), Some(planted)) = (start.take(), planted.next()) {
                        corpus.labels.push(Label {
                            start,
                            end: corpus.bytes.len(),
                            kind: planted.kind,
                            class: planted.class,
                            form: planted.form,
                        });
                    }
                }
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

    fn record(&mut self, planted: bool) -> String {
        match self.seed.below(10) {
            0..4 => self.chat(planted),
            4..6 => self.tool(planted),
            6 => self.events(planted),
            7 => self.http(planted),
            8 => self.log(planted),
            _ => self.embedding(),
        }
    }

    fn chat(&mut self, planted: bool) -> String {
        let count = 2 + self.seed.below(4);
        let at = self.seed.below(count);
        let messages: Vec<String> = (0..count)
            .map(|number| {
                let role = if number % 2 == 0 { "user" } else { "assistant" };
                let text = self.text(planted && number == at);
                format!("{{\"role\":\"{role}\",\"content\":\"{}\"}}", escaped(&text))
            })
            .collect();
        let id = self.id();
        format!(
            "{{\"id\":\"chatcmpl-{id}\",\"model\":\"gpt-x\",\"max_tokens\":4096,\"messages\":[{}]}}",
            messages.join(",")
        )
    }

    fn tool(&mut self, planted: bool) -> String {
        let text = self.text(planted);
        let inner = format!(
            "{{\"path\":\"src/{}.rs\",\"text\":\"{}\"}}",
            self.word(),
            escaped(&text)
        );
        let deeper = self.seed.below(4) == 0;
        if planted
            && let Some(last) = self.planted.last_mut()
            && last.form == "plain"
        {
            last.form = if deeper { "deeper" } else { "nested" };
        }
        let inner = if deeper {
            format!("{{\"arguments\":\"{}\"}}", escaped(&inner))
        } else {
            inner
        };
        let id = self.id();
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"tools/call\",\"params\":{{\"name\":\"write\",\"_meta\":{{\"call\":\"toolu_{id}\"}},\"arguments\":\"{}\"}}}}",
            self.seed.below(100_000),
            escaped(&inner)
        )
    }

    fn events(&mut self, planted: bool) -> String {
        let text = self.text(planted);
        let id = self.id();
        let mut output = String::new();
        for line in text.split_inclusive('\n') {
            let data = escaped(line);
            output.push_str(
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"message\":\"msg_",
            );
            output.push_str(&id);
            output.push_str("\",\"delta\":{\"type\":\"text_delta\",\"text\":\"");
            output.push_str(&data);
            output.push_str("\"}}\n\n");
        }
        output
    }

    fn http(&mut self, planted: bool) -> String {
        let text = self.text(planted);
        let id = self.uuid();
        format!(
            "POST /v1/{}?page=2&size=50 HTTP/1.1\r\nHost: api.service.test\r\nUser-Agent: agent/1.4\r\nX-Request-Id: {id}\r\ntraceparent: 00-{}-{}-01\r\nETag: W/\"{}\"\r\nContent-Type: application/json\r\n\r\n{{\"body\":\"{}\"}}",
            self.word(),
            self.hex(32),
            self.hex(16),
            self.hex(40),
            escaped(&text)
        )
    }

    fn log(&mut self, planted: bool) -> String {
        let mut lines = Vec::new();
        for _ in 0..6 + self.seed.below(20) {
            let (id, hex) = (self.uuid(), self.hex(40));
            let line = format!(
                "2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z INFO {}[{}] request={id} commit={hex} {} took {}ms [api_key] {}",
                1 + self.seed.below(28),
                self.seed.below(24),
                self.seed.below(60),
                self.seed.below(60),
                self.seed.below(1000),
                self.word(),
                self.seed.below(65536),
                self.prose(5),
                self.seed.below(5000),
                self.uuid(),
            );
            lines.push(line);
        }
        if planted {
            let value = self.plant();
            lines.push(value);
        }
        lines.join("\n")
    }

    fn embedding(&mut self) -> String {
        let floats: Vec<String> = (0..256)
            .map(|_| {
                format!(
                    "{}0.0{}",
                    if self.seed.below(2) == 0 { "-" } else { "" },
                    self.seed.below(100_000_000)
                )
            })
            .collect();
        let image = self.seed.text(&Charset::of("A-Za-z0-9+/"), 4000);
        let sri = self.seed.text(&Charset::of("A-Za-z0-9+/"), 86);
        let id = self.id();
        format!(
            "{{\"object\":\"embedding\",\"id\":\"resp_{id}\",\"embedding\":[{}],\"image\":\"data:image/png;base64,iVBORw0KGgo{image}\",\"integrity\":\"sha512-{sri}==\",\"digest\":\"sha256:{}\"}}",
            floats.join(","),
            self.hex(64)
        )
    }

    /// Some paragraphs, a block of code, and perhaps a planted value.
    fn text(&mut self, planted: bool) -> String {
        let mut parts = Vec::new();
        for _ in 0..=self.seed.below(4) {
            let words = 40 + self.seed.below(160);
            parts.push(self.prose(words));
        }
        if self.seed.below(3) == 0 {
            parts.push(self.code());
        }
        if planted {
            let value = self.plant();
            let (before, behind) = (self.prose(6), self.prose(6));
            let at = self.seed.below(parts.len() + 1);
            parts.insert(at, format!("{before}\n{value}\n{behind}"));
        }
        parts.join("\n\n")
    }

    fn code(&mut self) -> String {
        let (a, b, c) = (self.word(), self.word(), self.word());
        let (hash, uuid) = (self.hex(40), self.uuid());
        let lines = [
            format!("fn {a}_{b}({c}: &str, token: Option<String>) -> Result<(), Error> {{"),
            format!("    let password = config.get(\"{a}\")?.password.clone();"),
            "    let api_key = std::env::var(\"API_KEY\")?;".to_owned(),
            format!("    if {c}.is_empty() {{ return Err(Error::{b}(\"missing token\")); }}"),
            format!("    // see commit {hash}, request {uuid}"),
            "    let secret = secrets::load(path, &token)?;".to_owned(),
            format!("    assert_eq!({a}.len(), {});", self.seed.below(1000)),
            "    client.post(\"https://example.test/v1/items\").bearer_auth(token).send()".to_owned(),
            "}".to_owned(),
        ];
        lines.join("\n")
    }

    /// An example of a row, between marks, perhaps encoded as a whole.
    fn plant(&mut self) -> String {
        if self.rows.is_empty() {
            self.rows = planted_rows().collect();
        }
        let row = self.rows.swap_remove(self.seed.below(self.rows.len()));
        let sample = self.personal(row).unwrap_or_else(|| row.sample(&mut self.seed));
        let (start, end) = core(row, &sample);
        let (before, value, behind) = parts(&sample, start, end);
        let marked =
            |write: &dyn Fn(&str) -> String| format!("{}{OPEN}{}{CLOSE}{}", write(before), write(value), write(behind));
        let bytes = |one: fn(u8) -> String| move |text: &str| text.bytes().map(one).collect::<Vec<_>>().concat();
        let encoded = !row.class().is_personal();
        let (form, text) = match self.seed.below(20) {
            0 if encoded => {
                let (head, tail) = (self.prose(3), self.prose(3));
                let packed = base64(&format!("{head} {sample} {tail}"));
                // Only groups that are all the value's: the others hold something else too.
                let (from, to) = ((head.len() + 1 + start).div_ceil(3) * 4, (head.len() + 1 + end) / 3 * 4);
                let (before, value, behind) = parts(&packed, from, to);
                ("base64", format!("{before}{OPEN}{value}{CLOSE}{behind}"))
            }
            1 if encoded => ("hex", marked(&bytes(|byte| format!("{byte:02x}")))),
            2 if encoded => ("percent", marked(&percent)),
            3 if encoded => ("escaped", marked(&bytes(|byte| format!("\\u{byte:04x}")))),
            _ => ("plain", marked(&str::to_owned)),
        };
        self.planted.push(Planted {
            kind: row.name(),
            class: row.class(),
            form,
        });
        text
    }

    /// People write to people: addresses that look like theirs.
    fn personal(&mut self, row: &Detector) -> Option<String> {
        (row.class() == Class::Email).then(|| {
            let pick = |seed: &mut Seed, list: &[&'static str]| seed.pick(list).copied().unwrap_or_default();
            format!(
                "{}.{}@{}",
                pick(&mut self.seed, FIRST),
                pick(&mut self.seed, LAST),
                pick(&mut self.seed, HOSTS)
            )
        })
    }

    fn prose(&mut self, words: usize) -> String {
        let mut text = String::new();
        for number in 0..words {
            if number > 0 {
                text.push_str(if self.seed.below(14) == 0 { ". " } else { " " });
            }
            text.push_str(self.word());
        }
        text
    }

    /// Common ones more often: the lower of two draws.
    fn word(&mut self) -> &'static str {
        let at = self.seed.below(WORDS.len()).min(self.seed.below(WORDS.len()));
        WORDS.get(at).copied().unwrap_or_default()
    }

    fn id(&mut self) -> String {
        self.seed.text(&Charset::of("A-Za-z0-9"), 24)
    }

    fn hex(&mut self, count: usize) -> String {
        self.seed.text(&Charset::of("0-9a-f"), count)
    }

    fn uuid(&mut self) -> String {
        format!(
            "{}-{}-4{}-a{}-{}",
            self.hex(8),
            self.hex(4),
            self.hex(3),
            self.hex(3),
            self.hex(12)
        )
    }
}
