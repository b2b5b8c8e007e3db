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

enum aa_last {
	AA_NO_NAME = 0xffffffff, /* no component was read yet */
};

#define READ_FIELD(destination, source, field) \
	bpf_probe_read_kernel(&(destination), sizeof(destination), \
			      __builtin_preserve_access_index(&((source)->field)))

/* Where a field lies behind another of the same struct: known once the program is loaded. */
#define FIELD_DISTANCE(type, from, to) (bpf_core_field_offset(type, to) - bpf_core_field_offset(type, from))

/* Whether all that is looked for lies in a window; where it does not, no path can be read, which denies. */
static __always_inline int windows_fit(void)
{
	const u32 room = AA_WINDOW_BYTES - 8;

	return FIELD_DISTANCE(struct dentry, d_parent, d_name.name) <= room &&
	       FIELD_DISTANCE(struct dentry, d_parent, d_name.len) <= room &&
	       FIELD_DISTANCE(struct mount, mnt_parent, mnt_mountpoint) <= room &&
	       FIELD_DISTANCE(struct mount, mnt_parent, mnt.mnt_root) <= room &&
	       FIELD_DISTANCE(struct mount, mnt_parent, mnt.mnt_sb) <= room;
}

/* A word of the window, `distance` bytes from where it begins. */
static __always_inline u64 window_word(struct aa_text *text, u32 distance)
{
	return *(u64 *)&text->window[(AA_WINDOW_AT + distance) & 127];
}

/* Looks at the kernel's memory from `address` on. One read for several fields: reads are what a path costs. */
static __always_inline int open_window(struct aa_text *text, u64 address)
{
	return bpf_probe_read_kernel(&text->window[AA_WINDOW_AT], AA_WINDOW_BYTES, (void *)address);
}

/*
 * Puts "/name" of the dentry in the window before what is there. A name that lies in the window is copied from its end
 * to its beginning, a word at a time; what that writes too far to the left is where the next name goes. A global function,
 * since inlined its rounds were most of what the verifier did.
 */
__noinline int prepend_name(struct aa_text *text, u64 window_address)
{
	if (!text)
		return -1;

	u64 name = window_word(text, FIELD_DISTANCE(struct dentry, d_parent, d_name.name));
	u32 length = window_word(text, FIELD_DISTANCE(struct dentry, d_parent, d_name.len));
	u64 offset = name - window_address;
	u32 at = text->start;

	if (length > AA_NAME_MAX || length + 1 > at)
		return -1;
	if (text->last == AA_NO_NAME)
		text->last = length;
	text->start = at - length - 1;
	if (offset <= AA_WINDOW_BYTES && offset + length <= AA_WINDOW_BYTES && at > AA_WINDOW_BYTES) {
		u32 from = AA_WINDOW_AT + offset + length;

		for (u32 done = 0; done < AA_WINDOW_BYTES; done += 8) {
			if (done >= length)
				break;
			from -= 8;
			at -= 8;
			*(u64 *)&text->bytes[at & (AA_PATH_BYTES - 1)] = *(u64 *)&text->window[from & 127];
		}
	} else if (bpf_probe_read_kernel(&text->bytes[(at - length) & (AA_PATH_BYTES - 1)], length & AA_NAME_MAX, (void *)name)) {
		return -1;
	}
	text->bytes[text->start & (AA_PATH_BYTES - 1)] = '/';
	return 0;
}

/* Empties the text: names go before its end. The last byte stays free: PATH_MAX counts a NUL. */
static __always_inline void begin_text(struct aa_text *text)
{
	text->start = AA_PATH_BYTES - 1;
	text->length = 0;
	text->last = AA_NO_NAME;
	text->flags = 0;
}

