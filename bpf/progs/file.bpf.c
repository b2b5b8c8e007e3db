// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Files: opens, names made, moved and removed, and files mapped as code.
 *
 * Decided on the object the kernel resolved, by its name from the root of the mount tree: symbolic links, relative
 * paths, /proc/self/root and O_PATH descriptors are already followed when these hooks run. What no hook here sees: an
 * open descriptor's later reads and writes, stores through a shared mapping (decided when the file was opened), stat,
 * readlink and access.
 */
#include "../lib/content.bpf.h"
#include "../lib/rate.bpf.h"
#include "../lib/label.bpf.h"
#include "../lib/mapped.bpf.h"

AA_LICENSE;

static __always_inline int nameless(struct inode *inode)
{
	return (inode->i_sb->s_flags & AA_SB_NOUSER) != 0;
}

static __always_inline int is_directory(struct inode *inode)
{
	return (inode->i_mode & AA_S_IFMT) == AA_S_IFDIR;
}

/*
 * A regular file of several hard links has several names: no one name's verdict may stand for it. Nor for what others
 * may rename.
 */
static __always_inline int cacheable(struct inode *inode, struct dentry *dentry)
{
	return ((inode->i_mode & AA_S_IFMT) != AA_S_IFREG || inode->i_nlink == 1) &&
	       !(dentry->d_flags & AA_DCACHE_OP_REVALIDATE);
}

/* The strictest cached decision of the columns asked for, or -1. */
static __always_inline s64 cached_decision(struct inode *inode, u64 tag, u64 place, u32 first, u32 other)
{
	struct aa_inode_cache *cache = verdicts_of(inode, 0);
	s64 one, two;

	if (!cache || first >= AA_CACHED_COLUMNS || other >= AA_CACHED_COLUMNS)
		return -1;
	one = decode_cell(cache->cells[first], tag, place);
	two = decode_cell(cache->cells[other], tag, place);
	if (one < 0 || two < 0)
		return -1;
	return stricter(one, two);
}

static __always_inline void cache_decisions(struct inode *inode, struct aa_text *text, u64 tag, u64 place)
{
	struct aa_inode_cache *cache = verdicts_of(inode, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!cache) {
		count_loss(AA_LOSS_INODE_CACHE);
		return;
	}
	for (u32 i = 0; i < AA_CACHED_COLUMNS; i++)
		cache->cells[i] = encode_cell(text->columns[i], tag, place);
}

/*
 * Judges `file` in the columns `first` and `other` (the same one twice for a single column). With `only_written`, the
 * section's default does not count: for files that others opened and passed.
 */
