//! What does not fit is refused with a cause and a hint, and quickly.

use crate::{Environment, Limits, LowerError, parse_policy};

fn lower(body: &str, limits: &Limits) -> Result<(), LowerError> {
    let text = format!("policy: p\nversion: 1\n{body}");
    parse_policy(&text, "p.yaml", &Environment::default())
        .unwrap()
        .lower(limits)
        .map(|_| ())
}

#[test]
fn a_pattern_that_would_explode_is_refused() {
    let limits = Limits {
        max_automaton_words: 1 << 16,
        ..Limits::default()
    };
    let error = lower("file: {read: {deny: [\"/*a????????????????????????????\"]}}", &limits).unwrap_err();
    assert_eq!(error.code, "policy-too-large");
    assert!(error.message.contains("table of paths"), "{error}");
    assert!(error.hint.contains("anchor"), "{}", error.hint);
    let error = lower("exec: {deny: [\"x *a????????????????????????????\"]}", &limits).unwrap_err();
    assert!(error.message.contains("table of program arguments"), "{error}");
}

#[test]
fn too_many_rules_addresses_and_ranges_are_refused() {
    let body = "net: {allow: [10.0.0.1, 10.0.0.2, \"10.0.0.3:1\", \"10.0.0.3:3\", \"10.0.0.3:5\"]}";
    assert_eq!(lower(body, &Limits::default()), Ok(()));
    assert!(
        lower(
            body,
            &Limits {
                max_rules: 4,
                ..Limits::default()
            }
        )
        .unwrap_err()
        .message
        .contains("rules")
    );
    assert!(
        lower(
            body,
            &Limits {
                max_address_entries: 6,
                ..Limits::default()
            }
        )
        .unwrap_err()
        .message
        .contains("addresses")
    );
    assert!(
        lower(
            body,
            &Limits {
                max_ranges: 6,
                ..Limits::default()
            }
        )
        .unwrap_err()
        .message
        .contains("port ranges")
    );
    assert_eq!(
        lower(
            body,
            &Limits {
                max_ranges: 7,
                max_address_entries: 7,
                ..Limits::default()
            }
        ),
        Ok(())
    );
}
