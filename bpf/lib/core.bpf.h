/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few kernel types we read, each with only the fields we read. CO-RE relocates every access to the running
 * kernel's layout, so that one object serves all of them; no generated vmlinux.h is needed.
 */
#ifndef AA_CORE_BPF_H
#define AA_CORE_BPF_H

#include <linux/bpf.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>

#include "../abi/policy.h"
#include "../abi/event.h"
#include "../abi/plaintext.h"

#define AA_LICENSE char LICENSE[] SEC("license") = "Dual BSD/GPL"

enum aa_errno {
	AA_EPERM = 1,
};

enum aa_kernel_constants {
	AA_FMODE_READ = 0x1,
	AA_FMODE_WRITE = 0x2,
	AA_FMODE_EXEC = 0x20, /* in f_flags; user space cannot set it (fs/open.c strips it) */
	AA_PROT_READ = 0x1,
	AA_PROT_EXEC = 0x4,
	AA_READ_IMPLIES_EXEC = 0x0400000, /* include/uapi/linux/personality.h */
	AA_MAP_SHARED_KINDS = 0x1, /* MAP_SHARED, and MAP_SHARED_VALIDATE with it */
	AA_MAY_WRITE = 2,
	AA_MAY_READ = 4,
	AA_CLONE_VM = 0x100,
	AA_CLONE_THREAD = 0x10000,
	AA_S_IFIFO = 0010000,
	AA_S_IFMT = 0170000,
	AA_S_IFDIR = 0040000,
	AA_S_IFREG = 0100000,
	AA_S_IFSOCK = 0140000,
	AA_AF_UNSPEC = 0,
	AA_AF_UNIX = 1,
	AA_AF_INET = 2,
	AA_AF_INET6 = 10,
	AA_AF_NETLINK = 16,
	AA_SOCK_STREAM = 1,
	AA_SOCK_DGRAM = 2,
	AA_SOCK_SEQPACKET = 5,
	AA_IPPROTO_IP = 0,
	AA_IPPROTO_ICMP = 1,
	AA_IPPROTO_TCP = 6,
	AA_IPPROTO_UDP = 17,
	AA_IPPROTO_ICMPV6 = 58,
	AA_IPPROTO_MPTCP = 262,
	AA_NETLINK_ROUTE = 0,
	AA_F_SETOWN = 8,
	AA_F_SETOWN_EX = 15,
	AA_FIOSETOWN = 0x8901,
	AA_SIOCSPGRP = 0x8902,
	AA_SB_KERNMOUNT = 1 << 22,
	AA_SB_SUBMOUNT = 1 << 26,
	AA_IPPROTO_IPV6 = 41,
	AA_IP_OPTIONS = 4,
	AA_IPV6_2292RTHDR = 5,
	AA_IPV6_2292PKTOPTIONS = 6,
	AA_IPV6_RTHDR = 57,
	AA_TIOCSTI = 0x5412,
	AA_TIOCLINUX = 0x541c,
	AA_SIGKILL = 9,
	AA_SIGSTOP = 19,
	AA_SIGNAL_GROUP_EXIT = 0x4, /* include/linux/sched/signal.h: all threads are about to end */
	AA_TCP_SYN_SENT = 2,
	AA_O_TRUNC = 01000,
	AA_FMODE_NOACCOUNT = 0x20000000, /* opened by a file system for itself, as overlayfs does */
	AA_PF_IO_WORKER = 0x10,
	AA_PF_USER_WORKER = 0x4000, /* 6.4 on; before, a flag of kernel threads' memory policy */
	AA_PF_KTHREAD = 0x200000,
	AA_PTRACE_MODE_ATTACH = 0x02,
	AA_PTRACE_MODE_NOAUDIT = 0x04,
	AA_CAP_OPT_NOAUDIT = 0x2, /* include/linux/security.h */
	AA_NAME_MAX = 255,
	AA_RENAME_EXCHANGE = 2,
	AA_DCACHE_OP_REVALIDATE = 0x4, /* include/linux/dcache.h: others may rename the object */
	/* include/uapi/linux/magic.h */
	AA_EXT4_MAGIC = 0xef53,
	AA_XFS_MAGIC = 0x58465342,
	AA_TMPFS_MAGIC = 0x01021994,
};

