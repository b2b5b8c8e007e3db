//! Facts about the host: one field each, found by looking or doing, never by comparing versions.

use std::error::Error;
use std::fs;
use std::path::Path;

use aa_bpf::hooks::Way;
use aa_wire::status::{FactState, HostFact, HostFacts};

/// What the host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostSupport {
    pub(crate) kernel_release: String,
    /// The kernel's type information, without which no program can be fitted to it.
    pub(crate) btf: FactState,
    /// Where a process' identity lives (5.11 on).
    pub(crate) task_storage: FactState,
    /// `bpf` among the security modules that were booted.
    pub(crate) lsm_bpf: FactState,
    pub(crate) lsm: Vec<String>,
    /// A program that denies does so each time: of LSM programs where `lsm_bpf` holds, else of fmod_ret.
    pub(crate) obeyed: FactState,
    /// Whether the kernel takes programs of the LSM's kind at all: where it is locked down it may not.
    pub(crate) lsm_programs: FactState,
    /// A process whose fork fails keeps its identity.
    pub(crate) keeps_identity: FactState,
    pub(crate) cgroup2: FactState,
    pub(crate) bpffs: FactState,
    /// No kernel lockdown, which would refuse the programs.
    pub(crate) unlocked: FactState,
    pub(crate) privileged: FactState,
}

fn present(path: &str) -> FactState {
    match Path::new(path).try_exists() {
        Ok(true) => FactState::Yes,
        Ok(false) => FactState::No,
        Err(error) => FactState::Unknown(error.to_string()),
    }
}

fn text(path: &str) -> Result<String, String> {
    fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .map_err(|error| format!("{path}: {error}"))
}

fn mounted(kind: &str) -> FactState {
    match text("/proc/self/mountinfo") {
        Ok(mounts) if mounts.lines().any(|line| line.contains(&format!(" - {kind} "))) => FactState::Yes,
        Ok(_) => FactState::No,
        Err(why) => FactState::Unknown(why),
    }
}

/// How programs are attached where this is known of the list of security modules. An unknown list is no reason to give up
/// what the self-test may prove.
fn way(lsm_bpf: &FactState) -> Way {
    if *lsm_bpf == FactState::No {
        Way::FmodRet
    } else {
        Way::Lsm
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Looks.
pub(crate) fn probe_host() -> HostSupport {
    let lsm = text("/sys/kernel/security/lsm");
    let modules: Vec<String> = lsm
        .as_deref()
        .map(|list| list.split(',').map(str::to_owned).collect())
        .unwrap_or_default();
    let lsm_bpf = match &lsm {
        Ok(_) if modules.iter().any(|name| name == "bpf") => FactState::Yes,
        Ok(_) => FactState::No,
        Err(why) => FactState::Unknown(why.clone()),
    };
    HostSupport {
        obeyed: match aa_bpf::obedience::is_obeyed(way(&lsm_bpf)) {
            Ok(true) => FactState::Yes,
            Ok(false) => FactState::No,
            Err(error) => FactState::Unknown(chain(&error)),
        },
        kernel_release: text("/proc/sys/kernel/osrelease").unwrap_or_default(),
        btf: present("/sys/kernel/btf/vmlinux"),
        task_storage: match aa_bpf::probe::has_task_storage() {
            Ok(true) => FactState::Yes,
            Ok(false) => FactState::No,
            Err(error) => FactState::Unknown(error.to_string()),
        },
        lsm_bpf,
        lsm: modules,
        lsm_programs: match aa_bpf::probe::takes_lsm_programs() {
            Ok(true) => FactState::Yes,
            Ok(false) => FactState::No,
            Err(error) => FactState::Unknown(error.to_string()),
        },
        keeps_identity: match aa_bpf::forking::keeps_identity() {
            Ok(true) => FactState::Yes,
            Ok(false) => FactState::No,
            Err(error) => FactState::Unknown(chain(&error)),
        },
        cgroup2: mounted("cgroup2"),
        bpffs: mounted("bpf"),
        unlocked: match text("/sys/kernel/security/lockdown") {
            Ok(modes) if modes.contains("[none]") => FactState::Yes,
            Ok(_) => FactState::No,
            Err(why) => FactState::Unknown(why),
        },
        privileged: match (
            caps::has_cap(None, caps::CapSet::Effective, caps::Capability::CAP_BPF),
            nix::unistd::geteuid(),
        ) {
            (Ok(true), _) => FactState::Yes,
            (_, user) if user.is_root() => FactState::Yes,
            (Ok(false), _) => FactState::No,
            (Err(error), _) => FactState::Unknown(error.to_string()),
        },
    }
}

impl HostSupport {
    /// How programs are attached here.
    pub(crate) fn way(&self) -> Way {
        match self.lsm_programs {
            FactState::No => Way::Cgroup,
            FactState::Yes | FactState::Unknown(_) => way(&self.lsm_bpf),
        }
    }

    /// As status shows them.
    pub(crate) fn facts(&self) -> HostFacts {
        let fact = |name: &str, state: &FactState| HostFact {
            name: name.to_owned(),
            state: state.clone(),
        };
        HostFacts {
            kernel_release: self.kernel_release.clone(),
            lsm: self.lsm.clone(),
            facts: vec![
                fact("btf", &self.btf),
                fact("task-storage", &self.task_storage),
                fact("lsm-bpf", &self.lsm_bpf),
                fact("obeyed", &self.obeyed),
                fact("lsm-programs", &self.lsm_programs),
                fact("keeps-identity", &self.keeps_identity),
                fact("cgroup2", &self.cgroup2),
                fact("bpffs", &self.bpffs),
                fact("unlocked", &self.unlocked),
                fact("privileged", &self.privileged),
            ],
        }
    }
}
