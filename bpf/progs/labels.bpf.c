// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Labels on their way: what a process that carries labels writes, and what whoever reads it carries from then on.
 *
 * Files and pipes are followed at file_permission, which every read and write through a descriptor comes by (also those of
 * sendfile, copy_file_range and io_uring), pipes also at splice, unix sockets at their messages. A reader that waits for
 * data has come by its hook before the data was there, so pipes and unix sockets are looked at again when it has it.
 * What carriers send out is judged here where no address is named: on a socket that was connected before.
 *
 * Not seen: names of files, exit codes, times; message queues, keyrings, terminals and extended attributes; a file that
 * one maps and another writes without mapping it; data that a system call which began before the label takes from memory
 * after it.
 */
#include "../lib/address.bpf.h"
#include "../lib/label.bpf.h"

AA_LICENSE;

/* The acting task, where its policy has labels. 0: there is nothing to follow. */
static __always_inline int followed_subject(struct subject *subject)
{
	if (!labels_in_force() || !current_subject(subject))
		return 0;
	return has_labels(subject);
}

static __always_inline u32 carried_now(const struct subject *subject)
{
	return carried_by_us() & subject->policy->labels;
}

/* Where there is no refusing any more: what has the data ends, rather than have it unlabelled. */
static __always_inline void end_unlabelled(int failed)
{
	if (failed)
		bpf_send_signal(AA_SIGKILL);
}

static __always_inline int label_pipe(u64 pipe, u32 labels)
{
	u32 *of = bpf_map_lookup_elem(&pipe_labels, &pipe);

	if (!of) {
		bpf_map_update_elem(&pipe_labels, &pipe, &labels, BPF_NOEXIST);
		of = bpf_map_lookup_elem(&pipe_labels, &pipe);
	}
	if (!of)
		return -1;
	if (labels & ~*of)
		__sync_fetch_and_or(of, labels);
	return 0;
}

static __always_inline u32 labels_of_pipe(u64 pipe)
{
	u32 *of = bpf_map_lookup_elem(&pipe_labels, &pipe);

	return of ? *of : 0;
}

static __always_inline u32 labels_of_socket(struct sock *sk)
{
	struct aa_socket_owner *of = owner_of(sk, 0);

	return of ? of->labels : 0;
}

/* The subject's record of a message that leaves, to where the socket leads. */
static __always_inline int judge_leaving(void *ctx, struct subject *subject, struct socket *sock, struct sock *sk, u32 taken)
{
	u16 family = sk->__sk_common.skc_family;
	struct judgement j = { .decision = taken, .reason = reason_of(taken) };
	struct aa_destination to = {};
	struct aa_scratch *s;

	if (family == AA_AF_INET) {
		set_v4(to.address, sk->__sk_common.skc_daddr);
	} else if (family == AA_AF_INET6) {
		if (bpf_probe_read_kernel(to.address, sizeof(to.address), &sk->__sk_common.skc_v6_daddr))
			return refuse_label(subject);
	}
	if (family != AA_AF_UNIX) {
		to.port = bpf_ntohs(sk->__sk_common.skc_dport);
		to.protocol = rule_protocol(sk);
	}
	s = claim_scratch(subject);
	if (!s)
		return refuse_label(subject);
	reset_event(s);
	describe(s, &to, family, sock->type);
	s->exact[0] = address_of(subject->identity, sk);
	return conclude(ctx, s, subject, family == AA_AF_UNIX ? AA_ACTION_UNIX_SEND : AA_ACTION_SEND, j);
}

/*
 * What a carrier sends on a connected socket. The agent's own unix sockets take the labels along; others are the
 * network. `later` is set where socket_sendmsg will judge it, and can let a person be asked.
 */
static __always_inline int send_labelled(void *ctx, struct subject *subject, struct socket *sock, struct sock *sk, int later)
{
	u16 family = sk->__sk_common.skc_family;
	u32 carried = carried_now(subject);
	u32 taken;

	if (!carried)
		return 0;
	if (family == AA_AF_UNIX) {
		struct unix_sock *own = bpf_skc_to_unix_sock(sk);
		struct aa_socket_owner *owner;
		struct sock *peer;

		/* Datagrams: each comes by unix_may_send with its receiver. */
		if (!own || sock->type == AA_SOCK_DGRAM)
			return 0;
		peer = own->peer;
		if (!peer)
			return 0;
		owner = owner_of(peer, 0);
		if (owner && owner->agent == subject->agent) {
			__sync_fetch_and_or(&owner->labels, carried);
			return 0;
		}
	} else if (family != AA_AF_INET && family != AA_AF_INET6) {
		return 0;
	}
	taken = taken_from(subject, AA_LABEL_NET);
	if (passes(taken) || (later && verdict_of(taken) == AA_ASK))
		return 0;
	return judge_leaving(ctx, subject, sock, sk, taken);
}

