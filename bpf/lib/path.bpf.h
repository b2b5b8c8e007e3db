/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Paths, read from the kernel's own objects.
 *
 * bpf_d_path() may be called from few hooks and on few kernels (path_* only from 6.8, path_mknod never), and it stops
 * at the caller's root. This walk works in every hook on every kernel, crosses mounts up to the root of the mount
 * tree, and says whether a bind mount or a detached mount was on the way. All reads are checked: a path that cannot be
 * read whole is an error, never a shorter path.
 */
#ifndef AA_PATH_BPF_H
#define AA_PATH_BPF_H

#include "scratch.bpf.h"

#define READ_FIELD(destination, source, field) \
	bpf_probe_read_kernel(&(destination), sizeof(destination), \
			      __builtin_preserve_access_index(&((source)->field)))

/* Puts "/name" before what is there. */
static __always_inline int prepend_name(struct aa_text *text, struct dentry *dentry)
{
	struct qstr name = {};
	u32 at = text->start;

	if (READ_FIELD(name.len, dentry, d_name.len) || READ_FIELD(name.name, dentry, d_name.name))
		return -1;
	if (name.len > AA_NAME_MAX || name.len + 1 > at)
		return -1;
	at -= name.len + 1;
	text->start = at;
	text->bytes[at & (AA_PATH_BYTES - 1)] = '/';
	return bpf_probe_read_kernel(&text->bytes[(at + 1) & (AA_PATH_BYTES - 1)], name.len & AA_NAME_MAX, name.name);
}

enum aa_climb {
	AA_CLIMB_REACHED = 0,	   /* the dentry to stop at */
	AA_CLIMB_DISCONNECTED = 1, /* a root that is not the one to stop at */
	AA_CLIMB_FAILED = 2,
	AA_CLIMB_UNDER_WAY = 3,
	AA_CLIMB_PIECE = 16, /* names a call */
};

/*
 * Puts up to AA_CLIMB_PIECE names from text->cursor (a dentry) upwards before what is in `text`, and leaves the cursor
 * at the next. The position is kept in memory instead of a register, so that the verifier finds the rounds equal.
 */
__noinline int climb_piece(struct aa_text *text, u64 stop_address)
{
	if (!text)
		return AA_CLIMB_FAILED;

	struct dentry *dentry = (void *)text->cursor;

	for (u32 i = 0; i < AA_CLIMB_PIECE; i++) {
		struct dentry *parent = 0;

		if ((u64)dentry == stop_address)
			return AA_CLIMB_REACHED;
		if (READ_FIELD(parent, dentry, d_parent))
			return AA_CLIMB_FAILED;
		if (parent == dentry)
			return AA_CLIMB_DISCONNECTED;
		if (prepend_name(text, dentry))
			return AA_CLIMB_FAILED;
		dentry = parent;
	}
	text->cursor = (u64)dentry;
	return AA_CLIMB_UNDER_WAY;
}

/* All names from `dentry_address` up to, and without, `stop_address`. */
__noinline int climb_names(struct aa_text *text, u64 dentry_address, u64 stop_address)
{
	if (!text)
		return AA_CLIMB_FAILED;
	text->cursor = dentry_address;
	for (u32 i = 0; i < AA_PATH_DEPTH / AA_CLIMB_PIECE; i++) {
		int climbed = climb_piece(text, stop_address);

		if (climbed != AA_CLIMB_UNDER_WAY)
			return climbed;
	}
	return AA_CLIMB_FAILED;
}

enum aa_mount_depth {
	AA_MOUNT_DEPTH = 16, /* mounts on mounts; deeper is unreadable, so denied */
};

/*
 * Names from `dentry` to the root of its mount tree. Returns 0 or -1; marks the text where an object has another name
 * too: behind a bind mount, in a detached tree, or in another mount namespace.
 */
