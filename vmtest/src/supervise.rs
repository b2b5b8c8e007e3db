//! One QEMU process from start to end: its streams, its time limit, and how it ended.
//!
//! Threads: one reader per stream (four), each sending what it reads, or writing it to its sink; all end when QEMU closes the sockets. The
//! caller's thread owns the QEMU process and decides when it ends.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::frame::{BREAKPOINT, Control, Health, Lines, health};
use crate::qemu::{Accel, Machine, PROGRAM, Stream};
use crate::report;
use crate::tool::{self, ToolError};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const PACE: Duration = Duration::from_millis(50);
/// After a panic the kernel prints a few more lines worth keeping.
const PANIC_GRACE: Duration = Duration::from_millis(500);

/// Takes a task's output as it comes.
pub(crate) type Sink = Box<dyn FnMut(&[u8]) + Send>;

/// Where a task's output goes.
pub(crate) struct Sinks {
    /// Its stdout.
    pub(crate) stdout: Sink,
    /// Its stderr.
    pub(crate) stderr: Sink,
}

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The task ended with this status.
    Exited(u8),
    /// The guest could not get as far as the task.
    Failed(String),
    /// The kernel panicked.
    Panicked(String),
    /// The time limit passed.
    TimedOut,
    /// QEMU ended without a word from the guest.
    Died(String),
}

/// A finished guest.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// How it ended.
    pub(crate) end: End,
    /// From QEMU's start to the task's start.
    pub(crate) boot: Option<Duration>,
    /// From QEMU's start to its end.
    pub(crate) total: Duration,
    /// Lines of the console in which the kernel complained.
    pub(crate) complaints: Vec<String>,
    /// What the guest wants the user to know.
    pub(crate) notes: Vec<String>,
    /// Its processors were QEMU's own.
    pub(crate) emulated: bool,
}

enum Event {
    Console(Vec<u8>),
    Control(Vec<u8>),
}

/// How often a machine is started again whose emulator slipped.
const SECOND_CHANCES: usize = 2;

impl Outcome {
    /// Whether QEMU and not the kernel is to blame: of two emulated processors one may run into the breakpoint that the other
    /// has put into the kernel's text and taken out again (`text_poke_bp()`, while static branches are switched at boot or BPF programs
    /// are attached).
    pub(crate) fn emulator_slipped(&self) -> bool {
        let first = self.complaints.first();
        self.emulated && matches!(self.end, End::Panicked(_)) && first.is_some_and(|line| line.contains(BREAKPOINT))
    }
}

/// Runs a machine until its task, its kernel, its time or QEMU ends. `sockets` is an empty directory with a short path.
pub(crate) fn run(
    machine: &Machine,
    sockets: &Path,
    console_log: &Path,
    limit: Duration,
    mut sinks: Sinks,
) -> Result<Outcome> {
    for attempt in 1..=SECOND_CHANCES {
        let (outcome, unused) = run_once(machine, sockets, console_log, limit, sinks)?;
        match unused {
            // No task had begun.
            Some(unused) if outcome.boot.is_none() && outcome.emulator_slipped() => sinks = unused,
            _ => return Ok(outcome),
        }
        report::note(&format!(
            "start {attempt} fell over a breakpoint of the emulator's own making; once more"
        ));
        for stream in Stream::ALL {
            std::fs::remove_file(sockets.join(stream.name()))?;
        }
    }
    Ok(run_once(machine, sockets, console_log, limit, sinks)?.0)
}

/// What happened, and the sinks for another start.
fn run_once(
    machine: &Machine,
    sockets: &Path,
    console_log: &Path,
    limit: Duration,
    sinks: Sinks,
) -> Result<(Outcome, Option<Sinks>)> {
    let listeners = Stream::ALL
        .into_iter()
        .map(|stream| Ok((stream, UnixListener::bind(sockets.join(stream.name()))?)))
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(|| format!("cannot listen in {}", sockets.display()))?;
    let complaints_path = sockets.join("qemu.log");
    let started = Instant::now();
    let mut guest = Guest {
        child: start(machine, sockets, &complaints_path)?,
    };
    let (sender, events) = channel();
    let mut readers = Vec::new();
    let (mut stdout, mut stderr) = (Some(sinks.stdout), Some(sinks.stderr));
    for (stream, listener) in listeners {
        let Some(connection) = guest.accept(&listener)? else {
            bail!("{PROGRAM} ended at once: {}", read_complaints(&complaints_path));
        };
        let sink = match stream {
            Stream::Stdout => stdout.take(),
            Stream::Stderr => stderr.take(),
            Stream::Console => Some(forward(sender.clone(), Event::Console)),
            Stream::Control => Some(forward(sender.clone(), Event::Control)),
        };
        readers.extend(sink.map(|sink| read_into(stream, connection, sink)));
    }
    drop(sender);
    let log = File::create(console_log).with_context(|| format!("cannot make {}", console_log.display()))?;
    let mut watch = Watch::new(started, limit, log);
    watch.follow(&mut guest, &events, &complaints_path)?;
    let total = started.elapsed();
    guest.stop();
    // A sink that panicked has already spoken.
    let (mut stdout, mut stderr) = (None, None);
    for (stream, sink) in readers.into_iter().filter_map(|reader| reader.join().ok()) {
        match stream {
            Stream::Stdout => stdout = Some(sink),
            Stream::Stderr => stderr = Some(sink),
            Stream::Console | Stream::Control => {}
        }
    }
    let sinks = stdout.zip(stderr).map(|(stdout, stderr)| Sinks { stdout, stderr });
    Ok((watch.outcome(total, machine.accel != Accel::Kvm), sinks))
}

