//! Looks at what governed processes have mapped as code.
//!
//! A process that has many mappings makes this long, for calls that cost it nothing. So each is looked at for a moment; who
//! takes longer stands still with its agent and waits in a row, and the row has a fifth of the sensor's time.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use aa_bpf::abi;
use aa_bpf::tasks::ProcessHandle;

use super::awaited::{Awaited, Number, Wanted};
use super::telling::Told;
use super::{FileKey, SELECTED_WITHIN, UNSURE};
use crate::process::{self, MappedCode};
use crate::sensor::{RequestError, Sensor};

/// How long one is looked at before others are. An agent that stands still would wait for the next sensor should this one die: it is
/// to be long for who has few mappings, also on a slow machine.
const SLICE: Duration = Duration::from_millis(5);
/// From the end of a slice of the row to the next.
const PAUSE: Duration = SLICE.saturating_mul(4);

/// Whom to look at.
#[derive(Debug, Default)]
pub(super) struct Looks {
    pub(super) awaited: Awaited,
    /// Those that take long.
    row: VecDeque<Look>,
    next_slice: Option<Instant>,
}

/// A look that has begun.
#[derive(Debug)]
struct Look {
    wanted: Wanted,
    handle: ProcessHandle,
    identity: abi::aa_identity,
    code: MappedCode,
    found: HashSet<Number>,
}

impl Looks {
    /// When to go on.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let slice = self.next_slice.filter(|_| !self.row.is_empty());
        slice.into_iter().chain(self.awaited.deadline()).min()
    }
}

/// What an agent waits for that is in the row: no file has such a number.
fn number_in_row(pid: u32) -> u64 {
    u64::MAX - u64::from(pid)
}

impl Sensor {
    /// Looks at what governed processes have mapped already, as after a start of ours.
    pub(crate) fn look_at_running(&mut self) -> Result<(), RequestError> {
        let rows = self.tasks.list()?;
        for row in rows.iter().filter(|row| row.pid == row.tid) {
            self.probing.looks.awaited.add_all(row.pid);
        }
        Ok(())
    }

    /// What was told, and what was not found yet.
    pub(super) fn look(&mut self, told: &Told) {
        let now = Instant::now();
        self.probing.lost += told.lost;
        for (pid, file) in &told.announced {
            self.probing.looks.awaited.add(*pid, *file, now);
        }
        for pid in &told.begun {
            self.probing.looks.awaited.add_all(*pid);
        }
        let may_follow = self.selects() && !self.probing.telling.tells_of_selected();
        for code in &told.code {
            let governed = self.governed(code.pid);
            if let Some((handle, identity)) = &governed {
                self.look_at(code.pid, handle, identity, (code.from, code.to));
            }
            if governed.is_none() && may_follow && self.probing.unsure.len() < UNSURE {
                self.probing.unsure.entry(code.pid).or_insert(now);
            }
        }
        // Those who were not governed a moment ago.
        let due = |_: &u32, since: &mut Instant| since.elapsed() >= SELECTED_WITHIN;
        for (pid, _) in self.probing.unsure.extract_if(due) {
            self.probing.looks.awaited.add_all(pid);
        }
        for wanted in self.probing.looks.awaited.take(now) {
            let pid = wanted.pid;
            match self.begin(wanted) {
                Some(look) => self.go_on(look),
                None => self.probing.looks.awaited.drop(pid),
            }
        }
        self.go_on_in_row();
    }

    /// `None` if it has ended or is nobody's.
    fn begin(&self, wanted: Wanted) -> Option<Look> {
        let (handle, identity) = self.governed(wanted.pid)?;
        Some(Look {
            code: MappedCode::of(wanted.pid).ok()?,
            found: HashSet::new(),
            wanted,
            handle,
            identity,
        })
    }

    fn go_on_in_row(&mut self) {
        let looks = &mut self.probing.looks;
        if looks.next_slice.is_none_or(|next| Instant::now() >= next)
            && let Some(look) = looks.row.pop_front()
        {
            self.go_on(look);
            self.probing.looks.next_slice = Some(Instant::now() + PAUSE);
        }
    }

    /// For a slice. What is not done then goes to the end of the row.
    fn go_on(&mut self, mut look: Look) {
        let begun = Instant::now();
        let pid = look.wanted.pid;
        for mapping in look.code.by_ref() {
            let code = mapping.map(|code| ((code.device, code.inode), (code.from, code.to)));
            let wanted = |(number, _): &(Number, _)| look.wanted.all || look.wanted.files.contains(number);
            if let Some((number, place)) = code.filter(wanted) {
                look.found.insert(number);
                self.look_at(pid, &look.handle, &look.identity, place);
            }
            if begun.elapsed() >= SLICE {
                if look.identity.agent != abi::AA_SELF_TEST_AGENT
                    && let Ok(handle) = look.handle.try_clone()
                {
                    self.make_stand(look.identity.agent, handle, number_in_row(pid));
                }
                self.probing.looks.row.push_back(look);
                return;
            }
        }
        self.probing.looks.awaited.looked(pid, &look.found, Instant::now());
        self.need_not_wait(number_in_row(pid));
    }

    /// Who it is, if it is there and governed.
    fn governed(&self, pid: u32) -> Option<(ProcessHandle, abi::aa_identity)> {
        let handle = ProcessHandle::open(pid).ok()?;
        let identity = self.tasks.identity(&handle).ok()??;
        Some((handle, identity))
    }

    /// Looks at one mapping.
    fn look_at(&mut self, pid: u32, handle: &ProcessHandle, identity: &abi::aa_identity, (from, to): (u64, u64)) {
        let key = process::open_mapped(pid, from, to).and_then(|file| Ok((FileKey::of(&file)?, file)));
        let Ok((key, file)) = key else { return };
        let number = self.probing.number_of(key, file);
        if number.is_none() {
            self.probing.telling.know(&key.version());
        }
        if let Some(number) = number
            && identity.agent != abi::AA_SELF_TEST_AGENT
            && let Ok(handle) = handle.try_clone()
        {
            self.make_stand(identity.agent, handle, number);
        }
    }
}