static __always_inline int judge_file(void *ctx, struct subject *subject, struct file *file, u32 action, u32 first,
				      u32 other, int only_written, u32 carry_accepts, u32 carry_gives)
{
	struct inode *inode = file->f_inode;
	struct aa_policy *policy = subject->policy;

	if (!policy)
		return refuse_outright(ctx, subject, action, AA_REASON_NO_POLICY, 0, 0, 0, 0);

	u64 place = place_of(subject->identity, file->f_path.mnt);

	if (by_fmod_ret)
		place += address_of(subject->identity, inode);

	u64 tag = cacheable(inode, file->f_path.dentry) ? current_tag(policy->generation) : 0;
	u32 taken = other == AA_COLUMN_WRITE ? taken_from(subject, AA_LABEL_WRITE) : 0;
	u32 labels = 0, labelled_by = 0;

	/* With something taken, nothing that was cached counts. */
	if (tag && !subject->barred && !taken) {
		s64 cached = cached_decision(inode, tag, place, first, other);

		if (cached >= 0 && passes(cached))
			return 0;
	}

	struct aa_scratch *s = claim_scratch(subject);

	if (!s)
		return subject->observes ? 0 : eperm();
	reset_event(s);

	struct judgement j;
	int again = second_sight(address_of(subject->identity, inode), subject->agent, policy->generation, action);
	int reason = judge_object(s, subject, file->f_path.dentry, file->f_path.mnt, 0);

	if (reason) {
		j.decision = DECISION_CLOSED;
		j.reason = reason;
	} else {
		u32 a = s->object.columns[first % AA_COLUMNS], b = s->object.columns[other % AA_COLUMNS];

		if (again)
			subject->records = 0;
		labels = s->object.columns[AA_COLUMN_LABELS];
		labelled_by = s->object.columns[AA_COLUMN_LABELLED_BY];
		/* What gives a label is judged every time. */
		if (again && tag && !labels)
			cache_decisions(inode, &s->object, tag, place);
		j.decision = stricter(a, b);
		if (only_written)
			j.decision = stricter_if_written(AA_UNGOVERNED, j.decision);
		j.decision = with_taken(j.decision, taken);
		j.reason = reason_of(j.decision);
		if (is_directory(inode))
			s->object.flags |= AA_OBJECT_DIRECTORY;
		identify(s, inode);
		s->carry_accepts = carry_accepts;
		s->carry_gives = carry_gives;
	}

	int ret = conclude(ctx, s, subject, action, j);

	if (ret || !labels || (first != AA_COLUMN_READ && first != AA_COLUMN_LOAD))
		return ret;
	return label_reader(subject, file, labels, labelled_by);
}

/*
 * Every open that gives a usable descriptor: open, openat2, creat, open_by_handle_at, io_uring, a reopened O_PATH.
 * An open for exec is judged as an exec, in bprm_check_security. A failed read denies.
 */
SEC("lsm/file_open")
int BPF_PROG(judge_open, struct file *file)
{
	struct subject subject;

	if (file->f_mode & AA_FMODE_WRITE)
		forget_content(file->f_inode);
	if (!current_subject(&subject))
		return 0;
	if ((file->f_flags & AA_FMODE_EXEC) && !subject.barred)
		return 0;
	/* Pipes, sockets, memfds opened again through /proc: the process's own, without a name to judge. */
	if (nameless(file->f_inode) && !subject.barred)
		return 0;

	u32 mode = file->f_mode;
	u32 first = mode & AA_FMODE_READ ? AA_COLUMN_READ : AA_COLUMN_WRITE;
	u32 other = mode & AA_FMODE_WRITE ? AA_COLUMN_WRITE : first;

	/* Not of overlayfs's own open: what that one is covered by is the user's. */
	u32 own = mode & AA_FMODE_NOACCOUNT;
	u32 gives = AA_CARRY_BACKING | (file->f_flags & AA_O_TRUNC ? AA_CARRY_TRUNCATE : 0);

	return judge_file(ctx, &subject, file, mode & AA_FMODE_WRITE ? AA_ACTION_OPEN_WRITE : AA_ACTION_OPEN_READ, first,
			  other, 0, own ? AA_CARRY_BACKING : AA_CARRY_OPEN, own ? 0 : gives);
}

/* A file that becomes code: programs run by `ld.so prog`, libraries, plugins. See load_column(). */
static __always_inline int judge_load(void *ctx, struct file *file)
{
	struct subject subject;
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());

	if (!identity)
		return 0;
	/*
	 * Anonymous memory. Asked of the number: before 7.2 the verifier takes the hook's pointer for one that is never null,
	 * and may drop a check of it.
	 */
	if (!address_of(identity, file))
		return 0;
	subject_of_agent(&subject, identity->agent, identity->session);
	subject.identity = identity;

	struct inode *inode = file->f_inode;

	tell_mapped(inode);

	/* The program that bprm_check_security has just judged, arguments and all. */
	if (identity->program == (u64)inode && !subject.barred)
		return 0;
	if (nameless(inode) && subject.policy) {
		struct aa_scratch *s;
		struct judgement j = { .decision = stricter_if_written(AA_UNGOVERNED, subject.policy->memfd) };

		/* Just-in-time compilers and libffi map memfds as code: only a written rule against memfd says no. */
		if (passes(j.decision) && !subject.barred)
			return 0;
		s = claim_scratch(&subject);
		if (!s)
			return subject.observes ? 0 : eperm();
		reset_event(s);
		j.reason = reason_of(j.decision);
		s->object.flags = AA_OBJECT_MEMFD;
		return conclude(ctx, s, &subject, AA_ACTION_LOAD, j);
	}
	return judge_file(ctx, &subject, file, AA_ACTION_LOAD, AA_COLUMN_LOAD, AA_COLUMN_LOAD, 0, 0, 0);
}

