// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Processes: who is governed, what they may run, and what no governed process may do.
 *
 * Identity is task storage: set at exec by the policies' selectors, by the adoption iterator for what was running
 * before, or by the sensor for `aasm run`; copied in task_alloc before the child can run. It is never removed.
 */
#include "../lib/contain.bpf.h"
#include "../lib/content.bpf.h"
#include "../lib/exec.bpf.h"
#include "../lib/label.bpf.h"
#include "../lib/mapped.bpf.h"

AA_LICENSE;

/* One row for the iterators' reader. */
static __always_inline void write_task_row(struct bpf_iter__task *ctx, struct task_struct *task,
					   const struct aa_identity *identity)
{
	struct aa_task_row row = {
		.agent = identity->agent,
		.pid = task->tgid,
		.tid = task->pid,
		.session = identity->session,
		.held = identity->held,
	};

	row.parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	row.uid = BPF_CORE_READ(task, cred, uid.val);
	row.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	bpf_probe_read_kernel(row.command, sizeof(row.command), &task->comm);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
}

/* Records life: fork, exec, exit, govern. Returns -1 if the record was lost. */
static __always_inline int record_life(const struct subject *subject, u32 action, u32 ring, u32 child_pid)
{
	struct aa_scratch *s = claim_scratch(subject);
	int lost;

	if (!s)
		return -1;
	reset_event(s);
	fill_event(s, subject, action, AA_ALLOW, 0, AA_EFFECT_ALLOWED);
	s->event.head.kind = AA_EVENT_LIFE;
	s->event.other_pid = child_pid;
	lost = send_event(s, ring);
	release_scratch(s);
	return lost;
}

/* The child is governed before it can run; if its identity cannot be stored, there is no child. */
SEC("lsm/task_alloc")
int BPF_PROG(inherit_identity, struct task_struct *task, unsigned long clone_flags)
{
	struct aa_identity *parent = identity_of(bpf_get_current_task_btf());

	if (!parent)
		return 0;

	struct subject subject;
	struct judgement j = { .decision = AA_ALLOW };
	struct aa_identity child = *parent;

	child.carried_for = 0;
	child.held = 0;
	child.let_go = 0;
	subject_of_agent(&subject, parent->agent, parent->session);
	judge_barred(&subject, &j);
	limit(&subject, AA_RATE_FORK, &j);
	if (!passes(j.decision)) {
		int ret = refuse_judged(ctx, &subject, AA_ACTION_FORK, j, 0, 0, 0, 0);

		if (ret)
			return ret;
	}
	child.labels = carried_by_us();
	child.memory = memory_of_child(clone_flags);
	child.splicing = 0;
	if (!bpf_task_storage_get(&identities, task, &child, BPF_LOCAL_STORAGE_GET_F_CREATE)) {
		count_loss(AA_LOSS_IDENTITY);
		refuse_outright(ctx, &subject, AA_ACTION_FORK, AA_REASON_NO_IDENTITY, 0, 0, 0, 0);
		return eperm();
	}
	return 0;
}

/*
 * What a person is asked about and what an answer is for: the program's inode and all its arguments, into s->second.
 * They are checked again in the new address space, as those that rules look at. Returns 0, or -1 if they cannot be read.
 */
static __always_inline int read_what_is_asked(struct aa_scratch *s, struct linux_binprm *bprm, struct aa_identity *identity)
{
	if (read_argv(&s->second)) {
		s->second.length = 0;
		count_loss(AA_LOSS_ARGV);
		return -1;
	}
	identity->argv_bytes = s->second.length;
	identity->argv_hash = hash_text(&s->sip, &s->second);
	identify(s, bprm->file->f_inode);
	s->carry = address_of(identity, bprm);
	if (bprm->interp == bprm->filename)
		s->carry_gives = AA_CARRY_INTERPRETER;
	else
		s->carry_accepts = AA_CARRY_INTERPRETER;
	return 0;
}

/*
 * Judges path and arguments of the program. bprm_check_security runs once per interpreter level: first for a script,
 * then for its interpreter. What it returns is what execve returns; a failed read denies.
 */
