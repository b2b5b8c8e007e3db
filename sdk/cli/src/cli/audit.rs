//! What can be typed behind `aasm audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Find edits, gaps and cuts in the log; with a directory, without the daemon
    Verify(VerifyArgs),
    /// One record, where it stands, and its hashes; needs no daemon
    Show {
        /// Its number, as `aasm events` shows it
        id: u64,
        #[command(flatten)]
        directory: Directory,
        #[command(flatten)]
        output: Output,
    },
    /// A proof that a record is in the log, or that the log only grew, for `verify --proof`; needs no daemon
    Prove {
        /// The record's number
        #[arg(required_unless_present = "since")]
        id: Option<u64>,
        /// That the log begins with all records of this checkpoint
        #[arg(long, value_name = "FILE", conflicts_with = "id")]
        since: Option<PathBuf>,
        #[command(flatten)]
        directory: Directory,
    },
    /// The newest signed checkpoint, to be kept elsewhere; needs no daemon
    Checkpoint(Directory),
    /// A key that checks the seals of records from now on; the log says who took it. Root's alone
    Key {
        /// The key that checkpoints are signed with, for everybody; needs no daemon
        #[arg(long)]
        public: bool,
        #[command(flatten)]
        directory: Directory,
    },
    /// Sessions, spending and approvals as the log alone has them, and where the daemon says something else
    Replay {
        /// Do not compare with the daemon
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        directory: Directory,
        #[command(flatten)]
        output: Output,
    },
    /// Sign, as a witness on another machine, that a log only grew; needs no daemon
    Witness(WitnessArgs),
    /// Have the log keep everything, however old; recorded
    #[command(subcommand)]
    Hold(HoldCommand),
    /// The last records, and what comes; needs no daemon
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: u64,
        /// Go on with what is recorded from now on
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        directory: Directory,
        #[command(flatten)]
        output: Output,
    },
    /// Records by time, agent, rule, verdict and host, from the whole log; needs no daemon
    Search {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        output: Output,
    },
    /// The same for other programs, a line a record; needs no daemon
    Export {
        /// In which form
        #[arg(long, value_enum)]
        format: ExportFormat,
        #[command(flatten)]
        selection: Selection,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Nothing is removed from now on
    Set {
        /// What this is called
        name: String,
        /// Why
        #[arg(long)]
        why: String,
    },
    /// What is older than the configuration says goes again
    Release {
        /// What it is called
        name: String,
    },
    /// Those there are
    List(Output),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Each alert of the configuration: where it goes, how far it has come, what keeps it
    List(Output),
    /// Send one message that says it is a test
    Test {
        /// The alert's name
        name: String,
    },
    /// What was given up, and why
    Dead(Output),
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The directory of a log
    pub(crate) directory: Option<PathBuf>,
    /// A checkpoint that was kept elsewhere: shows that the log was not cut
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Vec<PathBuf>,
    /// The key that signs checkpoints, kept elsewhere [default: what lies beside the log]
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,
    /// A witness's public key: one of the checkpoints must be signed by it
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    pub(crate) witness: Option<PathBuf>,
    /// What `aasm audit key` gave: shows that records were not made anew later
    #[arg(long, value_name = "FILE")]
    pub(crate) hmac_key: Option<PathBuf>,
    /// A proof, by the public key alone
    #[arg(long, value_name = "FILE", conflicts_with_all = ["directory", "checkpoint", "hmac_key"], requires = "public_key")]
    pub(crate) proof: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct WitnessArgs {
    /// Checkpoints, or proofs that a log grew (`aasm audit prove --since`); each is printed with the signature
    #[arg(value_name = "FILE", required_unless_present = "public")]
    pub(crate) files: Vec<PathBuf>,
    /// The witness's secret; made if it is not there
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// What it signed last of each log
    #[arg(long, value_name = "FILE")]
    pub(crate) state: PathBuf,
    /// Its name, as of a host: witness.example/w1
    #[arg(long)]
    pub(crate) name: String,
    /// The log's public key
    #[arg(long, value_name = "FILE")]
    pub(crate) log_key: Option<PathBuf>,
    /// Print its public key, for `verify --witness`
    #[arg(long)]
    pub(crate) public: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Directory {
    /// The directory of a log
    #[arg(long, value_name = "DIR", default_value = super::AUDIT_DIRECTORY)]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Selection {
    #[command(flatten)]
    pub(crate) directory: Directory,
    /// Not older: 30s, 10m, 2h, 7d, or 2026-11-21T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Not newer
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only of this agent, by name or number
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Only by a rule of this number, or whose text has this in it
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Only what came out so: allow, ask, deny, ..., or denied, held, killed, ...
    #[arg(long)]
    pub(crate) verdict: Option<String>,
    /// Only what leads to this host or below it, or to this address
    #[arg(long)]
    pub(crate) host: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// As it stands in the log
    Json,
    /// With a heading, for spreadsheets
    Csv,
    /// Common Event Format 0
    Cef,
    /// Open Cybersecurity Schema Framework 1.8.0, as JSON
    Ocsf,
}