/* mmap(PROT_EXEC). The file may be null (anonymous memory); the verifier insists on the check from 7.2 on. */
SEC("lsm/mmap_file")
int BPF_PROG(judge_code_mapping, struct file *file, unsigned long second, unsigned long third, unsigned long fourth)
{
	if (!file || !(mapping_of(second, third, fourth).protection & AA_PROT_EXEC))
		return 0;
	return judge_load(ctx, file);
}

/* mprotect(PROT_EXEC) of a file that was mapped without. */
SEC("lsm/file_mprotect")
int BPF_PROG(judge_code_protection, struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot)
{
	if (!(prot & AA_PROT_EXEC))
		return 0;

	struct file *file = vma->vm_file;

	if (!file)
		return 0;
	return judge_load(ctx, file);
}

/*
 * Names made, changed and removed: the write column of the name, by (directory's mount, dentry). `rate`: which of the
 * policy's rates counts them; AA_RATES: none.
 */
static __always_inline int judge_name(void *ctx, const struct path *directory, struct dentry *dentry, u32 action, u32 rate)
{
	struct subject subject;

	if (!current_subject(&subject))
		return 0;
	if (!subject.policy)
		return refuse_outright(ctx, &subject, action, AA_REASON_NO_POLICY, 0, 0, 0, 0);

	struct aa_scratch *s = claim_scratch(&subject);

	if (!s)
		return subject.observes ? 0 : eperm();
	reset_event(s);

	struct judgement j;
	int reason = judge_object(s, &subject, dentry, directory->mnt, 0);

	j.decision = reason ? DECISION_CLOSED : with_taken(s->object.columns[AA_COLUMN_WRITE], taken_from(&subject, AA_LABEL_WRITE));
	j.reason = reason ?: reason_of(j.decision);
	identify(s, dentry->d_inode);
	if (rate < AA_RATES)
		limit(&subject, rate, &j);
	if (action == AA_ACTION_CREATE && opens_what_it_creates())
		s->carry_gives = AA_CARRY_OPEN | AA_CARRY_BACKING;
	if (action == AA_ACTION_TRUNCATE)
		s->carry_accepts = AA_CARRY_TRUNCATE;
	return conclude(ctx, s, &subject, action, j);
}

/* open(O_CREAT), mknod, bind of a unix socket: before the name exists. bpf_d_path() may never be called here. */
SEC("lsm/path_mknod")
int BPF_PROG(judge_create, const struct path *dir, struct dentry *dentry, u32 mode, u32 dev)
{
	u32 type = mode & AA_S_IFMT;

	return judge_name(ctx, dir, dentry, type == 0 || type == AA_S_IFREG ? AA_ACTION_CREATE : AA_ACTION_MKNOD,
			  AA_RATE_CREATE);
}

SEC("lsm/path_mkdir")
int BPF_PROG(judge_mkdir, const struct path *dir, struct dentry *dentry)
{
	return judge_name(ctx, dir, dentry, AA_ACTION_MKDIR, AA_RATE_CREATE);
}

SEC("lsm/path_rmdir")
int BPF_PROG(judge_rmdir, const struct path *dir, struct dentry *dentry)
{
	return judge_name(ctx, dir, dentry, AA_ACTION_RMDIR, AA_RATE_UNLINK);
}

