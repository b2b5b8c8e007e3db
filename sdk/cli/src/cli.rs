//! What can be typed.

#[path = "cli/audit.rs"]
pub(crate) mod audit;
#[path = "cli/secret.rs"]
pub(crate) mod secret;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use audit::{AlertsCommand, AuditCommand};
use secret::{KeysArgs, SecretCommand};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    it failed, or what was checked is not in order
  64   wrong usage
  65   the policy cannot be used
  69   the daemon, or what it needs of the kernel, is not there
  77   not permitted
  run: the program's own code; 128+N if signal N ended it;
       126 if it cannot be run, 127 if there is no such program";

const REDACT_HELP: &str = "\
Without FILE, or with `-`, standard input is read. The redacted text goes to standard output;
server-sent events are recognised by their first line, and values spread over them are found.

Exit codes: 0 redacted, or nothing found; 1 with --findings, something was found (documented
examples do not count), or a file could not be read; 64 wrong usage; 65 the policy cannot be used.

A policy (.yaml) says in `data.redact` what is hidden. Any other file says it in TOML, and what to
write instead, both as you see them here:
  [redaction]
  detect = [\"secret\", \"private-key\", \"connection-string\", \"pii.card\"]  # classes or names
  replace = \"label\"    # or \"mask\", or \"pseudonym\"
  encodings = true     # base64, hex, escapes and the like";
/// Where the daemon keeps its log, unless it is told otherwise.
pub(crate) const AUDIT_DIRECTORY: &str = "/var/lib/aa-sensord/audit";

/// Run AI agents under policies the kernel enforces, and see what they do.
#[derive(Debug, Parser)]
#[command(name = "aasm", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Control socket of the daemon
    #[arg(long, global = true, value_name = "PATH", default_value = aa_wire::api::CONTROL_SOCKET, hide = true)]
    pub(crate) socket: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a program, and everything it starts, under a policy
    Run(RunArgs),
    /// See what agents say inside TLS, live: requests, models, tools, tokens, secrets
    Watch(WatchArgs),
    /// What is protected, proven and in force
    Status {
        /// What of TLS is read: which programs and libraries are probed, and how much of each connection was seen
        #[arg(long)]
        tls: bool,
        /// As Prometheus reads it, for a textfile collector
        #[arg(long, conflicts_with_all = ["tls", "json"])]
        metrics: bool,
        #[command(flatten)]
        output: Output,
    },
    /// What this host can do and what to change; needs no daemon
    Doctor {
        /// Show the change of the boot line that this host needs, and make it if you say yes
        #[arg(long, conflicts_with = "json")]
        fix: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Write a first policy: a pack, for the agents that are found on this machine
    Init(InitArgs),
    /// What happened
    Events(EventsArgs),
    /// Why an event came out as it did, and what would allow it
    Why {
        /// Its number, as `aasm events` shows it
        id: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Check, explain and apply policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Who is governed
    Agents(Output),
    /// Throw the kill switch: every action of the agent fails, its processes end
    ///
    /// `all` is the switch of the whole system: nobody is governed anew either, until `aasm resume all`. SIGUSR1 to aa-sensord and
    /// `touch /run/aa-sensord/halt` throw it too.
    Kill {
        /// An agent's name or number, a session, or `all`
        target: String,
    },
    /// Have an agent stand still: its processes are frozen, and nothing they try passes
    Suspend {
        /// An agent's name or number, a session, or `all`
        target: String,
    },
    /// Have a suspended agent go on, or let a killed one be started again
    Resume {
        /// An agent's name or number, a session, or `all`
        target: String,
    },
    /// What agents have spent on models, and what is left
    Budget(Output),
    /// Secrets that are used in agents' stead and never shown; values are read from standard input
    #[command(subcommand)]
    Secret(SecretCommand),
    /// The daemon's keys: purpose, age, when to replace them
    Keys(KeysArgs),
    /// What waits for a person, and the answers
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// The audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// What of the audit log goes out of the machine: webhooks, Slack, syslog, OpenTelemetry
    #[command(subcommand)]
    Alerts(AlertsCommand),
    /// Hide secrets and personal data in what is piped through; needs no daemon
    Redact(RedactArgs),
    /// Become governed, then the program; `run` starts this
    #[command(name = "__exec", hide = true)]
    Exec(ExecArgs),
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// A policy that ships, to begin with
    #[arg(long, value_name = "NAME", default_value = "coding-agent")]
    pub(crate) pack: String,
    /// A program to be governed, instead of those that are found
    #[arg(long = "program", value_name = "PATH")]
    pub(crate) programs: Vec<PathBuf>,
    /// Enforce at once; else it is recorded what would be denied
    #[arg(long)]
    pub(crate) enforce: bool,
    /// Where to write it
    #[arg(short, long, value_name = "FILE", default_value = "agents.yaml")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A policy's name, or a file with one
    #[arg(short, long, value_name = "NAME|FILE")]
    pub(crate) policy: String,
    /// What `$work` is in the policy [default: the current directory]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
    /// The agent's name in records [default: the policy's]
    #[arg(short, long, value_name = "AGENT")]
    pub(crate) name: Option<String>,
    /// User to run as, when root [default: who called sudo]
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Only of this agent, by name or number
    #[arg(long, conflicts_with = "command")]
    pub(crate) agent: Option<String>,
    /// Only of this process, which is governed
    #[arg(long, conflicts_with = "command")]
    pub(crate) pid: Option<u32>,
    /// By which policy the program runs: a name, or a file
    #[arg(
        short,
        long,
        value_name = "NAME|FILE",
        default_value = "observe-all",
        requires = "command"
    )]
    pub(crate) policy: String,
    /// What `$work` is in the policy [default: the current directory]
    #[arg(short, long, value_name = "DIR", requires = "command")]
    pub(crate) work: Option<PathBuf>,
    /// User to run as, when root [default: who called sudo]
    #[arg(short, long, requires = "command")]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
    /// A program to run and watch, and its arguments; what is seen is told on standard error
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    #[arg(long)]
    pub(crate) policy: String,
    #[arg(long)]
    pub(crate) work: PathBuf,
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Where to write the session once governed
    #[arg(long)]
    pub(crate) report: i32,
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Go on with what happens from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Not older: 30s, 10m, 2h, 1d, or 2026-11-21T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only of this agent, by name or number
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Only what was denied or would have been
    #[arg(long)]
    pub(crate) denied: bool,
    /// At most so many of the past [default: 50, or all there are with --since]
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub(crate) limit: Option<u32>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Find every mistake in a policy and try its `expect` lines
    Check {
        /// The policy
        file: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Which rule decides an action, and why; without an action, which rules there are
    Explain {
        /// A policy's file, or the name of one that ships
        policy: String,
        /// As in an `expect` line: exec git push
        #[arg(trailing_var_arg = true)]
        action: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// What two policies say differently, in actions: tries examples of each rule, and proves nothing about all actions
    #[command(
        after_help = "Exit codes:\n  0    nothing that was tried differs\n  1    something does\n  64   wrong usage\n  65   a policy cannot be used"
    )]
    Diff {
        /// A policy's file, or the name of one that ships
        #[arg(value_name = "A")]
        before: String,
        /// Another
        #[arg(value_name = "B")]
        after: String,
        #[command(flatten)]
        output: Output,
    },
    /// What a policy would have done with what was recorded; needs no daemon, and changes nothing
    Test(TestArgs),
    /// Write the narrowest policy that allows what was recorded, to be read and corrected; needs no daemon, and changes nothing
    ///
    /// Run the agent under observe-all first: `aasm run --policy observe-all -- COMMAND`.
    Learn(LearnArgs),
    /// The language as a JSON Schema, for editors
    Schema,
    /// Put a policy in force for all it governs, now and after the next start
    Apply {
        /// The policy
        file: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// A policy's file, or the name of one that ships
    pub(crate) policy: String,
    /// The directory of an audit log
    #[arg(
        long,
        required = true,
        num_args = 0..=1,
        value_name = "DIR",
        default_missing_value = AUDIT_DIRECTORY
    )]
    pub(crate) replay: PathBuf,
    #[command(flatten)]
    pub(crate) recorded: Recorded,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct LearnArgs {
    /// What the policy will be called
    #[arg(default_value = "learned")]
    pub(crate) name: String,
    /// Of agents of this name alone
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<String>,
    /// The directory of an audit log
    #[arg(long, value_name = "DIR", default_value = AUDIT_DIRECTORY)]
    pub(crate) audit: PathBuf,
    #[command(flatten)]
    pub(crate) recorded: Recorded,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Which records of a log, and what names of a policy stand for in them.
#[derive(Debug, Args)]
pub(crate) struct Recorded {
    /// Not older: 30s, 10m, 2h, 7d, or 2026-11-21T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// What `$work` is in the policy [default: the current directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<String>,
    /// What `$home` is, of the user the agents ran as [default: yours]
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<String>,
    /// What `$run` is [default: yours]
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<String>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// What waits for an answer
    List(Output),
    /// One of them, and who may answer
    Show {
        /// Its number, as `aasm approvals list` shows it
        id: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Let it happen, this once
    Approve {
        /// Its number
        id: u64,
    },
    /// Refuse it
    Deny {
        /// Its number
        id: u64,
    },
    /// What waits, what is asked from now on, and what comes of it
    Watch(Output),
}

/// What can be typed behind `aasm redact`.
#[derive(Debug, Args)]
#[command(after_help = REDACT_HELP)]
pub(crate) struct RedactArgs {
    /// Tell what was found, a line of JSON each, instead of the redacted text
    #[arg(long)]
    pub(crate) findings: bool,
    /// Give the engine so many bytes at a time; the output is the same for any
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) chunk: Option<u32>,
    /// What to look for and what to write instead
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// What to read
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_behind_the_dashes_belongs_to_the_program() {
        let cli = Cli::parse_from(["aasm", "run", "-p", "coding-agent", "--", "claude", "--policy", "x"]);
        let Command::Run(run) = cli.command else { panic!("run") };
        assert_eq!(run.command, ["claude", "--policy", "x"]);
    }

    #[test]
    fn a_program_needs_the_dashes() {
        let error = Cli::try_parse_from(["aasm", "run", "--policy", "p", "claude"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownArgument);
    }

    #[test]
    fn every_exit_code_stands_in_the_help() {
        let help = Cli::command().render_help().to_string();
        for code in ["0 ", "1 ", "64", "65", "69", "77", "126", "127", "128+N"] {
            assert!(help.contains(code), "{code}");
        }
    }
}
