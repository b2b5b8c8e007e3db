//! Where programs are attached: to the LSM's hooks, to the functions that call these, or to cgroups.
//!
//! Where `bpf` is not among the active security modules, programs at `lsm/X` are attached and never run. The same programs
//! run, and deny by what they return, as `fmod_ret` at `security_X`: before the kernel's own modules instead of after
//! them. What they may use less of is in `lib/storage.bpf.h`. Where the kernel takes neither (lockdown), those at the root of the
//! cgroups judge the network by the same tables, and tracing programs at tracepoints follow who is governed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use libbpf_rs::{OpenProgramMut, ProgramAttachType, ProgramType};

/// How the programs that decide are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As BPF-LSM programs.
    Lsm,
    /// In front of the functions that ask the security modules.
    FmodRet,
    /// At the root of the cgroups, where none of these may be loaded: the network only.
    Cgroup,
}

/// Hooks that are called by a function of another name than `security_` and theirs.
const CALLED_BY: [(&str, &str); 3] = [
    ("bprm_check_security", "security_bprm_check"),
    ("userns_create", "security_create_user_ns"),
    (RETURNS_NOTHING, "security_inode_free"),
];

/// Nothing is decided there, so there is nothing to modify.
const RETURNS_NOTHING: &str = "inode_free_security";

/// Functions that programs are at the end of, where there are.
const OPTIONAL_FUNCTIONS: [&str; 7] = [
    "pipe_read",
    "anon_pipe_read",
    "tcp_sendmsg",
    "tcp_recvmsg",
    "btf_trace_sock_send_length",
    "btf_trace_sock_recv_length",
    READS_CONTENT,
];

/// Functions that programs are at the end of where the tracepoint is missing that tells the same (before 6.3).
const INSTEAD_OF_TRACEPOINTS: [(&str, &str); 2] = [
    ("tcp_sendmsg", "btf_trace_sock_send_length"),
    ("tcp_recvmsg", "btf_trace_sock_recv_length"),
];

/// What the kernel reads a whole program with: there where it has IMA (elsewhere the sensor reads it). Only programs of the LSM that sleep may have it done.
const READS_CONTENT: &str = "ima_file_hash";

impl Way {
    /// As status and documentation call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lsm => "bpf-lsm",
            Self::FmodRet => "fmod_ret",
            Self::Cgroup => "cgroup",
        }
    }

    /// Whether an object has programs of this way.
    pub(crate) fn uses(self, object: &str) -> bool {
        match self {
            Self::Lsm | Self::FmodRet => object != "cgroup",
            Self::Cgroup => ["process", "names", "cgroup", "tls"].contains(&object),
        }
    }

    /// Whether a program of such an object, by its ELF section, is one of them. Questions and datagrams are led to the
    /// resolver where they are judged: in `cgroup`, which does both.
    pub(crate) fn loads(self, object: &str, section: &str) -> bool {
        match (self, object) {
            (Self::Lsm | Self::FmodRet, _) | (_, "cgroup") => true,
            (Self::Cgroup, "tls") => !section.starts_with("fexit/") && !section.starts_with("lsm/"),
            (Self::Cgroup, "names") => section.starts_with("cgroup/recvmsg"),
            (Self::Cgroup, _) => section.starts_with("tp_btf/") || section.starts_with("iter/"),
        }
    }

    /// The function at which a program of this ELF section goes instead, and as what.
    fn instead_of(self, section: &str) -> Option<(ProgramAttachType, String)> {
        let hook = section.trim_start_matches('?').strip_prefix("lsm/")?;
        if self != Self::FmodRet {
            return None;
        }
        let renamed = CALLED_BY.iter().find(|(name, _)| *name == hook);
        let function = renamed.map_or_else(|| format!("security_{hook}"), |(_, function)| (*function).to_owned());
        let kind = if hook == RETURNS_NOTHING {
            ProgramAttachType::TraceFentry
        } else {
            ProgramAttachType::ModifyReturn
        };
        Some((kind, function))
    }

    /// Makes a program that is not loaded yet one of this way. Returns whether it is another than it was written as.
    pub(crate) fn redirect(self, program: &mut OpenProgramMut<'_>) -> Result<bool, libbpf_rs::Error> {
        let Some((kind, function)) = self.instead_of(&program.section().to_string_lossy()) else {
            return Ok(false);
        };
        program.set_prog_type(ProgramType::Tracing);
        program.set_attach_type(kind);
        program.set_attach_target(0, Some(function))?;
        Ok(true)
    }

    /// Whether programs of this section are attached to another place than it says, which libbpf must be told.
    pub(crate) fn is_redirected(self, section: &str) -> bool {
        self.instead_of(section).is_some()
    }

    /// What is attached, and to which hook: `lsm/file_open`, `fmod_ret/file_open`. Whether it sleeps is not told.
    pub(crate) fn place(self, section: &str) -> String {
        match (self.instead_of(section), section.split_once('/')) {
            (Some(_), Some((_, hook))) => format!("{}/{hook}", self.name()),
            (None, Some(("lsm.s", hook))) => format!("lsm/{hook}"),
            _ => section.to_owned(),
        }
    }
}

/// The hooks this kernel has, for programs that are not for every kernel. Looked up as names among the strings of its BTF:
/// that takes a thousandth of the time of parsing it, and these names stand there for nothing else.
pub(crate) struct Hooks {
    pub(crate) way: Way,
    functions: BTreeSet<String>,
}

