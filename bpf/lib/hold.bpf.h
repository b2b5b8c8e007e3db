/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a rule that says `ask` waits for a person, without the agent's help.
 *
 * The hook records the hold, sends SIGSTOP to the caller and returns -ERESTARTNOINTR: its process stops before it is back in
 * user space. An answer is a grant in a map, for this thread and the digest of exactly this
 * action, and a SIGCONT; the kernel then repeats the system call by itself, the hook comes to the same digest, takes
 * the grant and does as it says. A SIGCONT from anybody else only repeats the hook, which holds again. Changed arguments have
 * another digest, so they ask anew.
 *
 * -ERESTARTNOINTR and not -ERESTARTSYS: the latter is EINTR for a program that handles SIGCONT without SA_RESTART. The
 * restart needs a signal to be pending at the way out: SIGSTOP is, and should a SIGCONT flush it, TIF_SIGPENDING stays
 * set until the way out (kernel/signal.c, prepare_signal()). It goes to the thread, not to its process: a process that has
 * another thread's still pending takes no second one (legacy_queue()), and this thread would return to user space with the error.
 *
 * A program whose content the sensor has to read first waits in the same way (content.bpf.h).
 *
 * Some system calls come by several hooks. What was answered at the first covers the later ones for the same object
 * (`carry`), else a call would ask for ever: it is repeated from the beginning.
 */
#ifndef AA_HOLD_BPF_H
#define AA_HOLD_BPF_H

#include "digest.bpf.h"
#include "emit.bpf.h"

enum aa_carry {
	AA_CARRY_OPEN = 1,	  /* creating a file covers opening it */
	AA_CARRY_BACKING = 2,	  /* an open covers overlayfs's own of the same name */
	AA_CARRY_TRUNCATE = 4,	  /* an open with O_TRUNC covers the truncation */
	AA_CARRY_INTERPRETER = 8, /* running a script covers running its interpreter */
};

enum aa_carry_limits {
	AA_CARRY_NS = 1000000000, /* a call that failed in between leaves a carry behind: for no longer than this */
};

enum aa_answer_bits {
	AA_ANSWER_VERDICT = 0xff,
	AA_ANSWER_REASON_SHIFT = 8,
};

/* Registers of the system call, x86-64: field names of struct pt_regs. */
struct pt_regs___x86 {
	unsigned long orig_ax, cx, dx, si, sp;
} __attribute__((preserve_access_index));

enum aa_system_calls {
	AA_TS_COMPAT = 2,
	AA_CALL_WORDS = 8,
};

#define AA_CALL(number) (1ULL << ((number) & 63))

/*
 * The system calls, by number, that may be repeated from the beginning after a hook said -ERESTARTNOINTR: the calls
 * that do one thing and have no result but failure before the hook. Not among them: what passes descriptors (recvmsg,
 * pidfd_getfd), mmap and mprotect, io_uring_enter (its requests are not repeated), 32-bit calls.
 */
static const u64 calls_that_wait[AA_CALL_WORDS] SEC(".rodata.calls") = {
	/* write 1 and writev 20 (on sockets), open 2, connect 42, sendto 44, sendmsg 46, bind 49, listen 50, execve 59 */
	AA_CALL(1) | AA_CALL(20) | AA_CALL(2) | AA_CALL(42) | AA_CALL(44) | AA_CALL(46) | AA_CALL(49) | AA_CALL(50) | AA_CALL(59),
	/* truncate 76, ftruncate 77, rename 82, mkdir 83, rmdir 84, creat 85, link 86, unlink 87, symlink 88, chmod 90,
	   fchmod 91, chown 92, fchown 93, lchown 94 */
	AA_CALL(76) | AA_CALL(77) | AA_CALL(82) | AA_CALL(83) | AA_CALL(84) | AA_CALL(85) | AA_CALL(86) | AA_CALL(87) |
		AA_CALL(88) | AA_CALL(90) | AA_CALL(91) | AA_CALL(92) | AA_CALL(93) | AA_CALL(94),
	/* mknod 133 */
	AA_CALL(133),
	0,
	/* openat 257, mkdirat 258, mknodat 259, fchownat 260, unlinkat 263, renameat 264, linkat 265, symlinkat 266,
	   fchmodat 268, open_by_handle_at 304, sendmmsg 307, renameat2 316 */
	AA_CALL(257) | AA_CALL(258) | AA_CALL(259) | AA_CALL(260) | AA_CALL(263) | AA_CALL(264) | AA_CALL(265) |
		AA_CALL(266) | AA_CALL(268) | AA_CALL(304) | AA_CALL(307) | AA_CALL(316),
	/* execveat 322 */
	AA_CALL(322),
	/* openat2 437 */
	AA_CALL(437),
	/* fchmodat2 452 */
	AA_CALL(452),
};

/* The number of the system call the calling thread is in. */
static __always_inline u64 call_number(void)
{
	struct pt_regs___x86 *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return BPF_CORE_READ(regs, orig_ax);
}

/* Whether what the call creates is opened by it: open, creat, openat, openat2. Not mknod, not a socket's bind. */
static __always_inline int opens_what_it_creates(void)
{
	u64 call = call_number();

	return call == 2 || call == 85 || call == 257 || call == 437;
}

