use crate::{Environment, Limits, Policy, parse_policy};

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
fn what_nothing_does_yet_is_not_loaded_unless_the_policy_says_so() {
    let parsed = |text: &str| parse_policy(text, "x.yaml", &Environment::default()).unwrap();
    let warned = |policy: &Policy| {
        let told: Vec<_> = policy
            .warnings()
            .iter()
            .filter(|warning| warning.message.contains("data.redact"))
            .collect();
        told.len()
    };
    let asks = written("data:\n  redact: [secret]");
    let refused = parsed(&asks);
    let error = refused.lower(&Limits::default()).unwrap_err();
    assert!(
        error.reason.contains("line 7") && error.hint.contains("on_gap: degrade"),
        "{error:?}"
    );
    assert_eq!(error.code, "policy-gap");
    assert_eq!(warned(&refused), 1);
    let degraded = parsed(&format!("on_gap: degrade\n{asks}"));
    assert!(degraded.lower(&Limits::default()).is_ok());
    assert_eq!(warned(&degraded), 1);
    assert!(parsed(&written("data: {redact: []}")).lower(&Limits::default()).is_ok());
}
