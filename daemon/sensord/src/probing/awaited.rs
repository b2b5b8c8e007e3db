//! Files that processes said to map as code, until these are looked at.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How often a process is looked at for what it said to map.
const TURN: Duration = Duration::from_millis(1);
/// For so long. Its call may wait for other threads; what comes even later, the coverage tells as not read.
const PATIENCE: Duration = Duration::from_millis(20);
/// After so long, at all of its code: on some file systems a file has another number where it is mapped.
const BY_NUMBER: Duration = Duration::from_millis(1);
/// Files of one process that are told apart. Who names more has all of its code looked at.
const FILES: usize = 1024;

/// Which file: its device and inode number.
pub(super) type Number = ((u32, u32), u64);

/// By process. See the module.
#[derive(Debug, Default)]
pub(super) struct Awaited(HashMap<u32, Process>);

#[derive(Debug, Default)]
struct Process {
    /// Since when.
    files: HashMap<Number, Instant>,
    /// Whatever there is.
    all: bool,
    /// Not again before.
    next: Option<Instant>,
    /// It is being looked at.
    busy: bool,
}

/// What to look for in a process.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) pid: u32,
    pub(super) files: HashSet<Number>,
    /// And whatever else there is.
    pub(super) all: bool,
}

impl Awaited {
    pub(super) fn add(&mut self, pid: u32, file: Number, now: Instant) {
        let process = self.0.entry(pid).or_default();
        if process.files.len() < FILES {
            process.files.entry(file).or_insert(now);
        } else {
            process.all = true;
        }
    }

    pub(super) fn add_all(&mut self, pid: u32) {
        self.0.entry(pid).or_default().all = true;
    }

    /// Whom to look at now; of each, [`Awaited::looked`] or [`Awaited::drop`] is to follow.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Wanted> {
        let idle = self.0.iter_mut().filter(|(_, process)| !process.busy);
        let due = idle.filter(|(_, process)| process.next.is_none_or(|next| now >= next));
        let wanted = due.map(|(pid, process)| {
            process.busy = true;
            let late = process.files.values().any(|since| now >= *since + BY_NUMBER);
            Wanted {
                pid: *pid,
                files: process.files.keys().copied().collect(),
                all: std::mem::take(&mut process.all) || late,
            }
        });
        wanted.collect()
    }

    /// What of it was found. The rest is looked for again, while there is patience.
    pub(super) fn looked(&mut self, pid: u32, found: &HashSet<Number>, now: Instant) {
        let Some(process) = self.0.get_mut(&pid) else { return };
        process.busy = false;
        process.next = Some(now + TURN);
        let patient = |since: Instant| now < since + PATIENCE;
        process
            .files
            .retain(|file, since| !found.contains(file) && patient(*since));
        if process.files.is_empty() && !process.all {
            self.0.remove(&pid);
        }
    }

    /// It has ended, or is nobody's.
    pub(super) fn drop(&mut self, pid: u32) {
        self.0.remove(&pid);
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let idle = self.0.values().filter(|process| !process.busy);
        idle.map(|process| process.next.unwrap_or_else(Instant::now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURL: Number = ((8, 1), 100);
    const SSL: Number = ((8, 1), 101);

    fn pids(due: &[Wanted]) -> Vec<u32> {
        due.iter().map(|wanted| wanted.pid).collect()
    }

    #[test]
    fn a_file_is_looked_for_by_number_then_among_all_and_then_no_more() {
        let (mut awaited, start) = (Awaited::default(), Instant::now());
        awaited.add(1, CURL, start);
        awaited.add(1, SSL, start);
        let due = awaited.take(start);
        assert_eq!(pids(&due), [1]);
        assert!(due[0].files == HashSet::from([CURL, SSL]) && !due[0].all);
        assert!(awaited.take(start + TURN).is_empty() && awaited.deadline().is_none());
        awaited.looked(1, &HashSet::from([CURL]), start);
        assert!(awaited.take(start).is_empty(), "not at once");
        assert_eq!(awaited.deadline(), Some(start + TURN));
        let due = awaited.take(start + TURN);
        assert!(due[0].files == HashSet::from([SSL]) && due[0].all);
        awaited.looked(1, &HashSet::new(), start + TURN);
        awaited.take(start + PATIENCE);
        awaited.looked(1, &HashSet::new(), start + PATIENCE);
        assert!(awaited.take(start + PATIENCE * 2).is_empty() && awaited.deadline().is_none());
    }

    #[test]
    fn another_file_does_not_prolong_the_patience_with_the_first() {
        let (mut awaited, start) = (Awaited::default(), Instant::now());
        for turn in 0..=20 {
            let now = start + TURN * turn;
            awaited.add(1, ((8, 1), 1000 + u64::from(turn)), now);
            awaited.take(now);
            awaited.looked(1, &HashSet::new(), now);
        }
        let left = &awaited.0[&1].files;
        assert!(!left.contains_key(&((8, 1), 1000)) && left.contains_key(&((8, 1), 1020)));
    }

    #[test]
    fn what_is_said_meanwhile_is_looked_for_next() {
        let (mut awaited, start) = (Awaited::default(), Instant::now());
        awaited.add(1, CURL, start);
        awaited.take(start);
        awaited.add(1, SSL, start);
        awaited.add_all(1);
        awaited.looked(1, &HashSet::from([CURL]), start);
        let due = awaited.take(start + TURN);
        assert!(due[0].files == HashSet::from([SSL]) && due[0].all);
        awaited.looked(1, &HashSet::from([SSL]), start + TURN);
        assert!(awaited.take(start + TURN * 2).is_empty());
    }

    #[test]
    fn who_names_more_files_than_are_told_apart_has_all_looked_at() {
        let (mut awaited, start) = (Awaited::default(), Instant::now());
        for inode in 0..5000 {
            awaited.add(1, ((8, 1), inode), start);
        }
        let due = awaited.take(start);
        assert!(due[0].all && due[0].files.len() == FILES);
    }
}
