//! The machine the tests run in: what it should be, its directories, its daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::harness::{Checks, Test};

pub(crate) const TESTS: &[Test] = &[Test::new(
    "the_environment_can_test_at_all",
    the_environment_can_test_at_all,
)];

/// Where `act` and its relatives lie. Built-in rules let programs map what is below /usr/local/lib.
pub(crate) const PROGRAMS: &str = "/usr/local/lib/aa-test";
pub(crate) const ACT: &str = "/usr/local/lib/aa-test/act";
/// A program that does nothing.
pub(crate) const TINY: &str = "/usr/local/lib/aa-test/tiny";
/// Trees of files for the tests.
const TREES: &str = "/srv/aa-test";

/// What a kernel of the support table must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Enforce,
    FmodRet,
    PassesOver,
    Forgets,
    TooOld,
}

impl Expect {
    /// How the programs that decide are attached, as status and as `bpftool link` calls it, where there are any.
    pub(crate) fn attached(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Enforce => Some(("bpf-lsm", "lsm_mac")),
            Self::FmodRet => Some(("fmod_ret", "modify_return")),
            Self::PassesOver | Self::Forgets | Self::TooOld => None,
        }
    }
}

/// What `vmtest/expect/<kernel>.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KernelExpectations {
    pub(crate) release: String,
    pub(crate) absent_programs: Vec<String>,
    pub(crate) present_programs: Vec<String>,
    pub(crate) mptcp_fast_open: String,
    /// Attacks of the catalogue whose technique this kernel does not have.
    #[serde(default)]
    pub(crate) lacking_attacks: Vec<String>,
    pub(crate) refusal: Option<RefusalExpectations>,
}

/// How the daemon tells that it cannot enforce.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefusalExpectations {
    /// In the cause.
    pub(crate) cause: String,
    /// In what to change.
    pub(crate) change: String,
    /// In what `aasm doctor` says instead, where only a start finds it out.
    pub(crate) doctor: Option<String>,
}

const EXPECTATIONS: &[(&str, &str)] = &[
    ("6.1", include_str!("../expect/6.1.toml")),
    ("6.12", include_str!("../expect/6.12.toml")),
    ("6.18", include_str!("../expect/6.18.toml")),
    ("7.x", include_str!("../expect/7.x.toml")),
    ("6.12-nolsm", include_str!("../expect/6.12-nolsm.toml")),
    ("6.12-preempt", include_str!("../expect/6.12-preempt.toml")),
    ("5.10", include_str!("../expect/5.10.toml")),
];

/// The guest, as its environment describes it.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) kernel: String,
    pub(crate) expect: Expect,
    pub(crate) expectations: KernelExpectations,
    daemon: String,
    trees: PathBuf,
}

static GUEST: OnceLock<Guest> = OnceLock::new();
static COUNTER: AtomicU64 = AtomicU64::new(1);

impl Guest {
    pub(crate) fn from_environment() -> Result<&'static Self, String> {
        let variable = |name: &str| {
            std::env::var(name).map_err(|_| format!("{name} is not set: this runs in a guest of aa-vmtest"))
        };
        let kernel = variable("AA_KERNEL")?;
        let expect = match variable("AA_EXPECT")?.as_str() {
            "enforce" => Expect::Enforce,
            "fmod-ret" => Expect::FmodRet,
            "passes-over" => Expect::PassesOver,
            "forgets" => Expect::Forgets,
            "too-old" => Expect::TooOld,
            other => return Err(format!("AA_EXPECT is {other}")),
        };
        let (_, text) = EXPECTATIONS
            .iter()
            .find(|(name, _)| *name == kernel)
            .ok_or_else(|| format!("there is no vmtest/expect/{kernel}.toml"))?;
        let expectations = toml::from_str(text).map_err(|error| format!("vmtest/expect/{kernel}.toml: {error}"))?;
        let daemon = variable("AA_DAEMON")?;
        prepare().map_err(|error| format!("cannot prepare the guest: {error}"))?;
        Ok(GUEST.get_or_init(|| Self {
            kernel,
            expect,
            expectations,
            daemon,
            trees: TREES.into(),
        }))
    }

    /// A new empty directory.
    pub(crate) fn tree(&self, name: &str) -> PathBuf {
        let path = self.trees.join(format!("{name}-{}", unique()));
        fs::create_dir_all(&path).unwrap();
        path
    }
}

