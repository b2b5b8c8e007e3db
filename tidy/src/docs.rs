//! What the documentation shows is true.

use aa_policy::{Environment, parse_policy};

use crate::tree::{read, sources};

fn environment() -> Environment {
    Environment {
        home: Some("/home/dev".to_owned()),
        run: Some("/run/user/1000".to_owned()),
        lets: [("work".to_owned(), "/srv/work".to_owned())].into(),
    }
}

/// The blocks of code of a language: the line each begins on, and its text.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = None;
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(_), Some(_)) => open = None,
            (Some(opened), None) => {
                open = Some(opened == language);
                if opened == language {
                    found.push((number + 1, String::new()));
                }
            }
            (None, Some(true)) => found.last_mut().unwrap().1.extend([line, "\n"]),
            _ => {}
        }
    }
    found
}

#[test]
fn every_policy_of_the_documentation_is_one() {
    let mut checked = 0;
    for source in sources(&["md"]) {
        for (line, text) in blocks(&source.text, "yaml") {
            let place = format!("{}:{line}", source.path);
            let policy = parse_policy(&text, &place, &environment()).unwrap_or_else(|errors| panic!("{errors}"));
            let dead = policy
                .warnings()
                .iter()
                .filter(|warning| warning.to_string().contains("never decides"));
            assert_eq!(dead.map(ToString::to_string).collect::<String>(), "", "{place}");
            checked += 1;
        }
    }
    assert!(checked >= 6, "only {checked} policies in the documentation");
}

#[test]
fn prices_of_the_documentation_can_be_read() {
    let prices = blocks(&read("docs/policy.md"), "yaml prices");
    assert_eq!(prices.len(), 1);
    for (line, text) in prices {
        aa_policy::Prices::parse(&text, &format!("docs/policy.md:{line}")).unwrap_or_else(|errors| panic!("{errors}"));
    }
}

/// The parser names the keys it knows when it does not know one.
#[test]
fn the_reference_names_every_key_and_every_kind_of_action() {
    let reference = read("docs/policy.md");
    let wrong = [
        "surprise: 1\n",
        "model: {surprise: 1}\n",
        "net: {surprise: 1}\n",
        "file: {surprise: 1}\n",
        "governs: [{surprise: 1}]\n",
        "scope: {surprise: 1}\n",
    ];
    for wrong in wrong {
        let text = format!("policy: p\nversion: 1\n{wrong}");
        let told = parse_policy(&text, "p", &environment()).unwrap_err().to_string();
        let (_, keys) = told
            .split_once("the keys here are ")
            .unwrap_or_else(|| panic!("{told}"));
        for key in keys.lines().next().unwrap().split(", ") {
            let named = [format!("`{key}`"), format!("`{key}:")];
            assert!(
                named.iter().any(|named| reference.contains(named)),
                "docs/policy.md does not name `{key}`"
            );
        }
    }
}

#[test]
fn blocks_are_found_by_language_and_place() {
    let text = "a\n```yaml\nx: 1\ny: 2\n```\n```\nz\n```\n```yaml\n```\n";
    assert_eq!(
        blocks(text, "yaml"),
        [(2, "x: 1\ny: 2\n".to_owned()), (9, String::new())]
    );
}
