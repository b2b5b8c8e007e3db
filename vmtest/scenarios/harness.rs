//! Runs the tests one after another and says what came of each.

use std::fmt::{Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::str::FromStr;
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
    share: Option<Share>,
    list: bool,
}

/// Every `of`-th of the tests that no filter names, from the `part`-th on, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    part: usize,
    of: usize,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<usize>().ok();
        let (part, of) = text.split_once('/').unwrap_or_default();
        match (number(part), number(of)) {
            (Some(part), Some(of)) if (1..=of).contains(&part) => Ok(Self { part, of }),
            _ => Err(format!("{text} is no share: one is 2/4")),
        }
    }
}

impl Options {
    pub(crate) fn from_args(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--filter" => options.filters.push(arguments.next().ok_or("--filter needs a text")?),
                "--share" => options.share = Some(arguments.next().ok_or("--share needs one, as 2/4")?.parse()?),
                "--list" => options.list = true,
                other => return Err(format!("unknown argument {other}")),
            }
        }
        Ok(options)
    }

    /// The first test is always selected: without it the others prove nothing.
    fn select<'a>(&self, tests: &'a [Test]) -> Vec<&'a Test> {
        let mut others = 0;
        let mut selected = |(place, test): &(usize, &Test)| {
            let named = |filter: &String| test.name.contains(filter.as_str());
            if *place == 0 || self.filters.iter().any(named) {
                return true;
            }
            others += 1;
            match self.share {
                Some(Share { part, of }) => others % of == part % of,
                None => self.filters.is_empty(),
            }
        };
        let tests = tests.iter().enumerate().filter(|test| selected(test));
        tests.map(|(_, test)| test).collect()
    }
}

/// Runs what the options select.
pub(crate) fn run(guest: &'static Guest, tests: &[Test], options: &Options) -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    let begun = Instant::now();
    for (place, test) in options.select(tests).into_iter().enumerate() {
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

#[cfg(test)]
mod selection {
    use super::*;

    const TESTS: &[Test] = tests![first, core_a, b, c, core_d, e];
    fn first(_: &Guest, _: &mut Checks) {}
    fn core_a(_: &Guest, _: &mut Checks) {}
    fn b(_: &Guest, _: &mut Checks) {}
    fn c(_: &Guest, _: &mut Checks) {}
    fn core_d(_: &Guest, _: &mut Checks) {}
    fn e(_: &Guest, _: &mut Checks) {}

    fn selected(arguments: &str) -> String {
        let options = Options::from_args(arguments.split_whitespace().map(str::to_owned)).unwrap();
        let names: Vec<_> = options.select(TESTS).iter().map(|test| test.name).collect();
        names.join(" ")
    }

    #[test]
    fn filters_and_shares_select_and_every_share_together_is_all() {
        assert_eq!(selected(""), "first core_a b c core_d e");
        assert_eq!(selected("--filter core"), "first core_a core_d");
        assert_eq!(selected("--filter core --share 1/2"), "first core_a b core_d e");
        assert_eq!(selected("--filter core --share 2/2"), "first core_a c core_d");
        assert_eq!(selected("--filter core --share 1/1"), selected(""));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for wrong in ["0/2", "3/2", "1", "a/b", "-1/2"] {
            assert!(
                Options::from_args(["--share".to_owned(), wrong.to_owned()].into_iter()).is_err(),
                "{wrong}"
            );
        }
    }
}
