//! `bench kernel`: what the kernel programs and the daemon cost, against the promises.
//!
//! A guest whose clock counts instructions measures every configuration in one boot (`benches/kernel.sh`, `benches/measure.c`); a second guest
//! with an ordinary clock gives the milliseconds of emulation. A bench reports: a missed promise is a line, not a failure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use serde::Serialize;

use crate::cli::{Bench, GuestOptions};
use crate::job::{Job, Task};
use crate::manifest::Install;
use crate::qemu::Accel;
use crate::session::Session;
use crate::supervise::Sinks;
use crate::table::Kernel;
use crate::{report, tool};

mod peer;
mod policy;
mod promises;

const IN_GUEST: &str = "/opt/aa-bench";
const RULES: [usize; 3] = [10, 1000, 10_000];
/// A guest that counts instructions needs minutes.
const LEAST_TIMEOUT_S: u64 = 1800;

/// Median and least of one operation in one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Figure {
    median: f64,
    least: f64,
}

/// What a guest told, by configuration and operation.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Figures(BTreeMap<String, BTreeMap<String, Figure>>);

impl Figures {
    fn parse(text: &str) -> Self {
        let mut figures = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some("figure"), Some(configuration), Some(operation), Some(median), Some(least)) =
                (words.next(), words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            if let (Ok(median), Ok(least)) = (median.parse(), least.parse()) {
                let operations = figures.0.entry(configuration.to_owned()).or_default();
                operations.insert(operation.to_owned(), Figure { median, least });
            }
        }
        figures
    }

    fn median(&self, configuration: &str, operation: &str) -> Option<f64> {
        Some(self.0.get(configuration)?.get(operation)?.median)
    }

    /// How much more than in `base`.
    fn extra(&self, configuration: &str, base: &str, operation: &str) -> Option<f64> {
        Some(self.median(configuration, operation)? - self.median(base, operation)?)
    }

    fn ratio(&self, configuration: &str, base: &str, operation: &str) -> Option<f64> {
        Some(self.median(configuration, operation)? / self.median(base, operation)?)
    }
}

#[derive(Debug, Serialize)]
struct Report {
    kernel: String,
    release: String,
    promises: Vec<promises::Line>,
    counted: Figures,
    timed: Figures,
}

/// Measures on these kernels and prints a table each, or one JSON array.
pub(crate) fn kernel(
    session: &Session,
    what: Bench,
    kernels: &[&Kernel],
    json: bool,
    options: &GuestOptions,
) -> Result<()> {
    let tools = tempfile::tempdir()?;
    let mut installs = build(&session.repository.join("vmtest"), tools.path())?;
    for program in ["approver", "killer"] {
        installs.push(Install {
            source: std::env::current_exe()?.with_file_name(format!("aa-bench-{program}")),
            dest: format!("{IN_GUEST}/{program}"),
            mode: "0755".to_owned(),
        });
    }
    installs.extend(peer::installs(&session.repository.join("vmtest/benches"))?);
    let mut reports = Vec::new();
    for kernel in kernels {
        let measured = measure(session, what, kernel, &installs, options)?;
        if !json {
            print(&measured);
        }
        reports.push(measured);
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    }
    Ok(())
}

/// Everything a guest needs beyond the daemon.
fn build(source: &Path, into: &Path) -> Result<Vec<Install>> {
    let benches = source.join("benches");
    let out = |name: &str| into.join(name);
    tool::run(
        tool::command("gcc")
            .args(["-O2", "-static", "-Wall", "-Wextra", "-o"])
            .arg(out("measure"))
            .arg(benches.join("measure.c")),
    )?;
    tool::run(
        tool::command("gcc")
            .args(["-nostdlib", "-static", "-s", "-Wl,--build-id=none", "-Wl,-n", "-o"])
            .arg(out("tiny"))
            .arg(source.join("scenarios/tiny.S")),
    )?;
    tool::run(
        tool::command("clang")
            .args([
                "-O2",
                "-g",
                "-target",
                "bpf",
                "-mcpu=v3",
                "-I/usr/include/x86_64-linux-gnu",
                "-Wall",
                "-c",
                "-o",
            ])
            .arg(out("empty.bpf.o"))
            .arg(benches.join("empty.bpf.c")),
    )?;
    let mut files = vec![
        (out("measure"), "measure".to_owned()),
        (out("tiny"), "tiny".to_owned()),
        // A program that rules about arguments mention.
        (out("tiny"), "git".to_owned()),
        (out("empty.bpf.o"), "empty.bpf.o".to_owned()),
    ];
    for rules in RULES {
        let name = format!("rules-{rules}.yaml");
        std::fs::write(out(&name), policy::with_rules(rules))?;
        files.push((out(&name), name));
    }
    let install = |(source, name): (PathBuf, String)| Install {
        source,
        dest: format!("{IN_GUEST}/{name}"),
        mode: "0755".to_owned(),
    };
    Ok(files.into_iter().map(install).collect())
}