static __always_inline int take_labels(const struct subject *subject, u32 labels, struct file *file)
{
	u64 dentry, mount;

	if (!labels)
		return 0;
	dentry = address_of(subject->identity, file->f_path.dentry);
	mount = address_of(subject->identity, file->f_path.mnt);
	return become_labelled(subject, labels, AA_REASON_LABELLED_DATA, dentry, mount) ? eperm() : 0;
}

static __always_inline int read_labelled(struct subject *subject, struct file *file, struct inode *inode, u32 type)
{
	if (type == AA_S_IFREG) {
		struct aa_inode_labels *of = labels_of_inode(inode, 0);
		u32 labels = of ? of->labels : 0;

		return take_labels(subject, labels, file);
	}
	if (type == AA_S_IFIFO) {
		u64 pipe = address_of(subject->identity, inode);

		return take_labels(subject, labels_of_pipe(pipe), file);
	}
	if (type == AA_S_IFSOCK) {
		struct socket *sock = bpf_sock_from_file(file);

		return sock && sock->sk ? take_labels(subject, labels_of_socket(sock->sk), file) : 0;
	}
	return 0;
}

/* write and writev come by socket_sendmsg, and may be repeated from the beginning. */
static __always_inline int is_sent_later(void)
{
	u64 call = call_number();

	return call == 1 || call == 20;
}

static __always_inline int write_labelled(void *ctx, struct subject *subject, struct file *file, struct inode *inode, u32 type)
{
	u32 carried = carried_now(subject);
	int failed = 0;

	if (!carried)
		return 0;
	if (type == AA_S_IFREG)
		failed = label_inode(inode, carried);
	if (type == AA_S_IFIFO)
		failed = label_pipe(address_of(subject->identity, inode), carried);
	if (type == AA_S_IFSOCK) {
		struct socket *sock = bpf_sock_from_file(file);

		if (!sock || !sock->sk)
			return refuse_label(subject);
		return send_labelled(ctx, subject, sock, sock->sk, is_sent_later());
	}
	return failed ? refuse_label(subject) : 0;
}

/* Every read and write through a descriptor, before it. */
SEC("lsm/file_permission")
int BPF_PROG(follow_data, struct file *file, int mask)
{
	struct subject subject;
	struct inode *inode;
	u32 type;
	int ret = 0;

	if (!followed_subject(&subject))
		return 0;
	inode = file->f_inode;
	type = inode->i_mode & AA_S_IFMT;
	if (mask & AA_MAY_READ)
		ret = read_labelled(&subject, file, inode, type);
	/* What a splice brings to a pipe it had found before this read. */
	if (!ret && (mask & AA_MAY_READ) && subject.identity->splicing && type != AA_S_IFIFO) {
		u32 carried = carried_now(&subject);

		if (carried && label_pipe(subject.identity->splicing, carried))
			ret = refuse_label(&subject);
	}
	if (!ret && (mask & AA_MAY_WRITE))
		ret = write_labelled(ctx, &subject, file, inode, type);
	return ret;
}

/* After a read of a pipe: what was written while it waited. */
static __always_inline void after_pipe_read(struct kiocb *iocb, long got)
{
	struct subject subject;
	u32 labels;

	if (got <= 0 || !followed_subject(&subject))
		return;
	labels = labels_of_pipe(address_of(subject.identity, iocb->ki_filp->f_inode));
	if (labels)
		end_unlabelled(become_labelled(&subject, labels, AA_REASON_LABELLED_DATA, 0, 0));
}

SEC("?fexit/pipe_read")
int BPF_PROG(follow_pipe, struct kiocb *iocb, void *to, long ret)
{
	after_pipe_read(iocb, ret);
	return 0;
}

/* The same from 6.15 on. */
SEC("?fexit/anon_pipe_read")
int BPF_PROG(follow_anonymous_pipe, struct kiocb *iocb, void *to, long ret)
{
	after_pipe_read(iocb, ret);
	return 0;
}

/*
 * splice, tee and vmsplice move data to and from pipes without file_permission on these. Each looks its pipes up here,
 * the one it reads first.
 */
SEC("fentry/get_pipe_info")
int BPF_PROG(follow_splice, struct file *file, u32 for_splice)
{
	struct subject subject;
	u64 pipe;

	/* A bool: the rest of its register is whatever was there. */
	if (!(for_splice & 0xff) || !followed_subject(&subject))
		return 0;
	if ((file->f_inode->i_mode & AA_S_IFMT) != AA_S_IFIFO) {
		subject.identity->splicing = 0;
		return 0;
	}
	pipe = address_of(subject.identity, file->f_inode);
	if (file->f_mode & AA_FMODE_READ) {
		u32 labels = labels_of_pipe(pipe);

		if (labels)
			end_unlabelled(become_labelled(&subject, labels, AA_REASON_LABELLED_DATA, 0, 0));
	}
	if (file->f_mode & AA_FMODE_WRITE) {
		u32 carried = carried_now(&subject);

		subject.identity->splicing = pipe;
		if (carried)
			end_unlabelled(label_pipe(pipe, carried));
	}
	return 0;
}