/// The QEMU process; does not outlive its owner.
struct Guest {
    child: Child,
}

impl Guest {
    /// Waits for QEMU to connect; none if it ended instead.
    fn accept(&mut self, listener: &UnixListener) -> Result<Option<UnixStream>> {
        listener.set_nonblocking(true)?;
        let deadline = Instant::now() + CONNECT_LIMIT;
        loop {
            match listener.accept() {
                Ok((connection, _)) => {
                    connection.set_nonblocking(false)?;
                    return Ok(Some(connection));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("cannot accept QEMU's connection"),
            }
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop();
    }
}

/// setpriv makes QEMU end with us, however we end.
fn start(machine: &Machine, sockets: &Path, complaints: &Path) -> Result<Child> {
    tool::output(Command::new(PROGRAM).arg("--version"))?;
    let log = File::create(complaints).with_context(|| format!("cannot make {}", complaints.display()))?;
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", PROGRAM])
        .args(machine.arguments(sockets));
    if machine.terminal {
        command.stdin(Stdio::inherit()).stdout(Stdio::inherit());
    } else {
        command.stdin(Stdio::null()).stdout(Stdio::null());
    }
    Ok(command
        .stderr(log)
        .spawn()
        .map_err(|source| ToolError::from_start(&command, source))?)
}

fn forward(sender: Sender<Event>, wrap: fn(Vec<u8>) -> Event) -> Sink {
    Box::new(move |bytes| {
        // Nobody listens any more once the end is known.
        let _ = sender.send(wrap(bytes.to_vec()));
    })
}

fn read_into(stream: Stream, mut connection: UnixStream, mut sink: Sink) -> JoinHandle<(Stream, Sink)> {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count) = connection.read(&mut buffer) {
            match buffer.get(..count) {
                Some(bytes) if count > 0 => sink(bytes),
                _ => break,
            }
        }
        (stream, sink)
    })
}

fn read_complaints(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    if text.trim().is_empty() {
        "it says nothing".to_owned()
    } else {
        tool::tail(&text, 5)
    }
}

/// What has been seen of a guest so far.
struct Watch {
    started: Instant,
    limit: Duration,
    log: File,
    console: Lines,
    control: Lines,
    panic: Option<(String, Instant)>,
    end: Option<End>,
    boot: Option<Duration>,
    complaints: Vec<String>,
    notes: Vec<String>,
}

impl Watch {
    fn new(started: Instant, limit: Duration, log: File) -> Self {
        Self {
            started,
            limit,
            log,
            console: Lines::default(),
            control: Lines::default(),
            panic: None,
            end: None,
            boot: None,
            complaints: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn follow(&mut self, guest: &mut Guest, events: &Receiver<Event>, complaints: &Path) -> Result<()> {
        while self.end.is_none() {
            let ended = guest.child.try_wait().context("cannot wait for QEMU")?;
            match events.recv_timeout(PACE) {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) if ended.is_none() => {}
                // All streams are closed and read to their ends.
                Err(_) => self.end = Some(self.unannounced_end(ended, complaints)),
            }
            if self.end.is_none() && self.started.elapsed() > self.limit {
                self.end = Some(End::TimedOut);
            }
            if let Some((line, seen)) = &self.panic
                && self.end.is_none()
                && seen.elapsed() > PANIC_GRACE
            {
                self.end = Some(End::Panicked(line.clone()));
            }
        }
        Ok(())
    }

    fn unannounced_end(&self, status: Option<ExitStatus>, complaints: &Path) -> End {
        if let Some((line, _)) = &self.panic {
            return End::Panicked(line.clone());
        }
        let status = status.map_or_else(|| "streams closed".to_owned(), |status| status.to_string());
        End::Died(format!("{status}; {}", read_complaints(complaints)))
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Console(bytes) => {
                // A full disk must not end the run.
                let _ = self.log.write_all(&bytes);
                for line in self.console.push(&bytes) {
                    self.take_console(line);
                }
            }
            Event::Control(bytes) => {
                for line in self.control.push(&bytes) {
                    self.take_control(&line);
                }
            }
        }
    }