fn measure(
    session: &Session,
    what: Bench,
    kernel: &Kernel,
    extra: &[Install],
    options: &GuestOptions,
) -> Result<Report> {
    let (part, timed) = match what {
        Bench::Kernel => ("counted", true),
        Bench::Hooks => ("hooks", false),
    };
    let (release, counted) = guest(session, kernel, extra, options, Accel::CountedTcg, part)?;
    let timed = if timed {
        guest(session, kernel, extra, options, Accel::Tcg, "timed")?.1
    } else {
        Figures::default()
    };
    Ok(Report {
        kernel: kernel.name.clone(),
        release,
        promises: promises::lines(&counted, &timed),
        counted,
        timed,
    })
}

fn guest(
    session: &Session,
    kernel: &Kernel,
    extra: &[Install],
    options: &GuestOptions,
    accel: Accel,
    clock: &str,
) -> Result<(String, Figures)> {
    let options = GuestOptions {
        timeout: options.timeout.max(LEAST_TIMEOUT_S),
        no_install: false,
        ..options.clone()
    };
    let mut installs = session.installs(&options)?;
    installs.extend_from_slice(extra);
    let job = Job {
        kernel: kernel.name.clone(),
        expect: kernel.expect,
        installs,
        start_daemon: false,
        task: Task::Script {
            path: session.repository.join("vmtest/benches/kernel.sh"),
            arguments: vec![clock.to_owned()],
        },
    };
    let output = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&output);
    let sinks = Sinks {
        stdout: Box::new(move |bytes| {
            kept.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(bytes);
        }),
        stderr: Box::new(|bytes| eprint!("{}", String::from_utf8_lossy(bytes))),
    };
    report::note(&format!("{}: measuring, {accel}", kernel.name));
    let fetched = session.fetch(kernel, false)?;
    let run = session.boot(&fetched, &kernel.append, &job, accel, &options, sinks)?;
    run.report(&options);
    let output = output.lock().unwrap_or_else(PoisonError::into_inner);
    let figures = Figures::parse(&String::from_utf8_lossy(&output));
    if figures.0.is_empty() {
        bail!("the guest of {} measured nothing", kernel.name);
    }
    Ok((run.release, figures))
}

/// Configurations of the table: title, and which figure it is an extra over.
const COLUMNS: [(&str, &str, &str); 11] = [
    ("Landlock", "landlock", "bare"),
    ("Tetragon", "peer", "bare"),
    ("T. rec", "peer-recorded", "bare"),
    ("T. ung.", "peer-ungoverned", "bare"),
    ("empty", "empty", "bare"),
    ("ungov.", "ungoverned", "empty"),
    ("10", "silent-10", "bare"),
    ("1,000", "silent-1000", "bare"),
    ("10 rec", "recorded-10", "bare"),
    ("1,000 rec", "recorded-1000", "bare"),
    ("over empty", "silent-1000", "empty"),
];

fn print(report: &Report) {
    let mut text = format!(
        "\n{} ({}), instructions, medians: bare, then what is added: by Landlock with ten rules, by Tetragon with ten (over bare; `rec`: allowed\n\
         actions recorded; `ung.`: for a task that it does not govern), by empty programs, by the daemon for an ungoverned task (over empty),\n\
         for a governed one at 10 and 1,000 rules (over bare; `rec`: allowed actions recorded), at 1,000 rules over empty\n\n{:<22}{:>10}",
        report.kernel, report.release, "operation", "bare"
    );
    let line = |text: &mut String, line: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = text.write_fmt(line);
    };
    for (title, _, _) in COLUMNS {
        line(&mut text, format_args!("{title:>11}"));
    }
    let counted = &report.counted;
    for (operation, bare) in counted.0.get("bare").into_iter().flatten() {
        line(&mut text, format_args!("\n{operation:<22}{:>10.0}", bare.median));
        for (_, configuration, base) in COLUMNS {
            match counted.extra(configuration, base, operation) {
                Some(extra) => line(&mut text, format_args!("{extra:>+11.0}")),
                None => line(&mut text, format_args!("{:>11}", "-")),
            }
        }
    }
    text.push_str("\n\n");
    for (program, cost) in counted.0.get("program").into_iter().flatten() {
        let _ = writeln!(
            text,
            "{program:<28}{:>8.0} instructions a run, {:>8.0} runs",
            cost.median, cost.least
        );
    }
    text.push_str(&promises::table(&report.promises));
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_among_other_lines() {
        let figures = Figures::parse("figure bare open 100 90\nnoise\nfigure empty open 150.5 140\nfigure short\n");
        assert_eq!(figures.extra("empty", "bare", "open"), Some(50.5));
        assert_eq!(figures.ratio("empty", "bare", "open"), Some(1.505));
        assert_eq!(figures.median("empty", "connect"), None);
    }
}
