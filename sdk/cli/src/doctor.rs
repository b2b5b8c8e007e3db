//! `aasm doctor`: what this host can do, told without the daemon, and the exact line to change.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::Serialize;

use crate::boot::{self, is_active, with_bpf};
use crate::exit::{Failure, UNAVAILABLE};
use crate::table::table;
use crate::{print, print_json};

/// Below this the kernel tables of a large policy and the daemon do not fit well beside other work.
const MEMORY_KIB: u64 = 512 << 10;

/// What was found on the host; text as the kernel gives it, `None` where there is no such file.
#[derive(Debug)]
struct Found {
    release: Option<String>,
    btf: bool,
    /// The kernel knows task storage, where a process' identity lives (5.11 on).
    task_storage: bool,
    lsm: Option<String>,
    cgroup_controllers: Option<String>,
    lockdown: Option<String>,
    memory_kib: Option<u64>,
    daemon: Result<(), String>,
    grub_line: Option<String>,
}

/// How a fact stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    /// It goes on with less.
    Degraded,
    /// aa-sensord cannot enforce without.
    Missing,
}

/// One line of the answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Fact {
    name: &'static str,
    state: State,
    found: String,
    change: Option<String>,
}

pub(crate) fn doctor(socket: &Path, json: bool, fix: bool) -> Result<(), Failure> {
    let found = look(Path::new("/"), socket);
    if fix {
        return boot::fix(found.lsm.as_deref());
    }
    let facts = judge(&found);
    if json {
        print_json(&facts)?;
    } else {
        print(&render(&facts));
    }
    if facts.iter().any(|fact| fact.state == State::Missing) {
        Err(Failure::Code(UNAVAILABLE))
    } else {
        Ok(())
    }
}

fn look(root: &Path, socket: &Path) -> Found {
    let read = |path: &str| {
        fs::read_to_string(root.join(path))
            .ok()
            .map(|text| text.trim().to_owned())
    };
    let memory = read("proc/meminfo").and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_ascii_whitespace().nth(1)?.parse().ok()
    });
    let grub = read("etc/default/grub");
    let grub_line = grub.and_then(|text| {
        text.lines()
            .find(|line| line.starts_with("GRUB_CMDLINE_LINUX="))
            .map(str::to_owned)
    });
    Found {
        release: read("proc/sys/kernel/osrelease"),
        btf: root.join("sys/kernel/btf/vmlinux").exists(),
        task_storage: fs::read(root.join("sys/kernel/btf/vmlinux")).is_ok_and(|types| names(&types, TASK_STORAGE)),
        lsm: read("sys/kernel/security/lsm"),
        cgroup_controllers: read("sys/fs/cgroup/cgroup.controllers"),
        lockdown: read("sys/kernel/security/lockdown"),
        memory_kib: memory,
        daemon: UnixStream::connect(socket)
            .map(|_| ())
            .map_err(|error| error.to_string()),
        grub_line,
    }
}

/// Facts from what was found; pure.
fn judge(found: &Found) -> Vec<Fact> {
    vec![
        kernel(found),
        btf(found),
        lsm(found),
        cgroup(found),
        lockdown(found),
        memory(found),
        daemon(found),
    ]
}

fn fact(name: &'static str, state: State, found: impl Into<String>, change: Option<String>) -> Fact {
    Fact {
        name,
        state,
        found: found.into(),
        change,
    }
}

/// A function every kernel with task storage has; the names in its type information end in a NUL.
const TASK_STORAGE: &[u8] = b"\0bpf_task_storage_get\0";

fn names(types: &[u8], name: &[u8]) -> bool {
    types.windows(name.len()).any(|bytes| bytes == name)
}

fn kernel(found: &Found) -> Fact {
    let release = found.release.clone().unwrap_or_else(|| "unknown".to_owned());
    if found.btf && !found.task_storage {
        let change = "use a newer kernel: 6.1 is the oldest that is tested".to_owned();
        return fact(
            "kernel",
            State::Missing,
            format!("{release} (too old: no BPF task storage)"),
            Some(change),
        );
    }
    fact("kernel", State::Ok, release, None)
}

fn btf(found: &Found) -> Fact {
    if found.btf {
        return fact("BTF", State::Ok, "/sys/kernel/btf/vmlinux", None);
    }
    let change = "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (every distribution's since 2021)";
    fact("BTF", State::Missing, "not there", Some(change.to_owned()))
}

fn lsm(found: &Found) -> Fact {
    let Some(list) = &found.lsm else {
        let change = "mount -t securityfs securityfs /sys/kernel/security".to_owned();
        return fact(
            "lsm",
            State::Missing,
            "/sys/kernel/security/lsm is not there",
            Some(change),
        );
    };
    if is_active(list) {
        return fact("lsm", State::Ok, list.clone(), None);
    }
    let change = format!(
        "in /etc/default/grub: {}\nthen: sudo update-grub && sudo reboot\nor: sudo aasm doctor --fix, which shows the change and asks",
        grub_line(found.grub_line.as_deref(), list)
    );
    fact(
        "lsm",
        State::Degraded,
        format!("{list} (without bpf: by fmod_ret, or not at all)"),
        Some(change),
    )
}

/// The line as it is now with `lsm=` set to the present list and `bpf`.
fn grub_line(present: Option<&str>, list: &str) -> String {
    let value = present
        .and_then(|line| line.split_once('='))
        .map_or("", |(_, value)| value.trim_matches(['"', '\'']));
    format!("GRUB_CMDLINE_LINUX=\"{}\"", with_bpf(value, list))
}

