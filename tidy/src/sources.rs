//! What every source must be.

use crate::tree::sources;

const CODE: [&str; 8] = ["rs", "c", "h", "S", "py", "ts", "sh", "yaml"];

/// Beyond it a file wants splitting.
const LINES: usize = 600;

/// Longer files, each with its reason.
const LONG: [(&str, &str); 1] = [(
    "vmtest/scenarios/act.c",
    "one system call a line of input: a long list of short independent functions",
)];

#[test]
fn no_source_is_longer_than_it_should_be() {
    for source in sources(&CODE) {
        let lines = source.text.lines().count();
        let excused = LONG.iter().any(|(path, _)| *path == source.path);
        assert!(
            lines <= LINES || excused,
            "{} has {lines} lines, the limit is {LINES}: split it",
            source.path
        );
        assert!(
            lines > LINES || !excused,
            "{} is short by now: take it off the list",
            source.path
        );
    }
}

#[test]
fn c_sources_name_their_licence_in_the_first_line() {
    for source in sources(&["c", "h", "S"]) {
        let first = source.text.lines().next().unwrap_or_default();
        assert!(
            first.contains("SPDX-License-Identifier: "),
            "{} begins with `{first}`",
            source.path
        );
    }
}

#[test]
fn the_kernel_programs_may_be_taken_under_gpl_or_bsd() {
    for source in sources(&["c", "h"])
        .iter()
        .filter(|source| source.path.starts_with("bpf/"))
    {
        let first = source.text.lines().next().unwrap_or_default();
        assert!(
            first.contains("GPL-2.0-only OR BSD-2-Clause"),
            "{} begins with `{first}`",
            source.path
        );
    }
}

/// The lint `unsafe_code` is denied everywhere else; this holds that nobody lifts it.
#[test]
fn unsafe_code_is_written_in_aa_bpf_alone() {
    let lint = concat!("(unsafe", "_code");
    for source in sources(&["rs"])
        .iter()
        .filter(|source| !source.path.starts_with("bpf/"))
    {
        assert!(
            !source.text.contains(lint),
            "{} lifts the lint `unsafe_code`",
            source.path
        );
    }
}

#[test]
fn nothing_is_left_for_later() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let unwritten = [concat!("todo", "!("), concat!("unimplemented", "!(")];
    for source in sources(&[&CODE[..], &["md", "toml"]].concat()) {
        for (number, line) in source.text.lines().enumerate() {
            let found = words.iter().chain(&unwritten).find(|word| line.contains(**word));
            assert_eq!(found, None, "{}:{}", source.path, number + 1);
        }
    }
}
