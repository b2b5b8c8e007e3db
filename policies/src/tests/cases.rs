//! `policies/cases/*.toml`: a policy, and for each action the verdict and the text of the rule that decides.

use crate::names::Names;
use crate::{Environment, Limits, expect, parse_policy};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    policy: String,
    #[serde(default)]
    judge: Vec<Judge>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judge {
    action: String,
    verdict: crate::Verdict,
    rule: Option<String>,
}

#[test]
fn every_case_is_judged_as_written_by_the_rules_and_by_the_tables() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/cases");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 5, "the cases are missing from {folder}");
    let environment = Environment {
        home: Some("/home/dev".into()),
        run: Some("/run/user/1000".into()),
        ..Environment::default()
    };
    for file in files {
        let name = file.display().to_string();
        let case: Case =
            toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let policy =
            parse_policy(&case.policy, &name, &environment).unwrap_or_else(|errors| panic!("{}\n{errors}", case.about));
        let lowered = policy.lower(&Limits::default()).unwrap();
        assert!(!case.judge.is_empty(), "{name} judges nothing");
        for judge in &case.judge {
            let action = expect::parse_action(&judge.action, &Names::new(&environment))
                .unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let judgement = policy.evaluate(&action);
            let rule = judgement
                .rule
                .and_then(|id| policy.rule(id))
                .map(|rule| rule.text.clone());
            assert_eq!(
                (judgement.verdict, &rule),
                (judge.verdict, &judge.rule),
                "{name}: {}: {}",
                judge.action,
                judgement.reason
            );
            assert_eq!(lowered.evaluate(&action), judgement, "{name}: {}", judge.action);
        }
    }
}