fn cgroup(found: &Found) -> Fact {
    if let Some(controllers) = &found.cgroup_controllers {
        return fact("cgroup2", State::Ok, format!("at /sys/fs/cgroup: {controllers}"), None);
    }
    let change = "boot with systemd.unified_cgroup_hierarchy=1".to_owned();
    fact("cgroup2", State::Missing, "not at /sys/fs/cgroup", Some(change))
}

fn lockdown(found: &Found) -> Fact {
    let text = found
        .lockdown
        .clone()
        .unwrap_or_else(|| "[none] (not built in)".to_owned());
    if text.contains("[confidentiality]") {
        let change = "boot with lockdown=integrity: confidentiality forbids BPF programs to read memory".to_owned();
        return fact("lockdown", State::Missing, text, Some(change));
    }
    fact("lockdown", State::Ok, text, None)
}

fn memory(found: &Found) -> Fact {
    match found.memory_kib {
        Some(kib) if kib >= MEMORY_KIB => fact("memory", State::Ok, format!("{} MiB", kib >> 10), None),
        Some(kib) => fact(
            "memory",
            State::Degraded,
            format!("{} MiB", kib >> 10),
            Some("512 MiB or more".to_owned()),
        ),
        None => fact("memory", State::Degraded, "unknown", None),
    }
}

fn daemon(found: &Found) -> Fact {
    match &found.daemon {
        Ok(()) => fact("daemon", State::Ok, "running", None),
        Err(why) if why.to_lowercase().contains("permission") => {
            let change = "sudo, or: sudo usermod -aG aa-sensord $USER".to_owned();
            fact(
                "daemon",
                State::Degraded,
                format!("you may not reach it: {why}"),
                Some(change),
            )
        }
        Err(why) => fact(
            "daemon",
            State::Missing,
            why.clone(),
            Some(
                "systemctl start aa-sensord\n  journalctl -u aa-sensord   # where it refuses: why, and what to change"
                    .to_owned(),
            ),
        ),
    }
}

fn render(facts: &[Fact]) -> String {
    let row = |fact: &Fact| {
        let state = match fact.state {
            State::Ok => "ok",
            State::Degraded => "degraded",
            State::Missing => "MISSING",
        };
        vec![fact.name.to_owned(), state.to_owned(), fact.found.clone()]
    };
    let mut text = table(&["FACT", "STATE", "FOUND"], &facts.iter().map(row).collect::<Vec<_>>());
    for fact in facts {
        if let Some(change) = &fact.change {
            let change = change.replace('\n', "\n  ");
            let line = format!("\nto change {}:\n  {change}\n", fact.name);
            text.push_str(&line);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Found {
        Found {
            release: Some("6.12.1".into()),
            btf: true,
            task_storage: true,
            lsm: Some("capability,landlock,bpf".into()),
            cgroup_controllers: Some("cpu memory".into()),
            lockdown: Some("[none] integrity confidentiality".into()),
            memory_kib: Some(4 << 20),
            daemon: Ok(()),
            grub_line: None,
        }
    }

    fn state(found: &Found, name: &str) -> State {
        judge(found).into_iter().find(|fact| fact.name == name).unwrap().state
    }

    #[test]
    fn a_good_host_needs_no_change() {
        assert!(
            judge(&good())
                .iter()
                .all(|fact| fact.state == State::Ok && fact.change.is_none())
        );
    }

    #[test]
    fn each_fact_taken_away_is_noticed() {
        assert_eq!(state(&Found { btf: false, ..good() }, "BTF"), State::Missing);
        let old = Found {
            task_storage: false,
            ..good()
        };
        assert_eq!(state(&old, "kernel"), State::Missing);
        assert_eq!(state(&Found { lsm: None, ..good() }, "lsm"), State::Missing);
        assert_eq!(
            state(
                &Found {
                    lsm: Some("capability,apparmor".into()),
                    ..good()
                },
                "lsm"
            ),
            State::Degraded
        );
        assert_eq!(
            state(
                &Found {
                    cgroup_controllers: None,
                    ..good()
                },
                "cgroup2"
            ),
            State::Missing
        );
        let locked = Some("none integrity [confidentiality]".to_owned());
        assert_eq!(
            state(
                &Found {
                    lockdown: locked,
                    ..good()
                },
                "lockdown"
            ),
            State::Missing
        );
        assert_eq!(
            state(
                &Found {
                    memory_kib: Some(1000),
                    ..good()
                },
                "memory"
            ),
            State::Degraded
        );
        assert_eq!(
            state(
                &Found {
                    daemon: Err("No such file".into()),
                    ..good()
                },
                "daemon"
            ),
            State::Missing
        );
        assert_eq!(
            state(
                &Found {
                    daemon: Err("Permission denied".into()),
                    ..good()
                },
                "daemon"
            ),
            State::Degraded
        );
    }

    #[test]
    fn the_boot_line_keeps_what_stands_there() {
        let line = grub_line(
            Some("GRUB_CMDLINE_LINUX=\"quiet lsm=apparmor net.ifnames=0\""),
            "capability,apparmor",
        );
        assert_eq!(
            line,
            "GRUB_CMDLINE_LINUX=\"quiet net.ifnames=0 lsm=capability,apparmor,bpf\""
        );
        assert_eq!(
            grub_line(None, "capability"),
            "GRUB_CMDLINE_LINUX=\"lsm=capability,bpf\""
        );
    }

    #[test]
    fn what_to_change_stands_below_the_table() {
        let facts = judge(&Found {
            lsm: Some("capability".into()),
            ..good()
        });
        let text = render(&facts);
        assert!(
            text.contains("lsm       degraded  capability (without bpf: by fmod_ret, or not at all)\n"),
            "{text}"
        );
        assert!(
            text.contains("to change lsm:\n  in /etc/default/grub: GRUB_CMDLINE_LINUX=\"lsm=capability,bpf\""),
            "{text}"
        );
    }
}
