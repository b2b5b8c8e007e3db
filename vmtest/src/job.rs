//! The job disk: what is carried into a guest. A read-only file system with the script, its arguments, and the files to install.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::image::make_ext4;
use crate::manifest::Install;
use crate::table::Expect;
use crate::tool;

const EM_BPF: [u8; 2] = 247_u16.to_le_bytes();
const ELF_MAGIC: &[u8; 4] = b"\x7fELF";

/// What the guest does once it is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    /// Runs a script with these arguments.
    Script {
        /// On the host.
        path: PathBuf,
        /// Passed to it.
        arguments: Vec<String>,
    },
    /// Gives the user a shell on the terminal.
    Shell,
}

/// One job.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// Name in the support table.
    pub(crate) kernel: String,
    /// What the daemon must do on this kernel.
    pub(crate) expect: Expect,
    /// Files to install.
    pub(crate) installs: Vec<Install>,
    /// Whether to start the daemon before the task.
    pub(crate) start_daemon: bool,
    /// What to do.
    pub(crate) task: Task,
}

impl Job {
    /// Writes the job disk to `image`, using `staging` (an empty directory) on the way.
    pub(crate) fn write(&self, staging: &Path, image: &Path) -> Result<()> {
        let files = staging.join("files");
        make_directory(&files)?;
        for install in &self.installs {
            place(install, &files)?;
        }
        if let Task::Script { path, .. } = &self.task {
            fs::copy(path, staging.join("script"))
                .with_context(|| format!("cannot read the script {}", path.display()))?;
        }
        for (name, text) in [("env.sh", self.environment()), ("args.sh", self.arguments())] {
            fs::write(staging.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        make_ext4(staging, image, None)
    }

    fn environment(&self) -> String {
        let mode = if matches!(self.task, Task::Shell) {
            "shell"
        } else {
            "script"
        };
        let mut text = String::new();
        for (name, value) in [
            ("AA_KERNEL", self.kernel.clone()),
            ("AA_EXPECT", self.expect.to_string()),
            ("AA_START", u8::from(self.start_daemon).to_string()),
            ("AA_MODE", mode.to_owned()),
        ] {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{name}={}", quote(&value));
        }
        text
    }

    fn arguments(&self) -> String {
        let arguments = match &self.task {
            Task::Script { arguments, .. } => arguments.as_slice(),
            Task::Shell => &[],
        };
        let quoted: Vec<String> = arguments.iter().map(|argument| quote(argument)).collect();
        format!("set -- {}\n", quoted.join(" "))
    }
}

/// Puts a file below `files` where it belongs below the guest's root, with its mode; the guest copies all of them at once.
fn place(install: &Install, files: &Path) -> Result<()> {
    let dest = install.dest.trim_start_matches('/');
    let mut directory = files.to_owned();
    for part in Path::new(dest).parent().into_iter().flatten() {
        directory.push(part);
        make_directory(&directory)?;
    }
    let place = files.join(dest);
    copy_lean(&install.source, &place)?;
    let mode = u32::from_str_radix(&install.mode, 8).with_context(|| format!("{} is no mode", install.mode))?;
    fs::set_permissions(&place, Permissions::from_mode(mode)).with_context(|| format!("cannot set {}", place.display()))
}

/// One that all may enter whatever the user's umask: the guest's directories get its mode.
fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot make {}", path.display()))
}

/// Copies a file, a program without its line tables: they are most of it, and an emulated guest takes seconds to copy them.
fn copy_lean(source: &Path, place: &Path) -> Result<()> {
    let context = || format!("cannot copy {}", source.display());
    // e_machine (gABI 1.2): strip knows programs of this machine, and BPF objects need their types.
    let mut head = [0; 20];
    let mut file = fs::File::open(source).with_context(context)?;
    if file.read_exact(&mut head).is_err() || !head.starts_with(ELF_MAGIC) || head.ends_with(&EM_BPF) {
        return fs::copy(source, place).map(drop).with_context(context);
    }
    tool::run(
        tool::command("strip")
            .arg("--strip-debug")
            .arg("-o")
            .args([place, source]),
    )
    .with_context(context)
}

/// One word for a POSIX shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(arguments: &[&str]) -> Job {
        Job {
            kernel: "6.12".to_owned(),
            expect: Expect::Enforce,
            installs: Vec::new(),
            start_daemon: true,
            task: Task::Script {
                path: "s".into(),
                arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            },
        }
    }

    #[test]
    fn a_shell_reads_back_the_arguments_as_given() {
        let given = ["plain", "two words", "it's", "$HOME `id` \\", ""];
        let script = format!("{}printf '<%s>' \"$@\"", job(&given).arguments());
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let wanted: String = format!("<{}>", given.join("><"));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), wanted);
    }

    #[test]
    fn a_file_lies_below_the_root_with_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source");
        fs::write(&source, "#!/bin/sh\n").unwrap();
        let install = Install {
            source,
            dest: "/usr/bin/it's".to_owned(),
            mode: "0751".to_owned(),
        };
        let files = directory.path().join("files");
        make_directory(&files).unwrap();
        place(&install, &files).unwrap();
        let mode = |path: &str| fs::metadata(files.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(
            (mode("usr"), mode("usr/bin"), mode("usr/bin/it's")),
            (0o755, 0o755, 0o751)
        );
    }

    #[test]
    fn the_environment_names_kernel_and_expectation() {
        assert_eq!(
            job(&[]).environment(),
            "AA_KERNEL='6.12'\nAA_EXPECT='enforce'\nAA_START='1'\nAA_MODE='script'\n"
        );
    }
}
