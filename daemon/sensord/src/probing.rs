//! Probes in what governed processes run: which files they map as code, what TLS functions are in these, and that the
//! probes are there before the first byte.
//!
//! LSM programs tell of what governed processes map, or perf of every mapping while anybody is governed
//! ([`aa_bpf::mapped`]). A file that a governed process maps for the first time is given to a worker without privileges;
//! until it has answered the agent stands still (its cgroup is frozen, or the process stopped where it is not in there yet).
//! Then probes are attached, for everybody who maps the file; a process nobody governs pays for the trap. When nobody is
//! governed any more the probes go.

pub(crate) mod attacher;
mod awaited;
mod choose;
mod looking;
mod prober;
pub(crate) mod standing;
mod telling;

use std::collections::HashMap;
use std::fs::File;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aa_bpf::Kernel;
use aa_bpf::abi;
use aa_bpf::load::LoadError;
use aa_bpf::mapped::FileVersion;
use aa_bpf::tasks::ProcessHandle;
use aa_bpf::uprobes::{Sites, Sockets};
use aa_probes::Answer;
use aa_wire::sensor::Switch;
use aa_wire::status::{BlindFile, ProbedFile, SOCKET_LIMIT, SocketCoverage, TlsCoverage};
use aa_wire::{AgentId, EscapedBytes, Pid};
use nix::poll::{PollFd, PollFlags};

use crate::sensor::Sensor;
use crate::settings::Settings;
use attacher::Attacher;
use looking::Looks;
use prober::{Prober, Told};
use standing::Standing;
use telling::Telling;

/// The longest an agent stands still for its programs to be read.
const STANDSTILL: Duration = Duration::from_secs(10);
/// Files that are remembered; more than a machine's agents run.
const FILES: usize = 16_384;
/// How long after a program began it may take until a selector has taken effect.
const SELECTED_WITHIN: Duration = Duration::from_millis(5);
/// Processes that wait for that; more are not looked at again.
const UNSURE: usize = 4096;

/// Which file, and in which state: what is written to it anew is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FileKey {
    device: u64,
    inode: u64,
    changed: (i64, i64),
    bytes: u64,
}

impl FileKey {
    /// The same as the kernel has it.
    fn version(&self) -> FileVersion {
        let (major, minor) = (nix::sys::stat::major(self.device), nix::sys::stat::minor(self.device));
        FileVersion {
            device: major << 20 | minor,
            inode: self.inode,
            changed_s: self.changed.0,
            bytes: i64::try_from(self.bytes).unwrap_or(i64::MAX),
            changed_ns: u32::try_from(self.changed.1).unwrap_or_default(),
            pad: 0,
        }
    }

    fn of(file: &File) -> std::io::Result<Self> {
        let data = file.metadata()?;
        Ok(Self {
            device: data.dev(),
            inode: data.ino(),
            changed: (data.ctime(), data.ctime_nsec()),
            bytes: data.size(),
        })
    }
}

/// Where it is written who stands still.
pub(crate) fn note_in(run_dir: &Path) -> PathBuf {
    run_dir.join("standing")
}

#[derive(Debug)]
enum FileState {
    /// The worker has it.
    Asked { number: u64, file: File },
    /// There is nothing to probe.
    Plain,
    /// It could not be read; what it does inside TLS is not seen.
    Blind(BlindFile),
    /// Probed.
    Probed(Probed),
}

/// A file with probes.
#[derive(Debug)]
struct Probed {
    told: ProbedFile,
    sites: Vec<u32>,
    /// Closed, they are gone.
    attached: Vec<OwnedFd>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Probing {
    telling: Telling,
    looks: Looks,
    sites: Sites,
    sockets: Sockets,
    attacher: Attacher,
    prober: Prober,
    /// Names those that stand still ([`standing`]).
    note: PathBuf,
    files: HashMap<FileKey, FileState>,
    /// By agent.
    standing: HashMap<u32, Standing>,
    free_sites: Vec<u32>,
    asked: u64,
    /// By the number of the question.
    asked_files: HashMap<u64, FileKey>,
    /// Processes that mapped code and were not governed: since when.
    unsure: HashMap<u32, Instant>,
    numbered: u32,
    lost: u64,
}

impl Probing {
    /// Prepares for the kernel to tell what is mapped; to be called while privileges are there.
    pub(crate) fn start(kernel: &Kernel, by_lsm: bool, run_dir: &Path) -> Result<Self, LoadError> {
        let telling = Telling::prepare(kernel, by_lsm)?;
        let attacher = Attacher::start().map_err(|source| LoadError::Folder {
            path: "/proc/self/exe".into(),
            source,
        })?;
        Ok(Self {
            telling,
            looks: Looks::default(),
            sites: Sites::new(kernel)?,
            sockets: Sockets::new(kernel)?,
            attacher,
            prober: Prober::default(),
            note: note_in(run_dir),
            files: HashMap::new(),
            standing: HashMap::new(),
            free_sites: (0..abi::AA_TLS_SITES).rev().collect(),
            asked: 0,
            asked_files: HashMap::new(),
            unsure: HashMap::new(),
            numbered: 0,
            lost: 0,
        })
    }