SEC("lsm/bprm_check_security")
int BPF_PROG(judge_exec, struct linux_binprm *bprm)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());

	if (!identity)
		return 0;

	struct subject subject;

	subject_of_agent(&subject, identity->agent, identity->session);
	subject.identity = identity;
	if (!subject.policy)
		return refuse_outright(ctx, &subject, AA_ACTION_EXEC, AA_REASON_NO_POLICY, 0, 0, 0, 0);

	struct file *file = bprm->file;
	struct inode *inode = file->f_inode;
	struct aa_scratch *s = claim_scratch(&subject);

	if (!s)
		return subject.observes ? 0 : eperm();
	reset_event(s);

	u32 script = bprm->buf[0] == '#' && bprm->buf[1] == '!';
	u32 action, taken = taken_from(&subject, AA_LABEL_EXEC);
	/* Only the first level has the caller's arguments; an interpreter's are those and the script's name. */
	u32 first = bprm->interp == bprm->filename;
	struct judgement j = judge_program(s, &subject, file, first ? bprm->filename : 0, script, &action, AA_AT_HOOK);

	if (j.reason)
		return conclude(ctx, s, &subject, action, j);
	u32 has_name = !(s->object.flags & (AA_OBJECT_MEMFD | AA_OBJECT_DELETED));

	if (judge_content(subject.policy, inode, has_name, &j.decision)) {
		j.decision = has_name && content_of(file, inode) ? AA_ASK : DECISION_CLOSED;
		j.reason = AA_REASON_UNREADABLE_CONTENT;
	} else {
		identity->held = 0;
		j.decision = with_taken(j.decision, taken);
		j.reason = reason_of(j.decision);
		if (first)
			limit(&subject, AA_RATE_EXEC, &j);
	}

	u32 labels = s->object.columns[AA_COLUMN_LABELS], labelled_by = s->object.columns[AA_COLUMN_LABELLED_BY];

	if (asks(&subject, j.decision)) {
		if (read_what_is_asked(s, bprm, identity)) {
			j.decision = DECISION_CLOSED;
			j.reason = AA_REASON_UNREADABLE_ARGV;
			return conclude(ctx, s, &subject, AA_ACTION_ARGV, j);
		}
		/* What a person said of a script is nothing said of what is in its interpreter. */
		if (j.reason == AA_REASON_UNREADABLE_CONTENT)
			s->carry_accepts = s->carry_gives = 0;

		int ret = conclude(ctx, s, &subject, action, j);

		if (!ret)
			identity->program = (u64)inode;
		return ret ?: label_program(&subject, file, labels, labelled_by);
	}
	if (passes(j.decision))
		identity->program = (u64)inode;

	int ret = conclude(ctx, s, &subject, action, j);

	return ret ?: label_program(&subject, file, labels, labelled_by);
}

/* The slot (plus one) that a selector by cgroup gives the task: its own cgroup or any above it. */
static __always_inline u32 slot_of_cgroup(struct task_struct *task)
{
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);

	for (u32 level = 0; level < 32 && cgroup; level++) {
		u64 id = BPF_CORE_READ(cgroup, kn, id);
		u32 *slot = bpf_map_lookup_elem(&cgroup_selectors, &id);
		struct cgroup_subsys_state *parent;

		if (slot)
			return *slot;
		parent = BPF_CORE_READ(cgroup, self.parent);
		if (!parent)
			break;
		cgroup = (void *)((u64)parent - bpf_core_field_offset(struct cgroup, self));
	}
	return 0;
}

/*
 * The slot (plus one) whose selectors match `task` running `exe`, or 0; -1 if there was no working memory to tell. A
 * path that cannot be read matches none: nobody governs this task yet, and it is left alone.
 */
static __always_inline s64 selected_slot(struct task_struct *task, struct file *exe)
{
	u32 zero = 0;
	u32 uid = BPF_CORE_READ(task, cred, uid.val);
	struct aa_settings *set = bpf_map_lookup_elem(&settings, &zero);
	u32 *by_user = bpf_map_lookup_elem(&user_selectors, &uid);
	u8 *pool = pool_bytes();

	if (by_user)
		return *by_user;

	u32 slot = slot_of_cgroup(task);

	if (slot || !set || !set->selectors.start || !pool || !exe)
		return slot;

	struct aa_scratch *s = claim_any_scratch();

	if (!s)
		return -1;
	if (!read_path(&s->object, (u64)BPF_CORE_READ(exe, f_path.dentry), (u64)BPF_CORE_READ(exe, f_path.mnt))) {
		struct aa_text *name = &s->object;
		u32 state = walk_automaton(name, set->selectors.classes, set->selectors.start, name->start,
					   name->start + name->length);
		u32 accept = pool_word(pool, state) & ~AA_ACCEPT_GUARDED;

		slot = pool_word(pool, set->selectors.accepts + accept * sizeof(u32));
	}
	release_scratch(s);
	return slot;
}

