//! A cgroup for each `aasm run`, so that all of it can be found, frozen and killed together.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use aa_bpf::hooks::cgroup_root;
use aa_bpf::tasks::TaskList;

/// Where the hierarchy is mounted.
fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(cgroup_root)
}

/// Our folder in it.
fn ours() -> PathBuf {
    root().join("aa-sensord")
}

fn folder(agent: u32) -> PathBuf {
    ours().join(format!("agent-{agent}"))
}

/// Makes our folder. Later it could not be made: nobody may write to the root of the hierarchy, its owner by privilege only.
pub(crate) fn prepare() -> io::Result<()> {
    fs::create_dir_all(ours())
}

/// Makes the agent's cgroup. Returns its id.
pub(crate) fn make(agent: u32) -> io::Result<u64> {
    let folder = folder(agent);
    fs::create_dir_all(&folder)?;
    // An earlier agent of this number may have been suspended.
    freeze(agent, false);
    Ok(fs::metadata(&folder)?.ino())
}

/// Moves the agent's processes into its cgroup, on a thread of its own: the kernel waits out a grace period for a move,
/// more than ten milliseconds, which no start of a program should. Nothing that is decided depends on the cgroup, and
/// the kill switch finds processes by who they are.
pub(crate) fn gather(agent: u32, tasks: TaskList) -> io::Result<()> {
    let work = move || {
        if let Err(error) = try_gather(agent, &tasks) {
            tracing::warn!(agent, error = %error, "processes are outside of their agent's cgroup");
        }
    };
    std::thread::Builder::new().name("cgroup".into()).spawn(work).map(drop)
}

/// Pass after pass, since what is outside may start more there.
fn try_gather(agent: u32, tasks: &TaskList) -> io::Result<()> {
    let procs = folder(agent).join("cgroup.procs");
    for _ in 0..64 {
        let rows = tasks.read().map_err(io::Error::other)?;
        let of_the_agent = rows.iter().filter(|row| row.agent == agent && row.pid == row.tid);
        if !procs.exists() {
            // All of it has ended, and the cgroup is gone.
            return Ok(());
        }
        let inside = members(agent);
        let outside: Vec<u32> = of_the_agent
            .map(|row| row.pid)
            .filter(|pid| !inside.contains(pid))
            .collect();
        if outside.is_empty() {
            return Ok(());
        }
        for pid in outside {
            match fs::write(&procs, pid.to_string()) {
                // It has ended.
                Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => {}
                moved => moved?,
            }
        }
    }
    Err(io::Error::other("they start faster than they can be moved"))
}

/// The processes in the agent's cgroup; none if there is no such cgroup.
pub(crate) fn members(agent: u32) -> BTreeSet<u32> {
    let text = fs::read_to_string(folder(agent).join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Freezes what is in the agent's cgroup, or lets it go on.
pub(crate) fn freeze(agent: u32, frozen: bool) {
    let file = folder(agent).join("cgroup.freeze");
    if file.exists()
        && let Err(error) = fs::write(&file, if frozen { "1" } else { "0" })
    {
        tracing::warn!(agent, frozen, %error, "cgroup.freeze failed; what the agent does is decided by its flag alone");
    }
}

/// Whether all of a frozen cgroup stands still by now. One that is not there does.
pub(crate) fn stands_still(agent: u32) -> bool {
    fs::read_to_string(folder(agent).join("cgroup.events"))
        .map_or(true, |text| text.lines().any(|line| line == "frozen 1"))
}

/// Kills everything in the agent's cgroup at once, where the kernel can (5.14 on).
pub(crate) fn kill(agent: u32) {
    let file = folder(agent).join("cgroup.kill");
    if file.exists()
        && let Err(error) = fs::write(&file, "1")
    {
        tracing::warn!(agent, %error, "cgroup.kill failed; processes are killed one by one");
    }
}

/// Removes the agent's cgroup if it is empty.
pub(crate) fn leave(agent: u32) {
    let folder = folder(agent);
    if folder.exists()
        && let Err(error) = fs::remove_dir(&folder)
    {
        tracing::debug!(agent, %error, "cgroup not removed");
    }
}

/// The id of a cgroup by its path from the root of the hierarchy; `None` if there is none now.
pub(crate) fn id_of(path: &str) -> Option<u64> {
    fs::metadata(root().join(path.trim_start_matches('/')))
        .ok()
        .map(|data| data.ino())
}

/// The ids of a systemd unit's cgroups, wherever in the hierarchy they are.
pub(crate) fn ids_of_unit(name: &str) -> Vec<u64> {
    let mut found = Vec::new();
    let mut waiting = vec![(root().to_owned(), 0_u32)];
    while let Some((folder, depth)) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(data) = entry.metadata() else { continue };
            if !data.is_dir() {
                continue;
            }
            if entry.file_name() == *name {
                found.push(data.ino());
            } else if depth < 8 {
                waiting.push((entry.path(), depth + 1));
            }
        }
    }
    found
}
