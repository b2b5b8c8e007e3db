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
