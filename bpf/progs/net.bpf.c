// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Network: who may connect, send, bind and listen, and which sockets may exist.
 *
 * A connect hook alone misses TCP Fast Open, datagrams to explicit addresses, AF_UNSPEC and the later messages of
 * sendmmsg; so every place an address enters is judged: socket_connect, socket_sendmsg, and for each datagram
 * cgroup/sendmsg4 and 6. Addresses are decided by their own family, never the socket's, after one canonicaliser.
 * At these hooks the address is a kernel copy: it is read with the kernel helper and cannot change under us.
 */
#include "../lib/net.bpf.h"

AA_LICENSE;

/*
 * connect(2). Not called for TCP Fast Open, see judge_send. A unix socket's name is judged in unix_stream_connect and
 * unix_may_send, where the peer is known.
 */
SEC("lsm/socket_connect")
int BPF_PROG(judge_connect, struct socket *sock, struct sockaddr *address, int addrlen)
{
	struct subject subject;
	struct aa_destination to = {};

	if (!current_subject(&subject))
		return 0;

	struct sock *sk = sock->sk;

	if (!sk)
		return refuse_outright(ctx, &subject, AA_ACTION_CONNECT, AA_REASON_UNREADABLE_ADDRESS, 0, 0, 0, 0);
	u16 family = sk->__sk_common.skc_family;

	if ((family == AA_AF_UNIX || family == AA_AF_NETLINK) && !subject.barred)
		return 0;

	int classified = read_address(&to, address, addrlen, family, 0);

	if (classified == AA_ADDRESS_NONE && !subject.barred)
		return 0;
	to.protocol = rule_protocol(sk);
	canonicalise(to.address, 1);
	return judge_address(ctx, &subject, &to, classified, AA_ACTION_CONNECT, family, sock->type, 1,
			     asking_socket(sk, &subject, &to, 0), sk->__sk_common.skc_state == AA_TCP_SYN_SENT);
}

/* send with an address: datagrams, and TCP Fast Open. Once per call: see judge_datagram4 for sendmmsg. */
SEC("lsm/socket_sendmsg")
int BPF_PROG(judge_send, struct socket *sock, struct msghdr *msg, int size)
{
	struct subject subject;
	struct aa_destination to = {};

	if (!current_subject(&subject))
		return 0;

	void *name = msg->msg_name;
	u32 length = msg->msg_namelen;
	struct sock *sk = sock->sk;

	if (!sk)
		return refuse_outright(ctx, &subject, AA_ACTION_SEND, AA_REASON_UNREADABLE_ADDRESS, 0, 0, 0, 0);
	end_grant(&subject, sk);
	if ((!name || !length) && !subject.barred) {
		note_connected_asker(&subject, sk);
		return 0;
	}
	u16 family = sk->__sk_common.skc_family;

	if ((family == AA_AF_UNIX || family == AA_AF_NETLINK) && !subject.barred)
		return 0;
	if (own_socket(sk, &subject, 0))
		return subject.observes ? 0 : eperm();

	int classified = read_address(&to, name, length, family, 1);

	if (classified == AA_ADDRESS_NONE && !subject.barred)
		return 0;
	to.protocol = rule_protocol(sk);
	canonicalise(to.address, 1);
	return judge_address(ctx, &subject, &to, classified, AA_ACTION_SEND, family, sock->type, 1,
			     asking_socket(sk, &subject, &to, 1), 0);
}

/*
 * Every datagram with an address, also the second and later of sendmmsg, which the LSM hook does not see. Task storage
 * is not to be had here before 6.18: the socket tells who it belongs to. 0 makes the send fail with EPERM.
 */