    /// What to wait for; [`Sensor::watch_files`] when any is readable.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = PollFd<'_>> {
        let prober = self.prober.descriptor();
        let tellers = self.telling.descriptors();
        tellers
            .into_iter()
            .chain(prober)
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
    }

    /// When [`Sensor::watch_files`] is to be called though nothing came.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let standing = self.standing.values().map(|standing| standing.since + STANDSTILL);
        let unsure = self.unsure.values().map(|since| *since + SELECTED_WITHIN);
        standing
            .chain(self.prober.deadline())
            .chain(unsure)
            .chain(self.looks.deadline())
            .min()
    }

    /// Whether perf is to tell, where it is perf that does.
    pub(crate) fn listen(&mut self, listens: bool) {
        self.telling.listen(listens);
    }

    /// Writes down who stands still, for a successor, should we die.
    fn write_note(&self) {
        let standing = self.standing.iter();
        let text: String = standing.map(|(agent, standing)| standing.note(*agent)).collect();
        if let Err(error) = std::fs::write(&self.note, text) {
            tracing::warn!(%error, "who stands still is not written down");
        }
    }

    /// Whether the agent's cgroup stands still is from now on what its switch says.
    pub(crate) fn leave_to_switch(&mut self, agent: u32) {
        if let Some(standing) = self.standing.get_mut(&agent) {
            standing.leave_frozen();
            self.write_note();
        }
    }

    /// Under which number the worker has a file, which it is given now if nothing is known of it; none if all is known.
    fn number_of(&mut self, key: FileKey, file: File) -> Option<u64> {
        match self.files.get(&key) {
            Some(FileState::Asked { number, .. }) => return Some(*number),
            Some(_) => return None,
            None => {}
        }
        if self.files.len() >= FILES {
            // Those may be looked at once more; a probed one would not be probed again while its processes live.
            self.files.retain(|_, state| !matches!(state, FileState::Plain));
        }
        let theirs = file.try_clone().ok()?;
        self.asked += 1;
        self.asked_files.insert(self.asked, key);
        self.prober.ask(self.asked, theirs);
        let state = FileState::Asked {
            number: self.asked,
            file,
        };
        self.files.insert(key, state);
        Some(self.asked)
    }

    fn attach(&mut self, file: &File, answer: &Answer) -> FileState {
        let choices = choose::choose(&answer.sites);
        if choices.is_empty() {
            return FileState::Plain;
        }
        self.numbered += 1;
        let mut probed = Probed {
            told: ProbedFile {
                path: name_of(file),
                libraries: Vec::new(),
                functions: 0,
                failed: 0,
            },
            sites: Vec::new(),
            attached: Vec::new(),
        };
        for mut choice in choices {
            let Some(site) = self.free_sites.pop() else {
                tracing::error!("no more places can be probed; some functions are not");
                break;
            };
            choice.site.file = self.numbered;
            let done = self.sites.set(site, &choice.site).and_then(|()| {
                let attach = |(when, offset): &(_, u64)| self.attacher.attach(file, *offset, *when, site);
                choice.probes.iter().map(attach).collect::<Result<Vec<_>, _>>()
            });
            probed.sites.push(site);
            match done {
                Ok(descriptors) => {
                    probed.attached.extend(descriptors);
                    probed.told.functions += 1;
                    let library = format!("{:?}", choice.library);
                    if !probed.told.libraries.contains(&library) {
                        probed.told.libraries.push(library);
                    }
                }
                Err(error) => {
                    probed.told.failed += 1;
                    tracing::warn!(library = ?choice.library, function = ?choice.function, %error, "a function cannot be probed");
                }
            }
        }
        FileState::Probed(probed)
    }

    /// Whether nothing can be probed any more, until the daemon starts anew.
    pub(crate) fn is_lame(&mut self) -> bool {
        self.attacher.ended()
    }

    /// How much of what is said inside TLS is seen.
    pub(crate) fn coverage(&self) -> TlsCoverage {
        let mut coverage = TlsCoverage {
            untold: self.lost,
            ..TlsCoverage::default()
        };
        for state in self.files.values() {
            match state {
                FileState::Probed(probed) => coverage.probed.push(probed.told.clone()),
                FileState::Blind(blind) => coverage.blind.push(blind.clone()),
                FileState::Asked { .. } | FileState::Plain => {}
            }
        }
        coverage.probed.sort_by(|one, other| one.path.cmp(&other.path));
        let mut sockets = self.sockets.list();
        sockets.retain(|row| row.agent != abi::AA_SELF_TEST_AGENT);
        coverage.sockets = sockets.into_iter().map(socket).collect();
        coverage.sockets.sort_by_key(|socket| std::cmp::Reverse(socket.sent));
        coverage.sockets.truncate(SOCKET_LIMIT);
        coverage
    }

    /// Drops every probe and all that is known of files.
    fn forget(&mut self) {
        // Nobody looks at these again, and what is due would have the sensor never sleep.
        self.unsure.clear();
        self.looks = Looks::default();
        if !self.files.is_empty() {
            self.telling.forget();
        }
        for (_, state) in self.files.drain() {
            if let FileState::Probed(probed) = state {
                self.free_sites.extend(probed.sites);
            }
        }
    }
}