/* The last component alone, with its slash. A global function as read_path() below. */
__noinline int read_last(struct aa_text *text, u64 dentry_address)
{
	u64 window = dentry_address + bpf_core_field_offset(struct dentry, d_parent);

	if (!text || !windows_fit())
		return -1;
	begin_text(text);
	return open_window(text, window) ? -1 : prepend_name(text, window);
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

	u64 dentry = text->cursor;

	for (u32 i = 0; i < AA_CLIMB_PIECE; i++) {
		u64 window = dentry + bpf_core_field_offset(struct dentry, d_parent);
		u64 parent;

		if (dentry == stop_address)
			return AA_CLIMB_REACHED;
		if (open_window(text, window))
			return AA_CLIMB_FAILED;
		parent = window_word(text, 0);
		if (parent == dentry)
			return AA_CLIMB_DISCONNECTED;
		if (prepend_name(text, window))
			return AA_CLIMB_FAILED;
		dentry = parent;
	}
	text->cursor = dentry;
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

/* Fills text->mount. A function of its own, so that its frame does not stand below that of climb_names(). */
__noinline int look_at_mount(struct aa_text *text, u64 mount)
{
	struct super_block *sb;
	struct dentry *sb_root = 0;

	if (!text || open_window(text, mount + bpf_core_field_offset(struct mount, mnt_parent)))
		return -1;
	text->mount.above = window_word(text, 0);
	text->mount.point = window_word(text, FIELD_DISTANCE(struct mount, mnt_parent, mnt_mountpoint));
	text->mount.root = window_word(text, FIELD_DISTANCE(struct mount, mnt_parent, mnt.mnt_root));
	sb = (void *)window_word(text, FIELD_DISTANCE(struct mount, mnt_parent, mnt.mnt_sb));
	if (READ_FIELD(sb_root, sb, s_root))
		return -1;
	text->mount.sb_root = (u64)sb_root;
	return 0;
}

/*
 * Whether a mount is in another mount namespace than the caller; -1 if that cannot be read. A function of its own: for
 * every pointer that is followed without a read the verifier searches all names of the kernel's types, 16 times in the
 * loop below.
 */
__noinline int is_foreign_mount(u64 mount)
{
	struct mnt_namespace *theirs = 0;

	if (READ_FIELD(theirs, (struct mount *)mount, mnt_ns))
		return -1;
	return theirs != bpf_get_current_task_btf()->nsproxy->mnt_ns;
}

/*
 * Names from `dentry` to the root of its mount tree. Returns 0 or -1; marks the text where an object has another name
 * too: behind a bind mount, in a detached tree, or in another mount namespace.
 */
static __always_inline int climb_mounts(struct aa_text *text, u64 dentry, u64 mount)
{
	for (u32 i = 0; i < AA_MOUNT_DEPTH; i++) {
		int climbed;

		if (look_at_mount(text, mount))
			return -1;
		climbed = dentry == text->mount.root ? AA_CLIMB_REACHED : climb_names(text, dentry, text->mount.root);
		if (climbed == AA_CLIMB_FAILED)
			return -1;
		if (climbed == AA_CLIMB_DISCONNECTED || text->mount.root != text->mount.sb_root)
			text->flags |= AA_OBJECT_ALIASED;
		if (climbed == AA_CLIMB_DISCONNECTED)
			return 0;
		if (text->mount.above == mount) {
			int foreign = is_foreign_mount(mount);

			if (foreign > 0)
				text->flags |= AA_OBJECT_ALIASED;
			return foreign < 0 ? -1 : 0;
		}
		dentry = text->mount.point;
		mount = text->mount.above;
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

	if (!text || !windows_fit())
		return -1;
	begin_text(text);
	if (vfsmount_address) {
		u64 mount = vfsmount_address - bpf_core_field_offset(struct mount, mnt);

		failed = climb_mounts(text, dentry_address, mount);
	} else {
		failed = climb_names(text, dentry_address, 0) != AA_CLIMB_DISCONNECTED;
	}
	if (failed)
		return -1;
	if (text->start == AA_PATH_BYTES - 1) {
		text->start = AA_PATH_BYTES - 2;
		text->last = 0;
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
