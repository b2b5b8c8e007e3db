// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ways to reach what is somebody else's that are no signal, no mount and no address by name, and come to the same; and
 * what changes the machine under everybody, which no rule speaks of.
 */
#include "../lib/contain.bpf.h"

AA_LICENSE;

#define AA_CAPABILITY(number) (1ULL << (number))

/* A limit, a scheduling class, processors or a priority can end or starve a process as well as a signal. */
SEC("lsm/task_setrlimit")
int BPF_PROG(contain_limit, struct task_struct *target)
{
	return contain_from(ctx, target, AA_ACTION_SIGNAL);
}

SEC("lsm/task_setscheduler")
int BPF_PROG(contain_scheduling, struct task_struct *target)
{
	return contain_from(ctx, target, AA_ACTION_SIGNAL);
}

SEC("lsm/task_setnice")
int BPF_PROG(contain_priority, struct task_struct *target)
{
	return contain_from(ctx, target, AA_ACTION_SIGNAL);
}

SEC("lsm/task_setioprio")
int BPF_PROG(contain_io_priority, struct task_struct *target)
{
	return contain_from(ctx, target, AA_ACTION_SIGNAL);
}

/*
 * Who gets a signal when a descriptor is ready: the kernel sends it without asking task_kill. Oneself, and nobody; who
 * else, F_SETOWN_EX says in memory that may change, so it is nobody's.
 */
SEC("lsm/file_fcntl")
int BPF_PROG(contain_owner, struct file *file, unsigned int command, unsigned long owner)
{
	u32 self = bpf_get_current_pid_tgid() >> 32;

	if (command != AA_F_SETOWN_EX && (command != AA_F_SETOWN || !(u32)owner || (u32)owner == self))
		return 0;
	return contain(ctx, AA_ACTION_SIGNAL, (u32)owner);
}

/*
 * A file system made or changed by the new mount calls, which need not attach it anywhere to be used: a proc of one's own
 * has other paths than rules speak of. Those that the kernel mounts for itself, on the way of a path too, are left alone.
 */
SEC("lsm/sb_set_mnt_opts")
int BPF_PROG(contain_new_file_system, struct super_block *sb)
{
	return sb->s_flags & (AA_SB_KERNMOUNT | AA_SB_SUBMOUNT) ? 0 : contain(ctx, AA_ACTION_MOUNT, 0);
}

SEC("lsm/sb_remount")
int BPF_PROG(contain_remount)
{
	return contain(ctx, AA_ACTION_MOUNT, 0);
}

SEC("?lsm/userns_create")
int BPF_PROG(contain_user_namespace)
{
	return contain_unless_listed(ctx, AA_PRIVILEGE_USERNS, AA_ACTION_USERNS);
}

/*
 * An io_uring is an inode without a name before it is anything else (io_uring/io_uring.c, io_uring_get_file). Its requests
 * are judged as the system calls they stand for; this closes what else there is to it.
 */
SEC("lsm/inode_init_security_anon")
int BPF_PROG(contain_io_uring, struct inode *inode, const struct qstr *name)
{
	u64 kind[2] = {}, io_uring[2] = {};

	__builtin_memcpy(io_uring, "[io_uring]", 11);
	if (!bpf_probe_read_kernel(kind, 11, name->name) && (kind[0] != io_uring[0] || kind[1] != io_uring[1]))
		return 0;
	return contain_unless_listed(ctx, AA_PRIVILEGE_IO_URING, AA_ACTION_IO_URING);
}

/*
 * The capabilities that a program gives, one bit each; all if they cannot be read. In front of the kernel's own modules they
 * are not worked out yet: who acts as root will have what there is to have, and what the file has of its own is not known.
 */
static __always_inline u64 given_capabilities(const struct cred *given)
{
	u64 bits;
	int failed = by_fmod_ret && !given->euid.val ? READ_FIELD(bits, given, cap_bset) : READ_FIELD(bits, given, cap_permitted);

	return failed ? ~0ULL : bits;
}

/*
 * What rights a program would give, not yet taken: another user or group than the caller acts as is the file's owner;
 * capabilities that the caller has not, and that do not come from being root, are the file's own.
 */