static __always_inline int judge_datagram(struct bpf_sock_addr *ctx, struct aa_destination *to, int family)
{
	struct aa_socket_owner *owner;
	struct subject subject;

	owner = owner_at(ctx);
	if (!owner || !owner->agent)
		return 1;
	subject_of_agent(&subject, owner->agent, owner->session);
	to->port = bpf_ntohs(ctx->user_port);
	to->protocol = ctx->protocol;
	if (is_question(&subject, to) && redirect(ctx, owner, to, family)) {
		note_asker(family == AA_AF_INET ? AA_ASKERS_UDP4 : AA_ASKERS_UDP6, ctx->sk->src_port, owner->agent);
		return 1;
	}
	canonicalise(to->address, 1);
	return judge_address(ctx, &subject, to, AA_ADDRESS_JUDGE, AA_ACTION_SEND, ctx->family, ctx->type, 0, ctx->sk,
			     0) == 0;
}

SEC("cgroup/sendmsg4")
int judge_datagram4(struct bpf_sock_addr *ctx)
{
	struct aa_destination to = {};

	set_v4(to.address, ctx->user_ip4);
	return judge_datagram(ctx, &to, AA_AF_INET);
}

SEC("cgroup/sendmsg6")
int judge_datagram6(struct bpf_sock_addr *ctx)
{
	struct aa_destination to = {};
	u32 *words = (u32 *)to.address;

	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
	return judge_datagram(ctx, &to, AA_AF_INET6);
}

SEC("lsm/socket_bind")
int BPF_PROG(judge_bind, struct socket *sock, struct sockaddr *address, int addrlen)
{
	struct subject subject;
	struct aa_destination at = {};

	if (!current_subject(&subject))
		return 0;

	struct sock *sk = sock->sk;

	if (!sk)
		return refuse_outright(ctx, &subject, AA_ACTION_BIND, AA_REASON_UNREADABLE_ADDRESS, 0, 0, 0, 0);
	u16 family = sk->__sk_common.skc_family;

	/* A named unix socket is a file made: path_mknod. An abstract one is the agent's own. */
	if ((family == AA_AF_UNIX || family == AA_AF_NETLINK) && !subject.barred)
		return 0;

	/* bind(AF_UNSPEC) on an IPv4 socket means INADDR_ANY: as in sending. */
	int classified = read_address(&at, address, addrlen, family, 1);

	at.protocol = rule_protocol(sk);
	canonicalise(at.address, 0);
	/* An unspecified address with no port is what every client does before it connects. */
	if (classified == AA_ADDRESS_JUDGE && at.port == 0 && is_unspecified(at.address) && !subject.barred)
		return 0;
	return judge_address(ctx, &subject, &at, classified == AA_ADDRESS_NONE ? AA_ADDRESS_UNREADABLE : classified,
			     AA_ACTION_BIND, family, sock->type, 1, 0, 0);
}

/* listen(2): the address bound to, also where bind was never called and the kernel picks a port on all interfaces. */
SEC("lsm/socket_listen")
int BPF_PROG(judge_listen, struct socket *sock)
{
	struct subject subject;
	struct aa_destination at = {};

	if (!current_subject(&subject))
		return 0;

	struct sock *sk = sock->sk;

	if (!sk)
		return refuse_outright(ctx, &subject, AA_ACTION_LISTEN, AA_REASON_UNREADABLE_ADDRESS, 0, 0, 0, 0);
	u16 family = sk->__sk_common.skc_family;

	if (family == AA_AF_UNIX && !subject.barred)
		return 0;
	if (family == AA_AF_INET6) {
		if (bpf_probe_read_kernel(at.address, sizeof(at.address), &sk->__sk_common.skc_v6_rcv_saddr))
			return judge_address(ctx, &subject, &at, AA_ADDRESS_UNREADABLE, AA_ACTION_LISTEN, family, sock->type, 1, 0, 0);
	} else {
		set_v4(at.address, sk->__sk_common.skc_rcv_saddr);
	}
	at.port = sk->__sk_common.skc_num;
	at.protocol = rule_protocol(sk);
	canonicalise(at.address, 0);
	return judge_address(ctx, &subject, &at, AA_ADDRESS_JUDGE, AA_ACTION_LISTEN, family, sock->type, 1, 0, 0);
}