/* Whether the calling thread is in a system call that the kernel repeats. */
static __always_inline int can_wait(u32 action)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 call = call_number();

	/* A mapping of code may be part of execve, where there is no way back any more. */
	if (action == AA_ACTION_LOAD)
		return 0;
	if (task->flags & (AA_PF_KTHREAD | AA_PF_IO_WORKER))
		return 0;
	if ((BPF_CORE_READ(task, thread_info.status) & AA_TS_COMPAT) || call >= AA_CALL_WORDS * 64)
		return 0;
	return (calls_that_wait[call >> 6 & (AA_CALL_WORDS - 1)] >> (call & 63)) & 1;
}

/* Which inode an action is about, for its digest: another one that takes the name while the answer is awaited is another action. */
static __always_inline void identify(struct aa_scratch *s, struct inode *inode)
{
	if (!inode)
		return;
	s->exact[0] = inode->i_ino;
	s->exact[1] = (u64)inode->i_sb->s_dev << 32 | 1;
}

/*
 * Which action exactly, into the record: everything a person is told of it and which inode the name leads to, under
 * which policy. Returns 0, or -1 if it cannot be said.
 */
__noinline int digest_action(struct aa_scratch *s, u32 agent, u32 generation, u32 action)
{
	if (!s || begin_digest(&s->sip))
		return -1;
	name_objects(s);
	if ((!s->object.length && s->object.dentry) || (!s->second.length && s->second.dentry))
		return -1;

	u64 *address = (u64 *)s->event.address;

	absorb_word(&s->sip, (u64)agent << 32 | generation);
	absorb_word(&s->sip, (u64)action << 32 | s->object.flags);
	absorb_word(&s->sip, address[0]);
	absorb_word(&s->sip, address[1]);
	absorb_word(&s->sip, (u64)s->event.port << 48 | (u64)s->event.family << 32 | (u64)s->event.protocol << 16 |
				     s->event.socket_type);
	absorb_word(&s->sip, s->exact[0]);
	absorb_word(&s->sip, s->exact[1]);
	absorb_text(&s->sip, &s->object);
	absorb_text(&s->sip, &s->second);
	s->event.digest[0] = end_digest(&s->sip, 0xee);
	s->event.digest[1] = end_digest(&s->sip, 0xdd);
	return 0;
}

/* Takes the answer that waits for this thread and this action. Only one taker can delete it. 0: there is none. */
static __always_inline u32 take_grant(struct aa_scratch *s, u32 agent)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct aa_grant_key key = {
		.digest = { s->event.digest[0], s->event.digest[1] },
		.start_ns = BPF_CORE_READ(task, group_leader, start_boottime),
		.agent = agent,
		.tid = (u32)bpf_get_current_pid_tgid(),
	};
	struct aa_grant *grant = bpf_map_lookup_elem(&grants, &key);
	u32 answer;

	if (!grant)
		return 0;
	answer = (grant->verdict & AA_ANSWER_VERDICT) | grant->reason << AA_ANSWER_REASON_SHIFT;
	if (grant->expires_ns <= bpf_ktime_get_boot_ns())
		answer = 0;
	return bpf_map_delete_elem(&grants, &key) ? 0 : answer;
}

/* Whether somebody takes answers now. */
static __always_inline int attended(void)
{
	u32 zero = 0;
	struct aa_hold *hold = bpf_map_lookup_elem(&holds, &zero);

	return hold && bpf_ktime_get_boot_ns() < hold->answered_until_ns;
}

/*
 * What is said of the action by now: an earlier answer of the same system call, a grant, or that nobody can be asked.
 * 0: it has to wait. The answer's verdict and reason, see enum aa_answer_bits.
 */
__noinline u32 find_answer(struct aa_scratch *s, struct aa_identity *identity, u32 action, u32 otherwise, u32 fault)
{
	if (!s || !identity)
		return AA_DENY | AA_REASON_CANNOT_WAIT << AA_ANSWER_REASON_SHIFT;

	u32 answer, accepted = identity->carried_for & s->carry_accepts;

	identity->held = 0;
	if ((s->carry_accepts || s->carry_gives) && !s->carry)
		s->carry = hash_text(&s->sip, &s->object);
	if (accepted && s->carry == identity->carried && bpf_ktime_get_boot_ns() < identity->carried_until_ns) {
		/* Each of what it covers comes once. */
		identity->carried_for &= ~accepted;
		return AA_ALLOW | AA_REASON_APPROVED << AA_ANSWER_REASON_SHIFT;
	}
	identity->carried_for = 0;
	answer = take_grant(s, identity->agent);
	if ((answer & AA_ANSWER_VERDICT) == AA_ALLOW) {
		identity->carried = s->carry;
		identity->carried_for = s->carry_gives;
		identity->carried_until_ns = bpf_ktime_get_boot_ns() + AA_CARRY_NS;
	}
	if (answer)
		return answer;
	if (!can_wait(action))
		return AA_DENY | AA_REASON_CANNOT_WAIT << AA_ANSWER_REASON_SHIFT;
	if (fault == AA_FAULT_UNATTENDED || !attended()) {
		u32 verdict = otherwise == AA_ALLOW ? AA_ALLOW : AA_DENY;

		return verdict | AA_REASON_NOBODY_ANSWERS << AA_ANSWER_REASON_SHIFT;
	}
	return 0;
}

/* -ERESTARTNOINTR, as eperm(). */
static __always_inline int restart(void)
{
	int value;

	asm volatile("%0 = -513" : "=r"(value));
	return value;
}

#endif
