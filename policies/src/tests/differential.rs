//! The tables say what the rules say.

use crate::generate::{random_actions, random_policy};
use crate::{Environment, Limits, parse_policy};
use proptest::prelude::*;

fn agree(seed: u64, actions: usize) {
    let text = random_policy(seed);
    let policy =
        parse_policy(&text, "random.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    let lowered = policy
        .lower(&Limits::default())
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
