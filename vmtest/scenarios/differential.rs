//! The kernel's verdicts against the evaluator's, on random policies and actions near their rules.
//!
//! The paths of a policy are moved below [`ROOT`], a file system of its own, so that the actions can be done for real on whatever files they
//! name. Anything but EPERM counts as let through.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aa_policy::generate::{random_actions, random_policy};
use aa_policy::{Action, Environment, ExecAction, Policy, ProgramKind, Protocol, Verdict, parse_policy};

use crate::act::{Act, word};
use crate::faults::Fault;
use crate::guest::{ACT, Guest, TINY, file_at, script_at, succeed, tiny_at};
use crate::harness::{Checks, Test};

pub(crate) const TESTS: &[Test] = &[Test::long(
    "kernel_verdicts_equal_the_evaluators",
    kernel_verdicts_equal_the_evaluators,
)];

const ROOT: &str = "/d";
const PAIRS: usize = 10_000;
/// Where a machine is too slow for all of them there are as many as this time has room for, and this many at least.
const ENOUGH: Duration = Duration::from_secs(300);
const LEAST_PAIRS: usize = 2_000;
const PER_POLICY: usize = 250;
/// Mismatches shown.
const SHOWN: usize = 25;

fn kernel_verdicts_equal_the_evaluators(_: &Guest, checks: &mut Checks) {
    fs::create_dir_all(ROOT).unwrap();
    succeed("mount", &["-t", "tmpfs", "-o", "mode=755,size=64m", "aa-test", ROOT]);
    let (mut done, mut denied, mut mismatches) = (0, 0, Vec::new());
    let begun = Instant::now();
    for seed in 1.. {
        if done >= PAIRS || (done >= LEAST_PAIRS && begun.elapsed() >= ENOUGH) {
            break;
        }
        assert!(seed < 1000, "too few policies let the test program run");
        let Some((file, policy)) = usable_policy(seed) else {
            continue;
        };
        clear(Path::new(ROOT));
        let mut act = Act::under(&file);
        // What a rule asks about is denied at once: else somebody would have to say no a thousand times.
        let _fault = Fault::inject("unattended", act.number());
        let mut world = World::default();
        for (number, action) in random_actions(seed, &policy, PER_POLICY).into_iter().enumerate() {
            let Some(trial) = world.prepare(&moved(action), number) else {
                continue;
            };
            let answer = trial.carry_out(&mut act);
            let expected = trial
                .judged
                .iter()
                .any(|action| policy.evaluate(action).verdict >= Verdict::Ask);
            let got = answer == "errno EPERM";
            checks.that(!answer.starts_with("usage"), || format!("{trial:?}: {answer}"));
            done += 1;
            denied += usize::from(expected);
            if got != expected {
                let why: Vec<String> = trial
                    .judged
                    .iter()
                    .map(|action| format!("{action}: {}", policy.evaluate(action).reason))
                    .collect();
                mismatches.push(format!(
                    "policy {seed}: `{}` gave {answer}; {}",
                    trial.lines.join("; "),
                    why.join(", ")
                ));
            }
        }
    }
    succeed("umount", &["-l", ROOT]);
    println!("   {done} actions, {denied} of them to be denied");
    // A test of allowed actions alone would prove little, and so would one of denied ones alone.
    checks.that(denied * 5 > done && denied * 10 < done * 9, || {
        format!("{denied} of {done} are denials")
    });
    let shown: Vec<&str> = mismatches.iter().take(SHOWN).map(String::as_str).collect();
    checks.that(mismatches.is_empty(), || {
        format!("{} of {done} differ:\n    {}", mismatches.len(), shown.join("\n    "))
    });
}