static __always_inline int climb_mounts(struct aa_text *text, struct dentry *dentry, struct mount *mount)
{
	for (u32 i = 0; i < AA_MOUNT_DEPTH; i++) {
		struct mount *above = 0;
		struct super_block *sb = 0;
		struct dentry *root = 0, *sb_root = 0;
		struct mnt_namespace *theirs = 0;
		int climbed;

		if (READ_FIELD(root, mount, mnt.mnt_root) || READ_FIELD(above, mount, mnt_parent) ||
		    READ_FIELD(sb, mount, mnt.mnt_sb) || READ_FIELD(sb_root, sb, s_root))
			return -1;
		climbed = climb_names(text, (u64)dentry, (u64)root);
		if (climbed == AA_CLIMB_FAILED)
			return -1;
		if (climbed == AA_CLIMB_DISCONNECTED || sb_root != root)
			text->flags |= AA_OBJECT_ALIASED;
		if (climbed == AA_CLIMB_DISCONNECTED)
			return 0;
		if (above == mount) {
			struct task_struct *task = (void *)bpf_get_current_task();

			if (READ_FIELD(theirs, mount, mnt_ns))
				return -1;
			if (theirs != BPF_CORE_READ(task, nsproxy, mnt_ns))
				text->flags |= AA_OBJECT_ALIASED;
			return 0;
		}
		if (READ_FIELD(dentry, mount, mnt_mountpoint))
			return -1;
		mount = above;
	}
	return -1;
}

/*
 * The name of the object at `dentry_address` as seen from the root of its mount tree, into `text`. With
 * `vfsmount_address` 0, its name below its superblock's root. A global function taking addresses, since it follows
 * pointers by checked reads alone.
 *
 * Returns 0, or -1 if anything could not be read, or the path is longer than AA_PATH_BYTES or deeper than
 * AA_PATH_DEPTH.
 */
__noinline int read_path(struct aa_text *text, u64 dentry_address, u64 vfsmount_address)
{
	int failed;

	if (!text)
		return -1;
	text->length = 0;
	text->flags = 0;
	text->start = AA_PATH_BYTES - 1; /* the last byte stays free: PATH_MAX counts a NUL */
	if (vfsmount_address) {
		u64 mount = vfsmount_address - bpf_core_field_offset(struct mount, mnt);

		failed = climb_mounts(text, (void *)dentry_address, (void *)mount);
	} else {
		failed = climb_names(text, dentry_address, 0) != AA_CLIMB_DISCONNECTED;
	}
	if (failed)
		return -1;
	if (text->start == AA_PATH_BYTES - 1) {
		text->start = AA_PATH_BYTES - 2;
		text->bytes[AA_PATH_BYTES - 2] = '/';
	}
	text->length = AA_PATH_BYTES - 1 - text->start;
	return 0;
}

/*
 * The name an object has outside every bind mount: the mount point of its superblock, as the sensor found it, then
 * its name below the superblock's root. Returns -1 if unreadable; an unknown superblock counts as mounted at /.
 */
__noinline int read_canonical_path(struct aa_text *text, u64 dentry_address)
{
	struct dentry *dentry = (void *)dentry_address;
	struct super_block *sb = 0;
	u32 device = 0;

	if (!text || read_path(text, dentry_address, 0))
		return -1;
	text->flags |= AA_OBJECT_ALIASED;
	if (READ_FIELD(sb, dentry, d_sb) || READ_FIELD(device, sb, s_dev))
		return -1;

	struct aa_mount *mount = bpf_map_lookup_elem(&mount_points, &device);

	if (!mount || mount->length == 0)
		return 0;

	u32 length = mount->length;
	u32 at = text->start;

	if (length >= AA_MOUNT_PREFIX_BYTES || at < length)
		return -1;
	at -= length;
	if (bpf_probe_read_kernel(&text->bytes[at & (AA_PATH_BYTES - 1)], length & (AA_MOUNT_PREFIX_BYTES - 1), mount->prefix))
		return -1;
	text->start = at;
	text->length += length;
	return 0;
}

#endif