static __always_inline int judge_socket_kind(void *ctx, const struct subject *subject, u32 family, u32 type, u32 protocol)
{
	if (subject->policy && !subject->barred) {
		if (verdict_of(subject->policy->default_net) == AA_UNGOVERNED || socket_allowed(family, type, protocol))
			return 0;
	}

	return refuse_outright(ctx, subject, AA_ACTION_SOCKET, subject->policy ? AA_REASON_FAMILY : AA_REASON_NO_POLICY, 0,
			       family, type & 0xf, protocol);
}

/* Raw, packet, vsock, AF_ALG, SCTP, ...: AF_PACKET in particular passes every other network hook. */
SEC("lsm/socket_create")
int BPF_PROG(judge_socket, int family, int type, int protocol, int kern)
{
	struct subject subject;

	if (kern || !current_subject(&subject))
		return 0;
	return judge_socket_kind(ctx, &subject, family, type, protocol);
}

SEC("lsm/socket_post_create")
int BPF_PROG(own_new_socket, struct socket *sock, int family, int type, int protocol, int kern)
{
	struct subject subject;
	struct sock *sk = sock->sk;

	if (kern || !sk || !current_subject(&subject))
		return 0;
	return own_socket(sk, &subject, 1) && !subject.observes ? eperm() : 0;
}

/* The decision of the automaton of sockets for a name that is in place. */
static __always_inline u32 decide_socket(struct aa_text *name, const u8 *pool, const struct aa_policy *policy)
{
	const struct aa_automaton *sockets = &policy->sockets;
	u32 state = walk_automaton(name, sockets->classes, sockets->start, name->start, name->start + name->length);
	u32 accept = pool_word(pool, state) & ~AA_ACCEPT_GUARDED;

	return pool_word(pool, sockets->accepts + accept * sizeof(u32));
}

/*
 * Names the unix socket at (dentry, vfsmount), or the abstract one that s->object holds already if `dentry` is 0, and
 * decides it, into the one column. Both its names count, as in judge_path(). Returns 0 or an aa_reason.
 */
__noinline int judge_unix_name(struct aa_scratch *s, struct aa_policy *policy, u64 dentry, u64 vfsmount)
{
	u8 *pool = pool_bytes();

	if (!s || !policy || !pool)
		return AA_REASON_NO_POLICY;

	struct aa_text *name = &s->object, *first_name = &s->executable;

	if (dentry && read_path(name, dentry, vfsmount))
		goto unreadable;
	name->columns[AA_COLUMN_SOCKET] = decide_socket(name, pool, policy);
	if (!dentry || !(name->flags & AA_OBJECT_ALIASED))
		return 0;
	if (read_canonical_path(first_name, dentry))
		goto unreadable;
	name->columns[AA_COLUMN_SOCKET] = stricter_if_written(name->columns[AA_COLUMN_SOCKET], decide_socket(first_name, pool, policy));
	return 0;

unreadable:
	count_loss(AA_LOSS_PATH);
	name->length = 0;
	return AA_REASON_UNREADABLE_PATH;
}

/* Judges a unix socket by its name, which goes into s->object: the path it was bound to, or '@' and the abstract name. */
static __always_inline int judge_unix_socket(struct aa_scratch *s, struct subject *subject, struct unix_sock *peer)
{
	struct dentry *dentry = BPF_CORE_READ(peer, path.dentry);

	if (dentry)
		return judge_unix_name(s, subject->policy, (u64)dentry, (u64)BPF_CORE_READ(peer, path.mnt));

	struct unix_address *address = BPF_CORE_READ(peer, addr);
	struct aa_text *text = &s->object;
	s32 length = 0;

	text->start = 0;
	text->length = 1;
	text->bytes[0] = '@';
	if (address) {
		length = BPF_CORE_READ(address, len);
		/* struct sockaddr_un: two bytes of family, a NUL, the name. */
		if (length < 3 || length > 110)
			return AA_REASON_UNREADABLE_ADDRESS;
		length -= 3;
		if (bpf_probe_read_kernel(&text->bytes[1], length & 127,
					  (void *)((u64)address + bpf_core_field_offset(struct unix_address, name) + 3)))
			return AA_REASON_UNREADABLE_ADDRESS;
		text->length += length;
	}
	return judge_unix_name(s, subject->policy, 0, 0);
}

