//! Whether the kernel runs a program each time it comes by it.
//!
//! A tracing program is passed over while another task is inside the same program on that processor (`prog->active` in
//! `kernel/bpf/trampoline.c`); an LSM program too before 6.2 (commit 271de525e1d7). On a kernel that takes the processor from
//! a task in the middle of it (`preempt=full` or `lazy`) that would let actions by unjudged, as often as somebody wishes. What
//! a kernel does cannot be read anywhere, so it is made to happen: of two threads on one processor one is in a program that
//! takes 50 ms, some turns of the scheduler, and the other comes by the same program meanwhile.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use libbpf_rs::ObjectBuilder;
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, getpgid, getpid, gettid};

use crate::hooks::Way;
use crate::probe;

const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/obedience.bpf.o"));

/// Each of AA_DAWDLE_NS.
const CALLS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(2);

/// Why it could not be found out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObedienceError {
    /// The program was refused or not attached.
    #[error("the kernel refuses a program at `task_getpgid`")]
    Program(#[from] libbpf_rs::Error),
    /// The object is not as this crate builds it.
    #[error("the program is not laid out as expected")]
    Layout,
    /// It was attached, and what it denies was not denied.
    #[error("a program at `task_getpgid` is attached and does not run")]
    Ineffective,
    /// A thread could not be placed.
    #[error("cannot arrange threads for it")]
    Threads(#[source] io::Error),
}

/// Whether programs attached this way run whenever they should. Takes 0.15 s, and the program is gone afterwards.
pub fn is_obeyed(way: Way) -> Result<bool, ObedienceError> {
    let mut open = ObjectBuilder::default().open_memory(OBJECT)?;
    probe::name_process(&mut open).ok_or(ObedienceError::Layout)?;
    for mut program in open.progs_mut() {
        way.redirect(&mut program)?;
    }
    let object = open.load()?;
    let program = object.progs_mut().next().ok_or(ObedienceError::Layout)?;
    let _attached = match way {
        Way::Lsm | Way::Cgroup => program.attach()?,
        Way::FmodRet => program.attach_trace()?,
    };
    never_passed_over()
}

/// Two threads on one processor: one is inside the program nearly always, the other comes by it again and again. On a
/// kernel that does not take the processor from the first, that is between its calls.
fn never_passed_over() -> Result<bool, ObedienceError> {
    let done = AtomicBool::new(false);
    let first = first_processor().map_err(ObedienceError::Threads)?;
    thread::scope(|scope| {
        let within = scope.spawn(|| {
            let placed = sched_setaffinity(Pid::from_raw(0), &first);
            for _ in 0..CALLS {
                // Denied, after a while.
                let _ = getpgid(Some(getpid()));
            }
            done.store(true, Ordering::Relaxed);
            placed
        });
        let passing = scope.spawn(|| {
            let placed = sched_setaffinity(Pid::from_raw(0), &first);
            let (mut denied, mut passed) = (0_u32, 0_u32);
            while !done.load(Ordering::Relaxed) {
                thread::sleep(PAUSE);
                match getpgid(Some(gettid())) {
                    Err(Errno::EPERM) => denied += 1,
                    _ => passed += 1,
                }
            }
            placed.map(|()| (denied, passed))
        });
        let failed = |errno| ObedienceError::Threads(io::Error::from(errno));
        within.join().unwrap_or(Err(Errno::ENOTRECOVERABLE)).map_err(failed)?;
        match passing.join().unwrap_or(Err(Errno::ENOTRECOVERABLE)).map_err(failed)? {
            (0, _) => Err(ObedienceError::Ineffective),
            (_, passed) => Ok(passed == 0),
        }
    })
}

/// The first one that this process may run on.
fn first_processor() -> io::Result<CpuSet> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let first = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu) == Ok(true));
    let mut one = CpuSet::new();
    one.set(first.ok_or(Errno::EINVAL)?)?;
    Ok(one)
}
