//! `aasm run`: the parent, which stays ungoverned. It starts itself again as the hidden `__exec`, which becomes governed
//! and then the program; forwards signals, waits, and tells at the end what was denied.
//!
//! Standard input, output, error and the terminal are the program's, untouched.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aa_sdk::Client;
use aa_wire::event::Effect;
use aa_wire::{Event, SessionId, Timestamp, WireError};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::approvals::{self, Told};
use crate::cli::RunArgs;
use crate::exit::Failure;
use crate::watch::Watcher;

const FORWARDED: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];
/// `si_code` of a signal somebody sent; the terminal's own have another and reach the program without us.
const SENT_BY_A_PROCESS: [i32; 2] = [0, -6];

/// Runs it; `watcher` shows what its session says meanwhile.
pub(crate) fn run(socket: &Path, arguments: &RunArgs, watcher: Option<Watcher>) -> Result<ExitCode, Failure> {
    let work = work_directory(arguments)?;
    let (report, reported) = nix::unistd::pipe().map_err(|error| internal("cannot make a pipe", error.into()))?;
    close_on_exec(&report)?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg("__exec")
        .arg("--socket")
        .arg(socket)
        .arg("--policy")
        .arg(&arguments.policy)
        .arg("--work")
        .arg(work);
    command.arg("--report").arg(reported.as_raw_fd().to_string());
    for (flag, value) in [("--name", &arguments.name), ("--user", &arguments.user)] {
        if let Some(value) = value {
            command.arg(flag).arg(value);
        }
    }
    command.arg("--").args(&arguments.command);

    // Blocked here and read from a descriptor; the child starts with none blocked.
    let signals = FORWARDED.into_iter().collect::<SigSet>();
    signals
        .thread_block()
        .map_err(|error| internal("cannot block signals", error.into()))?;
    let mut child = command
        .spawn()
        .map_err(|error| internal("cannot start the program", error))?;
    drop(reported);
    let pid = Pid::from_raw(child.id().cast_signed());
    let living = Arc::new(Mutex::new(Some(pid)));
    forward(&signals, Arc::clone(&living))?;
    let session = read_session(report);
    if let Some(session) = session {
        tell_asks(socket, session);
    }
    let watching = session
        .zip(watcher)
        .map(|(session, watcher)| watcher.start(socket, session));
    let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    // From here on nobody signals a number that may soon be somebody else's.
    living.lock().unwrap_or_else(PoisonError::into_inner).take();
    let status = child
        .wait()
        .map_err(|error| internal("cannot wait for the program", error))?;
    if let Some(watching) = watching {
        watching.finish(socket);
    }
    if let Some(session) = session {
        tell_denials(socket, session);
    }
    Ok(exit_code(status))
}

fn work_directory(arguments: &RunArgs) -> Result<PathBuf, WireError> {
    let path = arguments.work.clone().unwrap_or_else(|| ".".into());
    std::fs::canonicalize(&path)
        .map_err(|error| WireError::new("bad-path", format!("cannot use {} as $work", path.display())).because(error))
}

fn close_on_exec(descriptor: &OwnedFd) -> Result<(), WireError> {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    let set = fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    set.map(|_| ())
        .map_err(|error| internal("cannot prepare a pipe", error.into()))
}

fn internal(message: &str, error: std::io::Error) -> WireError {
    WireError::new("internal", message).because(error)
}

/// Passes on what others send us, as long as the child lives.
fn forward(signals: &SigSet, living: Arc<Mutex<Option<Pid>>>) -> Result<(), WireError> {
    let descriptor = SignalFd::new(signals).map_err(|error| internal("cannot receive signals", error.into()))?;
    let spawned = std::thread::Builder::new().name("signals".into()).spawn(move || {
        while let Ok(Some(received)) = descriptor.read_signal() {
            let number = i32::try_from(received.ssi_signo)
                .ok()
                .and_then(|number| Signal::try_from(number).ok());
            let Some(signal) = number.filter(|_| SENT_BY_A_PROCESS.contains(&received.ssi_code)) else {
                continue;
            };
            let pid = living.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(pid) = *pid {
                // It may have ended meanwhile.
                let _ = kill(pid, signal);
            }
        }
    });
    spawned
        .map(|_| ())
        .map_err(|error| internal("cannot receive signals", error))
}

/// What `__exec` reports before it becomes the program; nothing if it never came that far.
fn read_session(report: OwnedFd) -> Option<SessionId> {
    let mut text = String::new();
    File::from(report).take(64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Says at once what the program waits for: nothing else would tell why it stands still. Ends with this process.
fn tell_asks(socket: &Path, session: SessionId) {
    let socket = socket.to_owned();
    let spawned = std::thread::Builder::new().name("asks".into()).spawn(move || {
        loop {
            let _ = approvals::follow(&socket, Some(session), |told| {
                if let Told::Ask(row) = told {
                    eprintln!("{}", approvals::notice(row, Timestamp::now()));
                }
                Ok(())
            });
            // The daemon is being restarted, or has ended: then nobody is asked.
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    if let Err(error) = spawned {
        eprintln!("aasm: asks will not be told here ({error}); see `aasm approvals watch`");
    }
}

fn tell_denials(socket: &Path, session: SessionId) {
    // The program has ended; that the daemon does not answer now changes nothing for its exit code.
    let Ok((count, first)) = Client::connect(socket).and_then(|mut client| client.denials(session, false)) else {
        return;
    };
    if let Some(footer) = first.and_then(|first| footer(count, &first)) {
        eprintln!("{footer}");
    }
}

fn footer(count: u64, first: &Event) -> Option<String> {
    let denied = if first.effect == Effect::WouldDeny {
        "would be denied in `enforce`"
    } else {
        "denied"
    };
    let actions = match count {
        0 => return None,
        1 => format!("1 action {denied}"),
        count => format!("{count} actions {denied}; the first"),
    };
    let object = first
        .object
        .as_ref()
        .map_or_else(String::new, |object| format!(" {object}"));
    let (why, reason) = (first.id, crate::why::short_reason(first));
    Some(format!(
        "aasm: {actions}: {}{object} ({reason}) - aasm why {why}",
        first.action
    ))
}

/// The program's own code; of one that a signal ended, what a shell would say.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(
        code.and_then(|code| u8::try_from(code).ok())
            .unwrap_or(crate::exit::FAILED),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_footer_names_the_first_denial_and_how_to_ask_about_it() {
        let denial = crate::why::tests::denial();
        assert_eq!(
            footer(3, &denial).unwrap(),
            "aasm: 3 actions denied; the first: exec /usr/bin/sudo (rule `deny: sudo`, coding-agent.yaml:31) - aasm why 17"
        );
        assert!(footer(1, &denial).unwrap().starts_with("aasm: 1 action denied: exec"));
        assert_eq!(footer(0, &denial), None);
    }

    #[test]
    fn the_programs_status_is_passed_on_as_a_shell_would() {
        for (raw, expected) in [(0, 0), (3 << 8, 3), (9, 137), (15, 143)] {
            let code = exit_code(ExitStatus::from_raw(raw));
            assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(expected)));
        }
    }
}
