//! A peer whose programs the kernel runs as it runs ours, measured in the same boot where somebody has it: Tetragon, by `benches/peer.yaml`.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::IN_GUEST;
use crate::manifest::Install;
use crate::report;

/// Names a directory as Tetragon's releases have `usr/local`.
const VARIABLE: &str = "AA_PEER_TETRAGON";
const PROGRAM: &str = "bin/tetragon";
const OBJECTS: &str = "lib/tetragon/bpf";

/// What a guest needs to run it; nothing, and a note, where it is not there.
pub(crate) fn installs(benches: &Path) -> Result<Vec<Install>> {
    if let Some(directory) = env::var_os(VARIABLE) {
        let directory = PathBuf::from(directory);
        return found(&directory, benches).with_context(|| format!("{VARIABLE} is {}", directory.display()));
    }
    report::note(&format!(
        "Tetragon is not measured beside us: set {VARIABLE} to a directory with its `{PROGRAM}` and `{OBJECTS}/*.o`, \
         as `usr/local` of its release archive is (github.com/cilium/tetragon/releases)"
    ));
    Ok(Vec::new())
}

fn found(directory: &Path, benches: &Path) -> Result<Vec<Install>> {
    let install = |source: PathBuf, name: &str| Install {
        source,
        dest: format!("{IN_GUEST}/peer/{name}"),
        mode: "0755".to_owned(),
    };
    let program = directory.join(PROGRAM);
    program.metadata().with_context(|| format!("there is no {PROGRAM}"))?;
    let mut installs = vec![
        install(program, "tetragon"),
        install(benches.join("peer.yaml"), "policy.yaml"),
    ];
    let objects = directory.join(OBJECTS);
    for object in objects.read_dir().with_context(|| format!("there is no {OBJECTS}"))? {
        let object = object.with_context(|| format!("cannot list {OBJECTS}"))?;
        installs.push(install(
            object.path(),
            &format!("bpf/{}", object.file_name().to_string_lossy()),
        ));
    }
    Ok(installs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_objects_and_policy_go_where_the_bench_looks_for_them() {
        let directory = tempfile::tempdir().unwrap();
        let missing = found(directory.path(), Path::new("benches")).unwrap_err().to_string();
        assert!(missing.contains(PROGRAM), "{missing}");
        for path in [PROGRAM, "lib/tetragon/bpf/one.o"] {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let installs = found(directory.path(), Path::new("benches")).unwrap();
        let destinations: Vec<&str> = installs.iter().map(|install| install.dest.as_str()).collect();
        assert_eq!(
            destinations,
            [
                "/opt/aa-bench/peer/tetragon",
                "/opt/aa-bench/peer/policy.yaml",
                "/opt/aa-bench/peer/bpf/one.o"
            ]
        );
    }
}