SEC("lsm/path_unlink")
int BPF_PROG(judge_unlink, const struct path *dir, struct dentry *dentry)
{
	return judge_name(ctx, dir, dentry, AA_ACTION_UNLINK, AA_RATE_UNLINK);
}

SEC("lsm/path_symlink")
int BPF_PROG(judge_symlink, const struct path *dir, struct dentry *dentry)
{
	return judge_name(ctx, dir, dentry, AA_ACTION_SYMLINK, AA_RATE_CREATE);
}

SEC("lsm/path_truncate")
int BPF_PROG(judge_truncate, const struct path *path)
{
	forget_content(path->dentry->d_inode);
	return judge_name(ctx, path, path->dentry, AA_ACTION_TRUNCATE, AA_RATES);
}

/* ftruncate from 6.2 on (before, it came through path_truncate). */
SEC("?lsm/file_truncate")
int BPF_PROG(judge_ftruncate, struct file *file)
{
	if (nameless(file->f_inode))
		return 0;
	return judge_name(ctx, &file->f_path, file->f_path.dentry, AA_ACTION_TRUNCATE, AA_RATES);
}

SEC("lsm/path_chmod")
int BPF_PROG(judge_chmod, const struct path *path)
{
	return judge_name(ctx, path, path->dentry, AA_ACTION_CHMOD, AA_RATES);
}

SEC("lsm/path_chown")
int BPF_PROG(judge_chown, const struct path *path)
{
	return judge_name(ctx, path, path->dentry, AA_ACTION_CHOWN, AA_RATES);
}

/*
 * A second name for an object: whoever may not read and write it under the old name must not gain a new one, and the
 * new name must be writable. Moving a directory moves every name below it, so one that holds protected names stays.
 */
static __always_inline int moves_guarded(struct dentry *dentry, struct aa_text *text)
{
	struct inode *inode = dentry->d_inode;

	if (!inode || !is_directory(inode))
		return 0;
	text->flags |= AA_OBJECT_DIRECTORY;
	return text->guarded;
}

static __always_inline int judge_two_names(void *ctx, struct vfsmount *old_mount, struct dentry *old,
					   struct vfsmount *new_mount, struct dentry *new, u32 action, int exchange)
{
	struct subject subject;

	if (!current_subject(&subject))
		return 0;
	if (!subject.policy)
		return refuse_outright(ctx, &subject, action, AA_REASON_NO_POLICY, 0, 0, 0, 0);

	struct aa_scratch *s = claim_scratch(&subject);

	if (!s)
		return subject.observes ? 0 : eperm();
	reset_event(s);

	struct judgement j;
	int reason = judge_object(s, &subject, old, old_mount, 0);

	if (!reason)
		reason = judge_object(s, &subject, new, new_mount, 1);
	if (reason) {
		j.decision = DECISION_CLOSED;
		j.reason = reason;
		return conclude(ctx, s, &subject, action, j);
	}
	j.decision = stricter(s->object.columns[AA_COLUMN_WRITE],
			      stricter(s->object.columns[AA_COLUMN_READ], s->second.columns[AA_COLUMN_WRITE]));
	j.decision = with_taken(j.decision, taken_from(&subject, AA_LABEL_WRITE));
	j.reason = reason_of(j.decision);
	identify(s, old->d_inode);

	int guarded = moves_guarded(old, &s->object);

