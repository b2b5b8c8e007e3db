//! The arrows between crates, as ARCHITECTURE.md draws them, and what follows from them.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{read, root, sources};

/// Crates without any I/O: bytes and values in, values out.
const PURE: [&str; 6] = [
    "aa-policy",
    "aa-probes",
    "aa-procfs",
    "aa-redact",
    "aa-traffic",
    "aa-wire",
];
/// What only I/O needs.
const IMPURE: [&str; 6] = ["std::env", "std::fs", "std::process", "std::thread", "tokio::", "nix::"];

struct Member {
    folder: String,
    manifest: toml::Table,
}

impl Member {
    fn dependencies(&self, tables: &[&str]) -> BTreeSet<String> {
        tables
            .iter()
            .filter_map(|table| self.manifest.get(*table)?.as_table())
            .flat_map(|table| table.keys().cloned())
            .collect()
    }

    /// Nothing but a program. One with a library beside it may be depended on: that takes the library alone.
    fn is_program(&self) -> bool {
        let has = |file: &str| root().join(&self.folder).join(file).exists();
        let program = self.manifest.contains_key("bin") || has("src/main.rs");
        program && !has("src/lib.rs")
    }
}

fn parse(path: &str) -> toml::Table {
    read(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The members of the workspace by name.
fn members() -> BTreeMap<String, Member> {
    let workspace = parse("Cargo.toml");
    let folders = workspace["workspace"]["members"].as_array().unwrap();
    let member = |folder: &toml::Value| {
        let folder = folder.as_str().unwrap().to_owned();
        let manifest = parse(&format!("{folder}/Cargo.toml"));
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        (name, Member { folder, manifest })
    };
    folders.iter().map(member).collect()
}

/// `a -> b` and `a -> {b, c (remark)}` in backquotes, in the paragraph that begins with "Arrows:".
fn drawn_arrows(text: &str) -> BTreeSet<(String, String)> {
    let paragraph = text.split("\n\n").find(|paragraph| paragraph.starts_with("Arrows:"));
    let paragraph = paragraph.expect("ARCHITECTURE.md has a paragraph that begins with `Arrows:`");
    let name = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    paragraph
        .split('`')
        .filter_map(|quoted| quoted.split_once("->"))
        .flat_map(|(from, to)| {
            to.trim_matches([' ', '\n', '{', '}'])
                .split(',')
                .map(move |to| (name(from), name(to)))
        })
        .collect()
}

#[test]
fn crates_depend_on_one_another_as_architecture_md_draws_it() {
    let members = members();
    let mut real = BTreeSet::new();
    for (name, member) in &members {
        let on = member.dependencies(&["dependencies", "build-dependencies"]);
        real.extend(
            on.into_iter()
                .filter(|on| members.contains_key(on))
                .map(|on| (name.clone(), on)),
        );
    }
    let drawn = drawn_arrows(&read("ARCHITECTURE.md"));
    let undrawn: Vec<_> = real.difference(&drawn).collect();
    let gone: Vec<_> = drawn.difference(&real).collect();
    assert!(
        undrawn.is_empty() && gone.is_empty(),
        "not drawn in ARCHITECTURE.md: {undrawn:?}; drawn and not there: {gone:?}"
    );
}

/// The first column of the table below "## Dependencies".
fn explained_dependencies(text: &str) -> BTreeSet<String> {
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with("Dependencies\n"))
        .unwrap();
    let cells = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    cells
        .skip(1)
        .flat_map(|cell| cell.split(", "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_dependency_has_its_reason_in_architecture_md() {
    let members = members();
    let tables = ["dependencies", "build-dependencies", "dev-dependencies"];
    let all = members.values().flat_map(|member| member.dependencies(&tables));
    let real: BTreeSet<String> = all.filter(|name| !members.contains_key(name)).collect();
    let explained = explained_dependencies(&read("ARCHITECTURE.md"));
    let unexplained: Vec<_> = real.difference(&explained).collect();
    let gone: Vec<_> = explained.difference(&real).collect();
    assert!(
        unexplained.is_empty() && gone.is_empty(),
        "without a reason in ARCHITECTURE.md: {unexplained:?}; explained and not there: {gone:?}"
    );
    let shared = parse("Cargo.toml")["workspace"]["dependencies"]
        .as_table()
        .unwrap()
        .clone();
    let unused: Vec<_> = shared
        .keys()
        .filter(|name| !real.contains(*name) && !members.contains_key(*name))
        .collect();
    assert!(
        unused.is_empty(),
        "in [workspace.dependencies] and used by nobody: {unused:?}"
    );
}

#[test]
fn drawn_arrows_are_read_with_remarks_and_line_ends() {
    let text = "x\n\nArrows: `a -> {b, c (its\nabi only)}`, `b -> d`. Leaves do `no` I/O.\n";
    let pair = |(from, to): (&str, &str)| (from.to_owned(), to.to_owned());
    assert_eq!(
        drawn_arrows(text),
        [("a", "b"), ("a", "c"), ("b", "d")].map(pair).into()
    );
}

#[test]
fn nobody_depends_on_a_program() {
    let members = members();
    for (name, member) in &members {
        for on in member.dependencies(&["dependencies", "build-dependencies", "dev-dependencies"]) {
            let program = members.get(&on).is_some_and(Member::is_program);
            assert!(
                !program,
                "`{name}` depends on the program `{on}`: move what it needs into a library"
            );
        }
    }
}

#[test]
fn only_aa_bpf_touches_libbpf() {
    for (name, member) in members() {
        let on = member.dependencies(&["dependencies", "build-dependencies", "dev-dependencies"]);
        let libbpf = on.iter().any(|on| on.starts_with("libbpf"));
        assert_eq!(libbpf, name == "aa-bpf", "`{name}` and libbpf");
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for (name, member) in members() {
        let inherited = member.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        // aa-bpf repeats them, but for `unsafe_code`.
        let fine = inherited.and_then(toml::Value::as_bool) == Some(true) || name == "aa-bpf";
        assert!(fine, "`{name}` needs `[lints] workspace = true`");
    }
}

#[test]
fn pure_crates_do_no_io() {
    let members = members();
    for source in sources(&["rs"]) {
        let pure = PURE
            .iter()
            .any(|name| source.path.starts_with(&format!("{}/src/", members[*name].folder)));
        if pure && !source.path.contains("tests") {
            let found = IMPURE.iter().find(|word| source.text.contains(**word));
            assert_eq!(found, None, "{} is of a crate without I/O", source.path);
        }
    }
}