/* The memory is another inode's from now on. */
SEC("lsm/inode_free_security")
int BPF_PROG(forget_inode, struct inode *inode)
{
	u64 address = (u64)inode;

	if ((inode->i_mode & AA_S_IFMT) == AA_S_IFIFO && labels_in_force())
		bpf_map_delete_elem(&pipe_labels, &address);
	if (by_fmod_ret) {
		bpf_map_delete_elem(&verdicts_by_address, &address);
		bpf_map_delete_elem(&labels_by_address, &address);
	}
	return 0;
}

/* Loaded where sockets' owners are in a table. No other socket will have this cookie. */
SEC("?fentry/security_sk_free")
int BPF_PROG(forget_socket, struct sock *sk)
{
	u64 cookie = sk->__sk_common.skc_cookie.counter;

	if (cookie)
		bpf_map_delete_elem(&owners_by_cookie, &cookie);
	return 0;
}

/* Messages on connected sockets; those with an address are judged in net.bpf.c. */
SEC("lsm/socket_sendmsg")
int BPF_PROG(judge_labelled_send, struct socket *sock, struct msghdr *msg, int size)
{
	struct subject subject;
	struct sock *sk;

	if (!followed_subject(&subject))
		return 0;
	sk = sock->sk;
	if (!sk)
		return refuse_label(&subject);
	if (msg->msg_name && msg->msg_namelen && sk->__sk_common.skc_family != AA_AF_UNIX)
		return 0;
	return send_labelled(ctx, &subject, sock, sk, 0);
}

/* A datagram of a unix socket, with its receiver. One of somebody else's is judged in net.bpf.c. */
SEC("lsm/unix_may_send")
int BPF_PROG(follow_datagram, struct socket *sock, struct socket *other)
{
	struct subject subject;
	struct aa_socket_owner *owner;
	struct sock *sk = other->sk;
	u32 carried;

	if (!sk || !followed_subject(&subject))
		return 0;
	carried = carried_now(&subject);
	if (!carried)
		return 0;
	owner = owner_of(sk, 0);
	if (owner && owner->agent == subject.agent)
		__sync_fetch_and_or(&owner->labels, carried);
	return 0;
}

/* The far end that a connection makes is whose the listening socket is. */
SEC("lsm/unix_stream_connect")
int BPF_PROG(own_far_end, struct sock *sock, struct sock *other, struct sock *newsk)
{
	struct subject subject;
	struct aa_socket_owner *listening, *made;

	if (!followed_subject(&subject))
		return 0;
	listening = owner_of(other, 0);
	if (!listening || !listening->agent)
		return 0;
	made = owner_of(newsk, BPF_SK_STORAGE_GET_F_CREATE);
	if (!made)
		return 0;
	made->session = listening->session;
	made->agent = listening->agent;
	return 0;
}

static __always_inline int receive_labelled(const struct subject *subject, struct sock *sk)
{
	u32 labels;

	if (!sk || sk->__sk_common.skc_family != AA_AF_UNIX)
		return 0;
	labels = labels_of_socket(sk);
	if (labels && become_labelled(subject, labels, AA_REASON_LABELLED_DATA, 0, 0))
		return eperm();
	return 0;
}

SEC("lsm/socket_recvmsg")
int BPF_PROG(follow_message, struct socket *sock, struct msghdr *msg, int size, int flags)
{
	struct subject subject;

	if (!followed_subject(&subject))
		return 0;
	return receive_labelled(&subject, sock->sk);
}

/* After a message was received: one that was sent while it waited. */
static __always_inline void after_message(struct socket *sock, long got)
{
	struct subject subject;

	if (got > 0 && followed_subject(&subject))
		end_unlabelled(receive_labelled(&subject, sock->sk));
}

SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(follow_stream, struct socket *sock, struct msghdr *msg, u64 size, int flags, int ret)
{
	after_message(sock, ret);
	return 0;
}

SEC("fexit/unix_dgram_recvmsg")
int BPF_PROG(follow_received_datagram, struct socket *sock, struct msghdr *msg, u64 size, int flags, int ret)
{
	after_message(sock, ret);
	return 0;
}

SEC("fexit/unix_seqpacket_recvmsg")
int BPF_PROG(follow_packet, struct socket *sock, struct msghdr *msg, u64 size, int flags, int ret)
{
	after_message(sock, ret);
	return 0;
}

