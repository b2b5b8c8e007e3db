use crate::{Environment, Severity, parse_policy};

fn written(data: &str) -> String {
    format!(
        "policy: x\nversion: 1\nnet: {{}}\nfile: {{read: {{}}, write: {{}}, label: {{kept: [/kept]}}}}\nexec: {{}}\n{data}\n"
    )
}

fn names(data: &str) -> Option<Vec<&'static str>> {
    let policy = parse_policy(&written(data), "x.yaml", &Environment::default()).unwrap();
    let printed = policy.to_yaml();
    assert_eq!(
        parse_policy(&printed, "printed.yaml", &Environment::default()),
        Ok(policy.clone()),
        "{printed}"
    );
    Some(policy.redact()?.iter().map(|class| class.name).collect())
}

#[test]
fn classes_are_kept_in_order_once_each_and_printed() {
    assert_eq!(
        names("data: {redact: [secret, pii.email, secret]}"),
        Some(vec!["secret", "pii.email"])
    );
    assert_eq!(names("data: {redact: []}"), Some(vec![]));
    assert_eq!(names("data: {}"), None);
    assert_eq!(
        names("data: {redact: [pii.card], from: {kept: {deny: [net]}}}"),
        Some(vec!["pii.card"])
    );
    assert_eq!(names(""), None);
}

#[test]
fn a_class_nobody_knows_is_an_error_that_names_the_nearest() {
    let error = parse_policy(&written("data: {redact: [secrets]}"), "x.yaml", &Environment::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`secrets` is not a value here"), "{text}");
    assert!(text.contains("did you mean `secret`?"), "{text}");
    let error = parse_policy(&written("data: {redact: secret}"), "x.yaml", &Environment::default()).unwrap_err();
    assert!(error.to_string().contains("is a list"), "{error}");
}

#[test]
fn who_checks_it_is_told_that_nothing_on_the_way_is_redacted_yet() {
    let policy = parse_policy(&written("data:\n  redact: [secret]"), "x.yaml", &Environment::default()).unwrap();
    let warning = policy
        .warnings()
        .iter()
        .find(|warning| warning.message.contains("data.redact"));
    assert_eq!(
        warning.map(|warning| (warning.severity, warning.span.line)),
        Some((Severity::Warning, 7))
    );
}
