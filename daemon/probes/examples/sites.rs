//! Prints where the TLS functions of files are: `cargo run --release -p aa-probes --example sites -- FILE...`

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use aa_probes::{Findings, Place, ReadAt, Returns, find};

struct Program(File);

impl ReadAt for Program {
    fn length(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }
}

fn main() {
    for path in std::env::args().skip(1) {
        let started = Instant::now();
        let found = File::open(&path).map(|file| find(&Program(file)));
        let took = started.elapsed();
        match found {
            Ok(Ok(findings)) => print(&path, &findings, took.as_millis()),
            Ok(Err(error)) => println!("{path}: {error}"),
            Err(error) => println!("{path}: {error}"),
        }
    }
}

fn print(path: &str, findings: &Findings, took_ms: u128) {
    let mut build_id = String::new();
    for byte in findings.build_id.iter().flatten() {
        let _ = write!(build_id, "{byte:02x}");
    }
    println!("{path}: build id {build_id}, {took_ms} ms");
    for site in &findings.sites {
        let arguments = site.arguments.iter().map(|argument| match argument.place {
            Place::Register(register) => format!("{:?}={register:?}", argument.role),
            Place::Stack(above) => format!("{:?}=[rsp+{above:#x}]", argument.role),
        });
        let returns = match &site.returns {
            Returns::At(places) => places.len().to_string(),
            Returns::Unknown => "?".to_owned(),
        };
        println!(
            "  {:<10} {:<14} {:<14} entry {:#9x} probe +{:#04x} {:<9} {:>2} ret  {}{}",
            format!("{:?}", site.library),
            format!("{:?}", site.function),
            format!("{:?}", site.found_by),
            site.entry,
            site.probe - site.entry,
            if site.emulated { "emulated" } else { "stepped" },
            returns,
            arguments.collect::<Vec<_>>().join(" "),
            site.through
                .map(|entry| format!(" through {entry:#x}"))
                .unwrap_or_default(),
        );
    }
    for doubt in &findings.doubts {
        println!("  doubt: {doubt}");
    }
}
