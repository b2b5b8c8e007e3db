//! The tests that run in a guest, as root, against the daemon that was started there.
//!
//! Where systemd is process 1 there are those of the unit too.
//!
//! `aa-guest-test [--filter TEXT]... [--share N/M] [--list]`: a line for each test (`ok NAME` or `FAIL NAME` and what was wrong), at last
//! `N passed, N failed`. `AA_KERNEL` and `AA_EXPECT` (`enforce`, `fmod-ret`, `passes-over`, `forgets`, `too-old`) say which tests there are: nothing is skipped
//! at run time. What kernels do differently stands in `vmtest/expect/<kernel>.toml`.
//!
//! A test has ungoverned helpers (listeners, files) in this process and governed processes that run `act batch` (`act.c`) under
//! `aasm run`: each line it is given is one system call, each answer a line.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends by a panic, which the harness counts as its failure"
)]

mod act;
mod approvers;
mod attacks;
mod containment;
mod contents;
mod crashes;
mod differential;
mod facts;
mod faults;
mod files;
mod guest;
mod halting;
mod harness;
mod holding;
mod inheritance;
mod labels;
mod learning;
mod limits;
mod listeners;
mod names;
mod network;
mod plaintext;
mod privileges;
mod programs;
mod records;
mod refusals;
mod requests;
mod soak;
mod spending;
mod steps;
mod tables;
mod telling;
mod tools;
mod unit;
mod upgrades;
mod vault;

use std::process::ExitCode;

use guest::{Expect, Guest};
use harness::{Options, Test};

fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\nusage: aa-guest-test [--filter TEXT]... [--share N/M] [--list]");
            return ExitCode::from(64);
        }
    };
    let guest = match Guest::from_environment() {
        Ok(guest) => guest,
        Err(problem) => {
            println!("FAIL the environment can test at all: {problem}\n0 passed, 1 failed");
            return ExitCode::FAILURE;
        }
    };
    harness::run(guest, &tests(guest.expect), &options)
}

/// The tests of a guest, in order: what everything else needs first, what disturbs the daemon or takes long last.
fn tests(expect: Expect) -> Vec<Test> {
    let mut tests = vec![guest::TESTS];
    match expect {
        Expect::Enforce | Expect::FmodRet => tests.extend([
            network::TESTS,
            files::TESTS,
            programs::TESTS,
            if expect == Expect::FmodRet {
                contents::WITHOUT
            } else {
                contents::TESTS
            },
            facts::TESTS,
            inheritance::TESTS,
            containment::TESTS,
            plaintext::TESTS,
            spending::TESTS,
            tools::TESTS,
            requests::TESTS,
            vault::TESTS,
            learning::TESTS,
            telling::TESTS,
            refusals::POLICY_TESTS,
            holding::TESTS,
            approvers::TESTS,
            limits::TESTS,
            halting::TESTS,
            labels::TESTS,
            names::TESTS,
            if expect == Expect::FmodRet { tables::TESTS } else { &[] },
            faults::TESTS,
            privileges::TESTS,
            crashes::TESTS,
            upgrades::TESTS,
            soak::TESTS,
            differential::TESTS,
            records::TESTS,
            if unit::is_systemd() { unit::TESTS } else { &[] },
            limits::LAST,
            // Thousands of records: what reads the log is slow from here on.
            attacks::TESTS,
            privileges::LAST,
        ]),
        Expect::PassesOver | Expect::Forgets | Expect::TooOld => tests.push(refusals::KERNEL_TESTS),
    }
    tests.concat()
}