/* The identity a newly selected task gets: the slot's own agent, and a session of its own. 0 if there is none. */
static __always_inline int new_identity(u32 slot_index, struct aa_identity *identity)
{
	u32 zero = 0;
	struct aa_slot *slot = bpf_map_lookup_elem(&policy_slots, &slot_index);
	struct aa_world *w = bpf_map_lookup_elem(&world, &zero);

	if (!slot || !slot->agent || !w)
		return 0;
	__builtin_memset(identity, 0, sizeof(*identity));
	identity->agent = slot->agent;
	/* Numbers from the kernel are odd, the sensor's even: neither asks the other. */
	identity->session = __sync_fetch_and_add(&w->sessions, 2) + 1;
	return 1;
}

/* What the new program really got, against what was judged: another thread may have changed it in between. */
static __always_inline void check_arguments(void *ctx, struct aa_identity *identity)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 end = BPF_CORE_READ(task, mm, arg_end);
	u32 bytes = identity->argv_bytes;
	struct aa_scratch *s = claim_any_scratch();
	u64 hash = 0;

	if (s) {
		reset_event(s);
		s->second.start = 0;
		s->second.length = bytes;
		if (bytes < AA_ARGV_BYTES &&
		    !bpf_probe_read_user(s->second.bytes, bytes & (AA_ARGV_BYTES - 1), (void *)(end - bytes)))
			hash = hash_text(&s->sip, &s->second);
		s->second.length = 0;
	}
	if (hash == identity->argv_hash)
		goto out;

	struct subject subject;

	subject_of_agent(&subject, identity->agent, identity->session);
	if (!subject.observes)
		bpf_send_signal(AA_SIGKILL);
	if (s) {
		fill_event(s, &subject, AA_ACTION_ARGV, DECISION_CLOSED, AA_REASON_ARGV_CHANGED,
			   subject.observes ? AA_EFFECT_WOULD_DENY : AA_EFFECT_KILLED);
		send_event(s, AA_RING_DECISIONS);
	}
out:
	identity->argv_hash = 0;
	if (s)
		release_scratch(s);
}

/* After the exec, before the program's first instruction: selectors, and the second look at the arguments. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(govern_selected, struct task_struct *task, u32 old_pid, struct linux_binprm *bprm)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());
	struct subject subject;

	if (identity) {
		/* Killed where the exec was judged: nothing of it runs. */
		if (BPF_CORE_READ(task, signal, flags) & AA_SIGNAL_GROUP_EXIT)
			return 0;
		if (identity->argv_hash)
			check_arguments(ctx, identity);
		/* Memory of its own. Who traces it still does. */
		identity->memory &= AA_MEMORY_TRACED;
		subject_of_agent(&subject, identity->agent, identity->session);
		if (subject.records)
			record_life(&subject, AA_ACTION_EXEC, AA_RING_ACTIVITY, 0);
		return 0;
	}

	struct aa_identity fresh;
	s64 slot = selected_slot(bpf_get_current_task_btf(), (void *)BPF_CORE_READ(bprm, file));

	if (!slot)
		return 0;
	/* Selected, or there was no way to tell: it must not run ungoverned. */
	if (slot < 0 || !new_identity(slot - 1, &fresh) ||
	    !bpf_task_storage_get(&identities, bpf_get_current_task_btf(), &fresh, BPF_LOCAL_STORAGE_GET_F_CREATE)) {
		count_loss(AA_LOSS_IDENTITY);
		bpf_send_signal(AA_SIGKILL);
		return 0;
	}
	tell_governed();
	subject_of_agent(&subject, fresh.agent, fresh.session);
	if (record_life(&subject, AA_ACTION_GOVERN, AA_RING_DECISIONS, 0))
		bpf_send_signal(AA_SIGKILL);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(record_exit, struct task_struct *task)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());
	struct subject subject;

	if (!identity || (u32)bpf_get_current_pid_tgid() != bpf_get_current_pid_tgid() >> 32)
		return 0;
	subject_of_agent(&subject, identity->agent, identity->session);
	if (subject.records)
		record_life(&subject, AA_ACTION_EXIT, AA_RING_ACTIVITY, 0);
	return 0;
}