/// A random policy below [`ROOT`] that lets act and the scripts' interpreter run; its file and what the daemon will read in it.
fn usable_policy(seed: u64) -> Option<(PathBuf, Policy)> {
    let text = below_root(&random_policy(seed)).replace(
        "exec:\n  allow: [",
        &format!("exec:\n  allow: [\"{ACT}\", \"{TINY}\", "),
    );
    // Where nothing else was allowed.
    let text = text.replace(", ]", "]");
    // Rings are one of the ways to open; what privileges decide, containment.rs tries.
    // Not every kernel can tell what is in a program.
    let text = format!("on_gap: degrade\n{text}");
    let text = text.split("privileges:").next().unwrap_or_default().to_owned() + "privileges: {allow: [io_uring]}\n";
    let file = file_at(format!("/run/aa-guest-test/random-{seed}.yaml"), &text);
    let environment = Environment {
        home: Some("/root".to_owned()),
        run: Some("/run/user/0".to_owned()),
        lets: [("work".to_owned(), "/srv/work".to_owned())].into(),
    };
    let policy = parse_policy(&text, "random", &environment).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let runs = |program: &str| {
        let action = Action::Exec(ExecAction {
            program: program.into(),
            called_as: None,
            argv: vec![program.into()],
            kind: ProgramKind::File,
            content: None,
        });
        policy.evaluate(&action).verdict <= Verdict::Allow
    };
    (runs(ACT) && runs(TINY)).then_some((file, policy))
}

/// Puts [`ROOT`] before the paths of patterns: a slash that begins a pattern, a socket's path or a script's.
fn below_root(text: &str) -> String {
    let mut result = String::new();
    let mut before = ' ';
    for character in text.chars() {
        if character == '/' && (before == '"' || before == ':') {
            result.push_str(ROOT);
        }
        result.push(character);
        before = character;
    }
    // `$work` is below the root too.
    result
        .replace("let: {work: /srv/work}", "let: {w: /d/srv/work}")
        .replace("$work", "$w")
}

fn under_root(path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"@") {
        path.to_vec()
    } else if path == b"/" {
        ROOT.as_bytes().to_vec()
    } else {
        [ROOT.as_bytes(), path].concat()
    }
}

fn moved(action: Action) -> Action {
    let at = |path: Vec<u8>| under_root(&path);
    match action {
        Action::Read { path } => Action::Read { path: at(path) },
        Action::Write { path } => Action::Write { path: at(path) },
        Action::ReadWrite { path } => Action::ReadWrite { path: at(path) },
        Action::Load { path } => Action::Load { path: at(path) },
        Action::Unix { name } => Action::Unix { name: at(name) },
        Action::Rename { old, new, directory } => Action::Rename {
            old: at(old),
            new: at(new),
            directory,
        },
        Action::Link { old, new } => Action::Link {
            old: at(old),
            new: at(new),
        },
        Action::Exec(exec) => Action::Exec(ExecAction {
            program: at(exec.program),
            // What is in the programs here no random rule names.
            content: None,
            ..exec
        }),
        other => other,
    }
}

/// What to ask act, the last line being the action, and what the evaluator is asked.
#[derive(Debug)]
struct Trial {
    lines: Vec<String>,
    judged: Vec<Action>,
    /// Removed after the first line.
    remove: Option<PathBuf>,
}

impl Trial {
    fn new(lines: Vec<String>, judged: Vec<Action>) -> Self {
        Self {
            lines,
            judged,
            remove: None,
        }
    }

    /// Does it; the last answer.
    fn carry_out(&self, act: &mut Act) -> String {
        let mut answer = String::new();
        for line in &self.lines {
            answer = act.ask(line);
            if let Some(path) = &self.remove {
                remove(path).unwrap();
            }
        }
        answer
    }
}

/// One of the ways to reach an address.
fn connecting(address: std::net::SocketAddr, protocol: Protocol, number: usize) -> String {
    let to = format!("{} {}", address.ip(), address.port());
    match (protocol, address.is_ipv4(), number % 3) {
        (Protocol::Tcp, true, 1) => format!("connect-mapped-nonblock {to}"),
        (Protocol::Tcp, _, 2) => format!("tfo {to}"),
        (Protocol::Tcp, ..) => format!("connect-nonblock {to}"),
        (Protocol::Udp, true, 1) => format!("sendto-mapped {to}"),
        (Protocol::Udp, _, 2) => format!("sendto-udp {to}"),
        (Protocol::Udp, ..) => format!("connect-udp {to}"),
        (Protocol::Other, ..) => format!("connect-ping {to}"),
    }
}

/// The files and sockets the actions need.
#[derive(Debug, Default)]
struct World {
    sockets: Vec<(Vec<u8>, UnixListener)>,
}

