/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Arguments of a program about to run.
 *
 * The kernel has copied them into an address space that is not yet current, so bprm_check_security can only read the
 * caller's copy, which another thread may change in between. Two stages close that: the caller's arguments are judged
 * and hashed before the exec (the denial is a plain -EPERM), and bprm_committed_creds hashes what the new program
 * really got; if they differ the process is killed before its first instruction.
 *
 * Only programs whose name some rule mentions pay for this: if the automaton is dead after the name, nothing is read.
 */
#ifndef AA_ARGV_BPF_H
#define AA_ARGV_BPF_H

#include "judge.bpf.h"

enum aa_exec_calls {
	AA_EXECVE = 59,
	AA_EXECVEAT = 322,
	AA_X32_BIT = 0x40000000,
	AA_X32_EXECVE = 520,
	AA_X32_EXECVEAT = 545,
	AA_IA32_EXECVE = 11,
	AA_IA32_EXECVEAT = 358,
};

struct argv_pointer {
	u64 address;
	u32 width; /* bytes of a pointer: 8, or 4 for the compat calls */
};

/* Where the caller's argv lies. -1 for a call we do not know: unreadable, so denied. */
static __always_inline int find_argv(struct argv_pointer *argv)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs___x86 *regs = (void *)bpf_task_pt_regs(task);
	u64 call = BPF_CORE_READ(regs, orig_ax);

	argv->width = 8;
	if (BPF_CORE_READ(task, thread_info.status) & AA_TS_COMPAT) {
		argv->width = 4;
		if (call == AA_IA32_EXECVE)
			argv->address = (u32)BPF_CORE_READ(regs, cx);
		else if (call == AA_IA32_EXECVEAT)
			argv->address = (u32)BPF_CORE_READ(regs, dx);
		else
			return -1;
		return 0;
	}
	if (call & AA_X32_BIT)
		argv->width = 4;
	call &= ~(u64)AA_X32_BIT;
	if (call == AA_EXECVE || call == AA_X32_EXECVE)
		argv->address = BPF_CORE_READ(regs, si);
	else if (call == AA_EXECVEAT || call == AA_X32_EXECVEAT)
		argv->address = BPF_CORE_READ(regs, dx);
	else
		return -1;
	return 0;
}

/* Appends the string at `address`, with its NUL, in pieces. -1 if it cannot be read whole into what room is left. */
__noinline int append_token(struct aa_text *text, u64 address)
{
	if (!text)
		return -1;
	for (u32 piece = 0; piece < AA_ARGV_BYTES / (AA_NAME_ROOM - 1); piece++) {
		/*
		 * The position is read from memory each time: the compiler would keep a pointer beside it, which the
		 * verifier does not see the bound of ("R1 unbounded memory access", 6.12).
		 */
		u32 at = *(volatile u32 *)&text->length;
		long bytes;

		if (at >= AA_ARGV_BYTES - 1)
			return -1;
		bytes = bpf_probe_read_user_str(&text->bytes[at & (AA_ARGV_BYTES - 1)], AA_NAME_ROOM, (void *)address);
		if (bytes < 0)
			return -1;
		/* An empty string: 0 before 6.13, where every other length counts the NUL (strncpy_from_user_nofault). */
		if (!bytes) {
			text->bytes[at & (AA_ARGV_BYTES - 1)] = 0;
			bytes = 1;
		}
		/* A full piece may be cut: its last byte is the NUL the helper put there. Read on from that byte. */
		if (bytes < AA_NAME_ROOM) {
			text->length = at + bytes;
			return 0;
		}
		text->length = at + AA_NAME_ROOM - 1;
		address += AA_NAME_ROOM - 1;
	}
	return -1;
}

/*
 * Reads argv[1..], each with its NUL, into `text`. Returns 0, or -1 if it cannot be read whole within AA_ARGV_BYTES
 * and AA_ARGV_TOKENS.
 */
__noinline int read_argv(struct aa_text *text)
{
	struct argv_pointer argv = {};

	if (!text || find_argv(&argv))
		return -1;
	text->start = 0;
	text->length = 0;
	if (!argv.address)
		return 0;
	for (u32 i = 0; i < AA_ARGV_TOKENS; i++) {
		u64 token = 0;

		if (bpf_probe_read_user(&token, argv.width == 4 ? 4 : 8, (void *)(argv.address + i * argv.width)))
			return -1;
		if (!token)
			return 0;
		if (i > 0 && append_token(text, token))
			return -1;
	}
	return -1;
}

/* Sets `start` and `length` of the text "path\0" to its last component with the NUL. -1 if that is no name. */
__noinline int find_last_name(struct aa_text *text)
{
	if (!text)
		return -1;

	u32 end = text->length - 1;

	for (u32 i = 0; i <= AA_NAME_MAX; i++) {
		if (i == end || text->bytes[(end - i - 1) & (AA_PATH_BYTES - 1)] == '/') {
			text->start = end - i;
			text->length = i + 1;
			return 0;
		}
	}
	return -1;
}

/*
 * The name a program was called by, the last component of `filename`, with its NUL, into `text`. Searched from the end,
 * since names are short.
 */
static __always_inline int read_called_name(struct aa_text *text, const char *filename)
{
	long bytes = bpf_probe_read_kernel_str(text->bytes, AA_PATH_BYTES, filename);

	if (bytes <= 0)
		return -1;
	text->length = bytes;
	return find_last_name(text);
}

#endif