/* ptrace, process_vm_writev, pidfd_getfd and /proc/PID/mem of anybody but the agent's own processes. */
SEC("lsm/ptrace_access_check")
int BPF_PROG(contain_ptrace, struct task_struct *child, unsigned int mode)
{
	struct subject subject;

	if (!(mode & AA_PTRACE_MODE_ATTACH) || !current_subject(&subject))
		return 0;
	if (same_agent(&subject, child) && !subject.barred)
		return 0;
	return contain(ctx, AA_ACTION_PTRACE, child->tgid);
}

/* PTRACE_TRACEME: who asks to be traced by an ungoverned parent keeps its identity, so nothing is lost. */
SEC("lsm/task_kill")
int BPF_PROG(contain_signal, struct task_struct *target, void *info, int sig)
{
	return sig ? contain_from(ctx, target, AA_ACTION_SIGNAL) : 0;
}

SEC("lsm/sb_mount")
int BPF_PROG(contain_mount)
{
	return contain(ctx, AA_ACTION_MOUNT, 0);
}

SEC("lsm/sb_umount")
int BPF_PROG(contain_umount)
{
	return contain(ctx, AA_ACTION_MOUNT, 0);
}

SEC("lsm/sb_pivotroot")
int BPF_PROG(contain_pivot_root)
{
	return contain(ctx, AA_ACTION_MOUNT, 0);
}

SEC("lsm/move_mount")
int BPF_PROG(contain_move_mount)
{
	return contain(ctx, AA_ACTION_MOUNT, 0);
}

SEC("lsm/bpf")
int BPF_PROG(contain_bpf)
{
	return contain(ctx, AA_ACTION_BPF, 0);
}

/*
 * Typing into a terminal that is shared with a person: the shell would read it as theirs, and so would an approval be
 * theirs. TIOCLINUX pastes on a console. The size of an ioctl's number is 32 bits, whatever the caller's register holds.
 */
static __always_inline int contain_typing(void *ctx, u32 command)
{
	/* As F_SETOWN, of sockets. */
	if (command == AA_FIOSETOWN || command == AA_SIOCSPGRP)
		return contain(ctx, AA_ACTION_SIGNAL, 0);
	if (command != AA_TIOCSTI && command != AA_TIOCLINUX)
		return 0;
	return contain(ctx, AA_ACTION_TERMINAL, 0);
}

SEC("lsm/file_ioctl")
int BPF_PROG(contain_terminal, struct file *file, unsigned int command, unsigned long argument)
{
	return contain_typing(ctx, command);
}

/* Of 32-bit processes, from 6.8 on, and in the 6.1 of Debian 12; before, they came by the other. */
SEC("?lsm/file_ioctl_compat")
int BPF_PROG(contain_terminal32, struct file *file, unsigned int command, unsigned long argument)
{
	return contain_typing(ctx, command);
}

/*
 * Governs what was running before: a task whose leader or parent is governed inherits, another is matched by the
 * selectors as at exec. The sensor reads this iterator until a pass adopts nobody. One row per adopted task.
 */
SEC("iter/task")
int adopt_running(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task || !task->mm || identity_of(task))
		return 0;

	struct aa_identity *relative = identity_of(task->group_leader);
	struct aa_identity fresh;

	if (!relative)
		relative = identity_of(task->real_parent);
	if (relative) {
		fresh = *relative;
		fresh.argv_hash = 0;
		fresh.carried_for = 0;
		fresh.held = 0;
		fresh.let_go = 0;
		fresh.splicing = 0;
	} else {
		s64 slot = selected_slot(task, BPF_CORE_READ(task, mm, exe_file));

		if (slot <= 0 || !new_identity(slot - 1, &fresh))
			return 0;
	}
	if (!bpf_task_storage_get(&identities, task, &fresh, BPF_LOCAL_STORAGE_GET_F_CREATE))
		return 0;
	write_task_row(ctx, task, &fresh);
	return 0;
}

/* Every governed task, a row each. */
SEC("iter/task")
int list_governed(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct aa_identity *identity;

	if (!task)
		return 0;
	identity = identity_of(task);
	if (identity)
		write_task_row(ctx, task, identity);
	return 0;
}
