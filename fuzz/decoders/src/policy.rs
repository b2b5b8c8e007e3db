//! The policy language: texts people write, and tables the gateway hands to the sensor.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use aa_policy::generate::random_actions;
use aa_policy::{
    Action, ContentHash, Environment, ExecAction, Facts, Limits, Lowered, Policy, ProgramKind, Protocol, Verdict,
    parse_policy,
};

/// Small, so that a pattern that explodes is refused quickly.
const LIMITS: Limits = Limits {
    max_automaton_words: 1 << 16,
    max_rules: 200,
    max_address_entries: 1 << 12,
    max_ranges: 64,
    max_host_classes: 64,
};

fn environment() -> Environment {
    Environment {
        home: Some("/home/dev".to_owned()),
        run: Some("/run/user/1000".to_owned()),
        ..Environment::default()
    }
}

/// A policy's text: it is refused with reasons that can be shown, or it comes back from what it prints.
pub fn policy_text(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    match parse_policy(text, "fuzz.yaml", &environment()) {
        Ok(policy) => {
            for warning in policy.warnings() {
                assert!(!warning.to_string().is_empty());
            }
            let printed = policy.to_yaml();
            let again = parse_policy(&printed, "printed.yaml", &environment());
            assert!(again.as_ref() == Ok(&policy), "{printed}\n{again:?}");
            rules_and_tables_agree(&policy, &[])
        }
        Err(errors) => {
            assert!(!errors.to_string().is_empty());
            false
        }
    }
}

/// Rules, one a line as `read deny /srv/**`, and what is asked of them, as `? exec git push`: rules and tables agree.
pub fn policy_tables(bytes: &[u8]) -> bool {
    let Ok(lines) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(policy) = parse_policy(&policy_of(lines), "fuzz.yaml", &environment()) else {
        return false;
    };
    let asked = lines.lines().filter_map(|line| line.strip_prefix("? "));
    let actions: Vec<Action> = asked
        .filter_map(|asked| aa_policy::parse_action(asked, &policy, &environment()).ok())
        .collect();
    rules_and_tables_agree(&policy, &actions)
}

/// Each section present, with what the lines list in it.
fn policy_of(lines: &str) -> String {
    let list = |section: &str, verdict: &str| {
        let begin = format!("{section} {verdict} ");
        let patterns = lines.lines().filter_map(|line| line.strip_prefix(&begin));
        let quoted: Vec<String> = patterns
            .map(|pattern| format!("'{}'", pattern.replace('\'', "''")))
            .collect();
        format!("{verdict}: [{}]", quoted.join(", "))
    };
    let section = |name: &str| ["allow", "ask", "deny"].map(|verdict| list(name, verdict)).join(", ");
    let mut text = "policy: fuzz\nversion: 1\n".to_owned();
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "file: {{read: {{{}}}, write: {{{}}}}}",
        section("read"),
        section("write")
    );
    let _ = writeln!(text, "exec: {{{}}}\nnet: {{{}}}", section("exec"), section("net"));
    text
}

fn rules_and_tables_agree(policy: &Policy, asked: &[Action]) -> bool {
    let Ok(lowered) = policy.lower(&LIMITS) else {
        return false;
    };
    let mut seed = DefaultHasher::new();
    policy.digest().hash(&mut seed);
    for action in asked.iter().chain(&random_actions(seed.finish(), policy, 8)) {
        assert_eq!(
            policy.evaluate(action),
            lowered.evaluate(action),
            "{action} ({action:?})\n{}",
            policy.to_yaml()
        );
    }
    true
}

/// A condition in the first line, and behind it what a tool is called with: where the condition does not hold its negation does, and what
/// cannot be told is neither, whatever an agent says.
pub fn policy_condition(bytes: &[u8]) -> bool {
    let Some((condition, arguments)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n')) else {
        return false;
    };
    let quoted = condition.replace('\'', "''");
    let rule = |name: &str, condition: &str| format!("{{name: {name}, when: '{condition}'}}");
    let (one, other) = (quoted.as_str(), format!("!({quoted})"));
    let text = format!(
        "policy: fuzz\nversion: 1\ntool:\n  default: deny\n  allow: [{}, {}, deny, denynot]\n  deny: [{}, {}]\n",
        rule("allow", one),
        rule("allownot", &other),
        rule("deny", one),
        rule("denynot", &other)
    );
    let Ok(policy) = parse_policy(&text, "fuzz.yaml", &environment()) else {
        return false;
    };
    let Ok(arguments) = serde_json::from_str(arguments) else {
        return false;
    };
    let facts = Facts::default().arguments(&arguments);
    let passes = |name: &str| policy.tool(Some(name), &facts).verdict() == Verdict::Allow;
    let (holds, fails) = (passes("allow"), passes("allownot"));
    assert!(!(holds && fails), "{condition}");
    assert_eq!((passes("deny"), passes("denynot")), (fails, holds), "{condition}");
    true
}

/// An action as `aasm policy explain` and `expect` lines name it.
pub fn policy_action(bytes: &[u8]) -> bool {
    static POLICY: LazyLock<Option<Policy>> =
        LazyLock::new(|| parse_policy("policy: p\nversion: 1\nlet: {work: /srv}\n", "p.yaml", &environment()).ok());
    let (Ok(text), Some(policy)) = (std::str::from_utf8(bytes), &*POLICY) else {
        return false;
    };
    let read = aa_policy::parse_action(text, policy, &environment());
    let shown = read.as_ref().map_or_else(ToString::to_string, ToString::to_string);
    assert!(!shown.is_empty());
    read.is_ok()
}

/// Tables as they travel from the gateway: whatever they are, judging by them ends.
pub fn policy_lowered(bytes: &[u8]) -> bool {
    let Ok(lowered) = postcard::from_bytes::<Lowered>(bytes) else {
        return false;
    };
    let path = b"/usr/bin/git".to_vec();
    let Ok(address) = "[2001:db8::1]:443".parse() else {
        return false;
    };
    let exec = ExecAction {
        program: path.clone(),
        called_as: None,
        argv: vec![b"git".to_vec(), b"push".to_vec()],
        kind: ProgramKind::File,
        content: Some(ContentHash([0; 32])),
    };
    let protocol = Protocol::Tcp;
    for action in [
        Action::Read { path },
        Action::Exec(exec),
        Action::Connect { address, protocol },
    ] {
        assert!(!lowered.evaluate(&action).reason.is_empty());
    }
    true
}
