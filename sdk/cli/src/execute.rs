//! `__exec`: becomes governed, then the user, then the program.
//!
//! Everything that reads the system (accounts, the program's place, the policy's file) comes before the daemon is asked,
//! while this process may still read; being governed comes before the user changes, while it may still ask.

use std::ffi::{CString, OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use aa_sdk::{Client, Governed};
use aa_wire::WireError;
use aa_wire::api::{EnvironmentPaths, GovernRequest, PolicySource};
use nix::sys::signal::SigSet;
use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist, setgroups, setresgid, setresuid};

use crate::cli::ExecArgs;
use crate::exit::Failure;
use crate::policy::{is_file, read_policy};
use crate::{confine, floor};

pub(crate) fn execute(socket: &Path, arguments: ExecArgs) -> ExitCode {
    match try_execute(socket, arguments) {
        Ok(never) => match never {},
        Err(failure) => failure.tell(),
    }
}

fn try_execute(socket: &Path, arguments: ExecArgs) -> Result<std::convert::Infallible, Failure> {
    // The parent blocked signals to forward them.
    let _ = SigSet::empty().thread_set_mask();
    let account = Account::find(arguments.user.as_deref())?;
    let (name, rest) = arguments
        .command
        .split_first()
        .ok_or_else(|| WireError::new("usage", "no program is given"))?;
    let program = find_program(name, &account.home)?;
    let own_policy = is_file(&arguments.policy).then(|| arguments.policy.clone());
    if aa_policy::pack(&arguments.policy).is_some() {
        check_work_directory(&arguments.work, &account.home)?;
    }
    let policy = if is_file(&arguments.policy) {
        let text = read_policy(Path::new(&arguments.policy))?;
        PolicySource::Text {
            text,
            file_name: arguments.policy,
        }
    } else {
        PolicySource::Name(arguments.policy)
    };
    let environment = EnvironmentPaths {
        home: account.home.clone(),
        work: arguments.work,
        run: account.runtime_directory(),
    };
    let request = GovernRequest {
        policy,
        environment,
        agent_name: arguments.name,
        confines_itself: confine::is_possible(),
    };
    let governed = Client::connect(socket)?.govern(request)?;
    let (session, warnings) = (governed.session, &governed.warnings);
    // Who runs a policy of their own hears of its warnings; who runs one that ships cannot change it.
    if let Some(file) = own_policy.filter(|_| !warnings.is_empty()) {
        let count = warnings.len();
        let some = if count == 1 { "warning" } else { "warnings" };
        eprintln!("aasm: {count} {some} about {file} - aasm policy check {file}");
    }
    if governed.without_lsm && !confine::is_possible() {
        eprintln!("aasm: this kernel has no Landlock: no rule about files is carried out");
    }
    for gap in &governed.gaps {
        eprintln!("aasm: not carried out on this host: {gap}");
    }
    report(arguments.report, &session.to_string())?;
    let mut command = Command::new(&program);
    command.arg0(name).args(rest).env("AA_SESSION", session.to_string());
    if account.changes {
        account.become_it()?;
        account.describe_in(&mut command);
    }
    if governed.without_lsm {
        close(&governed)?;
    }
    let error = command.exec();
    let hint = if governed.places.is_some_and(|places| places.read.is_some()) {
        "`file.read` of the policy must allow the program, its interpreter and its libraries: Landlock asks for that here"
    } else {
        "if the policy denies it: aasm events --denied -n 1"
    };
    let code = if error.kind() == std::io::ErrorKind::NotFound {
        "not-found"
    } else {
        "cannot-run"
    };
    Err(WireError::new(code, format!("cannot run {}", program.display()))
        .because(error)
        .hint(hint)
        .into())
}

/// What the daemon leaves open on this host and a program can close for itself.
fn close(governed: &Governed) -> Result<(), WireError> {
    if let Some(places) = &governed.places {
        let absent = confine::apply(places).map_err(|error| WireError::from_error("cannot-confine", &error))?;
        if !absent.is_empty() {
            eprintln!(
                "aasm: allowed, but not there (or behind a link), so closed to this run: {}",
                absent.join(", ")
            );
        }
    }
    floor::apply().map_err(|error| WireError::from_error("cannot-confine", &error))
}

/// Tells the parent the session; the descriptor does not reach the program.
fn report(descriptor: i32, session: &str) -> Result<(), WireError> {
    let failed = |error: std::io::Error| WireError::new("internal", "cannot report the session").because(error);
    let path = format!("/proc/self/fd/{descriptor}");
    let written = std::fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut pipe| pipe.write_all(session.as_bytes()));
    nix::unistd::close(descriptor).map_err(|error| failed(error.into()))?;
    written.map_err(failed)
}

/// As whom the program runs.
#[derive(Debug)]
struct Account {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    name: String,
    home: PathBuf,
    shell: PathBuf,
    /// It is somebody else than we are.
    changes: bool,
}

