/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is kept beside inodes and sockets, and what else differs by how the programs are attached (`by_fmod_ret`).
 *
 * LSM programs keep it in storage of the kernel's, which goes with the object. Where `bpf` is not among the security modules
 * the same programs are attached to the security_ functions (fmod_ret), and may use neither inode nor socket storage. There
 * it is in tables: by the inode's address, until security_inode_free; by the socket's cookie, which is never given twice,
 * until security_sk_free. Not by device and inode number: these are given again where a file system draws no generations
 * (overlayfs, 9p), while the object at an address is the one that lives there. The loader makes the tables in that case only.
 */
#ifndef AA_STORAGE_BPF_H
#define AA_STORAGE_BPF_H

#include "maps.bpf.h"

enum aa_table_limits {
	AA_VERDICTS = 32768,	/* inodes with cached verdicts; the least used go first */
	AA_LABELLED = 65536,	/* labelled inodes; a further one is not written to by who carries labels */
	AA_SOCKETS = 262144,	/* sockets of governed processes */
};

/* As inode_verdicts. What is evicted here is another inode's at once, so cells are mixed with the inode's address too. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, AA_VERDICTS);
	__type(key, u64);
	__type(value, struct aa_inode_cache);
} verdicts_by_address SEC(".maps");

/* As inode_labels. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, AA_LABELLED);
	__type(key, u64);
	__type(value, struct aa_inode_labels);
} labels_by_address SEC(".maps");

/* As socket_owners. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, AA_SOCKETS);
	__type(key, u64);
	__type(value, struct aa_socket_owner);
} owners_by_cookie SEC(".maps");

/* What a new entry is made of. */
static const union {
	struct aa_inode_cache verdicts;
	struct aa_inode_labels labels;
	struct aa_socket_owner owner;
} nothing SEC(".rodata.nothing");

/* The entry of a table, made where `flags` ask for it. */
static __always_inline void *entry_of(void *table, u64 key, u64 flags)
{
	void *entry = bpf_map_lookup_elem(table, &key);

	if (entry || !flags)
		return entry;
	bpf_map_update_elem(table, &key, &nothing, BPF_NOEXIST);
	return bpf_map_lookup_elem(table, &key);
}

/* `flags`: 0 or BPF_LOCAL_STORAGE_GET_F_CREATE, here and below. */
static __always_inline struct aa_inode_cache *verdicts_of(struct inode *inode, u64 flags)
{
	if (by_fmod_ret)
		return entry_of(&verdicts_by_address, (u64)inode, flags);
	return bpf_inode_storage_get(&inode_verdicts, inode, 0, flags);
}

static __always_inline void forget_verdicts(struct inode *inode)
{
	u64 address = (u64)inode;

	if (by_fmod_ret)
		bpf_map_delete_elem(&verdicts_by_address, &address);
	else
		bpf_inode_storage_delete(&inode_verdicts, inode);
}

static __always_inline struct aa_inode_labels *labels_of_inode(struct inode *inode, u64 flags)
{
	if (by_fmod_ret)
		return entry_of(&labels_by_address, (u64)inode, flags);
	return bpf_inode_storage_get(&inode_labels, inode, 0, flags);
}

static __always_inline struct aa_socket_owner *owner_of(struct sock *sk, u64 flags)
{
	if (by_fmod_ret)
		return entry_of(&owners_by_cookie, bpf_get_socket_cookie(sk), flags);
	return bpf_sk_storage_get(&socket_owners, sk, 0, flags);
}

/* The same in cgroup programs; they make none. */
static __always_inline struct aa_socket_owner *owner_at(struct bpf_sock_addr *ctx)
{
	if (!ctx->sk)
		return 0;
	if (by_fmod_ret)
		return entry_of(&owners_by_cookie, bpf_get_socket_cookie(ctx), 0);
	return bpf_sk_storage_get(&socket_owners, ctx->sk, 0, 0);
}

/* What mmap_file is told: its hook has both what was asked for and what comes of it; security_mmap_file is told the first. */
struct mapping {
	unsigned long protection;
	unsigned long flags;
};

static __always_inline struct mapping mapping_of(unsigned long second, unsigned long third, unsigned long fourth)
{
	struct mapping asked = { .protection = second, .flags = third };
	struct mapping made = { .protection = third, .flags = fourth };

	if (!by_fmod_ret)
		return made;
	/* As mmap_prot() in security/security.c, and on noexec mounts too. */
	if ((second & AA_PROT_READ) && (bpf_get_current_task_btf()->personality & AA_READ_IMPLIES_EXEC))
		asked.protection |= AA_PROT_EXEC;
	return asked;
}

#endif
