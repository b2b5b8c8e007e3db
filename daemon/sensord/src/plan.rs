//! From facts to what is loaded: pure, and tested by taking one fact away at a time.

use aa_bpf::hooks::Way;
use aa_wire::WireError;
use aa_wire::status::{FactState, Protection, ProtectionState, SelfTestRow};

use crate::host::HostSupport;

/// A protection, and the hooks that prove it.
type ByHooks = (&'static str, &'static [&'static str]);

/// What the programs protect, and the hooks (as programs name them) that prove it.
pub(crate) const PROTECTIONS: [ByHooks; 8] = [
    (
        "file",
        &[
            "file_open",
            "path_mknod",
            "path_unlink",
            "path_rename",
            "path_link",
            "path_symlink",
            "path_truncate",
            "path_mkdir",
            "path_rmdir",
            "path_chmod",
            "path_chown",
        ],
    ),
    ("exec", &["bprm_check_security", "mmap_file"]),
    (
        "connect",
        &[
            "socket_connect",
            "socket_sendmsg",
            "sendmsg4",
            "unix_stream_connect",
            "unix_may_send",
        ],
    ),
    ("names", &["connect4", "sendmsg4", "socket_connect"]),
    ("listen", &["socket_bind", "socket_listen"]),
    ("socket", &["socket_create"]),
    (
        "containment",
        &[
            "task_kill",
            "ptrace_access_check",
            "sb_mount",
            "bpf",
            "file_ioctl",
            "file_fcntl",
            "task_alloc",
            "task_setrlimit",
            "task_setscheduler",
            "task_setnice",
            "task_setioprio",
            "sb_set_mnt_opts",
            "sb_remount",
            "socket_setsockopt",
            "capable",
        ],
    ),
    (
        "labels",
        &[
            "file_open",
            "file_permission",
            "mmap_file",
            "socket_sendmsg",
            "socket_recvmsg",
            "get_pipe_info",
            "unix_stream_recvmsg",
            "unix_dgram_recvmsg",
            "unix_seqpacket_recvmsg",
            "ptrace_access_check",
            "sched_process_fork",
        ],
    ),
];

/// The same where LSM programs are refused, at cgroups. What needs others is named, and not there.
const PROTECTIONS_AT_CGROUPS: [ByHooks; 4] = [
    (
        "connect",
        &[
            "sched_process_fork",
            "connect4",
            "connect6",
            "sendmsg4",
            "connect_unix",
            "sendmsg_unix",
            "egress",
        ],
    ),
    ("names", &["connect4", "egress"]),
    ("listen", &["bind4", "bind6", "ingress"]),
    ("inet-socket", &["sock_create"]),
];
/// There an exec cannot be refused: what is denied is killed before its first instruction.
const EXEC_BY_KILL: ByHooks = ("exec", &["sched_prepare_exec", "sched_process_exec"]);
const NOT_AT_CGROUPS: [(&str, &str); 5] = [
    (
        "file",
        "LSM programs: `aasm run` confines its program by Landlock, and nobody else",
    ),
    (
        "load",
        "LSM programs: code that a process maps is not seen (libraries, `ld.so PROGRAM`)",
    ),
    (
        "socket",
        "LSM programs: at cgroups only sockets of the inet families are seen",
    ),
    ("containment", "LSM programs, which this kernel refuses"),
    ("labels", "LSM programs, which this kernel refuses"),
];

/// The program that reads what is in others; what proves it is told under this name.
pub(crate) const READS_CONTENT: &str = "read_content";

/// Whether the self-test proved that what is in programs is judged.
pub(crate) fn judges_content(self_test: &[SelfTestRow]) -> bool {
    let mut rows = self_test.iter().filter(|row| row.hook == READS_CONTENT).peekable();
    rows.peek().is_some() && rows.all(|row| row.passed)
}

/// How to load, and the refusal if not at all.
pub(crate) fn decide(host: &HostSupport) -> Result<Way, WireError> {
    let refuse =
        |message: &str, cause: String, hint: &str| Err(WireError::new("AA-K001", message).because(cause).hint(hint));
    if host.privileged == FactState::No {
        return refuse(
            "aa-sensord needs to be started as root",
            "loading BPF programs takes CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, which this process lacks".into(),
            "sudo systemctl start aa-sensord",
        );
    }
    if host.btf != FactState::Yes {
        return refuse(
            &format!("kernel {} cannot run aa-sensord", host.kernel_release),
            "it has no type information (/sys/kernel/btf/vmlinux)".into(),
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y; every Debian kernel from 6.1 on has it",
        );
    }
    if host.task_storage == FactState::No {
        return refuse(
            &format!("kernel {} is too old for aa-sensord", host.kernel_release),
            "it has no BPF task storage, in which the identity of a governed process lives".into(),
            "use a newer kernel; 6.1 is the oldest that is tested",
        );
    }
    if host.keeps_identity == FactState::No {
        return refuse(
            &format!("kernel {} forgets who is governed", host.kernel_release),
            "when a fork fails, it frees what it keeps for BPF programs of the process that tried it, and goes on using that \
             memory: anybody could leave his policy, and harm the kernel"
                .into(),
            "update the kernel to one with \"bpf,fork: wipe ->bpf_storage before bailouts that access it\"; Debian's 6.12.117 \
             and 7.3.4 have it",
        )
        .map_err(|refusal| WireError { code: "AA-K007".into(), ..refusal });
    }
    let way = host.way();
    if way != Way::Cgroup && host.obeyed == FactState::No {
        return Err(not_obeyed(host));
    }
    if let (Way::FmodRet, FactState::Unknown(why)) = (way, &host.obeyed) {
        return Err(
            WireError::new("AA-K002", "this kernel cannot enforce: BPF-LSM is not active")
                .because(format!(
                    "`bpf` is not among the active security modules ({}), and without it: {why}",
                    host.lsm.join(",")
                ))
                .hint(boot_line(host)),
        );
    }
    if host.cgroup2 == FactState::No {
        return refuse(
            "aa-sensord needs cgroup version 2",
            "no cgroup2 file system is mounted".into(),
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup, or boot with systemd.unified_cgroup_hierarchy=1",
        );
    }
    if host.bpffs == FactState::No {
        return refuse(
            "aa-sensord needs the BPF file system, where enforcement survives its own restart",
            "no bpf file system is mounted".into(),
            "mount -t bpf bpf /sys/fs/bpf",
        );
    }
    Ok(way)
}

/// A program that is passed over whenever somebody arranges it denies nothing.
fn not_obeyed(host: &HostSupport) -> WireError {
    let told = WireError::new("AA-K005", "this kernel cannot enforce: it passes over programs").because(format!(
        "{} programs are not run while another task is inside of them on the same processor, and this kernel takes the \
         processor from a task there",
        host.way().name()
    ));
    told.hint(match host.way() {
        Way::Lsm | Way::Cgroup => "boot with `preempt=voluntary`, or use kernel 6.2 or newer".to_owned(),
        Way::FmodRet => format!("{}; or boot with `preempt=voluntary`", boot_line(host)),
    })
}

fn boot_line(host: &HostSupport) -> String {
    let modules = host.lsm.iter().map(String::as_str).filter(|name| *name != "capability");
    let list = modules.chain(["bpf"]).collect::<Vec<_>>().join(",");
    format!("boot with `lsm={list}`; `aasm doctor` shows the file and the line to change")
}

/// What is in programs, by their hashes. It is in none of the tables above: a policy that names hashes where they cannot be told is
/// refused, or says that it does without.
fn content(way: Way, proven: &[&str]) -> Protection {
    let missing = match way {
        Way::Lsm => "storage beside inodes",
        Way::FmodRet | Way::Cgroup => "LSM programs",
    };
    let via = way.name().to_owned();
    let proven = proven.contains(&READS_CONTENT);
    let state = if proven {
        ProtectionState::Enforced { via }
    } else {
        let missing = missing.to_owned();
        ProtectionState::Optional { missing }
    };
    Protection {
        name: "content".to_owned(),
        state,
        proven,
    }
}

/// What status says of each protection, given which hooks the self-test proved.
pub(crate) fn coverage(way: Way, attached: &[&str], proven: &[&str]) -> Vec<Protection> {
    let (there, by_kill, absent): (&[ByHooks], &[ByHooks], &[(&str, &str)]) = match way {
        Way::Lsm | Way::FmodRet => (&PROTECTIONS, &[], &[]),
        Way::Cgroup => (&PROTECTIONS_AT_CGROUPS, &[EXEC_BY_KILL], &NOT_AT_CGROUPS),
    };
    let there = there.iter().map(|protection| (protection, way.name()));
    let by_kill = by_kill.iter().map(|protection| (protection, "kill"));
    let absent = absent.iter().map(|(name, missing)| Protection {
        name: (*name).to_owned(),
        state: ProtectionState::Refused {
            missing: (*missing).to_owned(),
        },
        proven: false,
    });
    there
        .chain(by_kill)
        .map(|((name, hooks), via)| {
            let missing: Vec<&str> = hooks.iter().copied().filter(|hook| !attached.contains(hook)).collect();
            let via = via.to_owned();
            let state = if missing.is_empty() {
                ProtectionState::Enforced { via }
            } else {
                ProtectionState::Refused {
                    missing: missing.join(", "),
                }
            };
            Protection {
                name: (*name).to_owned(),
                state,
                proven: hooks.iter().all(|hook| proven.contains(hook)),
            }
        })
        .chain(absent)
        .chain([content(way, proven)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capable_host() -> HostSupport {
        HostSupport {
            kernel_release: "6.12".into(),
            btf: FactState::Yes,
            task_storage: FactState::Yes,
            lsm_bpf: FactState::Yes,
            lsm: ["lockdown", "capability", "bpf"].map(str::to_owned).into(),
            obeyed: FactState::Yes,
            lsm_programs: FactState::Yes,
            keeps_identity: FactState::Yes,
            cgroup2: FactState::Yes,
            bpffs: FactState::Yes,
            unlocked: FactState::Yes,
            privileged: FactState::Yes,
        }
    }

    #[test]
    fn a_capable_host_is_not_refused() {
        assert_eq!(decide(&capable_host()), Ok(Way::Lsm));
    }

    fn host_without_bpf() -> HostSupport {
        HostSupport {
            lsm_bpf: FactState::No,
            lsm: ["lockdown", "capability", "yama"].map(str::to_owned).into(),
            ..capable_host()
        }
    }

    #[test]
    fn without_bpf_in_the_list_programs_go_to_the_functions() {
        assert_eq!(decide(&host_without_bpf()), Ok(Way::FmodRet));
    }

    #[test]
    fn where_these_do_not_deny_either_the_refusal_names_the_line_to_boot_with() {
        let host = HostSupport {
            obeyed: FactState::Unknown("refused".into()),
            ..host_without_bpf()
        };
        let refusal = decide(&host).unwrap_err();
        assert_eq!(refusal.code, "AA-K002");
        assert!(refusal.hint.unwrap().contains("lsm=lockdown,yama,bpf"));
        let with_bpf = HostSupport {
            obeyed: FactState::Unknown("refused".into()),
            ..capable_host()
        };
        assert_eq!(decide(&with_bpf), Ok(Way::Lsm), "the self-test proves it");
    }

    #[test]
    fn a_kernel_that_forgets_who_is_governed_is_refused() {
        let refusal = decide(&HostSupport {
            keeps_identity: FactState::No,
            ..capable_host()
        });
        assert_eq!(refusal.unwrap_err().code, "AA-K007");
        let unknown = HostSupport {
            keeps_identity: FactState::Unknown("refused".into()),
            ..capable_host()
        };
        assert_eq!(decide(&unknown), Ok(Way::Lsm));
    }

    #[test]
    fn programs_that_are_passed_over_are_refused_either_way() {
        for host in [capable_host(), host_without_bpf()] {
            let refusal = decide(&HostSupport {
                obeyed: FactState::No,
                ..host
            });
            assert_eq!(refusal.unwrap_err().code, "AA-K005");
        }
    }

    #[test]
    fn where_programs_of_the_lsm_are_refused_those_at_cgroups_are_planned_and_the_rest_is_named() {
        let host = HostSupport {
            lsm_programs: FactState::No,
            lsm_bpf: FactState::Unknown("no securityfs".into()),
            ..capable_host()
        };
        assert_eq!(decide(&host), Ok(Way::Cgroup));
        let hooks = ["bind4", "bind6", "ingress", "sched_prepare_exec", "sched_process_exec"];
        let all = coverage(Way::Cgroup, &hooks, &hooks);
        let state = |name: &str| all.iter().find(|protection| protection.name == name).unwrap().clone();
        for (name, via) in [("listen", "cgroup"), ("exec", "kill")] {
            let via = via.to_owned();
            assert_eq!(state(name).state, ProtectionState::Enforced { via });
            assert!(state(name).proven);
        }
        for missing in ["file", "load", "socket", "containment", "labels", "connect"] {
            assert!(
                matches!(state(missing).state, ProtectionState::Refused { .. }),
                "{missing}"
            );
        }
    }

    #[test]
    fn hashes_of_programs_are_judged_where_the_self_test_proved_it() {
        let state = |way, proven: &[&str]| coverage(way, &[], proven).pop().unwrap();
        let enforced = state(Way::Lsm, &[READS_CONTENT]);
        assert_eq!(enforced.state, ProtectionState::Enforced { via: "bpf-lsm".into() });
        assert!(enforced.proven && enforced.name == "content");
        for way in [Way::Lsm, Way::FmodRet, Way::Cgroup] {
            let without = state(way, &["bprm_check_security"]);
            assert!(matches!(without.state, ProtectionState::Optional { .. }) && !without.proven);
        }
    }

    #[test]
    fn each_missing_fact_is_refused_with_cause_and_hint() {
        let without = [
            HostSupport {
                task_storage: FactState::No,
                ..capable_host()
            },
            HostSupport {
                btf: FactState::No,
                ..capable_host()
            },
            HostSupport {
                cgroup2: FactState::No,
                ..capable_host()
            },
            HostSupport {
                bpffs: FactState::No,
                ..capable_host()
            },
            HostSupport {
                privileged: FactState::No,
                ..capable_host()
            },
        ];
        for host in without {
            let refusal = decide(&host).unwrap_err();
            assert!(refusal.cause.is_some() && refusal.hint.is_some(), "{refusal}");
        }
    }

    #[test]
    fn a_protection_with_an_unproven_hook_is_not_called_proven() {
        let hooks = ["socket_bind", "socket_listen"];
        let all = coverage(Way::Lsm, &hooks, &hooks);
        let listen = all.iter().find(|protection| protection.name == "listen").unwrap();
        assert!(listen.proven);
        let some = coverage(Way::FmodRet, &hooks, &["socket_bind"]);
        assert!(
            !some
                .iter()
                .find(|protection| protection.name == "listen")
                .unwrap()
                .proven
        );
    }
}