/* SB_NOUSER: a superblock no mount of user space can show (pipefs, sockfs, anon_inodefs, memfd's tmpfs). */
#define AA_SB_NOUSER (1UL << 31)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct qstr {
	u32 len;
	const unsigned char *name;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};

struct super_block {
	u32 s_dev;
	unsigned long s_flags;
	unsigned long s_magic;
	struct dentry *s_root;
};

struct inode {
	u16 i_mode;
	u32 i_nlink;
	struct super_block *i_sb;
	unsigned long i_ino;
	u32 i_generation;
	s64 i_size;
	struct {
		s32 counter;
	} i_writecount;
};

struct dentry {
	u32 d_flags;
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
};

struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
};

struct mnt_namespace;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct callback_head {
	struct callback_head *next;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	u32 f_mode;
	u32 f_flags;
	void *private_data;
	struct callback_head f_task_work;
};

struct kiocb {
	struct file *ki_filp;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

typedef struct {
	u32 val;
} kuid_t;

typedef struct {
	u32 val;
} kgid_t;

typedef struct {
	s64 counter;
} atomic64_t;

/* Two words before 6.3, one from then on; the same 64 bits, which are read as such. */
typedef struct {
	u32 words[2];
} kernel_cap_t;

struct user_namespace;

struct cred {
	kuid_t uid;
	kuid_t euid;
	kgid_t egid;
	struct user_namespace *user_ns;
	kernel_cap_t cap_permitted;
	kernel_cap_t cap_effective;
	kernel_cap_t cap_bset;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	struct file *exe_file;
};

struct thread_info {
	u32 status;
};

struct kernfs_node {
	u64 id;
};

struct cgroup_subsys_state {
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

struct bpf_local_storage;

struct signal_struct {
	u32 flags;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct sigpending {
	struct {
		u64 sig[1];
	} signal;
};

struct task_struct {
	struct css_set *cgroups;
	struct thread_info thread_info;
	u32 flags;
	u32 ptrace;
	u32 personality;
	s32 pid;
	s32 tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	u64 start_boottime;
	u64 self_exec_id;
	const struct cred *cred;
	struct mm_struct *mm;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct sigpending pending;
	struct callback_head *task_works;
	struct bpf_local_storage *bpf_storage;
	char comm[16];
};

struct linux_binprm {
	struct file *executable;
	struct file *file;
	struct cred *cred;
	const char *filename;
	const char *interp;
	char buf[256];
};

struct vm_area_struct {
	struct file *vm_file;
};

struct in6_addr {
	union {
		u8 u6_addr8[16];
	} in6_u;
};

struct ns_common {
	u32 inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	u16 skc_family;
	volatile unsigned char skc_state;
	u16 skc_dport;
	u16 skc_num;
	u32 skc_daddr;
	u32 skc_rcv_saddr;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};

struct sock {
	struct sock_common __sk_common;
	u16 sk_type;
	u16 sk_protocol;
};

struct socket {
	s16 type;
	struct sock *sk;
};

struct sockaddr {
	u16 sa_family;
};

struct sockaddr_un {
	u16 sun_family;
};

struct unix_address {
	s32 len;
	struct sockaddr_un name[0];
};

struct unix_sock {
	struct unix_address *addr;
	struct path path;
	struct sock *peer;
};

struct tcp_sock {
	u32 write_seq;
};

struct iovec {
	void *iov_base;
	u64 iov_len;
};

/* Before 6.4 `__iov` is `iov`. */
struct iov_iter {
	u8 iter_type;
	u64 iov_offset;
	u64 count;
	void *ubuf;
	const struct iovec *__iov;
	unsigned long nr_segs;
};

struct iov_iter___old {
	const struct iovec *iov;
};

enum iter_type {
	ITER_UBUF = 0, /* relocated */
	ITER_IOVEC = 1,
};

struct msghdr {
	void *msg_name;
	s32 msg_namelen;
	struct iov_iter msg_iter;
};

struct renamedata {
	struct dentry *old_dentry;
	struct dentry *new_dentry;
};

#pragma clang attribute pop

/* Layouts of user space's ABI: fixed, not relocated. */
struct aa_sockaddr_in {
	u16 family;
	u16 port; /* network order */
	u32 address;
};

struct aa_sockaddr_in6 {
	u16 family;
	u16 port; /* network order */
	u32 flowinfo;
	u8 address[16];
	u32 scope_id;
};

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

#endif
