//! The packs that ship do what their `expect` lines say, and little else is wrong with them.

use crate::{Environment, Limits, Severity, packs, parse_policy};

fn environment() -> Environment {
    Environment {
        home: Some("/home/dev".to_owned()),
        run: Some("/run/user/1000".to_owned()),
        ..Environment::default()
    }
}

#[test]
fn every_pack_parses_and_its_expect_lines_hold() {
    for (name, text) in packs() {
        let policy = parse_policy(text, name, &environment()).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(policy.name(), name);
        assert_eq!(parse_policy(&policy.to_yaml(), name, &environment()), Ok(policy));
    }
}

#[test]
fn no_pack_has_a_dead_rule_or_an_absent_section() {
    for (name, text) in packs() {
        let policy = parse_policy(text, name, &environment()).unwrap();
        let warnings: String = policy.warnings().iter().map(ToString::to_string).collect();
        assert!(
            policy
                .warnings()
                .iter()
                .all(|warning| warning.severity == Severity::Warning)
        );
        assert!(warnings.is_empty(), "{name}\n{warnings}");
    }
}

#[test]
fn every_pack_fits_eight_mebibytes_of_tables() {
    for (name, text) in packs() {
        let lowered = parse_policy(text, name, &environment())
            .unwrap()
            .lower(&Limits::default())
            .unwrap();
        eprintln!(
            "{name}: paths {} states x {} classes, argv {} x {}, {} address entries",
            lowered.paths.rows.len(),
            lowered.paths.class_count,
            lowered.argv.rows.len(),
            lowered.argv.class_count,
            lowered.addresses.len()
        );
        assert!(lowered.paths.words() + lowered.argv.words() < 2 << 20, "{name}");
    }
}
