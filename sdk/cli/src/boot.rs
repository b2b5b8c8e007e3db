//! The change of the boot line that has the kernel ask BPF programs (`lsm=...,bpf`): proposed, and made where somebody says yes to it at a
//! terminal. <https://docs.kernel.org/admin-guide/kernel-parameters.html>

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use aa_wire::WireError;

use crate::exit::Failure;
use crate::print;

/// Read by Debian's and Ubuntu's update-grub behind /etc/default/grub.
const DROP_INS: &str = "etc/default/grub.d";
const DROP_IN: &str = "etc/default/grub.d/aa-sensord.cfg";
const GRUB: &str = "etc/default/grub";
/// What kernel-install puts into the entries of systemd-boot.
const CMDLINE: &str = "etc/kernel/cmdline";
const ENTRIES: &str = "boot/loader/entries";
/// What stands there before, where a file is changed.
const BEFORE: &str = "aa-sensord-before";

/// A file to be written.
#[derive(Debug, PartialEq, Eq)]
struct Proposal {
    file: PathBuf,
    before: Option<String>,
    after: String,
    /// What puts it into force.
    then: &'static str,
}

/// Proposes the change for the modules that are active now, in the order of `list`, and makes it if it is agreed to.
pub(crate) fn fix(list: Option<&str>) -> Result<(), Failure> {
    let Some(list) = list else {
        let unknown = WireError::new("unknown-host", "which security modules are active cannot be read");
        return Err(unknown
            .hint("mount -t securityfs securityfs /sys/kernel/security")
            .into());
    };
    if is_active(list) {
        print("Nothing to change on the boot line: bpf is among the security modules.\n");
        return Ok(());
    }
    let root = Path::new("/");
    let Some(proposal) = propose(root, list) else {
        let unknown = WireError::new(
            "unknown-boot-loader",
            "neither GRUB's nor systemd-boot's settings are where they are looked for",
        );
        return Err(unknown
            .hint(format!("add to the kernel's boot line: {}", parameter(list)))
            .into());
    };
    print(&shown(&proposal));
    if !io::stdin().is_terminal() {
        print("Nothing was changed: it is asked about at a terminal.\n");
        return Ok(());
    }
    print("Write it? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(|error| WireError::new("unreadable", "the answer cannot be read").because(error))?;
    if !matches!(answer.trim(), "y" | "yes") {
        print("Nothing was changed.\n");
        return Ok(());
    }
    write(&proposal).map_err(|error| {
        let failed =
            WireError::new("unwritable", format!("{} cannot be written", proposal.file.display())).because(&error);
        match error.kind() {
            io::ErrorKind::PermissionDenied => failed.hint("sudo aasm doctor --fix"),
            _ => failed,
        }
    })?;
    print(&format!("Written. To put it in force: {}\n", proposal.then));
    Ok(())
}

pub(crate) fn is_active(list: &str) -> bool {
    list.split(',').any(|name| name == "bpf")
}

fn parameter(list: &str) -> String {
    format!("lsm={list},bpf")
}

/// Words of a boot line with `lsm=` set to the present list and `bpf`.
pub(crate) fn with_bpf(line: &str, list: &str) -> String {
    let others = line.split_ascii_whitespace().filter(|word| !word.starts_with("lsm="));
    let lsm = parameter(list);
    others.chain([lsm.as_str()]).collect::<Vec<_>>().join(" ")
}

fn propose(root: &Path, list: &str) -> Option<Proposal> {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let update = if root.join("usr/sbin/update-grub").exists() {
        "update-grub, then reboot"
    } else {
        "grub2-mkconfig -o /boot/grub2/grub.cfg, then reboot"
    };
    if let Some(grub) = read(GRUB) {
        if root.join(DROP_INS).is_dir() {
            return Some(Proposal {
                file: root.join(DROP_IN),
                before: read(DROP_IN),
                after: format!(
                    "# By aasm doctor --fix: the kernel asks BPF programs. To undo it, remove this file and run update-grub.\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {}\"\n",
                    parameter(list)
                ),
                then: update,
            });
        }
        return Some(Proposal {
            file: root.join(GRUB),
            after: in_grub(&grub, list),
            before: Some(grub),
            then: update,
        });
    }
    let line = read(CMDLINE).filter(|_| root.join(ENTRIES).is_dir())?;
    Some(Proposal {
        file: root.join(CMDLINE),
        after: with_bpf(&line, list) + "\n",
        before: Some(line),
        then: "kernel-install add $(uname -r) /lib/modules/$(uname -r)/vmlinuz, then reboot",
    })
}

/// The settings with the one line changed, or added.
fn in_grub(text: &str, list: &str) -> String {
    const KEY: &str = "GRUB_CMDLINE_LINUX=";
    let changed = |line: &str| match line.strip_prefix(KEY) {
        Some(value) => format!("{KEY}\"{}\"\n", with_bpf(value.trim_matches(['"', '\'']), list)),
        None => format!("{line}\n"),
    };
    let mut after: String = text.lines().map(changed).collect();
    if !text.lines().any(|line| line.starts_with(KEY)) {
        after = after + KEY + "\"" + &parameter(list) + "\"\n";
    }
    after
}

/// Lines that go and come.
fn shown(proposal: &Proposal) -> String {
    let before: Vec<&str> = proposal.before.iter().flat_map(|text| text.lines()).collect();
    let after: Vec<&str> = proposal.after.lines().collect();
    let gone = before
        .iter()
        .filter(|line| !after.contains(line))
        .map(|line| format!("  - {line}\n"));
    let come = after
        .iter()
        .filter(|line| !before.contains(line))
        .map(|line| format!("  + {line}\n"));
    let lines: String = gone.chain(come).collect();
    format!(
        "{}{}:\n{lines}then: {}\n",
        proposal.file.display(),
        if proposal.before.is_none() { " (new)" } else { "" },
        proposal.then
    )
}

/// There whole, or as before; what is changed is kept beside it.
fn write(proposal: &Proposal) -> io::Result<()> {
    let beside = |suffix: &str| {
        let mut name = proposal.file.clone().into_os_string();
        name.push(".");
        name.push(suffix);
        PathBuf::from(name)
    };
    if let Some(before) = &proposal.before {
        fs::write(beside(BEFORE), before)?;
    }
    let new = beside("new");
    let mut file = fs::File::create(&new)?;
    file.write_all(proposal.after.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, &proposal.file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "lockdown,capability,apparmor";

    fn host(files: &[(&str, &str)], folders: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in folders {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn where_update_grub_reads_more_files_one_is_added() {
        let root = host(
            &[(GRUB, "GRUB_CMDLINE_LINUX=\"quiet\"\n"), ("usr/sbin/update-grub", "")],
            &[DROP_INS],
        );
        let proposal = propose(root.path(), LIST).unwrap();
        assert!(proposal.before.is_none() && proposal.then.starts_with("update-grub"));
        assert!(
            proposal
                .after
                .ends_with("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX lsm=lockdown,capability,apparmor,bpf\"\n")
        );
        assert!(shown(&proposal).contains("aa-sensord.cfg (new):\n  + # By aasm doctor --fix"));
        write(&proposal).unwrap();
        assert_eq!(fs::read_to_string(root.path().join(DROP_IN)).unwrap(), proposal.after);
    }

    #[test]
    fn elsewhere_the_line_is_changed_and_what_was_there_is_kept() {
        let text = "# mine\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX='quiet lsm=apparmor net.ifnames=0'\n";
        let root = host(&[(GRUB, text)], &[]);
        let proposal = propose(root.path(), LIST).unwrap();
        let line = "GRUB_CMDLINE_LINUX=\"quiet net.ifnames=0 lsm=lockdown,capability,apparmor,bpf\"\n";
        assert_eq!(proposal.after, format!("# mine\nGRUB_TIMEOUT=5\n{line}"));
        let lines = shown(&proposal);
        assert!(
            lines.contains("  - GRUB_CMDLINE_LINUX='quiet")
                && lines.contains("  + GRUB_CMDLINE_LINUX=\"quiet")
                && !lines.contains("TIMEOUT")
        );
        write(&proposal).unwrap();
        let kept = fs::read_to_string(root.path().join("etc/default/grub.aa-sensord-before")).unwrap();
        assert_eq!(kept, text);
        assert_eq!(
            in_grub("", LIST),
            format!("GRUB_CMDLINE_LINUX=\"{}\"\n", parameter(LIST))
        );
    }

    #[test]
    fn of_systemd_boot_the_line_of_new_entries_is_changed() {
        let root = host(&[(CMDLINE, "root=UUID=1 ro\n")], &[ENTRIES]);
        let proposal = propose(root.path(), LIST).unwrap();
        assert_eq!(proposal.after, "root=UUID=1 ro lsm=lockdown,capability,apparmor,bpf\n");
        assert!(proposal.then.starts_with("kernel-install"));
        assert_eq!(
            propose(host(&[(CMDLINE, "ro\n")], &[]).path(), LIST),
            None,
            "it is another loader's"
        );
        assert_eq!(propose(host(&[], &[]).path(), LIST), None);
    }

    #[test]
    fn bpf_is_found_among_the_modules_and_not_in_their_names() {
        assert!(is_active("capability,bpf") && is_active("bpf") && !is_active("capability,bpfilter"));
    }
}
