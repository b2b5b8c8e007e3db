//! The corpora of the fuzz targets, run through the decoders without a fuzzer.

use std::fs;
use std::path::{Path, PathBuf};

fn fuzz(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A corpus without a file that is accepted has rotted: `cargo run -p aa-decoders --example seeds` writes the binary ones.
#[test]
fn every_corpus_goes_through_its_decoder_which_accepts_some_and_refuses_some() {
    for (name, decoder) in crate::ALL {
        let folder = fuzz("corpus").join(name);
        let run = |file: &String| {
            eprintln!("{name}/{file}");
            decoder(&fs::read(folder.join(file)).unwrap())
        };
        let accepted: Vec<bool> = names(&folder).iter().map(run).collect();
        assert!(accepted.contains(&true), "{name} accepts nothing of its corpus");
        assert!(accepted.contains(&false), "{name} accepts all of its corpus");
    }
}

#[test]
fn every_cut_of_a_corpus_file_goes_through_its_decoder() {
    for (name, decoder) in crate::ALL {
        for file in names(&fuzz("corpus").join(name)) {
            let whole = fs::read(fuzz("corpus").join(name).join(file)).unwrap();
            let step = whole.len() / 64 + 1;
            (0..whole.len()).step_by(step).for_each(|cut| {
                decoder(&whole[..cut]);
            });
        }
    }
}

#[test]
fn every_decoder_has_a_fuzz_target_of_its_name_and_a_corpus() {
    let expected: Vec<String> = crate::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz("corpus")), expected);
    let targets: Vec<String> = expected.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&fuzz("fuzz_targets")), targets);
    let manifest = fs::read_to_string(fuzz("Cargo.toml")).unwrap();
    for name in expected {
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "fuzz/Cargo.toml has no target {name}"
        );
    }
}
