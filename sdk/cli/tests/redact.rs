//! `aasm redact` as somebody types it: the built program, pipes and files, each documented exit code and what is told beside it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use aa_redact::{Seed, detectors};

/// What came of it.
#[derive(Debug)]
struct Ended {
    code: i32,
    output: String,
    told: String,
}

fn aasm(folder: &Path, arguments: &[&str], input: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aasm"))
        .arg("redact")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What does not read ends before all of it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ended = child.wait_with_output().unwrap();
    Ended {
        code: ended.status.code().unwrap(),
        output: String::from_utf8(ended.stdout).unwrap(),
        told: String::from_utf8(ended.stderr).unwrap(),
    }
}

fn token() -> String {
    let row = detectors().find(|row| row.name() == "github-token").unwrap();
    row.sample(&mut Seed::new(5))
}

/// A line with a value, and what is left of it.
fn line() -> (String, &'static str) {
    (
        format!("{{\"user\": \"me\", \"token\": \"{}\"}}\n", token()),
        "{\"user\": \"me\", \"token\": \"[REDACTED:github-token]\"}\n",
    )
}

#[test]
fn a_pipe_and_a_file_are_redacted_and_end_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let (text, expected) = line();
    std::fs::write(folder.path().join("a.json"), &text).unwrap();
    std::fs::write(folder.path().join("b.txt"), "nothing here\n").unwrap();
    let both = format!("nothing here\n{expected}");
    for (arguments, input, output) in [
        (&[][..], text.as_str(), expected),
        (&["-"], &text, expected),
        (&["--chunk", "1"], &text, expected),
        (&["a.json"], "", expected),
        (&["b.txt", "a.json"], "", &both),
        (&["b.txt", "-"], &text, &both),
        (&[], "nothing here\n", "nothing here\n"),
        (&[], "", ""),
    ] {
        let ended = aasm(folder.path(), arguments, input);
        assert_eq!((ended.code, ended.output.as_str()), (0, output), "{arguments:?}");
        assert_eq!(ended.told, "", "{arguments:?}");
    }
}

#[test]
fn findings_end_with_1_if_there_are_some_that_are_no_examples() {
    let folder = tempfile::tempdir().unwrap();
    let (text, _) = line();
    let start = text.find(&token()).unwrap();
    let found = |file: &str| {
        let end = start + token().len();
        format!(
            "{{\"file\":\"{file}\",\"start\":{start},\"end\":{end},\"kind\":\"github-token\",\"class\":\"secret\",\"confidence\":\"high\"}}\n"
        )
    };
    std::fs::write(folder.path().join("a.json"), &text).unwrap();
    for (arguments, input, output) in [
        (&["--findings"][..], text.as_str(), found("-")),
        (&["--findings", "a.json"], "", found("a.json")),
    ] {
        let ended = aasm(folder.path(), arguments, input);
        assert_eq!((ended.code, ended.output, ended.told.as_str()), (1, output, ""));
    }
    let nothing = aasm(folder.path(), &["--findings"], "nothing here\n");
    assert_eq!((nothing.code, nothing.output.as_str()), (0, ""));
    let documented = format!("id {}{}\n", "AKIAIOSF", "ODNN7EXAMPLE");
    let example = aasm(folder.path(), &["--findings"], &documented);
    assert!(
        example.code == 0 && example.output.contains("\"example\":true"),
        "{example:?}"
    );
    assert_eq!(aasm(folder.path(), &[], &documented).output, documented);
}

#[test]
fn a_file_that_cannot_be_read_ends_with_1_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (file, cause) in [("missing.txt", "No such file"), (".", "Is a directory")] {
        for arguments in [&[file][..], &["--findings", file]] {
            let ended = aasm(folder.path(), arguments, "");
            assert_eq!((ended.code, ended.output.as_str()), (1, ""), "{arguments:?}");
            let told = format!("error: cannot read {file}\ncause: {cause}");
            assert!(ended.told.starts_with(&told), "{}", ended.told);
        }
    }
}

#[test]
fn wrong_usage_ends_with_64_and_help_with_0() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, part) in [
        (&["--nonsense"][..], "unexpected argument '--nonsense'"),
        (&["--chunk", "0"], "invalid value '0' for '--chunk <BYTES>'"),
        (&["--chunk"], "a value is required for '--chunk <BYTES>'"),
        (&["--policy"], "a value is required for '--policy <FILE>'"),
    ] {
        let ended = aasm(folder.path(), arguments, "");
        assert_eq!((ended.code, ended.output.as_str()), (64, ""), "{arguments:?}");
        assert!(ended.told.contains(part), "{}", ended.told);
    }
    let help = aasm(folder.path(), &["--help"], "");
    assert!(
        help.code == 0 && help.output.contains("Exit codes: 0 redacted"),
        "{help:?}"
    );
}

#[test]
fn a_policy_that_cannot_be_used_ends_with_65_and_nothing_is_given_out() {
    let folder = tempfile::tempdir().unwrap();
    let (text, _) = line();
    let secret = token();
    for (file, policy, part) in [
        ("p.toml", "version = 1\n", "has no section `[redaction]`"),
        (
            "p.toml",
            "[redaction]\ndetect = ['nonsense']\n",
            "no detector or class `nonsense`",
        ),
        (
            "p.toml",
            &format!("[redaction]\ntoken = '{secret}\n"),
            "line 2, column ",
        ),
        (
            "p.yaml",
            "policy: x\nversion: 1\ndata: {redact: [secrit]}\n",
            "did you mean `secret`?",
        ),
        ("p.yaml", "policy: x\nversion: 1\n", "says nothing of `data.redact`"),
    ] {
        std::fs::write(folder.path().join(file), policy).unwrap();
        let ended = aasm(folder.path(), &["--policy", file], &text);
        assert_eq!((ended.code, ended.output.as_str()), (65, ""), "{policy}");
        assert!(
            ended.told.contains(part) && ended.told.contains(file),
            "{part}: {}",
            ended.told
        );
        assert!(!ended.told.contains(&secret), "a value is told");
    }
    let missing = aasm(folder.path(), &["--policy", "missing.toml"], &text);
    assert_eq!((missing.code, missing.output.as_str()), (65, ""));
    assert!(
        missing.told.starts_with("error: cannot read missing.toml\n"),
        "{}",
        missing.told
    );
}

/// `aasm redact | head`: who has read enough goes, and nothing is said of it.
#[test]
fn a_reader_that_goes_ends_it_in_silence_and_findings_still_with_1() {
    let (text, _) = line();
    for (arguments, code) in [(&["redact"][..], 0), (&["redact", "--findings"], 1)] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aasm"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut input = child.stdin.take().unwrap();
        let _ = input.write_all(text.repeat(10_000).as_bytes());
        drop(input);
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(code), ""));
    }
}
