use proptest::prelude::*;
use serde_json::Value;

use super::*;

#[derive(Default)]
struct Heard(Vec<String>);

impl Listen for Heard {
    fn value(&mut self, path: &str, leaf: Leaf<'_>) {
        self.0.push(format!("{path} {leaf:?}"));
    }
}

fn heard(pieces: &[&[u8]]) -> (Vec<String>, bool) {
    let mut heard = Heard::default();
    let mut scanner = Scanner::new(64);
    for piece in pieces {
        scanner.push(piece, &mut heard);
    }
    let whole = scanner.end(&mut heard);
    (heard.0, whole)
}

/// The same of a parser that has it whole.
fn expected(path: &str, value: &Value, depth: usize, heard: &mut Vec<String>) {
    if depth > TOLD_DEPTH {
        return;
    }
    let join = |key: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-$/".contains(c);
        let key = if !key.is_empty() && key.len() <= KEY_MAX && key.chars().all(plain) {
            key
        } else {
            "?"
        };
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Null => heard.push(format!("{path} Null")),
        Value::Bool(value) => heard.push(format!("{path} Bool({value})")),
        Value::Number(number) => heard.push(format!("{path} Number({:?})", number.to_string())),
        Value::String(text) if text.len() > 64 => heard.push(format!("{path} LongText")),
        Value::String(text) => heard.push(format!("{path} Text({text:?})")),
        Value::Array(values) => {
            heard.push(format!("{path} Array"));
            for value in values {
                expected(&format!("{path}[]"), value, depth + 1, heard);
            }
            heard.push(format!("{path} ArrayEnd"));
        }
        Value::Object(fields) => {
            heard.push(format!("{path} Object"));
            fields
                .iter()
                .for_each(|(key, value)| expected(&join(key), value, depth + 1, heard));
            heard.push(format!("{path} End"));
        }
    }
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[a-z]{60,70}".prop_map(Value::from),
    ];
    leaf.prop_recursive(14, 60, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("([a-z_]{1,5}|.{0,3}|k{64,66})", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn it_tells_what_a_parser_of_whole_documents_finds(value in document(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut all = Vec::new();
        expected("", &value, 0, &mut all);
        prop_assert_eq!(heard(&[text.as_bytes()]), (all.clone(), true));
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(heard(&bytes), (all, true));
    }

    #[test]
    fn what_it_takes_for_whole_any_parser_does_but_for_how_numbers_are_written(text in r#"[\[\]{}:,"\\a1tu ]{0,12}"#) {
        let whole = serde_json::Deserializer::from_str(&text).into_iter::<Value>().all(|value| value.is_ok());
        if whole {
            prop_assert!(heard(&[text.as_bytes()]).1, "{}", text);
        }
    }
}

#[test]
fn escaped_keys_are_the_keys_they_stand_for() {
    let (all, whole) = heard(&[br#"{"mod\u0065l": "\ud83d\ude00\n", "a.b": 1}"#]);
    assert!(whole);
    assert_eq!(
        all,
        [" Object", "model Text(\"\u{1f600}\\n\")", "? Number(\"1\")", " End"]
    );
}

#[test]
fn documents_follow_one_another_and_the_last_may_be_torn() {
    let (all, whole) = heard(&[b"{\"a\":1}\n{\"a\":2}\n3"]);
    assert_eq!((all.len(), whole), (7, true));
    assert!(!heard(&[b"{\"a\":1}\n{\"a\":"]).1);
}

#[test]
fn what_it_keeps_is_bounded() {
    let mut scanner = Scanner::new(64);
    let mut heard = Heard::default();
    scanner.push(&b"{\"a\":[".repeat(10_000), &mut heard);
    assert!(scanner.state == State::Broken);
    scanner.end(&mut heard);
    scanner.push(&[b"\"".as_slice(), &vec![b'x'; 1 << 20]].concat(), &mut heard);
    scanner.end(&mut heard);
    scanner.push(&vec![b'9'; 1 << 20], &mut heard);
    assert!(scanner.memory() < 16 << 10, "{}", scanner.memory());
}
