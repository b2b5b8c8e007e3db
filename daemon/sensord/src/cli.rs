//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The kernel side of aa-sensord: governs agents' processes by BPF programs.
///
/// Exit status: 0 after an orderly end, 1 on a failure, 69 if this kernel cannot enforce, 77 without privilege, 78 on a
/// wrong configuration.
#[derive(Debug, Parser)]
#[command(name = "aa-sensord", version)]
pub(crate) struct Arguments {
    /// Configuration file
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
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
