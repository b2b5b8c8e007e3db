//! The QEMU command line of a guest. Pure: facts in, arguments out.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// The emulator.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

/// How the guest's instructions are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accel {
    /// By the processor.
    Kvm,
    /// Translated.
    Tcg,
    /// Translated on one virtual processor with a clock that counts instructions, so that counts repeat exactly.
    CountedTcg,
}

impl fmt::Display for Accel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
            Self::CountedTcg => "tcg, counted",
        })
    }
}

/// What runs as process 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Init {
    /// A script of ours: mounts, loopback, then the task.
    Light,
    /// The distribution's systemd, reduced to what a unit needs.
    Systemd,
}

/// One guest.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// Kernel image.
    pub(crate) kernel: PathBuf,
    /// Its initramfs.
    pub(crate) initramfs: PathBuf,
    /// Root file system; shared, never written.
    pub(crate) root_image: PathBuf,
    /// Job disk.
    pub(crate) job_image: PathBuf,
    /// The kernel's modules.
    pub(crate) modules_image: PathBuf,
    /// Added to the kernel command line.
    pub(crate) append: String,
    /// How to run.
    pub(crate) accel: Accel,
    /// Process 1.
    pub(crate) init: Init,
    /// Virtual processors.
    pub(crate) cpus: u32,
    /// Memory in MiB.
    pub(crate) memory_mib: u32,
    /// A second serial line on the user's terminal.
    pub(crate) terminal: bool,
}

/// The streams between guest and host; each is a socket in the run's directory that QEMU connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The kernel's console.
    Console,
    /// The task's stdout.
    Stdout,
    /// The task's stderr.
    Stderr,
    /// The guest's messages to us.
    Control,
}

impl Stream {
    /// All of them; the last three are virtio-serial ports 1, 2, 3.
    pub(crate) const ALL: [Self; 4] = [Self::Console, Self::Stdout, Self::Stderr, Self::Control];

    /// Name of its socket.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Control => "control",
        }
    }
}

impl Machine {
    /// QEMU's arguments; `sockets` is the directory of the stream sockets.
    pub(crate) fn arguments(&self, sockets: &Path) -> Vec<OsString> {
        let (accel, cpus) = match self.accel {
            Accel::Kvm => ("kvm", self.cpus),
            Accel::Tcg => ("tcg,thread=multi", self.cpus),
            Accel::CountedTcg => ("tcg,thread=single", 1),
        };
        let cpu = if self.accel == Accel::Kvm {
            "host"
        } else {
            "max,la57=off"
        };
        let mut arguments = Arguments::default();
        arguments.flags("-nodefaults -no-user-config -display none -no-reboot -machine pc -nic none");
        arguments.pair("-accel", accel);
        arguments.pair("-cpu", cpu);
        arguments.pair("-smp", cpus.to_string());
        arguments.pair("-m", self.memory_mib.to_string());
        if self.accel == Accel::CountedTcg {
            arguments.pair("-icount", "shift=0");
        }
        arguments.pair("-kernel", &self.kernel);
        arguments.pair("-initrd", &self.initramfs);
        arguments.pair("-append", self.kernel_command_line());
        // In this order they are vda, vdb, vdc.
        arguments.disk("root", &self.root_image, "snapshot=on,cache=unsafe");
        arguments.disk("job", &self.job_image, "readonly=on");
        arguments.disk("modules", &self.modules_image, "readonly=on");
        arguments.pair("-device", "virtio-serial-pci");
        for (number, stream) in Stream::ALL.into_iter().enumerate() {
            let name = stream.name();
            arguments.pair(
                "-chardev",
                format!("socket,id={name},path={}", comma(&sockets.join(name))),
            );
            if stream == Stream::Console {
                arguments.pair("-serial", format!("chardev:{name}"));
            } else {
                arguments.pair(
                    "-device",
                    format!("virtserialport,chardev={name},name=aa.{name},nr={number}"),
                );
            }
        }
        if self.terminal {
            arguments.pair("-chardev", "stdio,id=terminal,signal=off");
            arguments.pair("-serial", "chardev:terminal");
        }
        arguments.list
    }

    fn kernel_command_line(&self) -> String {
        let init = match self.init {
            Init::Light => "aa.init=light",
            Init::Systemd => {
                "aa.init=systemd systemd.unit=aa-job.target systemd.show_status=0 systemd.unified_cgroup_hierarchy=1"
            }
        };
        let line = format!(
            "console=ttyS0 loglevel=5 panic=-1 edd=off random.trust_cpu=on net.ifnames=0 cryptomgr.notests {init} {}",
            self.append
        );
        line.trim_end().to_owned()
    }
}

#[derive(Default)]
struct Arguments {
    list: Vec<OsString>,
}

impl Arguments {
    fn flags(&mut self, flags: &str) {
        self.list.extend(flags.split(' ').map(OsString::from));
    }

    fn pair(&mut self, option: &str, value: impl Into<OsString>) {
        self.list.push(option.into());
        self.list.push(value.into());
    }

    fn disk(&mut self, id: &str, image: &Path, how: &str) {
        self.pair(
            "-drive",
            format!("if=none,id={id},format=raw,file={},{how}", comma(image)),
        );
        self.pair("-device", format!("virtio-blk-pci,drive={id}"));
    }
}

/// In QEMU's option lists a comma within a value is written twice.
fn comma(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(accel: Accel) -> Machine {
        Machine {
            kernel: "k/vmlinux".into(),
            initramfs: "run/initramfs".into(),
            root_image: "a,b/root.img".into(),
            job_image: "run/job.img".into(),
            modules_image: "k/modules.img".into(),
            append: "lsm=bpf".to_owned(),
            accel,
            init: Init::Light,
            cpus: 2,
            memory_mib: 2048,
            terminal: false,
        }
    }

    fn line(machine: &Machine) -> String {
        let arguments = machine.arguments(Path::new("s"));
        arguments
            .iter()
            .map(|argument| argument.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn the_shared_root_is_never_written() {
        let line = line(&machine(Accel::Tcg));
        assert!(line.contains("file=a,,b/root.img,snapshot=on"), "{line}");
        assert!(line.contains("file=run/job.img,readonly=on"), "{line}");
    }

    #[test]
    fn counting_instructions_means_one_processor() {
        let line = line(&machine(Accel::CountedTcg));
        assert!(line.contains("-smp 1 ") && line.contains("-icount shift=0"), "{line}");
        assert!(!self::line(&machine(Accel::Tcg)).contains("-icount"));
    }

    #[test]
    fn the_appended_words_close_the_kernel_command_line() {
        assert!(
            machine(Accel::Kvm)
                .kernel_command_line()
                .ends_with("aa.init=light lsm=bpf")
        );
    }

    #[test]
    fn only_a_shell_gets_the_terminal() {
        assert!(!line(&machine(Accel::Tcg)).contains("stdio"));
        assert!(
            line(&Machine {
                terminal: true,
                ..machine(Accel::Tcg)
            })
            .contains("stdio,id=terminal")
        );
    }
}
