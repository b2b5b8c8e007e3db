//! The promises these figures belong to, with their limits.

use std::fmt::Write as _;

use serde::Serialize;

use super::Figures;

/// A promise and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Line {
    promise: &'static str,
    what: String,
    limit: Option<f64>,
    measured: Option<f64>,
    unit: &'static str,
}

impl Line {
    fn verdict(&self) -> String {
        match (self.limit, self.measured) {
            (_, None) => "not measured".to_owned(),
            (None, Some(_)) => "no limit promised".to_owned(),
            (Some(limit), Some(measured)) if measured <= limit => "met".to_owned(),
            (Some(limit), Some(measured)) => format!("missed: {:.2} times the limit", measured / limit),
        }
    }
}

const PER_HOOK: f64 = 60.0;
/// Operations with the number of hooks each passes that only ask who acts.
const UNGOVERNED: [(&str, f64); 8] = [
    ("open-known", 1.0),
    ("connect-udp", 1.0),
    ("socket", 2.0),
    ("create", 2.0),
    ("unlink", 1.0),
    ("chmod", 1.0),
    ("map-code", 1.0),
    ("fork", 1.0),
];
const GOVERNED: [(&str, &str, f64); 5] = [
    ("connect", "connect-udp", 600.0),
    ("open of a known object", "open-known", 400.0),
    ("first sight of a 100-byte path", "open-first-100b-8d", 2000.0),
    ("exec", "exec", 2500.0),
    ("fork", "fork", 2000.0),
];
const INSTRUCTIONS: &str = "instructions";
/// Nanoseconds of a counted guest, which are instructions, in a million.
const MILLION: f64 = 1e6;

/// All lines, in the order of PROMISES.md.
pub(crate) fn lines(counted: &Figures, timed: &Figures) -> Vec<Line> {
    [
        hooks(counted),
        workloads(counted),
        launching(counted, timed),
        killing(counted, timed),
        holding(counted, timed),
        footprint(counted, timed),
        loading(counted, timed),
    ]
    .concat()
}

fn line(
    promise: &'static str,
    what: impl Into<String>,
    limit: Option<f64>,
    measured: Option<f64>,
    unit: &'static str,
) -> Line {
    Line {
        promise,
        what: what.into(),
        limit,
        measured,
        unit,
    }
}

/// K1 and K2.
fn hooks(counted: &Figures) -> Vec<Line> {
    let ungoverned = UNGOVERNED.into_iter().map(|(operation, hooks)| {
        let extra = counted
            .extra("ungoverned", "empty", operation)
            .map(|extra| extra / hooks);
        let what = format!("ungoverned {operation}, a hook, over empty");
        line("K1", what, Some(PER_HOOK), extra, INSTRUCTIONS)
    });
    let mut lines: Vec<Line> = ungoverned.collect();
    for (configuration, told) in [("silent", ""), ("recorded", ", recorded")] {
        for (what, operation, limit) in GOVERNED {
            for rules in ["10", "1000"] {
                let extra = counted.extra(&format!("{configuration}-{rules}"), "bare", operation);
                let what = format!("{what}, {rules} rules{told}");
                lines.push(line("K2", what, Some(limit), extra, INSTRUCTIONS));
            }
        }
    }
    lines
}

/// K3.
fn workloads(counted: &Figures) -> Vec<Line> {
    let mut lines = Vec::new();
    for operation in ["small-files", "spawns"] {
        for (what, configuration, base, limit) in [
            ("Landlock, over bare", "landlock-work", "bare-work", None),
            ("Tetragon, over bare", "peer-work", "bare-work", None),
            ("Tetragon, recorded, over bare", "peer-recorded-work", "bare-work", None),
            (
                "Tetragon, ungoverned, over bare",
                "peer-ungoverned-work",
                "bare-work",
                None,
            ),
            ("empty programs, over bare", "empty-work", "bare-work", None),
            ("ungoverned, over empty", "ungoverned-work", "empty-work", None),
            ("ungoverned, over bare", "ungoverned-work", "bare-work", Some(1.002)),
            ("coding-agent", "silent-work", "bare-work", Some(1.02)),
            ("coding-agent, recorded", "recorded-work", "bare-work", Some(1.02)),
            (
                "coding-agent, recorded, gateway running",
                "live-work",
                "bare-work",
                Some(1.02),
            ),
        ] {
            let ratio = counted.ratio(configuration, base, operation);
            lines.push(line("K3", format!("{operation}, {what}"), limit, ratio, "times"));
        }
    }
    lines
}

fn millions(figures: &Figures, configuration: &str, operation: &str) -> Option<f64> {
    figures.median(configuration, operation).map(|figure| figure / MILLION)
}

