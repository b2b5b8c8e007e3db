//! Policies of a given size, in which what the measuring program does is allowed by one rule among all.

use std::fmt::Write as _;

/// A policy of `rules` rules: of ten, four about reading, two each about writing, programs and addresses.
pub(crate) fn with_rules(rules: usize) -> String {
    let share = rules / 10;
    let paths = |count: usize, below: &str, own: &str| {
        let others = (0..count.saturating_sub(1)).map(|at| format!("/srv/project-{at:06}/{below}"));
        others.chain([own.to_owned()]).collect::<Vec<_>>()
    };
    let addresses = (0..(2 * share).saturating_sub(1)).map(|at| {
        let (high, low) = (at / 256 % 256, at % 256);
        format!("10.{high}.{low}.0/24:{}/tcp", 1024 + at % 1000)
    });
    let addresses = addresses
        .chain(["127.0.0.0/8:20000-29999".to_owned()])
        .collect::<Vec<_>>();
    let mut text = format!("policy: bench-{rules}\nversion: 1\nmode: enforce\nfile:\n");
    section(
        &mut text,
        "  read:\n    allow:",
        &paths(4 * share, "src/**", "/{srv,opt,dev/shm}/aa-bench/**"),
    );
    section(
        &mut text,
        "  write:\n    allow:",
        &paths(2 * share, "target/**", "/dev/shm/aa-bench/*"),
    );
    // One of the rules about programs is about arguments.
    section(&mut text, "exec:\n    ask:", &["git push ...".to_owned()]);
    section(
        &mut text,
        "    allow:",
        &paths(2 * share - 1, "bin/*", "/opt/aa-bench/*"),
    );
    section(&mut text, "net:\n    allow:", &addresses);
    text
}

fn section(text: &mut String, head: &str, patterns: &[String]) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{head}");
    for pattern in patterns {
        let _ = writeln!(text, "      - \"{pattern}\"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_has_as_many_rules_as_asked_for_and_reads_as_one() {
        for rules in [10, 1000] {
            let text = with_rules(rules);
            assert_eq!(
                text.lines().filter(|line| line.trim_start().starts_with("- ")).count(),
                rules
            );
            aa_policy::parse_policy(&text, "bench.yaml", &aa_policy::Environment::default()).unwrap();
        }
    }
}