    fn take_console(&mut self, line: String) {
        match health(&line) {
            Health::Fine => {}
            Health::Complaint => self.complaints.push(line),
            Health::Panic => {
                self.panic.get_or_insert((line, Instant::now()));
            }
        }
    }

    fn take_control(&mut self, line: &str) {
        match Control::parse(line) {
            Control::Start => self.boot = Some(self.started.elapsed()),
            Control::Exit(status) => self.end = Some(End::Exited(status)),
            Control::Fail(reason) => self.end = Some(End::Failed(reason)),
            Control::Note(text) => self.notes.push(text),
            Control::Unknown(line) => self.end = Some(End::Failed(format!("it sent `{line}`, which means nothing"))),
        }
    }

    fn outcome(self, total: Duration, emulated: bool) -> Outcome {
        let end = self.end.unwrap_or_else(|| End::Died("no end was seen".to_owned()));
        Outcome {
            end,
            boot: self.boot,
            total,
            complaints: self.complaints,
            notes: self.notes,
            emulated,
        }
    }
}

/// Where a console log is kept; the oldest are removed.
pub(crate) fn console_log_path(logs: &Path, kernel: &str) -> Result<PathBuf> {
    const KEPT: usize = 30;
    let mut earlier: Vec<(std::time::SystemTime, PathBuf)> = std::fs::read_dir(logs)
        .with_context(|| format!("cannot list {}", logs.display()))?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    earlier.sort();
    for (_, path) in earlier.iter().rev().skip(KEPT) {
        // Another run may have removed it.
        let _ = std::fs::remove_file(path);
    }
    Ok(logs.join(format!("{kernel}-{}.log", std::process::id())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        Watch::new(Instant::now(), Duration::from_secs(1), tempfile::tempfile().unwrap())
    }

    #[test]
    fn a_status_ends_the_run_and_a_start_is_timed() {
        let mut watch = watch();
        watch.take(Event::Control(b"start\nex".to_vec()));
        assert!(watch.boot.is_some() && watch.end.is_none());
        watch.take(Event::Control(b"it 7\n".to_vec()));
        assert_eq!(watch.outcome(Duration::ZERO, true).end, End::Exited(7));
    }

    #[test]
    fn a_panic_explains_a_qemu_that_ended_without_a_word() {
        let mut watch = watch();
        watch.take(Event::Console(
            b"[1.0] WARNING: CPU: 0\n[2.0] Kernel panic - not syncing: x\n".to_vec(),
        ));
        assert!(
            matches!(watch.unannounced_end(None, Path::new("none")), End::Panicked(line) if line.contains("not syncing: x"))
        );
        assert_eq!(watch.complaints.len(), 1);
    }

    #[test]
    fn only_a_panic_by_a_breakpoint_is_the_emulators() {
        let outcome = |console: &[u8], emulated| {
            let mut watch = watch();
            watch.take(Event::Console(console.to_vec()));
            watch.end = Some(watch.unannounced_end(None, Path::new("none")));
            watch.outcome(Duration::ZERO, emulated)
        };
        let slipped = |console: &[u8]| outcome(console, true).emulator_slipped();
        let panic =
            b"[3.9] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n[4.0] Kernel panic - not syncing: Fatal exception\n";
        assert!(slipped(panic));
        assert!(!outcome(panic, false).emulator_slipped());
        assert!(slipped(
            b"[3.9] int3: 0000 [#1] PREEMPT SMP\n[4.0] Kernel panic - not syncing: x\n"
        ));
        assert!(!slipped(
            b"[3.9] Oops: 0000 [#1] SMP\n[4.0] Kernel panic - not syncing: x\n"
        ));
        assert!(!slipped(b"[3.9] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n"));
    }

    #[test]
    fn a_qemu_that_ended_without_a_word_or_a_panic_is_not_success() {
        assert!(matches!(watch().unannounced_end(None, Path::new("none")), End::Died(_)));
        let mut watch = watch();
        watch.take(Event::Control(b"exit\n".to_vec()));
        assert!(matches!(watch.end, Some(End::Failed(_))));
    }
}
