//! Compiles the program that governed processes run in the guest tests, so that aa-guest-test carries it with it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed=scenarios/act.c");
    println!("cargo:rerun-if-changed=scenarios/dns.h");
    println!("cargo:rerun-if-changed=scenarios/tiny.S");
    println!("cargo:rerun-if-changed=build.rs");
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let tiny = out.join("tiny");
    gcc(
        &["-nostdlib", "-static", "-s", "-Wl,--build-id=none", "-Wl,-n"],
        "scenarios/tiny.S",
        &tiny,
    )?;
    let mut bytes = String::new();
    for byte in fs::read(&tiny).map_err(|error| format!("cannot read {}: {error}", tiny.display()))? {
        // Writing to a string does not fail.
        let _ = write!(bytes, "{byte},");
    }
    let include = out.join("tiny.inc");
    fs::write(&include, bytes).map_err(|error| format!("cannot write {}: {error}", include.display()))?;
    let search = format!("-I{}", out.display());
    // Line tables and symbols stay: the tests look for the action's function in the recorded stack.
    gcc(
        &[
            "-O1",
            "-g1",
            "-fno-omit-frame-pointer",
            "-fno-optimize-sibling-calls",
            "-static",
            "-pthread",
            "-Wall",
            "-Wextra",
            &search,
        ],
        "scenarios/act.c",
        &out.join("act"),
    )
}

fn gcc(options: &[&str], source: &str, program: &Path) -> Result<(), String> {
    let mut command = Command::new("gcc");
    command.args(options).arg("-o").arg(program).arg(source);
    let status = command.status().map_err(|error| format!("cannot run gcc: {error}"))?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| format!("gcc cannot compile {source}"))
}