	if (exchange) {
		/* The new name's object takes the old name: as much a rename as the other. */
		j.decision = stricter(j.decision, s->second.columns[AA_COLUMN_READ]);
		j.reason = reason_of(j.decision);
		guarded |= moves_guarded(new, &s->second);
	}
	limit(&subject, action == AA_ACTION_RENAME ? AA_RATE_RENAME : AA_RATE_CREATE, &j);
	/* Not to be had by asking either: the answer would be for one name, and all below it would move. */
	if (guarded && verdict_of(j.decision) < AA_DENY) {
		j.decision = DECISION_CLOSED;
		j.reason = AA_REASON_GUARDED_TREE;
	}
	if (verdict_of(j.decision) != AA_DENY &&
	    loses_label(&s->object, &s->second, exchange && new->d_inode)) {
		j.decision = DECISION_CLOSED;
		j.reason = AA_REASON_LOSES_LABEL;
	}
	return conclude(ctx, s, &subject, action, j);
}

SEC("lsm/path_rename")
int BPF_PROG(judge_rename, const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir,
	     struct dentry *new_dentry, unsigned int flags)
{
	return judge_two_names(ctx, old_dir->mnt, old_dentry, new_dir->mnt, new_dentry, AA_ACTION_RENAME,
			       (flags & AA_RENAME_EXCHANGE) != 0);
}

SEC("lsm/path_link")
int BPF_PROG(judge_link, struct dentry *old_dentry, const struct path *new_dir, struct dentry *new_dentry)
{
	return judge_two_names(ctx, new_dir->mnt, old_dentry, new_dir->mnt, new_dentry, AA_ACTION_LINK, 0);
}

/*
 * A passed file: what a rule denies stays denied when an ungoverned process opened it. Sockets are judged in
 * net.bpf.c. Section defaults do not count: being handed a file is how brokers grant access.
 */
SEC("lsm/file_receive")
int BPF_PROG(judge_received_file, struct file *file)
{
	struct subject subject;

	if (!current_subject(&subject))
		return 0;
	if (nameless(file->f_inode))
		return 0;

	u32 mode = file->f_mode;
	u32 first = mode & AA_FMODE_READ ? AA_COLUMN_READ : AA_COLUMN_WRITE;
	u32 other = mode & AA_FMODE_WRITE ? AA_COLUMN_WRITE : first;

	return judge_file(ctx, &subject, file, mode & AA_FMODE_WRITE ? AA_ACTION_OPEN_WRITE : AA_ACTION_OPEN_READ, first,
			  other, 1, 0, 0);
}

/*
 * Cached verdicts follow names, so they fall when names change, whoever changes them. A regular file's cell is emptied
 * before the change, because inode storage may be touched from LSM programs alone; an open that slips in between
 * caches what it was just allowed. A directory voids every cell, before the change and after it (fexit): the second is
 * for opens that slip in between, the first for kernels that pass over the second (ARCHITECTURE.md, "Labels").
 */
static __always_inline int forget(struct dentry *dentry)
{
	struct inode *inode = dentry->d_inode;

	if (!inode)
		return 0;
	if (is_directory(inode))
		raise_epoch();
	else
		forget_verdicts(inode);
	return 0;
}

SEC("lsm/inode_rename")
int BPF_PROG(forget_renamed, struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
	     struct dentry *new_dentry)
{
	forget(old_dentry);
	return forget(new_dentry);
}

SEC("lsm/inode_link")
int BPF_PROG(forget_linked, struct dentry *old_dentry)
{
	return forget(old_dentry);
}

SEC("fexit/vfs_rename")
int BPF_PROG(forget_moved_directory, struct renamedata *rd, int ret)
{
	struct inode *one = rd->old_dentry->d_inode;
	struct inode *other = rd->new_dentry->d_inode;

	if ((one && is_directory(one)) || (other && is_directory(other)))
		raise_epoch();
	return 0;
}

SEC("lsm/sb_mount")
int BPF_PROG(forget_on_mount)
{
	raise_epoch();
	return 0;
}

SEC("lsm/sb_umount")
int BPF_PROG(forget_on_umount)
{
	raise_epoch();
	return 0;
}

SEC("lsm/move_mount")
int BPF_PROG(forget_on_move_mount)
{
	raise_epoch();
	return 0;
}
