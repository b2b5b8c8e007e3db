//! The places that Landlock is told say what the rules say.

use crate::generate::{random_actions, random_policy};
use crate::trees::{Extent, Place};
use crate::{Action, Environment, Policy, RuleKind, Trees, Verdict, parse_policy};

fn parse(text: &str) -> Policy {
    parse_policy(text, "x.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

fn trees(files: &str) -> Trees {
    parse(&format!("policy: p\nversion: 1\nfile: {files}\n")).trees()
}

fn paths(places: Option<Vec<Place>>) -> Vec<String> {
    let shown = |place: Place| match place.extent {
        Extent::File => place.path,
        Extent::Entries => format!("{}/*", place.path),
        Extent::Tree => format!("{}/**", place.path),
    };
    places
        .unwrap()
        .into_iter()
        .map(shown)
        .filter(|path| !path.starts_with("/dev/"))
        .collect()
}

#[test]
fn what_is_denied_as_a_whole_is_no_place() {
    let read = "{read: {allow: [/usr/**, /home/me/**, /etc/hosts, \"/srv/{a,b}/**\", \"/x/*\"], deny: [/home/**, \"**/hosts\", /usr/lib/**]}}";
    let found = trees(read);
    assert_eq!(paths(found.read), ["/srv/a/**", "/srv/b/**", "/usr/**"]);
    assert_eq!(found.write, None);
}

#[test]
fn devices_that_every_program_needs_stay() {
    let device = |path: &str, extent| Place {
        path: path.to_owned(),
        extent,
    };
    let write = trees("{write: {}}").write.unwrap();
    assert!(write.contains(&device("/dev/null", Extent::File)) && write.contains(&device("/dev/pts", Extent::Entries)));
    assert!(
        !trees("{write: {deny: [/dev/null]}}")
            .write
            .unwrap()
            .contains(&device("/dev/null", Extent::File))
    );
}

#[test]
fn what_is_allowed_by_default_or_only_observed_is_not_confined() {
    assert_eq!(trees("{read: {default: allow}}"), Trees::default());
    assert_eq!(trees("{read: {default: ask}}"), Trees::default());
    let observed = parse("policy: p\nversion: 1\nmode: observe\nfile: {read: {}}\n");
    assert_eq!(observed.trees(), Trees::default());
}

/// Both ways: what places hold is allowed and what is allowed they hold, but where a gap names a rule that matches.
#[test]
fn places_and_rules_agree_on_random_policies() {
    let mut compared = 0;
    for seed in 0..400 {
        let text = random_policy(seed);
        let policy = parse(&text);
        let trees = policy.trees();
        let gaps = policy.gaps_without_lsm(true);
        for action in random_actions(seed, &policy, 200) {
            let (path, places, section) = match &action {
                Action::Read { path } => (path, &trees.read, crate::Section::Read),
                Action::Write { path } => (path, &trees.write, crate::Section::Write),
                _ => continue,
            };
            let Some(places) = places else { continue };
            let named = policy.rules().iter().any(|rule| {
                rule.kind == RuleKind::Written
                    && rule.section == section
                    && rule.path().is_some_and(|pattern| pattern.matches(path))
                    && gaps
                        .iter()
                        .any(|gap| (gap.section, gap.line, &gap.text) == (section, rule.line, &rule.text))
            });
            let allowed = policy.evaluate(&action).verdict == Verdict::Allow;
            let held = places.iter().any(|place| place.holds(path));
            assert!(
                named || allowed == held,
                "{action}: allowed {allowed}, held {held}, in\n{text}"
            );
            compared += usize::from(!named);
        }
    }
    assert!(compared > 1000, "{compared}");
}
