//! Where programs are attached, by which of two ways.
//!
//! Where the kernel refuses LSM programs (lockdown), those at the root of the cgroups judge the network by the same tables,
//! and tracing programs at tracepoints follow who is governed.

use std::fs;
use std::path::PathBuf;

/// How the programs that decide are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As BPF-LSM programs.
    Lsm,
    /// At the root of the cgroups, where none of the LSM's may be loaded: the network only.
    Cgroup,
}

impl Way {
    /// As status and documentation call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lsm => "bpf-lsm",
            Self::Cgroup => "cgroup",
        }
    }

    /// Whether an object has programs of this way.
    pub(crate) fn uses(self, object: &str) -> bool {
        match self {
            Self::Lsm => object != "cgroup",
            Self::Cgroup => ["process", "names", "cgroup"].contains(&object),
        }
    }

    /// Whether a program of such an object, by its ELF section, is one of them. Questions and datagrams are led to the
    /// resolver where they are judged: in `cgroup`, which does both.
    pub(crate) fn loads(self, object: &str, section: &str) -> bool {
        match (self, object) {
            (Self::Lsm, _) | (_, "cgroup") => true,
            (Self::Cgroup, "names") => section.starts_with("cgroup/recvmsg"),
            (Self::Cgroup, _) => !section.trim_start_matches('?').starts_with("lsm/"),
        }
    }
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

    #[test]
    fn nothing_that_a_locked_kernel_refuses_is_loaded_by_the_way_of_cgroups() {
        for (object, section, loaded) in [
            ("process", "lsm/task_alloc", false),
            ("process", "?lsm/userns_create", false),
            ("process", "tp_btf/sched_process_exec", true),
            ("process", "iter/task", true),
            ("names", "cgroup/connect4", false),
            ("names", "cgroup/recvmsg6", true),
            ("cgroup", "cgroup/connect4", true),
        ] {
            assert_eq!(Way::Cgroup.loads(object, section), loaded, "{object} {section}");
            assert_eq!(Way::Lsm.uses(object), object != "cgroup");
        }
        assert!(!Way::Cgroup.uses("labels") && !Way::Cgroup.uses("file"));
    }
}
