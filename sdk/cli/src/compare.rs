//! `aasm policy diff`: what two policies say differently, in actions.

use std::fmt::Write as _;

use aa_policy::{Change, Difference, Environment, Setting, Side, diff, settings};
use serde::Serialize;

use crate::exit::{FAILED, Failure};
use crate::policy::{find, here};
use crate::{print, print_json};

/// What holds of every comparison.
const CAVEAT: &str = "This tries examples of each rule, at most 20,000, and proves nothing about all actions.";

/// What differs, for programs.
#[derive(Debug, Serialize)]
struct Comparison {
    actions: Vec<Difference>,
    settings: Vec<Setting>,
}

pub(crate) fn compare(before: &str, after: &str, json: bool) -> Result<(), Failure> {
    let here = here();
    let ((first, before), (second, after)) = (find(before, &here, json)?, find(after, &here, json)?);
    let mut comparison = Comparison {
        actions: diff(&first, &second),
        settings: settings(&first, &second),
    };
    for difference in &mut comparison.actions {
        difference.action = by_name(&difference.action, &here);
    }
    if json {
        print_json(&comparison)?;
    } else {
        print(&render(&comparison, [&before, &after]));
    }
    if comparison.actions.is_empty() && comparison.settings.is_empty() {
        Ok(())
    } else {
        Err(Failure::Code(FAILED))
    }
}

/// With `$work` and `$home` for what these are, where a word begins with it.
pub(crate) fn by_name(action: &str, environment: &Environment) -> String {
    let work = environment.lets.get("work").map(|work| ("$work", work));
    let home = environment.home.as_ref().map(|home| ("$home", home));
    let places: Vec<(&str, &str)> = work
        .into_iter()
        .chain(home)
        .map(|(name, value)| (name, value.trim_end_matches('/')))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let short = |word: &str| {
        let named = places.iter().find_map(|(name, value)| {
            let rest = word.strip_prefix(value)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{name}{rest}"))
        });
        named.unwrap_or_else(|| word.to_owned())
    };
    action.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

fn render(comparison: &Comparison, [before, after]: [&str; 2]) -> String {
    let mut text = String::new();
    for (change, heading) in [
        (Change::Gained, format!("allowed by {after} only")),
        (Change::Lost, format!("no longer allowed by {after}")),
        (Change::Otherwise, "changed otherwise".to_owned()),
    ] {
        let own: Vec<&Difference> = comparison
            .actions
            .iter()
            .filter(|difference| difference.change == change)
            .collect();
        if !own.is_empty() {
            let _ = writeln!(text, "{heading}:\n{}", groups(&own, [before, after]));
        }
    }
    if !comparison.settings.is_empty() {
        text.push_str("what is no action:\n");
        for setting in &comparison.settings {
            let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
            let (from, to) = (said(&setting.before), said(&setting.after));
            let _ = writeln!(text, "  {}: {from} -> {to}", setting.name);
        }
        text.push('\n');
    }
    if text.is_empty() {
        let _ = writeln!(text, "{before} and {after} say the same of all that was tried.");
    }
    text + CAVEAT + "\n"
}

/// What the same two rules decide stands together, the first that was tried in front.
fn groups(differences: &[&Difference], [before, after]: [&str; 2]) -> String {
    let mut groups: Vec<Vec<&Difference>> = Vec::new();
    for difference in differences {
        let alike = |group: &&mut Vec<&Difference>| {
            group.first().is_some_and(|first| {
                first.before == difference.before
                    && first.after == difference.after
                    && kind(&first.action) == kind(&difference.action)
            })
        };
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(difference),
            None => groups.push(vec![difference]),
        }
    }
    let mut text = String::new();
    for group in groups {
        let Some(first) = group.first() else {
            continue;
        };
        let more = match group.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more by the same rules)"),
        };
        let _ = writeln!(text, "  {}{more}", first.action);
        for (name, side) in [(before, &first.before), (after, &first.after)] {
            let _ = writeln!(text, "    {name}: {}", said(side));
        }
    }
    text
}

/// What kind of action: its first word.
fn kind(action: &str) -> Option<&str> {
    action.split(' ').next()
}

fn said(side: &Side) -> String {
    format!("{}, {}", side.verdict, side.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(before: &str, after: &str) -> String {
        let policy = |rules: &str| {
            let text = format!("policy: p\nversion: 1\n{rules}");
            aa_policy::parse_policy(&text, "p.yaml", &Environment::default()).unwrap()
        };
        let (before, after) = (policy(before), policy(after));
        let comparison = Comparison {
            actions: diff(&before, &after),
            settings: settings(&before, &after),
        };
        render(&comparison, ["a.yaml", "b.yaml"])
    }

    #[test]
    fn what_is_gained_lost_and_changed_stands_apart_with_the_rules_that_decide() {
        let told = rendered(
            "net: {allow: [192.0.2.1:443/tcp]}\nexec: {deny: [sudo]}\n",
            "net: {allow: [192.0.2.7:80/tcp]}\nexec: {kill: [sudo]}\nmode: observe\n",
        );
        let expected = "\
allowed by b.yaml only:
  connect 192.0.2.7:80
    a.yaml: deny, no rule of net matches, and its default is deny
    b.yaml: allow, `192.0.2.7:80/tcp` in net.allow (line 3)

no longer allowed by b.yaml:
  connect 192.0.2.1:443
    a.yaml: allow, `192.0.2.1:443/tcp` in net.allow (line 3)
    b.yaml: deny, no rule of net matches, and its default is deny

changed otherwise:
";
        assert!(told.starts_with(expected), "{told}");
        assert!(told.contains("`sudo` in exec.deny (line 4)\n"), "{told}");
        assert!(
            told.contains("what is no action:\n  mode: enforce -> observe\n"),
            "{told}"
        );
        assert!(told.ends_with(&format!("{CAVEAT}\n")), "{told}");
    }

    #[test]
    fn nothing_that_differs_is_said_so() {
        let told = rendered("exec: {allow: [/usr/**]}\n", "exec: {allow: [/usr/**]}\n# as before\n");
        let expected = format!("a.yaml and b.yaml say the same of all that was tried.\n{CAVEAT}\n");
        assert_eq!(told, expected);
    }

    #[test]
    fn many_actions_of_the_same_two_rules_are_one_entry() {
        let told = rendered("file: {read: {allow: [/srv/**]}}\n", "file: {read: {}}\n");
        assert!(told.contains("  read /srv (and "), "{told}");
        assert_eq!(told.matches("`/srv/**` in file.read.allow").count(), 1, "{told}");
    }

    #[test]
    fn places_are_called_as_a_policy_would() {
        let environment = Environment {
            home: Some("/home/dev".into()),
            run: None,
            lets: [("work".to_owned(), "/home/dev/src".to_owned())].into(),
        };
        for (action, named) in [
            ("read /home/dev/.ssh/x", "read $home/.ssh/x"),
            ("rename /home/dev/src/a /home/dev", "rename $work/a $home"),
            ("read /home/developer/x", "read /home/developer/x"),
        ] {
            assert_eq!(by_name(action, &environment), named);
        }
    }
}
