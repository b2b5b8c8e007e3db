//! Compiles the programs that governed processes run in the guest tests, so that aa-guest-test carries them with it.
//!
//! All attacks of the catalogue become one program: a source that includes each of them, and a table of their names. Their sources
//! go with it as one text, for what the guest must know of each stands in its first lines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed=scenarios/act.c");
    println!("cargo:rerun-if-changed=scenarios/dns.h");
    println!("cargo:rerun-if-changed=scenarios/flows.h");
    println!("cargo:rerun-if-changed=scenarios/flows_pipes.h");
    println!("cargo:rerun-if-changed=scenarios/tiny.S");
    println!("cargo:rerun-if-changed=attacks");
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
    )?;
    attacks(&out)
}

/// The catalogue: `attacks`, its text, and what its attacks load and run.
fn attacks(out: &Path) -> Result<(), String> {
    let here = env::current_dir().map_err(|error| format!("no current directory: {error}"))?;
    let mut source = format!("#include \"{}/attacks/attack.h\"\n", here.display());
    let (mut table, mut all) = (String::new(), String::new());
    for class in sorted("attacks")?.iter().filter(|path| path.is_dir()) {
        for file in sorted(class)?
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        {
            let (class, name) = (stem(class), stem(file));
            let text = fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            // Writing to a string does not fail.
            let _ = write!(all, "=== {class}/{name}\n{text}");
            let _ = write!(
                source,
                "#define ATTACK_NAME {class}_{name}\n#include \"{}/{}\"\n#undef ATTACK_NAME\n",
                here.display(),
                file.display()
            );
            let _ = writeln!(table, "\t{{ \"{class}/{name}\", {class}_{name} }},");
        }
    }
    let _ = write!(
        source,
        "#include \"{}/attacks/runner.h\"\nstatic const struct attack attacks[] = {{\n{table}\t{{ 0, 0 }},\n}};\n",
        here.display()
    );
    let generated = out.join("attacks.c");
    for (path, text) in [(&generated, source), (&out.join("attacks.txt"), all)] {
        fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    gcc(
        &["-O1", "-s", "-static", "-pthread", "-Wall", "-Wextra"],
        &generated.to_string_lossy(),
        &out.join("attacks"),
    )?;
    gcc(
        &["-nostdlib", "-static", "-s", "-Wl,--build-id=none", "-Wl,-n"],
        "attacks/ran.S",
        &out.join("ran"),
    )?;
    gcc(
        &["-nostdlib", "-shared", "-fPIC", "-O1", "-s"],
        "attacks/preload.c",
        &out.join("preload.so"),
    )
}

fn sorted(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>, String> {
    let folder = folder.as_ref();
    let entries = fs::read_dir(folder).and_then(|entries| {
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        paths.sort();
        Ok(paths)
    });
    entries.map_err(|error| format!("cannot read {}: {error}", folder.display()))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
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
