//! Programs under several names, scripts, and programs without a name.

use crate::{
    Action, ContentHash, Decision, Environment, ExecAction, Limits, Policy, ProgramKind, RuleId, Verdict, combine_exec,
    parse_policy,
};

fn policy(exec: &str) -> Policy {
    let text = format!("policy: p\nversion: 1\nexec: {exec}\n");
    parse_policy(&text, "p.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn verdict(policy: &Policy, program: &str, called_as: Option<&str>, arguments: &[&str], kind: ProgramKind) -> Verdict {
    let argv = std::iter::once("anything")
        .chain(arguments.iter().copied())
        .map(|word| word.as_bytes().to_vec())
        .collect();
    let called_as = called_as.map(|name| name.as_bytes().to_vec());
    let action = Action::Exec(ExecAction {
        program: program.into(),
        called_as,
        argv,
        kind,
        content: None,
    });
    let judgement = policy.evaluate(&action);
    assert_eq!(policy.lower(&Limits::default()).unwrap().evaluate(&action), judgement);
    judgement.verdict
}

#[test]
fn a_denied_name_is_denied_however_the_file_is_called() {
    let policy = policy("{allow: [/usr/**], deny: [su, \"git push ...\"]}");
    let file = |program, called, arguments: &[&str]| verdict(&policy, program, called, arguments, ProgramKind::File);
    assert_eq!(file("/usr/bin/busybox", None, &["su"]), Verdict::Allow);
    assert_eq!(file("/usr/bin/busybox", Some("/usr/bin/su"), &[]), Verdict::Deny);
    assert_eq!(file("/usr/bin/su", Some("harmless"), &[]), Verdict::Deny);
    assert_eq!(file("/usr/lib/git-core/git", Some("x"), &["push"]), Verdict::Deny);
    assert_eq!(file("/usr/bin/x", Some("git"), &["push"]), Verdict::Deny);
}

#[test]
fn an_allowed_name_counts_only_as_the_name_of_the_file() {
    let policy = policy("{allow: [\"make test\", make2]}");
    let file = |program, called| verdict(&policy, program, Some(called), &["test"], ProgramKind::File);
    assert_eq!(file("/opt/make", "x"), Verdict::Allow);
    assert_eq!(file("/opt/x", "make"), Verdict::Deny);
    assert_eq!(file("/opt/x", "make2"), Verdict::Deny);
}

#[test]
fn an_ask_by_arguments_is_asked_though_the_default_denies_but_not_for_a_name_it_was_called_by() {
    let policy = policy("{ask: [\"git push ...\"]}");
    assert_eq!(
        verdict(&policy, "/usr/bin/git", None, &["push"], ProgramKind::File),
        Verdict::Ask
    );
    assert_eq!(
        verdict(&policy, "/usr/bin/evil", Some("git"), &["push"], ProgramKind::File),
        Verdict::Deny
    );
}

#[test]
fn a_script_is_judged_as_program_and_as_what_an_interpreter_runs() {
    let policy = policy(
        "{allow: [/tmp/**, /srv/**, \"run go\"], deny: [\"interpreter:/tmp/**\"], ask: [\"interpreter:**/*.rb\"]}",
    );
    let script = |program, arguments: &[&str]| verdict(&policy, program, None, arguments, ProgramKind::Script);
    assert_eq!(
        verdict(&policy, "/tmp/x.sh", None, &[], ProgramKind::File),
        Verdict::Allow
    );
    assert_eq!(script("/tmp/x.sh", &[]), Verdict::Deny);
    assert_eq!(script("/srv/x.sh", &[]), Verdict::Allow);
    assert_eq!(script("/srv/x.rb", &[]), Verdict::Ask);
    assert_eq!(script("/usr/lib/x", &[]), Verdict::Deny);
    assert_eq!(script("/opt/run", &["go"]), Verdict::Allow);
    assert_eq!(script("/opt/run", &["stop"]), Verdict::Deny);
}

/// An option that may take a value doubles the ways to read what follows, a star in a word tries every length.
#[test]
fn judging_arguments_ends_soon_whatever_an_agent_gives() {
    let policy = policy("{allow: [/usr/**], ask: [\"git remote add ...\", \"tar *a*a*a*a*a*a*a*a*b\"]}");
    let file = |program, arguments: &[&str]| verdict(&policy, program, None, arguments, ProgramKind::File);
    let mut options = vec!["remote"];
    options.extend(["-C"; 300]);
    assert_eq!(file("/usr/bin/git", &options), Verdict::Allow);
    options.push("add");
    assert_eq!(file("/usr/bin/git", &options), Verdict::Ask);
    assert_eq!(file("/usr/bin/tar", &[&"a".repeat(3000)]), Verdict::Allow);
    assert_eq!(file("/usr/bin/tar", &[&"ab".repeat(1500)]), Verdict::Ask);
}

#[test]
fn programs_without_a_name_are_judged_by_flags_alone() {
    let policy = policy("{allow: [/**, memfd], ask: [deleted]}");
    assert_eq!(
        verdict(&policy, "/memfd:x", None, &[], ProgramKind::Memfd),
        Verdict::Allow
    );
    assert_eq!(
        verdict(&policy, "/bin/x", None, &[], ProgramKind::Deleted),
        Verdict::Ask
    );
    let policy = self::policy("{allow: [/**]}");
    assert_eq!(
        verdict(&policy, "/bin/x", None, &[], ProgramKind::Deleted),
        Verdict::Deny
    );
}

#[test]
fn nothing_makes_an_ungoverned_exec_governed() {
    let deny = Decision::new(Verdict::Deny, true, Some(RuleId(1)));
    assert_eq!(combine_exec(Decision::NONE, Some(deny), deny, deny), Decision::NONE);
}

#[test]
fn a_decision_survives_packing() {
    for verdict in [Verdict::Ungoverned, Verdict::Allow, Verdict::Ask, Verdict::Deny] {
        for (explicit, rule) in [
            (false, None),
            (true, Some(RuleId(0))),
            (true, Some(RuleId(RuleId::LIMIT - 1))),
        ] {
            let decision = Decision::new(verdict, explicit, rule);
            assert_eq!(
                (decision.verdict(), decision.explicit(), decision.rule()),
                (verdict, explicit, rule)
            );
        }
    }
    assert_eq!(Decision(7).verdict(), Verdict::Deny);
}

#[test]
fn what_is_in_a_program_allows_what_no_name_decides_and_denies_what_one_allows() {
    let (listed, bad) = ([1; 32], [2; 32]);
    let text = format!(
        "{{allow: [/ok/**, {}, \"run go\"], ask: [\"run ask\", memfd], deny: [/no/**, {}]}}",
        quoted(listed),
        quoted(bad)
    );
    let policy = policy(&text);
    let judged = |program: &str, content: [u8; 32], argument: &str, kind| {
        let action = Action::Exec(ExecAction {
            program: program.into(),
            called_as: None,
            argv: vec![b"x".to_vec(), argument.into()],
            kind,
            content: Some(ContentHash(content)),
        });
        let judgement = policy.evaluate(&action);
        assert_eq!(policy.lower(&Limits::default()).unwrap().evaluate(&action), judgement);
        judgement.verdict
    };
    let file = |program, content| judged(program, content, "", ProgramKind::File);
    assert_eq!(file("/anywhere", listed), Verdict::Allow);
    assert_eq!(file("/anywhere", [3; 32]), Verdict::Deny);
    assert_eq!(file("/ok/x", [3; 32]), Verdict::Allow);
    assert_eq!(file("/ok/x", bad), Verdict::Deny);
    assert_eq!(file("/no/x", listed), Verdict::Deny);
    assert_eq!(judged("/x/run", listed, "ask", ProgramKind::File), Verdict::Ask);
    assert_eq!(judged("/x/run", bad, "go", ProgramKind::File), Verdict::Deny);
    assert_eq!(judged("/anywhere", listed, "", ProgramKind::Script), Verdict::Allow);
    assert_eq!(judged("/memfd", listed, "", ProgramKind::Memfd), Verdict::Ask);
    assert_eq!(judged("/memfd", bad, "", ProgramKind::Memfd), Verdict::Deny);
    assert_eq!(judged("/gone", listed, "", ProgramKind::Deleted), Verdict::Deny);
}

fn quoted(content: [u8; 32]) -> String {
    format!("\"{}\"", ContentHash(content))
}

#[test]
fn a_hash_is_64_digits_and_printed_as_it_is_read() {
    let text = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let digits = text.strip_prefix("sha256:").unwrap();
    let content = ContentHash::from_hex(digits).unwrap();
    assert_eq!(content.to_string(), text);
    assert_eq!(ContentHash::from_hex(&digits.to_uppercase()), Some(content));
    for wrong in [
        "",
        &digits.replace("9f", "9"),
        &format!("{digits}0"),
        &digits.replace('9', "\u{0666}"),
        &digits.replace('9', "+"),
    ] {
        assert_eq!(ContentHash::from_hex(wrong), None, "{wrong}");
    }
}