static __always_inline int judge_unix(void *ctx, struct sock *other, u32 action)
{
	struct subject subject;
	struct aa_socket_owner *owner;

	if (!current_subject(&subject))
		return 0;
	if (!subject.policy)
		return refuse_outright(ctx, &subject, action, AA_REASON_NO_POLICY, 0, AA_AF_UNIX, 0, 0);
	u32 taken = taken_from(&subject, AA_LABEL_NET);

	/* The agent's own sockets: socketpair, multiprocessing. */
	owner = owner_of(other, 0);
	if (owner && owner->agent == subject.agent && !subject.barred)
		return 0;

	struct aa_scratch *s = claim_scratch(&subject);

	if (!s)
		return subject.observes ? 0 : eperm();
	reset_event(s);
	s->event.family = AA_AF_UNIX;

	struct judgement j;
	int reason = (subject.fault == AA_FAULT_ADDRESS) ? AA_REASON_UNREADABLE_ADDRESS :
			judge_unix_socket(s, &subject, (struct unix_sock *)other);

	j.decision = reason ? DECISION_CLOSED : with_taken(s->object.columns[AA_COLUMN_SOCKET], taken);
	j.reason = reason ?: reason_of(j.decision);
	return conclude(ctx, s, &subject, action, j);
}

SEC("lsm/unix_stream_connect")
int BPF_PROG(judge_unix_connect, struct sock *sock, struct sock *other, struct sock *newsk)
{
	return judge_unix(ctx, other, AA_ACTION_UNIX_CONNECT);
}

/* Datagrams, and connect of a datagram socket. */
SEC("lsm/unix_may_send")
int BPF_PROG(judge_unix_send, struct socket *sock, struct socket *other)
{
	struct sock *sk = other->sk;

	/* The verifier's check; a socket that is found by name has one. */
	return sk ? judge_unix(ctx, sk, AA_ACTION_UNIX_SEND) : eperm();
}

/*
 * A socket passed by another process (SCM_RIGHTS, pidfd_getfd): it may be connected where this agent may not go. The
 * agent's own sockets pass; another's is judged by where it leads.
 */
SEC("lsm/file_receive")
int BPF_PROG(judge_received_socket, struct file *file)
{
	struct subject subject;
	struct socket *sock;
	struct sock *sk;
	struct aa_socket_owner *owner;
	struct aa_destination to = {};

	if ((file->f_inode->i_mode & AA_S_IFMT) != AA_S_IFSOCK || !current_subject(&subject))
		return 0;
	sock = bpf_sock_from_file(file);
	if (!sock || !sock->sk)
		return 0;
	sk = sock->sk;
	owner = owner_of(sk, 0);
	if (owner && owner->agent == subject.agent && !subject.barred)
		return 0;

	u16 family = sk->__sk_common.skc_family;

	if (family == AA_AF_INET) {
		set_v4(to.address, sk->__sk_common.skc_daddr);
	} else if (family == AA_AF_INET6) {
		if (bpf_probe_read_kernel(to.address, sizeof(to.address), &sk->__sk_common.skc_v6_daddr))
			return judge_address(ctx, &subject, &to, AA_ADDRESS_UNREADABLE, AA_ACTION_RECEIVE_FD, family, sock->type, 1, 0, 0);
	} else {
		return judge_socket_kind(ctx, &subject, family, sock->type, sk->sk_protocol);
	}
	to.port = bpf_ntohs(sk->__sk_common.skc_dport);
	to.protocol = rule_protocol(sk);
	/* Not connected: where it goes is judged when it goes. */
	if (to.port == 0 && is_unspecified(to.address) && !subject.barred)
		return judge_socket_kind(ctx, &subject, family, sock->type, sk->sk_protocol);
	canonicalise(to.address, 1);
	return judge_address(ctx, &subject, &to, AA_ADDRESS_JUDGE, AA_ACTION_RECEIVE_FD, family, sock->type, 1, 0, 0);
}