impl Hooks {
    pub(crate) fn of_this_kernel(way: Way) -> io::Result<Self> {
        let strings = btf_strings(Path::new("/sys/kernel/btf/vmlinux"))?;
        let wanted = |name: &&str| {
            name.starts_with("bpf_lsm_") || name.starts_with("security_") || OPTIONAL_FUNCTIONS.contains(name)
        };
        let names = strings
            .split(|byte| *byte == 0)
            .filter_map(|name| str::from_utf8(name).ok());
        Ok(Self {
            way,
            functions: names.filter(wanted).map(str::to_owned).collect(),
        })
    }

    /// Whether a program of this section can be attached, and should be: what is at a `security_` function as it is written
    /// does what the LSM's storage does by itself.
    pub(crate) fn has(&self, section: &str) -> bool {
        let (kind, name) = section.split_once('/').unwrap_or_default();
        let function = match self.way.instead_of(section) {
            Some((_, function)) => function,
            None if kind == "lsm.s" && self.way != Way::Lsm => return false,
            None if section == "lsm.s/bprm_check_security" => READS_CONTENT.to_owned(),
            None if kind == "lsm" || kind == "lsm.s" => format!("bpf_lsm_{name}"),
            None if kind == "tp_btf" => format!("btf_trace_{name}"),
            None if INSTEAD_OF_TRACEPOINTS
                .iter()
                .any(|(function, tracepoint)| *function == name && self.functions.contains(*tracepoint)) =>
            {
                return false;
            }
            None if name.starts_with("security_") && self.way == Way::Lsm => return false,
            None => name.to_owned(),
        };
        self.functions.contains(&function)
    }
}

/// The string section of a BTF file. `struct btf_header`: magic, version and flags, then in words the header's length,
/// offset and length of the types, offset and length of the strings, offsets after the header.
fn btf_strings(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let mut header = [[0_u8; 4]; 6];
    file.read_exact_at(header.as_flattened_mut(), 0)?;
    let [_, header_bytes, _, _, offset, length] = header.map(u32::from_ne_bytes);
    let mut strings = vec![0; length as usize];
    file.read_exact_at(&mut strings, u64::from(header_bytes) + u64::from(offset))?;
    Ok(strings)
}

/// Where the hierarchy of cgroups version 2 is mounted; the usual place if it is nowhere.
pub fn cgroup_root() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let place = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let place = fields.next()?;
        (fields.next()? == "cgroup2").then(|| PathBuf::from(place))
    });
    place.unwrap_or_else(|| "/sys/fs/cgroup".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hooks(way: Way, functions: &[&str]) -> Hooks {
        Hooks {
            way,
            functions: functions.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_hook_is_its_own_place_or_the_function_that_calls_it() {
        assert!(!Way::Lsm.is_redirected("lsm/file_open"));
        let by_function = |section| Way::FmodRet.instead_of(section).map(|(_, function)| function);
        assert_eq!(by_function("lsm/file_open").unwrap(), "security_file_open");
        assert_eq!(by_function("lsm/bprm_check_security").unwrap(), "security_bprm_check");
        assert_eq!(by_function("tp_btf/sched_process_exec"), None);
        assert_eq!(Way::FmodRet.place("lsm/userns_create"), "fmod_ret/userns_create");
        assert_eq!(Way::FmodRet.place("cgroup/connect4"), "cgroup/connect4");
        assert_eq!(Way::Lsm.place("lsm.s/file_open"), "lsm/file_open");
    }

    #[test]
    fn optional_programs_are_loaded_where_their_function_is() {
        let kernel = ["bpf_lsm_userns_create", "security_sk_free", "pipe_read"];
        let by_lsm = hooks(Way::Lsm, &kernel);
        assert!(by_lsm.has("lsm/userns_create") && by_lsm.has("fexit/pipe_read"));
        assert!(!by_lsm.has("fentry/security_sk_free") && !by_lsm.has("fexit/anon_pipe_read"));
        let by_function = hooks(Way::FmodRet, &kernel);
        assert!(by_function.has("fentry/security_sk_free") && !by_function.has("lsm/userns_create"));
        assert!(hooks(Way::FmodRet, &["security_create_user_ns"]).has("lsm/userns_create"));
    }

    #[test]
    fn what_is_in_programs_is_read_where_the_kernel_has_ima() {
        let section = "lsm.s/bprm_check_security";
        assert!(hooks(Way::Lsm, &["ima_file_hash"]).has(section));
        assert!(!hooks(Way::Lsm, &["bpf_lsm_bprm_check_security"]).has(section));
        assert!(!hooks(Way::FmodRet, &["ima_file_hash"]).has(section));
        // What else sleeps needs no more than its hook.
        let other = "lsm.s/socket_sendmsg";
        assert!(hooks(Way::Lsm, &["bpf_lsm_socket_sendmsg"]).has(other));
        assert!(!hooks(Way::FmodRet, &["bpf_lsm_socket_sendmsg"]).has(other));
    }

    #[test]
    fn nothing_that_a_locked_kernel_refuses_is_loaded_by_the_way_of_cgroups() {
        for (object, section, loaded) in [
            ("process", "lsm/task_alloc", false),
            ("process", "?lsm/userns_create", false),
            ("process", "tp_btf/sched_process_exec", true),
            ("process", "iter/task", true),
            ("names", "cgroup/connect4", false),
            ("names", "cgroup/recvmsg6", true),
            ("tls", "lsm/socket_sendmsg", false),
            ("cgroup", "cgroup/connect4", true),
        ] {
            assert_eq!(Way::Cgroup.loads(object, section), loaded, "{object} {section}");
            assert_eq!(Way::Lsm.uses(object), object != "cgroup");
        }
        assert!(!Way::Cgroup.uses("labels") && !Way::Cgroup.uses("file"));
    }
}