SEC("lsm/bprm_creds_from_file")
int BPF_PROG(contain_setuid, struct linux_binprm *bprm)
{
	const struct cred *own = bpf_get_current_task_btf()->cred, *given = bprm->cred;
	struct subject subject;
	u64 had = 0;

	if (!current_subject(&subject))
		return 0;
	READ_FIELD(had, own, cap_permitted);
	if (given->euid.val == own->euid.val && given->egid.val == own->egid.val &&
	    (!(given_capabilities(given) & ~had) || !given->uid.val))
		return 0;

	struct judgement j = judge_privilege(&subject, AA_PRIVILEGE_SETUID);

	if (passes(j.decision))
		return 0;

	struct aa_scratch *s = claim_scratch(&subject);

	if (!s)
		return subject.observes ? 0 : eperm();
	reset_event(s);
	/* Without its name it is refused all the same. */
	read_path(&s->object, address_of(subject.identity, bprm->file->f_path.dentry),
		  address_of(subject.identity, bprm->file->f_path.mnt));

	int ret = refuse(ctx, s, &subject, AA_ACTION_SETUID, j, AA_AT_HOOK);

	release_scratch(s);
	return ret;
}

/*
 * A source route makes packets go to its first hop, whatever address was judged: IPv4's loose and strict ones, and IPv6's
 * routing header (SRv6), need no privilege. What the same options do beside a single datagram, no hook here is told.
 */
SEC("lsm/socket_setsockopt")
int BPF_PROG(contain_route, struct socket *sock, int level, int option)
{
	struct subject subject;
	int v4 = level == AA_IPPROTO_IP && option == AA_IP_OPTIONS;
	int v6 = level == AA_IPPROTO_IPV6 &&
		 (option == AA_IPV6_RTHDR || option == AA_IPV6_2292RTHDR || option == AA_IPV6_2292PKTOPTIONS);

	if ((!v4 && !v6) || !current_subject(&subject))
		return 0;
	if (subject.policy && verdict_of(subject.policy->default_net) == AA_UNGOVERNED && !subject.barred)
		return 0;
	return refuse_outright(ctx, &subject, AA_ACTION_SOCKET, AA_REASON_CONTAINMENT, 0, v4 ? AA_AF_INET : AA_AF_INET6,
			       sock->type & 0xf, 0);
}

/*
 * What nobody governed is root enough for, in whichever user namespace: other code in the kernel, its memory and ports, its
 * log; the clock, the end of the machine; interfaces, routes and packet filters, which lead what was judged elsewhere; and
 * nodes by which a device has a name that rules do not speak of. Those that sys_admin stands in for (bpf, perfmon) are had all
 * the same; bpf(2) has a hook of its own. Where the kernel only wants to know, nothing is recorded.
 */
static const u64 never_capable = AA_CAPABILITY(9) /* linux_immutable */ | AA_CAPABILITY(12) /* net_admin */ |
				 AA_CAPABILITY(16) /* sys_module */ | AA_CAPABILITY(17) /* sys_rawio */ |
				 AA_CAPABILITY(20) /* sys_pacct */ | AA_CAPABILITY(22) /* sys_boot */ |
				 AA_CAPABILITY(25) /* sys_time */ | AA_CAPABILITY(27) /* mknod */ |
				 AA_CAPABILITY(30) /* audit_control */ | AA_CAPABILITY(32) /* mac_override */ |
				 AA_CAPABILITY(33) /* mac_admin */ | AA_CAPABILITY(34) /* syslog */;

/*
 * Whether the kernel's own answer will be no. The LSM's programs are asked after it, those at security_capable before: they
 * would tell of many denials that are none of ours.
 */
static __always_inline int incapable_anyway(const struct cred *cred, const void *namespace, int capability)
{
	u64 capabilities;

	return by_fmod_ret && namespace == cred->user_ns && !READ_FIELD(capabilities, cred, cap_effective) &&
	       !((capabilities >> (capability & 63)) & 1);
}

SEC("lsm/capable")
int BPF_PROG(contain_capability, const struct cred *cred, const void *namespace, int capability, unsigned int options)
{
	struct subject subject;

	if (!((never_capable >> (capability & 63)) & 1) || !current_subject(&subject))
		return 0;
	if (incapable_anyway(cred, namespace, capability))
		return 0;
	if (options & AA_CAP_OPT_NOAUDIT)
		return subject.observes ? 0 : eperm();
	return refuse_outright(ctx, &subject, AA_ACTION_KERNEL, AA_REASON_CONTAINMENT, 0, 0, 0, 0);
}
