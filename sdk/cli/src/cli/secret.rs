//! What can be typed behind `aasm secret` and `aasm keys`.

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Keep a new secret; its value is read from standard input, and asked for at a terminal
    Set(ValueArgs),
    /// Give a secret its next value, from standard input; agents and hosts stay as they are unless others are given
    Rotate(ValueArgs),
    /// What there is, without values
    List {
        /// Superseded and revoked versions too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Destroy the value of a secret; its name stays, with when and by whom
    Revoke {
        /// Its name
        name: String,
        /// Only this version
        #[arg(long, value_name = "NUMBER")]
        version: Option<u32>,
    },
    /// Keep what a dotenv file on standard input holds (`NAME=value`, a line each), all of it or nothing
    Import {
        /// Names that are there already get a next version
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        terms: TermArgs,
    },
    /// Who may use a secret, and who did since the daemon started
    Who {
        /// Its name
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Open a vault that is locked by a passphrase, read from standard input
    Unlock,
}

#[derive(Debug, Args)]
pub(crate) struct ValueArgs {
    /// Letters, digits, `_`, `-`, `.`
    pub(crate) name: String,
    /// Take standard input as it is; otherwise one line's end at its end does not belong to the value
    #[arg(long)]
    pub(crate) exact: bool,
    #[command(flatten)]
    pub(crate) terms: TermArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TermArgs {
    /// Who may use it: an agent's name, `policy:NAME`, or `*`; may be given again
    #[arg(long, value_name = "AGENT")]
    pub(crate) agent: Option<Vec<String>>,
    /// Where it may be sent: api.example.com, `*.example.com`, or `*`; may be given again
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<Vec<String>>,
    /// Until when: 12h, 90d, or 2026-11-21T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    pub(crate) command: Option<KeysCommand>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Replace a key while all goes on
    Rotate {
        /// As `aasm keys` shows it: vault-master, vault-unlock
        purpose: String,
        #[command(flatten)]
        output: Output,
    },
}
