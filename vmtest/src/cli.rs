//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::qemu::Init;

/// Boots the supported kernels in QEMU and runs things in them.
#[derive(Debug, Parser)]
#[command(name = "aa-vmtest", version)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show the support table and what of it is in the cache
    List {
        /// The table as README.md shows it
        #[arg(long)]
        markdown: bool,
    },
    /// Bring kernels into the cache (all, if none is named)
    Fetch {
        /// Names in the support table
        kernels: Vec<String>,
        /// Read the archive's lists anew even if they are of today
        #[arg(long)]
        update: bool,
    },
    /// Build the guests' root file system
    Image {
        /// Even if the recipe has not changed
        #[arg(long)]
        rebuild: bool,
    },
    /// Run a script as root in a guest and exit with its status
    Run {
        /// Name in the support table
        kernel: String,
        /// Script on this machine; without `#!` it is run by bash
        #[arg(long)]
        script: PathBuf,
        /// How to run the guest
        #[command(flatten)]
        options: GuestOptions,
        /// Passed to the script
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Get a root shell in a guest
    Shell {
        /// Name in the support table
        kernel: String,
        /// How to run the guest
        #[command(flatten)]
        options: GuestOptions,
    },
    /// Run the guest test program on kernels (all, if none is named)
    Test {
        /// Names in the support table
        kernels: Vec<String>,
        /// Only tests whose name contains this
        #[arg(long)]
        filter: Option<String>,
        /// Every test on every kernel, instead of each that need not run everywhere on one of them
        #[arg(long)]
        whole: bool,
        /// Guests at the same time; each has two processors, and waits for itself half of the time
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
        jobs: u8,
        /// How to run the guests
        #[command(flatten)]
        options: GuestOptions,
    },
    /// Show the catalogue of attacks as docs/attacks.md has it
    Attacks {
        /// How many there are of each class, as ARCHITECTURE.md has it
        #[arg(long)]
        counts: bool,
    },
    /// Report figures against the promises
    Bench {
        /// Which
        #[arg(value_enum)]
        what: Bench,
        /// Names in the support table
        #[arg(default_value = "6.12")]
        kernels: Vec<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
        /// How to run the guests
        #[command(flatten)]
        options: GuestOptions,
    },
}

/// What there is to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// What the kernel programs and the daemon cost
    Kernel,
    /// Of that, what single hooks cost, and each program's share: quicker
    Hooks,
}

/// How to run a guest.
#[derive(Debug, Clone, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent flag of the command line"
)]
pub(crate) struct GuestOptions {
    /// Do not install the files of daemon/packaging/install.manifest, and start no daemon
    #[arg(long)]
    pub(crate) no_install: bool,
    /// Install, but do not start the daemon
    #[arg(long)]
    pub(crate) no_start: bool,
    /// A file to put into the guest's /root, executable if it is one; more than once
    #[arg(long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Process 1 of the guest
    #[arg(long, value_enum, default_value_t = Init::Light)]
    pub(crate) init: Init,
    /// Seconds after which the guest is killed (exit status 124); 0 for a day
    #[arg(long, default_value_t = 2400)]
    pub(crate) timeout: u64,
    /// One processor and a clock that counts instructions: slower, but counts repeat
    #[arg(long)]
    pub(crate) icount: bool,
    /// Whether to use KVM; auto tries it once and keeps the answer
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    pub(crate) accel: AccelChoice,
    /// Virtual processors
    #[arg(long, default_value_t = 2)]
    pub(crate) cpus: u32,
    /// Memory in MiB
    #[arg(long, default_value_t = 2048)]
    pub(crate) memory: u32,
    /// Build profile directory under target/ that the installed programs come from
    #[arg(long, default_value = "release")]
    pub(crate) profile: String,
    /// Say how long the boot took and where the console log is
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

impl GuestOptions {
    /// With "no limit" made a day.
    pub(crate) fn bounded(&self) -> Self {
        const DAY_S: u64 = 24 * 60 * 60;
        let timeout = if self.timeout == 0 { DAY_S } else { self.timeout };
        Self {
            timeout,
            ..self.clone()
        }
    }
}

/// Whether to use KVM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccelChoice {
    /// If a trial boot works.
    Auto,
    /// Yes.
    Kvm,
    /// No.
    Tcg,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_after_two_dashes_belong_to_the_script() {
        let cli = Cli::try_parse_from(["aa-vmtest", "run", "6.12", "--script", "x", "--", "--filter", "a b"]).unwrap();
        assert!(matches!(cli.action, Action::Run { arguments, .. } if arguments == ["--filter", "a b"]));
    }
}
