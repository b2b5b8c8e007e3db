//! `aa-sensord`: the sensor and supervisor of aa-sensord.
//!
//! Life: look at the host and refuse what it cannot do; bring the kernel programs into force or adopt those that are;
//! prove every hook; give up the privileges that took; then start the gateway and answer it until told to stop.
//! Enforcement does not end with this process: links and maps are pinned, and `aa-sensord unload` is the only way down.
//!
//! One thread owns everything ([`sensor::Sensor`]); it waits for the gateway's socket, signals,
//! changes of mounts, and what is mapped as code. A
//! second one lives for the moments it takes to move a new agent's processes into their cgroup.

mod cgroups;
mod cli;
mod halting;
mod holding;
mod host;
mod life;
mod link;
mod mounts;
mod naming;
mod notify;
mod plan;
mod predecessor;
mod privileges;
mod probe;
mod probing;
mod process;
mod reading;
mod registry;
mod seccomp;
mod selecting;
mod self_test;
mod sensor;
mod settings;
mod switching;
mod translate;
mod unloading;

use std::path::PathBuf;
use std::process::ExitCode;

use aa_bpf::Kernel;
use aa_wire::WireError;
use clap::Parser;

use crate::cli::{Arguments, Verb};
use crate::life::Failure;
use crate::settings::Settings;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("AA_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.told);
            ExitCode::from(failure.status)
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        None => life::live(&settings(arguments.config)?),
        Some(Verb::Unload) => unloading::unload(&settings(arguments.config)?),
        Some(Verb::Attach) => probing::attacher::serve().map_err(|error| Failure::of(&error)),
        Some(Verb::Inject { fault, agent }) => inject(&fault, agent),
        Some(Verb::Probe { area, tcp, udp, way }) => {
            self_test::serve(&area, [tcp, udp], &way).map_err(|error| Failure::of(&error))
        }
    }
}

fn settings(config: Option<PathBuf>) -> Result<Settings, Failure> {
    Settings::load(config).map_err(|error| Failure::config(&error))
}

fn inject(fault: &str, agent: u32) -> Result<(), Failure> {
    use aa_bpf::abi;
    const FAULTS: [(&str, u32); 10] = [
        ("none", abi::AA_FAULT_NONE),
        ("path", abi::AA_FAULT_PATH),
        ("address", abi::AA_FAULT_ADDRESS),
        ("argv", abi::AA_FAULT_ARGV),
        ("policy", abi::AA_FAULT_POLICY),
        ("record", abi::AA_FAULT_RECORD),
        ("scratch", abi::AA_FAULT_SCRATCH),
        ("unattended", abi::AA_FAULT_UNATTENDED),
        ("content", abi::AA_FAULT_CONTENT),
        ("unjudged", abi::AA_FAULT_UNJUDGED),
    ];
    let Some((_, number)) = FAULTS.iter().find(|(name, _)| *name == fault) else {
        let names = FAULTS.map(|(name, _)| name).join(", ");
        return Err(Failure {
            told: WireError::new("AA-S002", format!("there is no fault `{fault}`")).hint(names),
            status: 64,
        });
    };
    let kernel = Kernel::running().map_err(|error| Failure::of(&error))?;
    let kernel = kernel.ok_or_else(|| Failure {
        told: WireError::new("AA-S003", "aa-sensord enforces nothing now").hint("systemctl start aa-sensord"),
        status: 69,
    })?;
    let tables = aa_bpf::tables::Tables::new(&kernel).map_err(|error| Failure::of(&error))?;
    tables.set_fault(*number, agent).map_err(|error| Failure::of(&error))
}