impl World {
    /// Makes what the action needs; `None` if it cannot be done for real.
    fn prepare(&mut self, action: &Action, number: usize) -> Option<Trial> {
        let judged = vec![action.clone()];
        let one = |line: String| Some(Trial::new(vec![line], judged.clone()));
        match action {
            Action::Read { path } => {
                anything_at(path)?;
                one(format!(
                    "{} {}",
                    pick(&["open-read", "openat2", "opath-reopen", "uring-openat"], number),
                    word(path)
                ))
            }
            Action::Write { path } => prepare_write(path, number).and_then(one),
            Action::ReadWrite { path } => {
                regular_at(path)?;
                one(format!(
                    "{} {}",
                    pick(&["open-both", "mmap-shared-write"], number),
                    word(path)
                ))
            }
            Action::Rename { old, new, directory } => {
                two_names(old, new)?;
                if *directory {
                    directory_at(old)?;
                } else {
                    regular_at(old)?;
                }
                gone(new)?;
                one(format!("rename {} {}", word(old), word(new)))
            }
            Action::Link { old, new } => {
                two_names(old, new)?;
                regular_at(old)?;
                gone(new)?;
                one(format!("link {} {}", word(old), word(new)))
            }
            Action::Load { path } => {
                regular_at(path)?;
                // The file must be opened first.
                let judged = vec![Action::Read { path: path.clone() }, action.clone()];
                let line = format!("{} {}", pick(&["mmap-exec", "mprotect-exec"], number), word(path));
                Some(Trial::new(vec![line], judged))
            }
            Action::Unix { name } => {
                self.socket_at(name)?;
                one(format!("unix-connect {}", word(name)))
            }
            Action::Connect { address, protocol } => one(connecting(*address, *protocol, number)),
            Action::Bind { address, protocol } => {
                let at = format!("{} {}", address.ip(), address.port());
                one(match protocol {
                    Protocol::Tcp => format!("bind {at}"),
                    Protocol::Udp => format!("bind-udp {at}"),
                    Protocol::Other => format!("bind-ping {at}"),
                })
            }
            Action::Exec(exec) => prepare_exec(exec),
            // The kernel knows no names; who carries a label does so for good; what a program gives depends on the program:
            // names.rs, labels.rs and containment.rs try these.
            Action::Use { .. }
            | Action::ConnectHost { .. }
            | Action::Model { .. }
            | Action::Tool(_)
            | Action::Http(_)
            | Action::ConnectBound { .. }
            | Action::Lookup { .. }
            | Action::Carrying { .. } => None,
        }
    }

    /// A listening socket at the name. Nobody accepts: connecting succeeds until the backlog is full.
    fn socket_at(&mut self, name: &[u8]) -> Option<()> {
        let known = self.sockets.iter().position(|(other, _)| other == name);
        if let Some(place) = known {
            if is_there(name) {
                return Some(());
            }
            self.sockets.swap_remove(place);
        }
        let address = if let Some(name) = name.strip_prefix(b"@") {
            SocketAddr::from_abstract_name(name).ok()?
        } else {
            gone(name)?;
            SocketAddr::from_pathname(OsStr::from_bytes(name)).ok()?
        };
        self.sockets
            .push((name.to_vec(), UnixListener::bind_addr(&address).ok()?));
        Some(())
    }
}

/// One of the ways to write, with what it needs.
fn prepare_write(path: &[u8], number: usize) -> Option<String> {
    let action = match number % 8 {
        0 => "create",
        1 => "mkdir",
        2 => "mknod",
        3 => "unlink",
        4 => "open-write",
        5 => "truncate",
        6 => "chown",
        _ => "chmod",
    };
    match number % 8 {
        0..=2 => gone(path)?,
        3..=5 => regular_at(path)?,
        _ => anything_at(path)?,
    }
    Some(format!("{action} {}", word(path)))
}

fn is_there(name: &[u8]) -> bool {
    let is_socket = |found: fs::Metadata| found.file_type().is_socket();
    name.starts_with(b"@")
        || Path::new(OsStr::from_bytes(name))
            .symlink_metadata()
            .is_ok_and(is_socket)
}