SEC("fexit/unix_stream_splice_read")
int BPF_PROG(follow_spliced_stream, struct socket *sock, void *at, void *pipe, u64 size, u32 flags, long ret)
{
	after_message(sock, ret);
	return 0;
}

/* The process is one of those of its agent whose labels are held in common. */
static __always_inline int share(struct task_struct *task, struct aa_identity *own, u32 how)
{
	struct aa_identity *keeper = keeper_of(task, own);
	u32 *shared = shared_labels_of(keeper->agent);

	if (!shared)
		return -1;
	if (keeper->memory & AA_MEMORY_LENT) {
		struct aa_identity *lender = lender_of(task);

		if (!lender)
			return -1;
		__sync_fetch_and_or(&lender->memory, how);
		__sync_fetch_and_or(shared, lender->labels);
	}
	if (!(keeper->memory & how))
		__sync_fetch_and_or(&keeper->memory, how);
	if (keeper->labels & ~*shared)
		__sync_fetch_and_or(shared, keeper->labels);
	return 0;
}

/*
 * Memory that others may map: written by one, it is read by the other without a system call. What is mapped to be read
 * gives the labels its content has.
 */
SEC("lsm/mmap_file")
int BPF_PROG(follow_mapping, struct file *file, unsigned long second, unsigned long third, unsigned long fourth)
{
	struct subject subject;
	struct inode *inode;
	int shared = mapping_of(second, third, fourth).flags & AA_MAP_SHARED_KINDS;
	u32 carried;

	if (!followed_subject(&subject))
		return 0;
	/* Asked of the number too: until 7.2 the verifier takes the pointer for one that is never null, and drops the check. */
	if (!file || !address_of(subject.identity, file)) {
		if (shared && share(bpf_get_current_task_btf(), subject.identity, AA_MEMORY_SHARED))
			return refuse_label(&subject);
		return 0;
	}
	inode = file->f_inode;
	if ((inode->i_mode & AA_S_IFMT) != AA_S_IFREG)
		return 0;

	struct aa_inode_labels *of = labels_of_inode(inode, 0);
	u32 labels = of ? of->labels : 0;
	int ret = take_labels(&subject, labels, file);

	if (ret || !shared)
		return ret;
	/* Files on disk that are mapped to be read are mostly tables of the system's: sharing these joins nobody. */
	if (!(file->f_mode & AA_FMODE_WRITE) && inode->i_sb->s_magic != AA_TMPFS_MAGIC)
		return 0;
	if (share(bpf_get_current_task_btf(), subject.identity, AA_MEMORY_SHARED))
		return refuse_label(&subject);
	carried = carried_now(&subject);
	if (carried && (file->f_mode & AA_FMODE_WRITE) && label_inode(inode, carried))
		return refuse_label(&subject);
	return 0;
}

/*
 * ptrace, process_vm_readv and _writev, pidfd_getfd, /proc/PID/mem within the agent: both share memory from now on.
 * Reading of /proc/PID/environ and its like takes the labels along. Others than the agent's own: contain_ptrace.
 */
SEC("lsm/ptrace_access_check")
int BPF_PROG(follow_tracing, struct task_struct *child, unsigned int mode)
{
	struct subject subject;
	struct aa_identity *other;

	if ((mode & AA_PTRACE_MODE_NOAUDIT) || !followed_subject(&subject))
		return 0;
	other = identity_of(child);
	if (!other || other->agent != subject.agent)
		return 0;
	if (!(mode & AA_PTRACE_MODE_ATTACH)) {
		u32 labels = carried_by(child, other);

		return become_labelled(&subject, labels, AA_REASON_LABELLED_MEMORY, 0, 0) ? eperm() : 0;
	}
	if (keeper_of(child, other) == keeper_of(bpf_get_current_task_btf(), subject.identity))
		return 0;
	if (share(child, other, AA_MEMORY_TRACED) || share(bpf_get_current_task_btf(), subject.identity, AA_MEMORY_TRACED))
		return refuse_label(&subject);
	return 0;
}

SEC("lsm/ptrace_traceme")
int BPF_PROG(follow_traceme, struct task_struct *parent)
{
	struct subject subject;
	struct aa_identity *other;

	if (!followed_subject(&subject))
		return 0;
	other = identity_of(parent);
	if (!other || other->agent != subject.agent)
		return 0;
	if (share(parent, other, AA_MEMORY_TRACED) || share(bpf_get_current_task_btf(), subject.identity, AA_MEMORY_TRACED))
		return refuse_label(&subject);
	return 0;
}

/* A copy of memory is made after task_alloc: what another thread has read meanwhile is in it. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(follow_fork, struct task_struct *parent, struct task_struct *child)
{
	struct subject subject;
	struct aa_identity *identity;

	if (!followed_subject(&subject))
		return 0;
	identity = identity_of(child);
	if (identity)
		identity->labels |= carried_now(&subject);
	return 0;
}