/// G4.
fn launching(counted: &Figures, timed: &Figures) -> Vec<Line> {
    let added = |figures| Some(millions(figures, "launch", "governed")? - millions(figures, "launch", "plain")?);
    let start = millions(counted, "launch", "tool");
    vec![
        line(
            "G4",
            "`aasm run` adds, at 1 instruction/ns",
            Some(10.0),
            added(counted),
            "ms",
        ),
        line("G4", "`aasm run` adds, emulated", None, added(timed), "ms"),
        line(
            "G4",
            "of it, each of two starts of aasm, at 1 instruction/ns",
            None,
            start,
            "ms",
        ),
    ]
}

/// K5.
fn killing(counted: &Figures, timed: &Figures) -> Vec<Line> {
    let mut lines = Vec::new();
    for (figures, how) in [(counted, "at 1 instruction/ns"), (timed, "emulated")] {
        let limit = (how != "emulated").then_some(5.0);
        let last = millions(figures, "kill", "last-effect");
        let ended = millions(figures, "kill", "ended");
        lines.push(line(
            "K5",
            format!("kill of 200 processes, last effect, {how}"),
            limit,
            last,
            "ms",
        ));
        lines.push(line(
            "K5",
            format!("of it until all have ended, {how}"),
            None,
            ended,
            "ms",
        ));
    }
    lines
}

/// K6.
fn holding(counted: &Figures, timed: &Figures) -> Vec<Line> {
    let held = |figures| millions(figures, "hold", "open");
    vec![
        line(
            "K6",
            "a held open, a program says yes, at 1 instruction/ns",
            Some(1.0),
            held(counted),
            "ms",
        ),
        line(
            "K6",
            "a held open, a program says yes, emulated",
            None,
            held(timed),
            "ms",
        ),
    ]
}

/// F1.
fn footprint(counted: &Figures, timed: &Figures) -> Vec<Line> {
    const PROCESSES: [&str; 3] = ["aa-sensord", "aa-gateway", "aa-resolver"];
    let memory = PROCESSES.map(|process| counted.median("memory", process));
    let resident = memory.iter().copied().sum::<Option<f64>>().map(|kib| kib / 1024.0);
    let mut lines = vec![line("F1", "resident, all processes", Some(80.0), resident, "MiB")];
    for process in PROCESSES {
        let share = counted.median("idle", process).map(|ns| ns / 1e9 * 100.0);
        let what = format!("idle {process}, at 1 instruction/ns");
        lines.push(line("F1", what, Some(0.1), share, "% of a core"));
    }
    let start = |figures| millions(figures, "start", "proven");
    lines.push(line(
        "F1",
        "start until in force and proven, at 1 instruction/ns",
        Some(500.0),
        start(counted),
        "ms",
    ));
    lines.push(line(
        "F1",
        "start until in force and proven, emulated",
        None,
        start(timed),
        "ms",
    ));
    let peer = counted.median("memory", "peer").map(|kib| kib / 1024.0);
    lines.push(line("F1", "Tetragon, resident", None, peer, "MiB"));
    lines.push(line(
        "F1",
        "Tetragon, start until in force, at 1 instruction/ns",
        None,
        millions(counted, "start", "peer"),
        "ms",
    ));
    lines
}

/// No promise of its own.
fn loading(counted: &Figures, timed: &Figures) -> Vec<Line> {
    let mut lines = Vec::new();
    for (what, operation) in [
        ("`aasm policy apply`, 10,000 rules", "apply"),
        ("of it, writing the kernel's tables", "tables"),
    ] {
        lines.push(line(
            "-",
            format!("{what}, at 1 instruction/ns"),
            None,
            millions(counted, "load", operation),
            "ms",
        ));
        lines.push(line(
            "-",
            format!("{what}, emulated"),
            None,
            millions(timed, "load", operation),
            "ms",
        ));
    }
    lines
}

/// The lines as a table.
pub(crate) fn table(lines: &[Line]) -> String {
    let mut text = format!(
        "{:<8} {:<58} {:>8} {:>10} {:<13} {}\n",
        "promise", "what", "limit", "measured", "", "verdict"
    );
    for line in lines {
        let digits = if line.unit == INSTRUCTIONS { 0 } else { 3 };
        let number = |number: Option<f64>, digits: usize| {
            number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
        };
        let limit = line.limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        let measured = number(line.measured, digits);
        let (promise, what, unit) = (line.promise, &line.what, line.unit);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{promise:<8} {what:<58} {limit:>8} {measured:>10} {unit:<13} {}",
            line.verdict()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_promise_says_by_how_much_and_a_missing_figure_is_no_success() {
        let counted = Figures::parse(
            "figure bare connect-udp 1000 1\nfigure silent-10 connect-udp 1600 1\nfigure silent-1000 connect-udp 1900 1\n",
        );
        let lines = lines(&counted, &Figures::default());
        let verdict = |what: &str| lines.iter().find(|line| line.what == what).map(Line::verdict);
        assert_eq!(verdict("connect, 10 rules").as_deref(), Some("met"));
        assert_eq!(
            verdict("connect, 1000 rules").as_deref(),
            Some("missed: 1.50 times the limit")
        );
        assert_eq!(verdict("fork, 10 rules").as_deref(), Some("not measured"));
    }
}