fn prepare_exec(exec: &ExecAction) -> Option<Trial> {
    let program = exec.program.as_slice();
    let path = Path::new(OsStr::from_bytes(program));
    let words: Vec<String> = exec.arguments().iter().map(|argument| word(argument)).collect();
    let with = |line: String| {
        if words.is_empty() {
            line
        } else {
            format!("{line} {}", words.join(" "))
        }
    };
    // What is done is judged, in all its particulars.
    let judged = |called_as: Option<Vec<u8>>| {
        vec![Action::Exec(ExecAction {
            called_as,
            ..exec.clone()
        })]
    };
    match exec.kind {
        ProgramKind::Memfd => Some(Trial::new(vec![with("memfd-tiny name".to_owned())], judged(None))),
        ProgramKind::Deleted => {
            let program = Path::new("/d/deleted-program");
            parents(b"/d/deleted-program")?;
            remove(program)?;
            tiny_at(program);
            // Held by a path descriptor, which no rule is about; removed by us in between.
            let lines = vec![
                "hold-opath /d/deleted-program".to_owned(),
                with("exec-held name".to_owned()),
            ];
            Some(Trial {
                remove: Some(program.to_owned()),
                ..Trial::new(lines, judged(None))
            })
        }
        ProgramKind::File | ProgramKind::Script => {
            regular_at(program)?;
            if exec.kind == ProgramKind::Script {
                script_at(path, &format!("#!{TINY}\n"));
            } else {
                tiny_at(path);
            }
            let name = exec
                .called_name()
                .map(<[u8]>::to_vec)
                .filter(|name| !name.contains(&b'/'));
            let Some(name) = name else {
                return Some(Trial::new(vec![with(format!("exec {}", word(program)))], judged(None)));
            };
            let link = Path::new("/run/aa-guest-test/called").join(OsStr::from_bytes(&name));
            fs::create_dir_all(link.parent()?).ok()?;
            // Of an earlier action.
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(path, &link).ok()?;
            let link = link.as_os_str().as_bytes().to_vec();
            Some(Trial::new(
                vec![with(format!("exec {}", word(&link)))],
                judged(Some(link)),
            ))
        }
    }
}

fn pick(list: &[&'static str], number: usize) -> &'static str {
    list[number % list.len()]
}

/// Directories above, and whatever is there or a file.
fn anything_at(path: &[u8]) -> Option<()> {
    parents(path)?;
    let path = Path::new(OsStr::from_bytes(path));
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() || found.is_file() => Some(()),
        Ok(_) => regular_at(path.as_os_str().as_bytes()),
        Err(_) => fs::write(path, "x").ok(),
    }
}

fn regular_at(path: &[u8]) -> Option<()> {
    parents(path)?;
    let path = Path::new(OsStr::from_bytes(path));
    if path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return fs::metadata(path)
            .ok()
            .filter(|found| found.len() > 0)
            .map(|_| ())
            .or_else(|| fs::write(path, "x").ok());
    }
    remove(path)?;
    fs::write(path, "x").ok()
}

fn directory_at(path: &[u8]) -> Option<()> {
    parents(path)?;
    let path = Path::new(OsStr::from_bytes(path));
    if path.is_dir() {
        return Some(());
    }
    remove(path)?;
    fs::create_dir(path).ok()
}

/// Directories above, and nothing there.
fn gone(path: &[u8]) -> Option<()> {
    parents(path)?;
    remove(Path::new(OsStr::from_bytes(path)))
}

/// Makes the directories above; what is in the way goes.
fn parents(path: &[u8]) -> Option<()> {
    let path = Path::new(OsStr::from_bytes(path));
    let parent = path.parent().filter(|_| path != Path::new(ROOT))?;
    for directory in parent.ancestors().collect::<Vec<_>>().into_iter().rev() {
        if !directory.is_dir() {
            remove(directory)?;
            fs::create_dir(directory).ok()?;
        }
    }
    Some(())
}

fn remove(path: &Path) -> Option<()> {
    if path == Path::new(ROOT) {
        return None;
    }
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.ok()
}

/// Neither may lie below the other: the kernel refuses that before it asks.
fn two_names(old: &[u8], new: &[u8]) -> Option<()> {
    let (old, new) = (Path::new(OsStr::from_bytes(old)), Path::new(OsStr::from_bytes(new)));
    let apart = !old.starts_with(new) && !new.starts_with(old);
    (apart && old != Path::new(ROOT) && new != Path::new(ROOT)).then_some(())
}

fn clear(root: &Path) {
    for entry in fs::read_dir(root).unwrap() {
        remove(&entry.unwrap().path()).unwrap();
    }
}
