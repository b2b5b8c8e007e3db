//! Whatever was seen is allowed by what was learned, but what is never to be.

use super::*;
use crate::generate;
use crate::lower::Limits;

fn environment() -> Environment {
    Environment {
        home: Some("/home/dev".to_owned()),
        run: Some("/run/user/1000".to_owned()),
        lets: [("work".to_owned(), "/home/dev/src".to_owned())].into(),
    }
}

fn action(text: &str, environment: &Environment) -> Action {
    let policy = parse_policy("policy: any\nversion: 1\n", "any.yaml", environment).unwrap();
    parse_action(text, &policy, environment).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn learn(environment: &Environment, actions: &[&str]) -> (Learned, Policy) {
    let mut learning = Learning::new(environment);
    for text in actions {
        learning.see(action(text, environment));
    }
    let learned = learning
        .policy("learned", "From a test.")
        .unwrap_or_else(|error| panic!("{error}"));
    let policy = parse_policy(&learned.text, "learned.yaml", environment).unwrap();
    (learned, policy)
}

#[test]
fn what_was_seen_is_allowed_and_its_like_is_not() {
    let environment = environment();
    let seen = [
        "read /etc/hosts",
        "read $work/src/main.rs",
        "write $work/src/main.rs",
        "rename $work/a $work/b",
        "write $home/.cache/x/y",
        "exec /usr/bin/git status",
        "exec $work/run.sh",
        "load /opt/x/lib.so",
        "connect 192.0.2.1:443",
        "connect 192.0.2.1:443/udp",
        "connect [2001:db8::7]:22",
        "connect 140.82.112.3:443 as api.github.com",
        "connect 1.1.1.1:53/udp",
        "bind 127.0.0.1:3000",
        "unix @build-7",
        "unix /run/x.sock",
        "model claude-opus-4",
    ];
    let (learned, policy) = learn(&environment, &seen);
    assert_eq!(learned.left_out, [], "{}", learned.text);
    assert_eq!(learned.allowed, seen.len());
    for (text, verdict) in [
        ("read /etc/passwd", Verdict::Deny),
        ("read $work/other", Verdict::Allow),
        ("read $work/.env", Verdict::Deny),
        ("write $home/.bashrc", Verdict::Deny),
        ("exec /usr/bin/curl", Verdict::Deny),
        ("connect 140.82.112.3:443", Verdict::Deny),
        ("connect 140.82.112.4:443 as api.github.com", Verdict::Allow),
        ("connect 192.0.2.1:80", Verdict::Deny),
        ("connect 127.0.0.1:3001", Verdict::Deny),
        ("unix /run/docker.sock", Verdict::Deny),
        ("model gpt-5", Verdict::Deny),
        ("memfd", Verdict::Deny),
    ] {
        let verdict_now = policy.evaluate(&action(text, &environment)).verdict;
        assert_eq!(verdict_now, verdict, "{text}\n{}", learned.text);
    }
    assert!(learned.text.contains("read /etc/hosts -> allow"), "{}", learned.text);
    assert!(
        learned.text.contains("read $home/.ssh/id_ed25519 -> deny"),
        "{}",
        learned.text
    );
}

#[test]
fn what_is_never_to_be_is_left_out_and_told() {
    let environment = environment();
    let seen = [
        "read $home/.ssh/id_ed25519",
        "read $work/.env",
        "unix /run/docker.sock",
        "memfd",
        "use setuid",
        "read /etc/hosts",
    ];
    let (learned, policy) = learn(&environment, &seen);
    let left: Vec<String> = learned.left_out.iter().map(|(action, _)| action.to_string()).collect();
    assert_eq!(
        left,
        [
            "memfd",
            "read /home/dev/.ssh/id_ed25519",
            "read /home/dev/src/.env",
            "unix /run/docker.sock",
            "use setuid",
        ],
        "{}",
        learned.text
    );
    for (action, why) in &learned.left_out {
        assert_eq!(policy.evaluate(action).verdict, Verdict::Deny);
        assert!(!why.is_empty());
    }
}

#[test]
fn nothing_seen_allows_nothing() {
    let environment = environment();
    let (learned, policy) = learn(&environment, &[]);
    assert!(learned.allowed == 0 && learned.left_out.is_empty());
    for text in [
        "read /etc/hosts",
        "exec ls",
        "connect 1.1.1.1:443",
        "write $work/x",
        "bind 127.0.0.1:1",
        "unix /x",
    ] {
        let verdict = policy.evaluate(&action(text, &environment)).verdict;
        assert_eq!(verdict, Verdict::Deny, "{text}");
    }
}

/// Of random policies' own examples: whatever is learned can be loaded, and lowered, and allows what was seen unless it says why not.
#[test]
fn whatever_is_seen_makes_a_policy_that_loads() {
    let environment = environment();
    for seed in 0..60 {
        let generated = generate::random_policy_with_hosts(seed);
        let Ok(policy) = parse_policy(&generated, "generated.yaml", &environment) else {
            continue;
        };
        let mut learning = Learning::new(&environment);
        let recorded = |action: &Action| !matches!(action, Action::ConnectHost { .. } | Action::Carrying { .. });
        for action in generate::random_actions(seed, &policy, 60).into_iter().filter(recorded) {
            learning.see(action);
        }
        let learned = learning
            .policy("learned", "")
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let policy = parse_policy(&learned.text, "learned.yaml", &environment).unwrap();
        policy.lower(&Limits::default()).unwrap();
        for (action, why) in &learned.left_out {
            // A program without a name cannot be told from another; a name that was only looked up has no port.
            let nameless = match action {
                Action::Exec(exec) => matches!(exec.kind, ProgramKind::Memfd | ProgramKind::Deleted),
                other => matches!(other, Action::Lookup { .. }),
            };
            assert!(
                nameless || !why.contains("no rule of"),
                "seed {seed}: {action}: {why}\n{}",
                learned.text
            );
        }
    }
}
