//! The daemon on this very machine, in a mount namespace whose BPF file system is its own.

#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod scene;
pub(crate) mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a start may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why nothing can be tested here.
pub(crate) fn unfit() -> Option<String> {
    let root = nix::unistd::geteuid().is_root();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if !root {
        return Some("it takes root".into());
    }
    if !mounts.lines().any(|line| line.split(' ').nth(2) == Some("cgroup2")) {
        return Some("no cgroup2 file system is mounted".into());
    }
    if !matches!(aa_bpf::probe::takes_lsm_programs(), Ok(false)) {
        return Some("this kernel takes LSM programs; it is tested in guests".into());
    }
    ["aa-gateway", "aa-prober", "aasm"]
        .iter()
        .find(|name| !program(name).exists())
        .map(|name| format!("{name} is not built: cargo build --release"))
}

pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_aa-sensord")).with_file_name(name)
}

/// The daemon, in a mount namespace whose BPF file system is its own.
pub(crate) struct Daemon {
    process: Child,
    pub(crate) folder: tempfile::TempDir,
    /// Agents' cgroups are the machine's: one daemon at a time.
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

impl Daemon {
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// With further settings of the sensor.
    pub(crate) fn start_with(sensor: &str) -> Self {
        Self::start_configured(sensor, "")
    }

    /// And of the gateway, and what comes behind its table.
    pub(crate) fn start_configured(sensor: &str, gateway: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir(at.join("policies")).unwrap();
        let config = format!(
            "[sensor]\ngateway = '{gateway}'\nprober_user = 'nobody'\nrun_dir = '{at}/run'\npool_mib = 1\n{sensor}\n\
             [gateway]\nuser = 'nobody'\nrun_dir = '{at}/run'\nstate_dir = '{at}/state'\n\
             policy_dir = '{at}/policies'\naudit_dir = '{at}/audit'\n{more}",
            more = gateway,
            gateway = program("aa-gateway").display(),
            at = at.display(),
        );
        fs::write(at.join("config.toml"), config).unwrap();
        // The gateway's user reaches its directories through this one.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(at, open).unwrap();
        let daemon = Self {
            process: spawn(at),
            folder,
            _alone: alone,
        };
        daemon.until("it answers", || daemon.aasm(&["agents"]).status.success());
        daemon
    }

    /// Dies, and comes back.
    pub(crate) fn die(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = spawn(self.folder.path());
    }

    pub(crate) fn until(&self, what: &str, reached: impl Fn() -> bool) {
        let since = Instant::now();
        while !reached() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(since.elapsed() < PATIENCE, "{what}: {}", log());
            sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("aasm"));
        command.arg("--socket").arg(self.folder.path().join("run/control.sock"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn aasm(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Has a shell governed by a policy of these sections.
    pub(crate) fn run(&self, sections: &str, script: &str) -> Output {
        let policy = self.policy(sections);
        let mut run = self.command(&["run", "--policy", &policy, "--", "bash", "-c", script]);
        // Without it bash asks a unix socket (nscd's) whose shell it is.
        run.env("SHELL", "/bin/bash").output().unwrap()
    }

    pub(crate) fn policy(&self, sections: &str) -> String {
        let path = self.folder.path().join("policy.yaml");
        fs::write(&path, format!("policy: native\nversion: 1\n{sections}\n")).unwrap();
        path.display().to_string()
    }
}

fn spawn(folder: &Path) -> Child {
    let log = fs::File::create(folder.join("log")).unwrap();
    let script = "mount -t bpf bpf /sys/fs/bpf && exec \"$0\" --config \"$1\"";
    Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(env!("CARGO_BIN_EXE_aa-sensord"))
        .arg(folder.join("config.toml"))
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.process.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.process.wait().unwrap();
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