/// What a file is called now.
fn name_of(file: &File) -> EscapedBytes {
    let name = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default();
    EscapedBytes::from_bytes(name.as_os_str().as_encoded_bytes())
}

fn socket(row: abi::aa_tls_socket) -> SocketCoverage {
    SocketCoverage {
        agent: AgentId(row.agent),
        pid: Pid(row.pid),
        to: SocketAddr::new(Ipv6Addr::from(row.address).to_canonical(), row.port),
        sent: row.sent,
        said: row.said,
        received: row.received,
        heard: row.heard,
    }
}

impl Sensor {
    /// Takes what the kernel and the worker told, and attaches what is to be attached.
    pub(crate) fn watch_files(&mut self, settings: &Settings) {
        let told = self.probing.telling.hear();
        let anybody = self.registry.agents().next().is_some();
        self.probing.listen(anybody || self.selects());
        if !anybody {
            self.probing.forget();
        }
        if anybody {
            self.look(&told);
        }
        for told in self.probing.prober.hear(settings) {
            self.take_answer(told);
        }
        self.let_go_late();
    }

    /// Nobody stands still for an end of ours.
    pub(crate) fn let_all_go(&mut self) {
        let standing: Vec<u32> = self.probing.standing.keys().copied().collect();
        for agent in standing {
            self.let_go(agent);
        }
    }

    /// The agent waits for a file. One that is suspended or killed does not run anyway.
    fn make_stand(&mut self, agent: u32, process: ProcessHandle, file: u64) {
        let runs = matches!(self.switch_of(agent), Ok(Switch::Running));
        let standing = self.probing.standing.entry(agent).or_insert_with(Standing::new);
        standing.files.insert(file);
        if runs && standing.take(agent, process) {
            self.probing.write_note();
            if let Some(standing) = self.probing.standing.get(&agent) {
                standing.hold(agent);
            }
        }
    }

    fn take_answer(&mut self, told: Told) {
        let number = told.number;
        if let Some(key) = self.probing.asked_files.remove(&number)
            && let Some(FileState::Asked { file, .. }) = self.probing.files.remove(&key)
        {
            let state = match told.answer {
                Ok(answer) => self.probing.attach(&file, &answer),
                Err(why) => FileState::Blind(BlindFile {
                    path: name_of(&file),
                    why: why.to_owned(),
                }),
            };
            self.probing.telling.know(&key.version());
            tracing::debug!(inode = key.inode, ?state, "a file was read");
            self.probing.files.insert(key, state);
        }
        self.need_not_wait(number);
    }

    /// Who waited for nothing else goes on.
    fn need_not_wait(&mut self, number: u64) {
        let standing = self.probing.standing.iter_mut();
        let done = standing.filter_map(|(agent, standing)| {
            let waited = standing.files.remove(&number);
            (waited && standing.files.is_empty()).then_some(*agent)
        });
        for agent in done.collect::<Vec<_>>() {
            self.let_go(agent);
        }
    }

    fn let_go(&mut self, agent: u32) {
        let Some(standing) = self.probing.standing.remove(&agent) else {
            return;
        };
        standing.let_go(agent);
        self.probing.write_note();
        tracing::debug!(
            agent,
            took_us = standing.since.elapsed().as_micros(),
            "went on with its probes"
        );
    }

    /// Nobody waits longer than is said: their first bytes may then be missed.
    fn let_go_late(&mut self) {
        let late: Vec<u32> = self
            .probing
            .standing
            .iter()
            .filter(|(_, standing)| standing.since.elapsed() >= STANDSTILL)
            .map(|(agent, _)| *agent)
            .collect();
        for agent in late {
            tracing::warn!(agent, "its programs take long to be read; it goes on unread");
            self.let_go(agent);
        }
    }
}
