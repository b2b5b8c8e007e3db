//! The proof at start: a process of our own is governed by [`POLICY`] and tries, for every hook, something it may do and
//! something it may not. Only what was both let through and denied counts as enforced; attaching proves nothing
//! (where `bpf` is missing from `lsm=`, programs attach and never run).
//!
//! The sensor prepares the area and the listeners, starts itself as `aa-sensord probe AREA`, governs it, and reads its
//! report. The probe's denials are in the log like any others, under the policy `self-test`.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use aa_bpf::Kernel;
use aa_bpf::hooks::Way;
use aa_bpf::names::{Class, Names, Place};
use aa_bpf::tables::Tables;
use aa_bpf::tasks::{ProcessHandle, Tasks};
use aa_policy::{Environment, Limits, Lowered};
use aa_wire::status::SelfTestRow;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::probe::BOUND;
use crate::reading::ReadingError;
use crate::registry::{SELF_TEST_AGENT, SELF_TEST_SLOT};
use crate::{probe, reading, translate};

/// The policy, with `$area` given by the test.
const POLICY: &str = include_str!("self_test.yaml");

/// How long an attempt may take. Those that wait for another process do so for a third of it at most.
const SILENCE: Duration = Duration::from_secs(30);

/// Why the proof could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelfTestError {
    #[error("cannot prepare the self-test")]
    Prepare(#[source] io::Error),
    #[error("the self-test's policy is wrong: {0}")]
    Policy(String),
    #[error("cannot put the self-test's policy in force")]
    Tables(#[from] aa_bpf::tables::TableError),
    #[error("cannot govern the probe")]
    Tasks(#[from] aa_bpf::tasks::TaskError),
    #[error("cannot bind the self-test's name")]
    Names(#[from] aa_bpf::names::NameError),
    #[error("cannot tell the kernel what is in a program")]
    Reading(#[from] ReadingError),
    #[error("the probe did not report: {0}")]
    NoReport(String),
}

/// Runs the proof. The rows say what was proven; an error means that nothing can be said.
pub(crate) fn run(
    kernel: &Kernel,
    tables: &mut Tables,
    tasks: &Tasks,
    names: &Names,
    run_dir: &Path,
    way: Way,
) -> Result<Vec<SelfTestRow>, SelfTestError> {
    let area = Area::prepare(run_dir).map_err(SelfTestError::Prepare)?;
    if way == Way::Lsm {
        // Where the kernel does not read it, nobody could be asked yet.
        for (name, _) in probe::BY_CONTENT {
            reading::tell_of_own(kernel, &area.path.join("content").join(name))?;
        }
    }
    let environment = Environment {
        lets: BTreeMap::from([("area".to_owned(), area.path.to_string_lossy().into_owned())]),
        ..Environment::default()
    };
    let policy = aa_policy::parse_policy(POLICY, "self_test.yaml", &environment)
        .map_err(|diagnostics| SelfTestError::Policy(diagnostics.to_string()))?;
    let lowered = policy
        .lower(&Limits::default())
        .map_err(|error| SelfTestError::Policy(error.to_string()))?;
    let follows_labels = tables.follows_labels()?;
    tables.forget_labels(SELF_TEST_AGENT)?;
    let resident = tables.add_policy(&translate::policy_tables(&lowered), SELF_TEST_SLOT)?;
    tables.set_slot(SELF_TEST_SLOT, resident.index, 0)?;
    tables.set_agent(SELF_TEST_AGENT, SELF_TEST_SLOT, 0)?;
    stand_in_for_resolver(names, &area, &lowered, resident.generation)?;
    let session = tables.next_session()?;
    let report = probe_process(&area, way, |process| {
        Ok(tasks.govern(process, SELF_TEST_AGENT, session)?)
    });
    tables.set_slot(SELF_TEST_SLOT, 0, 0)?;
    tables.remove_policy(resident)?;
    tables.follow_labels(follows_labels)?;
    names.set_resolver(Place::default())?;
    names.sweep(|agent| agent != SELF_TEST_AGENT)?;
    Ok(rows(&report?))
}

/// Our datagram socket is the resolver, and has answered the name that the policy lists with one address.
fn stand_in_for_resolver(names: &Names, area: &Area, lowered: &Lowered, generation: u32) -> Result<(), SelfTestError> {
    let network = fs::metadata("/proc/self/ns/net").map_err(SelfTestError::Prepare)?.ino();
    names.set_resolver(Place {
        port4: area.ports[1],
        port6: 0,
        network: u32::try_from(network).unwrap_or(0),
    })?;
    let missing = || SelfTestError::Policy("it names no host".to_owned());
    let hosts = lowered.hosts.as_ref().ok_or_else(missing)?;
    let number = hosts.exact.values().next().ok_or_else(missing)?.0;
    let address = BOUND.parse().map_err(|_| missing())?;
    let class = Class { number, generation };
    Ok(names.bind(SELF_TEST_AGENT, address, class, Duration::from_secs(60))?)
}

/// Starts the probe, lets `govern` make it governed, and collects its report.
fn probe_process(
    area: &Area,
    way: Way,
    govern: impl FnOnce(&ProcessHandle) -> Result<(), SelfTestError>,
) -> Result<String, SelfTestError> {
    let mut child = Command::new("/proc/self/exe")
        .arg("probe")
        .arg(&area.path)
        .args(area.ports.map(|port| port.to_string()))
        .arg(way.name())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(SelfTestError::Prepare)?;
    let governed = ProcessHandle::open(child.id())
        .map_err(SelfTestError::from)
        .and_then(|process| govern(&process));
    if let Err(error) = governed {
        drop(child.kill().and_then(|()| child.wait().map(|_| ())));
        return Err(error);
    }
    let told = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(b"go\n"));
    let mut report = String::new();
    let heard = child.stdout.take().map_or(Ok(()), |stdout| hear(stdout, &mut report));
    if let Err(error) = told.and(heard) {
        drop(child.kill().and_then(|()| child.wait().map(|_| ())));
        let last = report.lines().last().unwrap_or("nothing").replace('\t', ", ");
        return Err(SelfTestError::NoReport(format!(
            "{error}; the last that it told: {last}"
        )));
    }
    let status = child.wait().map_err(SelfTestError::Prepare)?;
    if !status.success() {
        return Err(SelfTestError::NoReport(format!("it ended with {status}")));
    }
    Ok(report)
}

/// Takes what the probe says until it ends; one that says nothing for [`SILENCE`] never will.
fn hear(mut stdout: ChildStdout, report: &mut String) -> io::Result<()> {
    let mut bytes = [0; 4096];
    let mut taken = Vec::new();
    loop {
        let mut waiting = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
        let ready = poll(
            &mut waiting,
            PollTimeout::try_from(SILENCE).unwrap_or(PollTimeout::NONE),
        );
        let length = match ready {
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => stdout.read(&mut bytes)?,
        };
        taken.extend_from_slice(bytes.get(..length).unwrap_or_default());
        *report = String::from_utf8_lossy(&taken).into_owned();
        if length == 0 {
            return Ok(());
        }
    }
}

fn rows(report: &str) -> Vec<SelfTestRow> {
    report
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            let (hook, probe, expected, got) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            let passed = expected == got;
            Some(SelfTestRow {
                hook,
                probe,
                expected,
                got,
                passed,
            })
        })
        .collect()
}

/// What of the proof failed, hook by hook. A hook needs both an allowed and a denied probe.
pub(crate) fn failures(rows: &[SelfTestRow]) -> Vec<String> {
    rows.iter()
        .filter(|row| !row.passed)
        .map(|row| {
            format!(
                "{}: {} should have been {} and was {}",
                row.hook, row.probe, row.expected, row.got
            )
        })
        .collect()
}

/// Files and listeners that the probe tries, removed at the end.
#[derive(Debug)]
struct Area {
    path: PathBuf,
    /// TCP port on both loopback addresses, UDP port likewise.
    ports: [u16; 2],
    _tcp: [TcpListener; 3],
    _udp: [UdpSocket; 2],
    _unix: [UnixListener; 2],
    _datagram: [UnixDatagram; 2],
}

const ADDRESSES: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

impl Area {
    fn prepare(run_dir: &Path) -> io::Result<Self> {
        let path = run_dir.join("probe");
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        for side in ["allowed", "denied"] {
            let folder = path.join(side);
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            for file in probe::PREPARED {
                fs::write(folder.join(file), "#!/bin/true\n")?;
                fs::set_permissions(folder.join(file), fs::Permissions::from_mode(0o700))?;
            }
            DirBuilder::new().create(folder.join("emptied"))?;
            DirBuilder::new().create(folder.join("mount"))?;
        }
        DirBuilder::new().create(path.join("content"))?;
        for (name, text) in probe::BY_CONTENT {
            fs::write(path.join("content").join(name), text)?;
            fs::set_permissions(path.join("content").join(name), fs::Permissions::from_mode(0o700))?;
        }
        DirBuilder::new().create(path.join("labelled"))?;
        fs::write(path.join("labelled/key"), "x")?;
        let tcp = TcpListener::bind((ADDRESSES[0], 0))?;
        let port = tcp.local_addr()?.port();
        let udp = UdpSocket::bind((ADDRESSES[0], 0))?;
        let udp_port = udp.local_addr()?.port();
        let named = |side: &str, name: &str| path.join(side).join(name);
        Ok(Self {
            ports: [port, udp_port],
            _tcp: [
                tcp,
                TcpListener::bind((ADDRESSES[1], port))?,
                TcpListener::bind((BOUND, port))?,
            ],
            _udp: [udp, UdpSocket::bind((ADDRESSES[1], udp_port))?],
            _unix: [
                UnixListener::bind(named("allowed", "stream"))?,
                UnixListener::bind(named("denied", "stream"))?,
            ],
            _datagram: [
                UnixDatagram::bind(named("allowed", "datagram"))?,
                UnixDatagram::bind(named("denied", "datagram"))?,
            ],
            path,
        })
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "the self-test's files stay behind");
        }
    }
}

/// The probe's side: waits for the word, tries everything, reports a line each.
pub(crate) fn serve(area: &Path, ports: [u16; 2], way: &str) -> io::Result<()> {
    let mut word = String::new();
    BufReader::new(io::stdin()).read_line(&mut word)?;
    let mut told = Ok(());
    probe::try_all(area, ports, way == Way::Cgroup.name(), |row| {
        if told.is_ok() {
            // Each at once, so that the sensor knows how far it came.
            told = writeln!(
                io::stdout(),
                "{}\t{}\t{}\t{}",
                row.hook,
                row.probe,
                row.expected,
                row.got
            );
        }
    });
    told
}
