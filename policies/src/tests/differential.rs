//! The tables say what the rules say.

use crate::generate::{random_actions, random_policy, random_policy_with_data, random_policy_with_hosts};
use crate::{Action, Decision, Environment, Limits, Lowered, Rule, Verdict, parse_policy};
use proptest::prelude::*;

fn agree(seed: u64, actions: usize) {
    agree_on(&random_policy(seed), seed, actions);
    agree_on(&random_policy_with_hosts(seed), seed, actions);
    // Labels do not outrank each other, so more of these become too large.
    let with_data = random_policy_with_data(seed);
    let parsed = parse_policy(&with_data, "random.yaml", &Environment::default());
    if parsed.is_ok_and(|policy| policy.lower(&Limits::default()).is_ok()) {
        agree_on(&with_data, seed, actions);
    } else {
        assert_ne!(seed, 0, "{with_data}");
    }
}

fn agree_on(text: &str, seed: u64, actions: usize) {
    let policy =
        parse_policy(text, "random.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    // Few random policies are larger than a real one may be.
    let limits = Limits {
        max_automaton_words: 4 * Limits::default().max_automaton_words,
        ..Limits::default()
    };
    let lowered = policy
        .lower(&limits)
        .unwrap_or_else(|error| panic!("{text}\n{error}: {}", error.reason));
    for action in random_actions(seed, &policy, actions) {
        let (by_rules, by_tables) = (policy.evaluate(&action), lowered.evaluate(&action));
        assert_eq!(by_rules, by_tables, "{action} ({action:?}) in\n{text}");
    }
}

#[test]
fn lowered_tables_and_rules_agree_on_the_first_forty_seeds() {
    (0..40).for_each(|seed| agree(seed, 300));
}

#[test]
#[ignore = "minutes; to be run in release"]
fn lowered_tables_and_rules_agree_on_two_thousand_seeds() {
    (1_000..3_000).for_each(|seed| agree(seed, 500));
}

#[test]
fn random_actions_meet_every_verdict_by_rule_and_by_default_and_guarded_directories() {
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..30 {
        let policy = parse_policy(&random_policy(seed), "random.yaml", &Environment::default()).unwrap();
        for action in random_actions(seed, &policy, 100) {
            let judgement = policy.evaluate(&action);
            let kind = if judgement.reason.starts_with("a rule asks") {
                2
            } else {
                u8::from(judgement.rule.is_some())
            };
            *seen.entry((judgement.verdict, kind)).or_insert(0) += 1;
        }
    }
    for key in [
        (Verdict::Allow, 0),
        (Verdict::Allow, 1),
        (Verdict::Ask, 1),
        (Verdict::Deny, 0),
        (Verdict::Deny, 1),
        (Verdict::Deny, 2),
    ] {
        assert!(seen.get(&key).is_some_and(|times| *times >= 10), "{key:?}: {seen:?}");
    }
}

#[test]
fn random_actions_meet_hosts_by_name_and_by_address_with_every_verdict() {
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..400 {
        let policy = parse_policy(&random_policy_with_hosts(seed), "random.yaml", &Environment::default()).unwrap();
        for action in random_actions(seed, &policy, 100) {
            let kind = match action {
                Action::ConnectHost { .. } => "host",
                Action::ConnectBound { .. } => "bound",
                Action::Lookup { .. } => "lookup",
                _ => continue,
            };
            let judgement = policy.evaluate(&action);
            let by_host = judgement
                .rule
                .and_then(|id| policy.rule(id))
                .is_some_and(Rule::needs_resolver);
            *seen.entry((kind, judgement.verdict, by_host)).or_insert(0) += 1;
        }
    }
    for (kind, verdicts) in [
        ("host", &[Verdict::Allow, Verdict::Ask, Verdict::Deny][..]),
        ("bound", &[Verdict::Allow, Verdict::Ask, Verdict::Deny]),
        ("lookup", &[Verdict::Allow, Verdict::Deny]),
    ] {
        for verdict in verdicts {
            let times = seen.get(&(kind, *verdict, true)).copied().unwrap_or(0);
            assert!(times >= 5, "{kind} {verdict}: {seen:?}");
        }
    }
}

#[test]
fn a_wrong_table_is_noticed() {
    let wrong: [fn(&mut Lowered); 11] = [
        |lowered| {
            lowered
                .path_decisions
                .iter_mut()
                .skip(1)
                .for_each(|decision| decision.read = Decision::NONE);
        },
        |lowered| lowered.paths.rows.iter_mut().for_each(|row| row.guarded = false),
        |lowered| {
            lowered
                .argv_decisions
                .iter_mut()
                .for_each(|decision| *decision = Decision::NONE);
        },
        |lowered| lowered.socket_decisions.truncate(1),
        |lowered| lowered.addresses.retain(|entry| entry.prefix_len != 128),
        |lowered| lowered.memfd = Decision::NONE,
        |lowered| lowered.contents.clear(),
        |lowered| lowered.privileges = [Decision::NONE; 3],
        |lowered| lowered.hosts.iter_mut().for_each(|hosts| hosts.below.clear()),
        |lowered| lowered.hosts.iter_mut().for_each(|hosts| hosts.exact.clear()),
        |lowered| lowered.rules.iter_mut().for_each(|rule| rule.rank = 0),
    ];
    for (number, spoil) in wrong.into_iter().enumerate() {
        let noticed = (0..30).any(|seed| {
            let policy = parse_policy(&random_policy_with_hosts(seed), "random.yaml", &Environment::default()).unwrap();
            let mut lowered = policy.lower(&Limits::default()).unwrap();
            spoil(&mut lowered);
            random_actions(seed, &policy, 200)
                .iter()
                .any(|action| policy.evaluate(action) != lowered.evaluate(action))
        });
        assert!(noticed, "spoiling number {number} goes unnoticed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn lowered_tables_and_rules_agree(seed: u64) {
        agree(seed, 200);
    }

    #[test]
    fn a_printed_policy_parses_to_the_same_policy(seed: u64) {
        let policy = parse_policy(&random_policy(seed), "random.yaml", &Environment::default()).unwrap();
        let printed = policy.to_yaml();
        let again = parse_policy(&printed, "printed.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{printed}\n{errors}"));
        prop_assert_eq!(again, policy);
        for text in [random_policy_with_hosts(seed), random_policy_with_data(seed)] {
            let policy = parse_policy(&text, "random.yaml", &Environment::default()).unwrap();
            prop_assert_eq!(parse_policy(&policy.to_yaml(), "printed.yaml", &Environment::default()), Ok(policy));
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = parse_policy(&text, "fuzz.yaml", &Environment::default());
    }

    #[test]
    fn no_pattern_makes_the_parser_panic(pattern in "[a-z/*?\\[\\]{},!\\\\$@: .0-9-]{0,24}") {
        let text = format!("policy: p\nversion: 1\nnet: {{allow: [{0}]}}\nfile: {{read: {{deny: [{0}]}}}}\nexec: {{ask: [{0}]}}\n", crate::print::quote(&pattern));
        if let Ok(policy) = parse_policy(&text, "fuzz.yaml", &Environment::default()) {
            prop_assert!(policy.lower(&Limits::default()).is_ok());
        }
    }
}
