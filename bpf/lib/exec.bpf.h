/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A program that is about to run: what its file, its names and its arguments are decided to. */
#ifndef AA_EXEC_BPF_H
#define AA_EXEC_BPF_H

#include "argv.bpf.h"
#include "rate.bpf.h"

/* What the argv rules say of a program by its file's name and by the name it was called. */
struct argv_decisions {
	u32 named;
	u32 called;
};

/* The decision for the arguments in `argv` from the state that a program's name left (0: no rule mentions it). */
static __always_inline u32 decide_argv(struct aa_text *argv, const u8 *pool, const struct aa_policy *policy, u32 state)
{
	if (!state)
		return AA_UNGOVERNED;
	state = walk_automaton(argv, policy->argv.classes, state, argv->start, argv->start + argv->length);

	u32 accept = pool_word(pool, state) & ~AA_ACCEPT_GUARDED;

	return pool_word(pool, policy->argv.accepts + accept * sizeof(u32));
}

/*
 * Judges the arguments of the program that was judged as s->object. They are read, into s->second, only if some rule
 * mentions its name. Returns 0, or -1 if arguments that a rule wants to see could not be read.
 */
static __always_inline int judge_arguments(struct aa_scratch *s, const struct subject *subject, const char *filename,
					   struct argv_decisions *by)
{
	struct aa_policy *policy = subject->policy;
	struct aa_identity *identity = subject->identity;
	struct aa_text *object = &s->object, *argv = &s->second;
	u8 *pool = pool_bytes();
	u32 own, called;

	if (!pool || subject->fault == AA_FAULT_ARGV || object->last > AA_NAME_MAX || read_called_name(argv, filename))
		goto unreadable;
	/* Tokens end with a NUL; the byte behind a path is free for it. */
	object->bytes[AA_PATH_BYTES - 1] = 0;
	own = walk_automaton(object, policy->argv.classes, policy->argv.start, AA_PATH_BYTES - 1 - object->last, AA_PATH_BYTES);
	called = walk_automaton(argv, policy->argv.classes, policy->argv.start, argv->start, argv->start + argv->length);
	argv->length = 0;
	if (!own && !called)
		return 0;
	if (read_argv(argv))
		goto unreadable;
	identity->argv_bytes = argv->length;
	identity->argv_hash = hash_text(&s->sip, argv);
	by->named = decide_argv(argv, pool, policy, own);
	by->called = decide_argv(argv, pool, policy, called);
	/* Arguments can hold secrets: the record cites the rule, not what was typed. */
	argv->length = 0;
	return 0;

unreadable:
	argv->length = 0;
	count_loss(AA_LOSS_ARGV);
	return -1;
}

/* As combine_exec() in policies/src/judge.rs, which says why; `load` is AA_UNGOVERNED for what is no script. */
static __always_inline u32 combine_exec(u32 exec, u32 load, struct argv_decisions by)
{
	u32 result;

	if ((by.named & AA_DECISION_EXPLICIT) && !(exec & AA_DECISION_EXPLICIT))
		result = by.named;
	else
		result = stricter(exec, by.named);
	if ((load & AA_DECISION_EXPLICIT) || !(result & AA_DECISION_EXPLICIT))
		result = stricter(result, load);
	return stricter_if_written(result, by.called);
}

/*
 * Judges a program, or a script on the way to its interpreter, by its file, into s->object. `filename`, what the caller
 * calls it, is null for an interpreter: the caller's arguments are not its own. The reason is 0, or why nothing could be
 * said of it, which denies; `action` is what it was judged as. Where renames and mounts are not seen (AA_AT_EXEC) nothing
 * is known of its directory from before.
 */
static __always_inline struct judgement judge_program(struct aa_scratch *s, const struct subject *subject, struct file *file,
						      const char *filename, u32 script, u32 *action,
						      enum aa_place place)
{
	struct aa_policy *policy = subject->policy;
	struct inode *inode = file->f_inode;
	struct judgement j = { .decision = DECISION_CLOSED };
	struct argv_decisions by = {};
	u32 exec, load = AA_UNGOVERNED;

	*action = AA_ACTION_EXEC;
	if (filename) {
		subject->identity->carried_for = 0;
		subject->identity->argv_hash = 0;
		subject->identity->argv_bytes = 0;
	}
	if (place == AA_AT_EXEC)
		j.reason = judge_object_afresh(s, subject, file->f_path.dentry, file->f_path.mnt);
	else
		j.reason = judge_object(s, subject, file->f_path.dentry, file->f_path.mnt, 0);
	if (j.reason)
		return j;
	exec = s->object.columns[AA_COLUMN_EXEC];
	j.decision = exec;
	if (inode->i_sb->s_flags & AA_SB_NOUSER) {
		j.decision = policy->memfd;
		s->object.flags |= AA_OBJECT_MEMFD;
		return j;
	}
	if (inode->i_nlink == 0) {
		j.decision = policy->deleted;
		s->object.flags |= AA_OBJECT_DELETED;
		return j;
	}
	if (verdict_of(exec) == AA_UNGOVERNED)
		return j;
	if (script) {
		s->object.flags |= AA_OBJECT_SCRIPT;
		load = s->object.columns[AA_COLUMN_LOAD];
	}
	if (filename && policy->argv.start && judge_arguments(s, subject, filename, &by)) {
		*action = AA_ACTION_ARGV;
		j.decision = DECISION_CLOSED;
		j.reason = AA_REASON_UNREADABLE_ARGV;
		return j;
	}
	j.decision = combine_exec(exec, load, by);
	if (j.decision != exec && j.decision != load)
		*action = AA_ACTION_ARGV;
	return j;
}

#endif
