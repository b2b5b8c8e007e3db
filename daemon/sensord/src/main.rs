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
use clap::{Parser, Subcommand};

use crate::life::Failure;
use crate::settings::Settings;

/// The kernel side of aa-sensord: governs agents' processes by BPF programs.
///
/// Exit status: 0 after an orderly end, 1 on a failure, 69 if this kernel cannot enforce, 77 without privilege, 78 on a
/// wrong configuration.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Take all programs out of force, while the daemon is stopped: nothing is enforced afterwards, and the audit log says so
    Unload,
    /// Inject a fault for one agent, to see that what cannot be read is denied
    #[command(hide = true)]
    Inject {
        /// none, path, address, argv, policy, record, scratch
        fault: String,
        /// Number of the agent
        agent: u32,
    },
    /// The process that attaches probes
    #[command(hide = true)]
    Attach,
    /// The self-test's process
    #[command(hide = true)]
    Probe {
        /// Prepared folder
        area: PathBuf,
        /// TCP port
        tcp: u16,
        /// UDP port
        udp: u16,
        /// How the programs are attached
        way: String,
    },
}

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
