//! `aa-vmtest test`: the guest test program on several kernels, their result lines summed.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

use crate::cli::GuestOptions;
use crate::frame::{Lines, parse_result};
use crate::job::Task;
use crate::report::{self, Row};
use crate::session::{Run, Session};
use crate::supervise::{End, Sink, Sinks};
use crate::table::{Expect, Kernel};

/// Runs the chosen tests and prints the table; true if nothing failed.
pub(crate) fn test(
    session: &Session,
    kernels: &[&Kernel],
    choice: Choice<'_>,
    jobs: u8,
    options: &GuestOptions,
) -> Result<bool> {
    // Once, before guests run side by side.
    session.image(false)?;
    let arguments = choice.arguments(kernels, &session.table.test.everywhere);
    let queue = Mutex::new(kernels.iter().copied().zip(arguments).enumerate().collect());
    let rows = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((place, (kernel, arguments))) = pop(&queue) {
                    let row = test_one(session, kernel, arguments, options);
                    rows.lock().unwrap_or_else(PoisonError::into_inner).push((place, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(place, _)| *place);
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    for row in &rows {
        for failure in &row.failures {
            println!("{}: {failure}", row.kernel);
        }
    }
    print!("{}", report::table(&rows));
    Ok(rows.iter().all(|row| row.failed == 0))
}

fn pop<T>(queue: &Mutex<VecDeque<T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// Which tests are run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice<'a> {
    /// Those whose name contains this.
    pub(crate) filter: Option<&'a str>,
    /// All of each kernel, instead of dealing out what need not run everywhere.
    pub(crate) whole: bool,
}

impl Choice<'_> {
    /// What the guest's program is told on each of the kernels of a run.
    fn arguments(self, kernels: &[&Kernel], everywhere: &[String]) -> Vec<Vec<String>> {
        let filters = |names: &[String]| -> Vec<String> {
            let both = |name: &String| ["--filter".to_owned(), name.clone()];
            names.iter().flat_map(both).collect()
        };
        let dealt = |kernel: &&&Kernel| kernel.expect == Expect::Enforce;
        let (of, mut part) = (kernels.iter().filter(dealt).count(), 0);
        let one = |kernel: &&Kernel| match (self.filter, kernel.expect) {
            (Some(filter), _) => filters(&[filter.to_owned()]),
            (None, _) if self.whole => vec![],
            (None, Expect::Enforce) => {
                part += 1;
                [filters(everywhere), vec!["--share".to_owned(), format!("{part}/{of}")]].concat()
            }
            (None, Expect::FmodRet) => filters(everywhere),
            (None, Expect::PassesOver | Expect::Forgets | Expect::TooOld) => vec![],
        };
        kernels.iter().map(one).collect()
    }
}

fn test_one(session: &Session, kernel: &Kernel, arguments: Vec<String>, options: &GuestOptions) -> Row {
    let task = Task::Script {
        path: session.repository.join(&session.table.test.script),
        arguments,
    };
    let run_once = || {
        let sums = Arc::new(Mutex::new(Sums::default()));
        let sinks = Sinks {
            stdout: echo(&kernel.name, Some(Arc::clone(&sums))),
            stderr: echo(&kernel.name, None),
        };
        let run = session.run(kernel, task.clone(), options, sinks);
        let sums = std::mem::take(&mut *sums.lock().unwrap_or_else(PoisonError::into_inner));
        (run, sums)
    };
    let (mut run, mut sums) = run_once();
    if let Ok(slipped) = &run
        && slipped.outcome.emulator_slipped()
    {
        slipped.report(options);
        report::note(&format!(
            "{}: the guest fell over a breakpoint of the emulator's own making; all of its tests once more",
            kernel.name
        ));
        (run, sums) = run_once();
    }
    let row = Row {
        kernel: kernel.name.clone(),
        expect: kernel.expect.to_string(),
        failures: sums.failures.clone(),
        ..Row::default()
    };
    match run {
        Ok(run) => {
            run.report(options);
            finish(row, &sums, &run, options)
        }
        Err(failure) => {
            report::render(&failure);
            Row {
                failed: 1,
                remark: failure.to_string(),
                ..row
            }
        }
    }
}

/// Result lines seen so far.
#[derive(Debug, Default)]
struct Sums {
    /// Lines that begin with this word say which test failed.
    failures: Vec<String>,
    lines: u64,
    passed: u64,
    failed: u64,
}

/// Passes whole lines on with the kernel's name in front, and sums result lines.
fn echo(kernel: &str, sums: Option<Arc<Mutex<Sums>>>) -> Sink {
    let (mut lines, kernel) = (Lines::default(), kernel.to_owned());
    let to_stdout = sums.is_some();
    Box::new(move |bytes| {
        for line in lines.push(bytes) {
            if let (Some(sums), Some((passed, failed))) = (&sums, parse_result(&line)) {
                let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
                sums.lines += 1;
                sums.passed += passed;
                sums.failed += failed;
                continue;
            }
            if let Some(sums) = sums.as_ref().filter(|_| line.starts_with("FAIL ")) {
                let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
                sums.failures.push(line.clone());
            }
            if to_stdout {
                // A closed stdout must not end the guests.
                let _ = writeln!(std::io::stdout(), "{kernel}: {line}");
            } else {
                eprintln!("{kernel}: {line}");
            }
        }
    })
}

/// A guest proves nothing unless it exits, with status 0 if nothing failed, after at least one result line.
fn finish(row: Row, sums: &Sums, run: &Run, options: &GuestOptions) -> Row {
    let remark = match (&run.outcome.end, run.trouble(options)) {
        (_, Some(trouble)) => Some(trouble),
        (End::Exited(status), None) if sums.failed == 0 && *status != 0 => Some(format!("exit status {status}")),
        _ if sums.lines == 0 => Some("no result line".to_owned()),
        _ if sums.passed + sums.failed == 0 => Some("no test ran".to_owned()),
        _ => None,
    };
    Row {
        release: run.release.clone(),
        passed: sums.passed,
        failed: sums.failed + u64::from(remark.is_some()),
        boot: run.outcome.boot.map_or_else(|| "-".to_owned(), report::seconds),
        total: report::seconds(run.outcome.total),
        remark: remark.unwrap_or_default(),
        ..row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::Outcome;
    use crate::table::Table;
    use clap::Parser;
    use std::time::Duration;

    fn judged(end: End, lines: u64, passed: u64, failed: u64) -> (u64, String) {
        let outcome = Outcome {
            end,
            boot: None,
            total: Duration::ZERO,
            complaints: Vec::new(),
            notes: Vec::new(),
            emulated: true,
        };
        let run = Run {
            release: "r".into(),
            outcome,
            console_log: "log".into(),
        };
        let cli = crate::cli::Cli::try_parse_from(["aa-vmtest", "shell", "k"]).unwrap();
        let crate::cli::Action::Shell { options, .. } = cli.action else {
            panic!("not a shell")
        };
        let row = finish(
            Row::default(),
            &Sums {
                failures: Vec::new(),
                lines,
                passed,
                failed,
            },
            &run,
            &options,
        );
        (row.failed, row.remark)
    }

    #[test]
    fn what_need_not_run_everywhere_is_dealt_out_among_the_kernels_that_enforce() {
        let table = Table::parse(include_str!("../kernels.toml")).unwrap();
        let told = |choice: Choice<'_>, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let told = choice.arguments(&table.select(&names).unwrap(), &["a".to_owned(), "b".to_owned()]);
            told.iter().map(|words| words.join(" ")).collect::<Vec<_>>()
        };
        let (filter, whole) = (None, false);
        let all = ["6.1", "6.12-nolsm", "7.x", "5.10"];
        assert_eq!(
            told(Choice { filter, whole }, &all),
            [
                "--filter a --filter b --share 1/2",
                "--filter a --filter b",
                "--filter a --filter b --share 2/2",
                ""
            ]
        );
        assert_eq!(told(Choice { filter, whole: true }, &all), ["", "", "", ""]);
        let filter = Some("x");
        assert_eq!(
            told(Choice { filter, whole }, &["6.1", "5.10"]),
            ["--filter x", "--filter x"]
        );
    }

    #[test]
    fn a_clean_run_has_no_failure() {
        assert_eq!(judged(End::Exited(0), 1, 5, 0), (0, String::new()));
    }

    #[test]
    fn silence_and_bad_ends_count_as_failures() {
        assert_eq!(judged(End::Exited(0), 0, 0, 0).0, 1);
        assert_eq!(judged(End::Exited(0), 1, 0, 0).0, 1, "no test ran");
        assert_eq!(judged(End::Exited(3), 1, 5, 0).0, 1);
        assert_eq!(judged(End::TimedOut, 1, 5, 0).0, 1);
        assert_eq!(judged(End::Panicked("x".into()), 1, 5, 0).0, 1);
    }

    #[test]
    fn failures_the_program_counted_are_not_counted_again() {
        assert_eq!(judged(End::Exited(1), 1, 5, 2), (2, String::new()));
    }
}