impl Account {
    /// `--user`, else who called sudo, else who we are.
    fn find(wanted: Option<&str>) -> Result<Self, WireError> {
        let root = geteuid().is_root();
        if let Some(name) = wanted {
            if !root {
                return Err(
                    WireError::new("not-permitted", "only root runs programs as somebody else")
                        .hint("sudo aasm run ..."),
                );
            }
            let user = match name.parse() {
                Ok(number) => User::from_uid(Uid::from_raw(number)),
                Err(_) => User::from_name(name),
            };
            return Self::of(user.ok().flatten(), name, true);
        }
        let sudo = std::env::var("SUDO_UID")
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|_| root);
        let uid = sudo.map_or_else(geteuid, Uid::from_raw);
        Self::of(User::from_uid(uid).ok().flatten(), &uid.to_string(), sudo.is_some())
    }

    fn of(user: Option<User>, wanted: &str, changes: bool) -> Result<Self, WireError> {
        let unknown = || WireError::new("usage", format!("there is no user `{wanted}`"));
        let user = user.ok_or_else(unknown)?;
        let name = CString::new(user.name.as_bytes()).map_err(|_| unknown())?;
        let groups = getgrouplist(&name, user.gid)
            .map_err(|error| WireError::new("internal", "cannot find the user's groups").because(error))?;
        Ok(Self {
            uid: user.uid,
            gid: user.gid,
            groups,
            name: user.name,
            home: user.dir,
            shell: user.shell,
            changes,
        })
    }

    fn runtime_directory(&self) -> PathBuf {
        format!("/run/user/{}", self.uid).into()
    }

    fn become_it(&self) -> Result<(), WireError> {
        setgroups(&self.groups)
            .and_then(|()| setresgid(self.gid, self.gid, self.gid))
            .and_then(|()| setresuid(self.uid, self.uid, self.uid))
            .map_err(|error| WireError::new("not-permitted", format!("cannot become {}", self.name)).because(error))
    }

    /// The environment of a login of this user, not of root through sudo.
    fn describe_in(&self, command: &mut Command) {
        command
            .env("HOME", &self.home)
            .env("USER", &self.name)
            .env("LOGNAME", &self.name)
            .env("SHELL", &self.shell);
        command.env("XDG_RUNTIME_DIR", self.runtime_directory());
        for variable in ["SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND", "SUDO_HOME", "MAIL"] {
            command.env_remove(variable);
        }
    }
}

/// The program's file: as given if it has a slash, else by `PATH`, else where users install programs for themselves
/// (sudo's `PATH` leaves these out).
/// Under a policy that ships an agent may write anywhere in `$work`: it must not hold the user's keys and start files.
fn check_work_directory(work: &Path, home: &Path) -> Result<(), WireError> {
    if !home.starts_with(work) {
        return Ok(());
    }
    Err(WireError::new(
        "bad-path",
        format!("the work directory {} holds a whole home directory", work.display()),
    )
    .because("an agent may write anywhere in $work, and so to the keys and start files there")
    .hint("cd to the project first, or name it: aasm run --work DIR ..."))
}

fn find_program(name: &OsStr, home: &Path) -> Result<PathBuf, WireError> {
    let shown = name.to_string_lossy();
    let candidates: Vec<PathBuf> = if name.as_bytes().contains(&b'/') {
        vec![name.into()]
    } else {
        let path: OsString = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let own = [".local/bin", "bin", ".cargo/bin"].map(|directory| home.join(directory));
        std::env::split_paths(&path)
            .chain(own)
            .map(|directory| directory.join(name))
            .collect()
    };
    let mut blocked = None;
    for candidate in candidates {
        match std::fs::metadata(&candidate) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => {
                return std::path::absolute(&candidate)
                    .map_err(|error| WireError::new("cannot-run", format!("cannot run {shown}")).because(error));
            }
            Ok(_) => blocked = Some(candidate),
            Err(_) => {}
        }
    }
    Err(match blocked {
        Some(path) => WireError::new("cannot-run", format!("{} is not a program", path.display())),
        None => WireError::new("not-found", format!("there is no program `{shown}`")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_directory_that_holds_the_home_is_refused_with_what_to_do() {
        let home = Path::new("/home/me");
        for work in ["/", "/home", "/home/me"] {
            let refused = check_work_directory(Path::new(work), home).unwrap_err();
            assert_eq!((refused.code.as_str(), refused.hint.is_some()), ("bad-path", true));
        }
        assert!(check_work_directory(Path::new("/home/me/project"), home).is_ok());
        assert!(check_work_directory(Path::new("/home/mention"), home).is_ok());
    }

    #[test]
    fn a_program_is_found_by_path_and_in_the_users_own_places() {
        assert!(
            find_program(OsStr::new("sh"), Path::new("/nonexistent"))
                .unwrap()
                .is_absolute()
        );
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".local/bin")).unwrap();
        let own = home.path().join(".local/bin/my-own-agent");
        std::fs::write(&own, "#!/bin/sh\n").unwrap();
        let name = OsStr::new("my-own-agent");
        assert_eq!(find_program(name, home.path()).unwrap_err().code, "cannot-run");
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_program(name, home.path()).unwrap(), own);
    }

    #[test]
    fn what_is_not_there_and_what_is_no_program_are_told_apart() {
        let home = Path::new("/nonexistent");
        assert_eq!(
            find_program(OsStr::new("no-such-program-anywhere"), home)
                .unwrap_err()
                .code,
            "not-found"
        );
        assert_eq!(
            find_program(OsStr::new("/etc/passwd"), home).unwrap_err().code,
            "cannot-run"
        );
        assert_eq!(
            find_program(OsStr::new("/no/such"), home).unwrap_err().code,
            "not-found"
        );
    }
}
