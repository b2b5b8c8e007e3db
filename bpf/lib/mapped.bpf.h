/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether there is TLS in what governed processes map as code, the sensor finds out. It is told of a file once, until that
 * changes: what it has looked at stands in `looked`, by the file's own numbers, which a write changes (i_ctime, i_size).
 * Where they are not those that stat(2) gives (some file systems), it is told each time.
 */
#ifndef AA_MAPPED_BPF_H
#define AA_MAPPED_BPF_H

#include "maps.bpf.h"

/* struct aa_mapped. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 << 10);
} mapped SEC(".maps");

/* Sensor writes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct aa_file_version);
	__type(value, u32);
} looked SEC(".maps");

enum aa_ctime {
	/* I_CTIME_QUERIED since 6.13: not of the time. */
	AA_CTIME_NS = 0x7fffffff,
};

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
} __attribute__((preserve_access_index));

/* Until 6.5. */
struct inode___first {
	struct timespec64 i_ctime;
} __attribute__((preserve_access_index));

/* Until 6.10. */
struct inode___second {
	struct timespec64 __i_ctime;
} __attribute__((preserve_access_index));

struct inode___third {
	s64 i_ctime_sec;
	u32 i_ctime_nsec;
} __attribute__((preserve_access_index));

static __always_inline void read_version(struct aa_file_version *version, struct inode *inode)
{
	struct inode___first *first = (void *)inode;
	struct inode___second *second = (void *)inode;
	struct inode___third *third = (void *)inode;

	version->device = inode->i_sb->s_dev;
	version->inode = inode->i_ino;
	version->bytes = inode->i_size;
	if (bpf_core_field_exists(third->i_ctime_sec)) {
		version->changed_s = BPF_CORE_READ(third, i_ctime_sec);
		version->changed_ns = BPF_CORE_READ(third, i_ctime_nsec) & AA_CTIME_NS;
	} else if (bpf_core_field_exists(second->__i_ctime)) {
		version->changed_s = BPF_CORE_READ(second, __i_ctime.tv_sec);
		version->changed_ns = BPF_CORE_READ(second, __i_ctime.tv_nsec);
	} else {
		version->changed_s = BPF_CORE_READ(first, i_ctime.tv_sec);
		version->changed_ns = BPF_CORE_READ(first, i_ctime.tv_nsec);
	}
}

static __always_inline void send_mapped(const struct aa_mapped *told)
{
	if (bpf_ringbuf_output(&mapped, (void *)told, sizeof(*told), 0))
		count_loss(AA_LOSS_MAPPED_RING);
}

/* The calling governed process maps a file. */
static __always_inline void tell_mapped(struct inode *inode)
{
	struct aa_mapped told = { .pid = bpf_get_current_pid_tgid() >> 32 };

	read_version(&told.file, inode);
	if (!bpf_map_lookup_elem(&looked, &told.file))
		send_mapped(&told);
}

/* It is governed from now on, whatever it has mapped. */
static __always_inline void tell_governed(void)
{
	struct aa_mapped told = { .pid = bpf_get_current_pid_tgid() >> 32, .whole = 1 };

	send_mapped(&told);
}

#endif
