//! One guest from the support table: everything it needs is brought together, it is run, and what happened is told.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::cli::GuestOptions;
use crate::job::{Job, Task};
use crate::kernels::{self, Fetched};
use crate::manifest::{self, Roots};
use crate::qemu::{Accel, Machine};
use crate::supervise::{self, End, Outcome, Sinks};
use crate::table::{Kernel, Table};
use crate::{accel, image, initramfs, report, tool};

/// What all guests of one call share.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Root of the repository.
    pub(crate) repository: PathBuf,
    /// The local cache.
    pub(crate) cache: Cache,
    /// The support table.
    pub(crate) table: Table,
}

/// A guest's end and where its console log is.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// `uname -r`.
    pub(crate) release: String,
    /// What happened.
    pub(crate) outcome: Outcome,
    /// The kernel's console.
    pub(crate) console_log: PathBuf,
}

impl Session {
    /// Opens the cache and reads the table.
    pub(crate) fn open() -> Result<Self> {
        let repository = find_repository()?;
        let table = Table::read(&repository.join("vmtest/kernels.toml"))?;
        Ok(Self {
            repository,
            cache: Cache::open()?,
            table,
        })
    }

    /// Brings a kernel into the cache.
    pub(crate) fn fetch(&self, kernel: &Kernel, update: bool) -> Result<Fetched> {
        let _lock = self.cache.lock()?;
        kernels::fetch(kernel, &self.cache, &self.table, update)
    }

    /// The guests' root file system, built if need be.
    pub(crate) fn image(&self, rebuild: bool) -> Result<PathBuf> {
        let _lock = self.cache.lock()?;
        image::ensure(&self.cache, &self.table, rebuild)
    }

    /// Runs a task on a kernel.
    pub(crate) fn run(&self, kernel: &Kernel, task: Task, options: &GuestOptions, sinks: Sinks) -> Result<Run> {
        let fetched = self.fetch(kernel, false)?;
        let accel = self.accel(kernel, options)?;
        let job = Job {
            kernel: kernel.name.clone(),
            expect: kernel.expect,
            installs: self.installs(options)?,
            start_daemon: !options.no_install && !options.no_start,
            task,
        };
        self.boot(&fetched, &kernel.append, &job, accel, options, sinks)
    }

    /// Runs a job on a kernel that is in the cache.
    pub(crate) fn boot(
        &self,
        fetched: &Fetched,
        append: &str,
        job: &Job,
        accel: Accel,
        options: &GuestOptions,
        sinks: Sinks,
    ) -> Result<Run> {
        let root_image = self.image(false)?;
        let busybox = {
            let _lock = self.cache.lock()?;
            kernels::busybox(&self.cache, &self.table)?
        };
        let scratch = tempfile::Builder::new()
            .prefix("aa-vmtest-")
            .tempdir()
            .context("cannot make a run directory")?;
        let machine = Machine {
            kernel: fetched.image.clone(),
            initramfs: scratch.path().join("initramfs"),
            root_image,
            job_image: scratch.path().join("job.img"),
            modules_image: fetched.modules_image.clone(),
            append: append.to_owned(),
            accel,
            init: options.init,
            cpus: options.cpus,
            memory_mib: options.memory,
            terminal: matches!(job.task, Task::Shell),
        };
        initramfs::write(fetched, &busybox, &machine.initramfs)?;
        job.write(&scratch.path().join("job"), &machine.job_image)?;
        let console_log = supervise::console_log_path(&self.cache.dir("logs")?, &job.kernel)?;
        let limit = Duration::from_secs(options.timeout);
        let outcome = supervise::run(&machine, scratch.path(), &console_log, limit, sinks)?;
        Ok(Run {
            release: fetched.release.clone(),
            outcome,
            console_log,
        })
    }

    fn accel(&self, kernel: &Kernel, options: &GuestOptions) -> Result<Accel> {
        if options.icount {
            return Ok(Accel::CountedTcg);
        }
        match options.accel {
            crate::cli::AccelChoice::Kvm => Ok(Accel::Kvm),
            crate::cli::AccelChoice::Tcg => Ok(Accel::Tcg),
            crate::cli::AccelChoice::Auto => accel::choose(self, kernel, options),
        }
    }

    pub(crate) fn installs(&self, options: &GuestOptions) -> Result<Vec<manifest::Install>> {
        let mut installs = options
            .files
            .iter()
            .map(|file| carried(file))
            .collect::<Result<Vec<_>>>()?;
        if options.no_install {
            return Ok(installs);
        }
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.repository.join("target"), PathBuf::from);
        let roots = Roots {
            repository: self.repository.clone(),
            profile: target.join(&options.profile),
        };
        let path = self.repository.join("daemon/packaging/install.manifest");
        installs.extend(manifest::read(&path, &roots)?);
        Ok(installs)
    }
}

/// A file of the command line, for /root.
fn carried(file: &Path) -> Result<manifest::Install> {
    let meta = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
    let name = file
        .file_name()
        .with_context(|| format!("{} is no file", file.display()))?;
    Ok(manifest::Install {
        source: file.to_owned(),
        dest: format!("/root/{}", name.to_string_lossy()),
        mode: format!("{:04o}", meta.permissions().mode() & 0o777),
    })
}

impl Run {
    /// The status to exit with: the task's own, 124 after the time limit, 125 when there was no task to speak of.
    pub(crate) fn exit_status(&self) -> u8 {
        match self.outcome.end {
            End::Exited(status) => status,
            End::TimedOut => 124,
            End::Failed(_) | End::Panicked(_) | End::Died(_) => 125,
        }
    }

    /// In words, if it was anything but an exit.
    pub(crate) fn trouble(&self, options: &GuestOptions) -> Option<String> {
        match &self.outcome.end {
            End::Exited(_) => None,
            End::Failed(reason) => Some(format!("the guest gave up: {reason}")),
            End::Panicked(line) => Some(format!("the kernel panicked: {line}")),
            End::TimedOut => Some(format!("no end after {} s; QEMU was killed", options.timeout)),
            End::Died(how) => Some(format!("QEMU ended without a word from the guest: {how}")),
        }
    }

    /// Tells on stderr what the user should know besides the task's own output.
    pub(crate) fn report(&self, options: &GuestOptions) {
        for text in &self.outcome.notes {
            report::note(text);
        }
        for line in &self.outcome.complaints {
            report::note(&format!("the kernel complained: {line}"));
        }
        if options.verbose {
            let boot = self.outcome.boot.map_or_else(|| "never".to_owned(), report::seconds);
            let total = report::seconds(self.outcome.total);
            report::note(&format!(
                "{}: task began after {boot}, all ended after {total}",
                self.release
            ));
        }
        if let Some(trouble) = self.trouble(options) {
            let console = std::fs::read_to_string(&self.console_log).unwrap_or_default();
            report::error(&trouble, &[], None);
            eprintln!(
                "--- end of the kernel's console ({})\n{}",
                self.console_log.display(),
                tool::tail(&console, 25)
            );
        } else if options.verbose || !self.outcome.complaints.is_empty() {
            report::note(&format!("console log: {}", self.console_log.display()));
        }
    }
}

/// The nearest directory upwards that holds vmtest/kernels.toml, else the one we were built from.
fn find_repository() -> Result<PathBuf> {
    let here = std::env::current_dir().context("cannot tell the current directory")?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
    here.ancestors()
        .map(Path::to_owned)
        .chain(built)
        .find(|dir| dir.join("vmtest/kernels.toml").exists())
        .context("not in the repository: there is no vmtest/kernels.toml here or above")
}
