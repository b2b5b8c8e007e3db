//! The kill switch of the whole system: a file. While it is there nobody is governed anew and every agent is killed.
//!
//! It is made by `aasm kill all`, by SIGUSR1, or by hand where nothing else works any more (`touch /run/aa-sensord/halt`), and
//! removed by `aasm resume all` alone. It needs no gateway.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use aa_bpf::abi;
use aa_wire::AgentId;
use aa_wire::sensor::{Reply, Switch};
use nix::libc;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::sensor::{RequestError, Sensor};

/// How much of what the file says is told.
const LONGEST: u64 = 200;

/// The file, watched.
#[derive(Debug)]
pub(crate) struct Halt {
    file: PathBuf,
    watch: Inotify,
    /// It was there when it was last looked for, and what was to be done is done.
    pub(crate) thrown: bool,
    /// By whom and what came of it, and the how manieth time that was: for each gateway that there is meanwhile, since one may die with it.
    pub(crate) told: Option<(u64, String)>,
    times: u64,
}

impl Halt {
    pub(crate) fn watch(run_dir: &Path) -> io::Result<Self> {
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        watch.add_watch(run_dir, AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO)?;
        Ok(Self {
            file: run_dir.join("halt"),
            watch,
            thrown: false,
            told: None,
            times: 0,
        })
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Something was made beside it, or it was.
    pub(crate) fn hear(&self) {
        // Which does not matter: it is looked for in every turn that this wakes.
        while self.watch.read_events().is_ok_and(|events| !events.is_empty()) {}
    }

    /// Makes the file. One that is there stays as it is.
    pub(crate) fn throw(&self, by: &str) -> io::Result<()> {
        match fs::File::create_new(&self.file) {
            Ok(mut file) => file.write_all(by.as_bytes()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn lift(&mut self) -> io::Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.thrown = false;
        self.told = None;
        Ok(())
    }

    /// What it says. It may be anything: no link is followed, and nothing waits.
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.open(&self.file)?;
        let mut text = Vec::new();
        if file.metadata()?.is_file() {
            file.take(LONGEST).read_to_end(&mut text)?;
        }
        Ok(text)
    }

    /// Who threw it, if it is thrown. What cannot be looked for is taken for thrown.
    pub(crate) fn by(&self) -> Option<String> {
        match fs::symlink_metadata(&self.file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            _ => {}
        }
        let told = aa_wire::text::escape(self.read().unwrap_or_default().trim_ascii());
        Some(if told.is_empty() {
            format!("the file {}", self.file.display())
        } else {
            told
        })
    }
}

impl Sensor {
    /// Why nobody is governed anew, if that is so.
    pub(crate) fn check_halt(&self) -> Result<(), RequestError> {
        self.halt.by().map_or(Ok(()), |by| Err(RequestError::Halted(by)))
    }

    /// Kills everybody if the switch is thrown and was not before.
    pub(crate) fn keep_halt(&mut self) {
        if self.halt.thrown {
            return;
        }
        let Some(by) = self.halt.by() else { return };
        let (agents, processes) = self.halt_all();
        self.halt.thrown = true;
        tracing::warn!(
            by,
            agents = agents.len(),
            processes,
            "everything is halted until `aasm resume all`"
        );
        self.halt.times += 1;
        let how = format!("by {by}: {} agents, {processes} processes", agents.len());
        self.halt.told = Some((self.halt.times, how));
    }

    /// The same for a person; who, and how many processes.
    pub(crate) fn halt(&mut self, by: &str) -> Result<Reply, RequestError> {
        let begun = Instant::now();
        self.halt.throw(by).map_err(RequestError::Halt)?;
        let (agents, processes) = self.halt_all();
        self.halt.thrown = true;
        Ok(Reply::Halted {
            agents,
            processes: u32::try_from(processes).unwrap_or(u32::MAX),
            took_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        })
    }

    /// Agents that were killed, by this or one by one, may be started again.
    pub(crate) fn lift_halt(&mut self) -> Result<Reply, RequestError> {
        self.halt.lift().map_err(RequestError::Halt)?;
        let agents = self.slots_of_agents();
        for (agent, slot) in agents {
            if self.switch_of(agent)? == Switch::Killed {
                self.tables.set_agent(agent, slot, 0)?;
            }
        }
        Ok(Reply::Done)
    }

    fn slots_of_agents(&self) -> Vec<(u32, u32)> {
        let slots = self.registry.agents().map(|(agent, entry)| (agent, entry.slot));
        slots.collect()
    }

    /// First every flag, so that nothing passes from then on, then the processes of one agent after the other.
    fn halt_all(&mut self) -> (Vec<AgentId>, usize) {
        let agents = self.slots_of_agents();
        for (agent, slot) in &agents {
            if let Err(error) = self.tables.set_agent(*agent, *slot, abi::AA_AGENT_KILLED) {
                tracing::error!(agent, %error, "an agent's flag is not set");
            }
        }
        let mut processes = 0;
        for (agent, _) in &agents {
            match self.switch(*agent, Switch::Killed) {
                Ok(Reply::Switched { processes: its, .. }) => processes += its as usize,
                Ok(_) => {}
                Err(error) => tracing::error!(agent, %error, "an agent is not killed"),
            }
        }
        (agents.into_iter().map(|(agent, _)| AgentId(agent)).collect(), processes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_thrown_while_the_file_is_there_whoever_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut halt = Halt::watch(folder.path()).unwrap();
        assert_eq!(halt.by(), None);
        halt.throw("user 0").unwrap();
        halt.throw("user 1").unwrap();
        assert_eq!(halt.by().as_deref(), Some("user 0"));
        halt.thrown = true;
        halt.lift().unwrap();
        assert!(halt.by().is_none() && !halt.thrown);
        halt.lift().unwrap();
        fs::write(folder.path().join("halt"), "").unwrap();
        assert!(halt.by().unwrap().starts_with("the file /"));
        fs::write(folder.path().join("halt"), format!("\x1b[2J{}", "x".repeat(1000))).unwrap();
        let by = halt.by().unwrap();
        assert!(!by.contains('\x1b') && by.len() < 250, "{by}");
        // Of what it leads to nothing is told, and nobody is waited for.
        let file = folder.path().join("halt");
        fs::write(folder.path().join("other"), "told to nobody").unwrap();
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(folder.path().join("other"), &file).unwrap();
        assert!(halt.by().unwrap().starts_with("the file /"));
        fs::remove_file(&file).unwrap();
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(halt.by().unwrap().starts_with("the file /"));
    }
}
