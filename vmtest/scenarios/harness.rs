//! Runs the tests one after another and says what came of each.

use std::fmt::{Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::guest::Guest;

/// How long a test may take. Emulated machines are slow, and two may share a processor.
const LIMIT: Duration = Duration::from_secs(120);
const LONG_LIMIT: Duration = Duration::from_secs(600);

/// What a test does.
pub(crate) type Body = fn(&Guest, &mut Checks);

/// One test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) body: Body,
    pub(crate) limit: Duration,
}

impl Test {
    pub(crate) const fn new(name: &'static str, body: Body) -> Self {
        Self {
            name,
            body,
            limit: LIMIT,
        }
    }

    /// One that ends by itself after as long as it is told.
    pub(crate) const fn unlimited(name: &'static str, body: Body) -> Self {
        Self {
            name,
            body,
            limit: Duration::MAX,
        }
    }

    /// One that does very much.
    pub(crate) const fn long(name: &'static str, body: Body) -> Self {
        Self {
            name,
            body,
            limit: LONG_LIMIT,
        }
    }
}

/// A table of tests named as their functions.
macro_rules! tests {
    ($($function:ident),* $(,)?) => {
        &[$($crate::harness::Test::new(stringify!($function), $function)),*]
    };
}
pub(crate) use tests;

/// What was found not to be as it should.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    failures: Vec<String>,
    count: usize,
}

impl Checks {
    /// Two values that should be equal.
    pub(crate) fn equal<T: PartialEq + Debug>(&mut self, what: impl Display, got: &T, expected: &T) {
        self.that(got == expected, || {
            format!("{what}: expected {expected:?}, got {got:?}")
        });
    }

    /// A text that should hold another.
    pub(crate) fn contains(&mut self, what: impl Display, text: &str, wanted: &str) {
        self.that(text.contains(wanted), || {
            format!("{what}: expected `{wanted}` in {text:?}")
        });
    }

    /// Anything that should hold.
    pub(crate) fn that(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        self.count += 1;
        if !holds {
            self.failures.push(otherwise());
        }
    }
}

/// The command line.
#[derive(Debug, Default)]
pub(crate) struct Options {
    filters: Vec<String>,
    list: bool,
}

impl Options {
    pub(crate) fn from_args(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--filter" => options.filters.push(arguments.next().ok_or("--filter needs a text")?),
                "--list" => options.list = true,
                other => return Err(format!("unknown argument {other}")),
            }
        }
        Ok(options)
    }
}

/// Runs what the options select. The first test is always run: without it the others prove nothing.
pub(crate) fn run(guest: &'static Guest, tests: &[Test], options: &Options) -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    let begun = Instant::now();
    for (place, test) in tests.iter().enumerate() {
        let named = |filter: &String| test.name.contains(filter.as_str());
        let selected = options.filters.is_empty() || options.filters.iter().any(named);
        if !selected && place > 0 {
            continue;
        }
        if options.list {
            println!("{}", test.name);
            continue;
        }
        let one = Instant::now();
        let checks = run_one(guest, *test);
        let took = one.elapsed().as_secs_f64();
        if checks.failures.is_empty() {
            passed += 1;
            println!("ok {} ({} checks, {took:.1} s)", test.name, checks.count);
        } else {
            failed += 1;
            println!("FAIL {}: {} ({took:.1} s)", test.name, checks.failures.join("\n    "));
            if place == 0 {
                println!("    the other tests prove nothing without this one");
                break;
            }
        }
    }
    if !options.list {
        println!("all in {:.0} s", begun.elapsed().as_secs_f64());
        println!("{passed} passed, {failed} failed");
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One test on a thread of its own, so that one that hangs ends nothing but itself.
fn run_one(guest: &'static Guest, test: Test) -> Checks {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut checks = Checks::default();
        let result = catch_unwind(AssertUnwindSafe(|| (test.body)(guest, &mut checks)));
        if let Err(panic) = result {
            checks
                .failures
                .push(format!("it ended: {}", panic_text(panic.as_ref())));
        } else if checks.count == 0 {
            checks.failures.push("it checked nothing".to_owned());
        }
        // Nobody listens any more after the limit.
        let _ = sender.send(checks);
    });
    receiver.recv_timeout(test.limit).unwrap_or_else(|problem| {
        let failure = match problem {
            RecvTimeoutError::Timeout => format!("no end after {} s", test.limit.as_secs()),
            RecvTimeoutError::Disconnected => "its thread is gone".to_owned(),
        };
        Checks {
            failures: vec![failure],
            count: 0,
        }
    })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("panic")
        .to_owned()
}
