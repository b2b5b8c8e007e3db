use super::*;

/// Values without a form that any row would know.
const VALUES: [&str; 4] = [
    "open sesame",
    "correct horse & <battery> \"staple\" \\ 'x'",
    "zwölf Boxkämpfer",
    "mellonmellonmellonmellonmellonmellonmellonmellonmellonmellonmellonmellonmellonmellonmellon",
];

fn with_known() -> Arc<Engine> {
    let mut known = KnownSecrets::new(*b"a key of thirty-two random bytes");
    for value in VALUES {
        known.add(value.as_bytes()).unwrap();
    }
    let options = Options {
        known,
        ..Options::default()
    };
    Arc::new(Engine::new(&options).unwrap())
}

#[test]
fn known_values_are_hidden_in_every_form_and_however_they_are_cut() {
    let engine = with_known();
    for value in VALUES {
        for (number, form) in encodings::forms().into_iter().enumerate() {
            // These write each byte as a character of its own, which is the text's only where that is ASCII.
            if (6..9).contains(&number) && !value.is_ascii() {
                continue;
            }
            let text = form(format!("some words before {value} and behind").as_bytes());
            let (output, findings) = cut(&engine, &[&text]);
            assert!(
                findings.iter().any(|finding| finding.kind == "known-secret"),
                "{value} in form {number}: {}",
                String::from_utf8_lossy(&text)
            );
            assert_ne!(output, text);
            for size in [1, 3, 7, 50] {
                let pieces: Vec<&[u8]> = text.chunks(size).collect();
                assert_eq!(
                    cut(&engine, &pieces),
                    (output.clone(), findings.clone()),
                    "{value} in form {number} by {size}"
                );
            }
        }
    }
}

#[test]
fn a_known_value_is_called_by_its_name() {
    let mut known = KnownSecrets::new([3; 32]);
    known.add_as("vault/ONE", b"open sesame").unwrap();
    known.add_as("vault/TWO", b"shut sesame").unwrap();
    known.add_as("vault/ONE", b"open barley").unwrap();
    known.add(b"mellon, friend").unwrap();
    let options = Options {
        known,
        ..Options::default()
    };
    let engine = Arc::new(Engine::new(&options).unwrap());
    let (output, findings) = cut(
        &engine,
        &[b"open sesame, shut sesame, open barley, mellon, friend".as_slice()],
    );
    assert_eq!(
        String::from_utf8(output).unwrap(),
        "[REDACTED:vault/ONE], [REDACTED:vault/TWO], [REDACTED:vault/ONE], [REDACTED:known-secret]"
    );
    let kinds: Vec<&str> = findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, ["vault/ONE", "vault/TWO", "vault/ONE", "known-secret"]);
}

#[test]
fn values_are_found_whatever_the_key() {
    for number in 0..2_000_u64 {
        let mut key = [0; 32];
        for (place, byte) in key.iter_mut().enumerate() {
            let mixed = (number << 8 | place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *byte = mixed.to_be_bytes()[0] ^ mixed.to_be_bytes()[3];
        }
        let mut known = KnownSecrets::new(key);
        known.add(b"twelve green bottles").unwrap();
        let options = Options {
            detectors: Vec::new(),
            known,
            ..Options::default()
        };
        let engine = Arc::new(Engine::new(&options).unwrap());
        for text in ["mark twelve green bottles", "mark dHdlbHZlIGdyZWVuIGJvdHRsZXM="] {
            let mut stream = Redactor::detector(&engine);
            stream.push(text.as_bytes());
            assert_eq!(stream.unfinished().len(), 1, "key {number}: {text}");
        }
    }
}

#[test]
fn what_is_not_ascii_is_known_as_json_writes_it() {
    let (output, _) = cut(&with_known(), &[br#"{"a":"zw\u00f6lf Boxk\u00e4mpfer"}"#.as_slice()]);
    assert_eq!(output, br#"{"a":"[REDACTED:known-secret]"}"#);
}

#[test]
fn blank_lines_within_base64_are_no_wrapping() {
    let engine = with_known();
    let text = format!("x YSB{}vcGVuIHNlc2FtZQ= b", "\n".repeat(60));
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(3).collect();
    assert_eq!(cut(&engine, &pieces), cut(&engine, &[text.as_bytes()]));
}

#[test]
fn what_is_not_the_whole_value_stays() {
    let engine = with_known();
    let text = "open sesam, Open Sesame, mellonmellon";
    let (output, findings) = cut(&engine, &[text.as_bytes()]);
    assert_eq!((String::from_utf8(output).unwrap().as_str(), findings.len()), (text, 0));
    assert_eq!(
        KnownSecrets::new([0; 32]).add(b"short"),
        Err(KnownSecretError { length: 5 })
    );
}

#[test]
fn nothing_that_is_kept_shows_a_value() {
    let engine = with_known();
    let mut known = KnownSecrets::new([1; 32]);
    known.add(b"open sesame").unwrap();
    let options = Options {
        known: known.clone(),
        ..Options::default()
    };
    let shown = format!("{known:?} {engine:?} {options:?}");
    assert!(!shown.contains("sesame"));
    assert!(shown.starts_with("KnownSecrets(1) Engine("), "{shown}");
}

/// `cargo test --release -p aa-redact many_known -- --ignored --nocapture`
#[test]
#[ignore = "takes a while; prints figures"]
fn speed_with_many_known_values() {
    let words: Vec<String> = (0..400_000_u32)
        .map(|number| format!("word{} ", u64::from(number).wrapping_mul(7919) % 65_521))
        .collect();
    let text = words.concat().into_bytes();
    for count in [0, 100, 1_000, 10_000] {
        let begun = std::time::Instant::now();
        let mut known = KnownSecrets::new([3; 32]);
        for number in 0..count {
            known
                .add(format!("value {number} x9Qm4Lw2 of many").as_bytes())
                .unwrap();
        }
        let hashed = begun.elapsed();
        let options = Options {
            known,
            ..Options::default()
        };
        let engine = Arc::new(Engine::new(&options).unwrap());
        let made = begun.elapsed();
        let begun = std::time::Instant::now();
        let mut stream = Redactor::detector(&engine);
        for piece in text.chunks(16 << 10) {
            stream.push(piece);
        }
        stream.finish();
        let rate = f64::from(u32::try_from(text.len()).unwrap()) / 1e6 / begun.elapsed().as_secs_f64();
        println!("{count} known values: hashed after {hashed:?}, engine made after {made:?}, {rate:.0} MB/s");
    }
}