/// A number not given out before.
pub(crate) fn unique() -> u64 {
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

fn prepare() -> std::io::Result<()> {
    fs::create_dir_all(PROGRAMS)?;
    fs::create_dir_all(TREES)?;
    fs::create_dir_all("/srv/work")?;
    // Listeners live as long as this process.
    Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string(), "--nofile=65536:65536"])
        .status()?;
    write_program(ACT, include_bytes!(concat!(env!("OUT_DIR"), "/act")))?;
    write_program(TINY, include_bytes!(concat!(env!("OUT_DIR"), "/tiny")))?;
    // Two addresses of each family to tell apart, and ping sockets for everybody.
    for address in ["fd00::1/128", "fd00::2/128"] {
        let status = Command::new("ip")
            .args(["-6", "addr", "replace", address, "dev", "lo", "nodad"])
            .status()?;
        if !status.success() {
            return Err(std::io::Error::other(format!("no address {address}")));
        }
    }
    fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")
}

/// An executable file; one that runs now cannot be written, so it is replaced.
pub(crate) fn write_program(path: impl AsRef<Path>, bytes: &[u8]) -> std::io::Result<()> {
    let path = path.as_ref();
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::write(path, bytes)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// A copy of the tiny program.
pub(crate) fn tiny_at(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_program(path, include_bytes!(concat!(env!("OUT_DIR"), "/tiny"))).unwrap();
    path.to_owned()
}

/// An executable script.
pub(crate) fn script_at(path: impl AsRef<Path>, text: &str) -> PathBuf {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_program(path, text.as_bytes()).unwrap();
    path.to_owned()
}

/// A file with its directories.
pub(crate) fn file_at(path: impl AsRef<Path>, text: &str) -> PathBuf {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    path.to_owned()
}

/// Runs a command to its end, ungoverned.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("cannot run {program}: {error}"))
}

/// What a command said on both streams.
pub(crate) fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Standard output of a command that must succeed.
pub(crate) fn succeed(program: &str, arguments: &[&str]) -> String {
    let output = command(program, arguments);
    assert!(
        output.status.success(),
        "{program} {}: {}: {}",
        arguments.join(" "),
        output.status,
        said(&output)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until something holds, and says whether it ever did.
pub(crate) fn eventually(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if holds() {
            return true;
        }
        if begun.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn the_environment_can_test_at_all(guest: &Guest, checks: &mut Checks) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    checks.that(release.starts_with(&guest.expectations.release), || {
        format!(
            "{} should be a {}*, it is {release}",
            guest.kernel, guest.expectations.release
        )
    });
    let status = fs::read_to_string("/proc/self/status").unwrap();
    checks.contains("root", &status, "\nUid:\t0\t0\t0\t0");
    let lsm = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let has_bpf = lsm.trim().split(',').any(|name| name == "bpf");
    let attached = guest.expect.attached();
    let daemon = if attached.is_some() { "running" } else { "refused" };
    checks.equal("AA_DAEMON", &guest.daemon.as_str(), &daemon);
    checks.equal(
        "`bpf` in the list of security modules",
        &has_bpf,
        &matches!(guest.expect, Expect::Enforce | Expect::Forgets),
    );
    let answer = succeed(ACT, &["getpid"]);
    checks.contains("act runs", &answer, "ok ");
    let mut act = crate::act::Act::ungoverned();
    checks.equal("act in a batch", &act.ask("open-read /etc/passwd"), &"ok".to_owned());
    if let Some((via, _)) = attached {
        checks.contains(
            "aasm status",
            &succeed("aasm", &["status"]),
            &format!("enforced via {via}"),
        );
        let agents = command("aasm", &["agents"]);
        checks.that(agents.status.success(), || {
            format!("the daemon does not answer: {}", said(&agents))
        });
    }
}
