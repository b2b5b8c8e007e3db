//! `aa-vmtest`: boots stock distribution kernels in QEMU and runs scripts and tests in them.
//!
//! A call goes: support table ([`table`]) -> newest package of each kernel ([`version`], [`apt`], [`kernels`]) -> root file system shared by
//! all guests ([`image`]) -> per run an initramfs ([`initramfs`], [`cpio`]) and a job disk ([`job`], [`manifest`]) -> QEMU ([`qemu`],
//! [`accel`]) -> its streams and end ([`supervise`], [`frame`]) -> the script's own output and status, or a table ([`matrix`], [`report`]).

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::cli::{Action, Cli, GuestOptions};
use crate::job::Task;
use crate::matrix::Choice;
use crate::session::Session;
use crate::supervise::Sinks;

mod accel;
mod apt;
mod attacks;
mod bench;
mod bzimage;
mod cache;
mod cli;
mod cpio;
mod frame;
mod image;
mod initramfs;
mod job;
mod kernels;
mod manifest;
mod matrix;
mod qemu;
mod report;
mod session;
mod supervise;
mod table;
mod tool;
mod version;

/// Not a status a task commonly has.
const OWN_FAILURE: u8 = 125;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match act(cli.action) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            report::render(&failure);
            ExitCode::from(OWN_FAILURE)
        }
    }
}

fn act(action: Action) -> Result<u8> {
    let session = Session::open()?;
    match action {
        Action::List { markdown: true } => {
            print!("{}", session.table.to_markdown());
            Ok(0)
        }
        Action::List { markdown: false } => {
            list(&session);
            Ok(0)
        }
        Action::Fetch { kernels, update } => {
            for kernel in session.table.select(&kernels)? {
                println!("{:<12} {}", kernel.name, session.fetch(kernel, update)?.release);
            }
            Ok(0)
        }
        Action::Image { rebuild } => {
            println!("{}", session.image(rebuild)?.display());
            Ok(0)
        }
        Action::Run {
            kernel,
            script,
            options,
            arguments,
        } => {
            std::fs::metadata(&script).with_context(|| format!("cannot read the script {}", script.display()))?;
            single(
                &session,
                &kernel,
                Task::Script {
                    path: script,
                    arguments,
                },
                &options,
            )
        }
        Action::Shell { kernel, options } => {
            // Nobody wants to be killed at the prompt.
            let options = GuestOptions { timeout: 0, ..options };
            single(&session, &kernel, Task::Shell, &options)
        }
        Action::Test {
            kernels,
            filter,
            whole,
            jobs,
            options,
        } => {
            let kernels = session.table.select(&kernels)?;
            let choice = Choice {
                filter: filter.as_deref(),
                whole,
            };
            let passed = matrix::test(&session, &kernels, choice, jobs, &options.bounded())?;
            Ok(u8::from(!passed))
        }
        Action::Attacks { counts } => show_attacks(counts),
        Action::Bench {
            what,
            kernels,
            json,
            options,
        } => {
            let kernels = session.table.select(&kernels)?;
            bench::kernel(&session, what, &kernels, json, &options.bounded())?;
            Ok(0)
        }
    }
}

fn show_attacks(counts: bool) -> Result<u8> {
    let catalogue = attacks::catalogue(std::path::Path::new("vmtest/attacks"))?;
    let text = if counts {
        attacks::counts(&catalogue)
    } else {
        attacks::document(&catalogue)
    };
    print!("{text}");
    Ok(0)
}

fn single(session: &Session, kernel: &str, task: Task, options: &GuestOptions) -> Result<u8> {
    let options = options.bounded();
    let sinks = Sinks {
        stdout: Box::new(|bytes| pass_on(&mut std::io::stdout(), bytes)),
        stderr: Box::new(|bytes| pass_on(&mut std::io::stderr(), bytes)),
    };
    let run = session.run(session.table.kernel(kernel)?, task, &options, sinks)?;
    run.report(&options);
    Ok(run.exit_status())
}

/// Whoever reads may stop reading (`| head`); the script goes on and its status counts.
fn pass_on(stream: &mut impl Write, bytes: &[u8]) {
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
}

fn list(session: &Session) {
    println!("{:<12} {:<8} {:<30} suites", "kernel", "expect", "in the cache");
    for kernel in session.table.kernels() {
        let kept = kernels::newest_kept(kernel, &session.cache).unwrap_or_else(|| "-".to_owned());
        println!(
            "{:<12} {:<8} {kept:<30} {}",
            kernel.name,
            kernel.expect,
            kernel.suites.join(", ")
        );
    }
}
