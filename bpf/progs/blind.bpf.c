// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TLS that nobody reads, for policies that deny it (`net.blind`).
 *
 * What a governed process gives to a TCP socket is looked at as TLS's records (RFC 8446, 5.1), by their headers. A
 * handshake may go. Application data may where its plaintext is known: over a socket that a connection of a probed library
 * was seen to go over, and from a thread that has just had something encrypted in such a library. And as much as the end of
 * a handshake in TLS 1.3, which looks like application data.
 *
 * Where requests are judged (AA_BLIND_JUDGED) nothing else goes at all.
 *
 * Not seen elsewhere: what begins no handshake, or hides its headers; QUIC; a handshake that is spliced to the socket.
 */
#include "../lib/leak.bpf.h"

AA_LICENSE;

enum aa_blind_limits {
	AA_BLIND_STEPS = 512, /* records and segments of one send */
	/* Header, Finished with SHA-384, content type, tag: the only thing in it that no client can leave out. */
	AA_BLIND_FINISHED = 5 + 4 + 48 + 1 + 16,
	AA_TLS_HEADER = 5,
	AA_TLS_LARGEST = 16384 + 2048, /* RFC 5246, 6.2.3 */
	AA_TLS_HANDSHAKE = 22,
	AA_TLS_FIRST_TYPE = 20,
	AA_TLS_MAJOR = 3,
	AA_TLS_LAST_MINOR = 4,
};

/* Where a way through the records of a send ended; 0: not within AA_BLIND_STEPS. */
enum aa_walk_end {
	AA_WALK_DONE = 1, /* behind the last record */
	AA_WALK_OTHER = 2, /* at what is no record */
	AA_WALK_UNREADABLE = 3,
};

/* On the way through the records of one send. */
struct aa_walk {
	u64 at;	      /* in the caller's memory */
	u64 left;     /* bytes of this segment from there on */
	u64 skipped;  /* bytes to the next record */
	u64 segments; /* place of the next one's iovec */
	u64 more;     /* segments after this */
	u64 data;     /* bytes of records of application data */
	u32 records;
	u32 begins_handshake;
	u32 end;      /* enum aa_walk_end */
	u32 pad;
};

static __always_inline void enter_segment(struct aa_walk *w)
{
	struct iovec segment = {};

	if (!w->more) {
		w->end = AA_WALK_DONE;
		return;
	}
	if (bpf_probe_read_kernel(&segment, sizeof(segment), (void *)w->segments)) {
		w->end = AA_WALK_UNREADABLE;
		return;
	}
	w->segments += sizeof(segment);
	w->more--;
	w->at = (u64)segment.iov_base;
	w->left = segment.iov_len;
}

/* A step towards the next header; whether it is at `at`. */
static __always_inline int find_header(struct aa_walk *w)
{
	if (w->skipped >= w->left) {
		w->skipped -= w->left;
		w->left = 0;
		enter_segment(w);
		return 0;
	}
	w->at += w->skipped;
	w->left -= w->skipped;
	w->skipped = 0;
	if (w->left < AA_TLS_HEADER)
		w->end = AA_WALK_OTHER;
	return !w->end;
}

static __always_inline void take_header(struct aa_walk *w, const u8 *header)
{
	u32 length = header[3] << 8 | header[4];

	if (header[0] < AA_TLS_FIRST_TYPE || header[0] > AA_TLS_APPLICATION_DATA || header[1] != AA_TLS_MAJOR ||
	    header[2] > AA_TLS_LAST_MINOR || length > AA_TLS_LARGEST) {
		w->end = AA_WALK_OTHER;
		return;
	}
	if (!w->records && header[0] == AA_TLS_HANDSHAKE)
		w->begins_handshake = 1;
	if (header[0] == AA_TLS_APPLICATION_DATA)
		w->data += AA_TLS_HEADER + length;
	w->records++;
	w->skipped = AA_TLS_HEADER + length;
}

/* Global functions: the verifier looks at them once, and not at every way the loop may go. */
__noinline int take_record(struct aa_walk *w)
{
	u8 header[AA_TLS_HEADER];

	if (!w)
		return 1;
	if (find_header(w)) {
		if (bpf_probe_read_user(header, sizeof(header), (void *)w->at))
			w->end = AA_WALK_UNREADABLE;
		else
			take_header(w, header);
	}
	return !!w->end;
}

/* The same, and memory that is not resident is by then. */
__noinline int touch_record(struct aa_walk *w)
{
	u8 header[AA_TLS_HEADER];

	if (!w)
		return 1;
	if (find_header(w)) {
		if (bpf_copy_from_user(header, sizeof(header), (void *)w->at))
			w->end = AA_WALK_UNREADABLE;
		else
			take_header(w, header);
	}
	return !!w->end;
}

static long take_next(u32 index, struct aa_walk *w)
{
	return take_record(w) ? 1 : 0;
}

static long touch_next(u32 index, struct aa_walk *w)
{
	return touch_record(w) ? 1 : 0;
}

/* Whether what is sent lies in the caller's memory; then `w` is at its beginning. */
static __always_inline int begin_walk(struct aa_walk *w, struct msghdr *msg)
{
	u32 kind = BPF_CORE_READ(msg, msg_iter.iter_type);
	u64 offset = BPF_CORE_READ(msg, msg_iter.iov_offset);
	struct iov_iter___old *old = (void *)__builtin_preserve_access_index(&msg->msg_iter);

	if (kind == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		w->at = (u64)BPF_CORE_READ(msg, msg_iter.ubuf) + offset;
		w->left = BPF_CORE_READ(msg, msg_iter.count);
		return 1;
	}
	if (kind != bpf_core_enum_value(enum iter_type, ITER_IOVEC))
		return 0;
	if (bpf_core_field_exists(msg->msg_iter.__iov))
		w->segments = (u64)BPF_CORE_READ(msg, msg_iter.__iov);
	else
		w->segments = (u64)BPF_CORE_READ(old, iov);
	w->more = BPF_CORE_READ(msg, msg_iter.nr_segs);
	enter_segment(w);
	w->at += offset;
	w->left -= offset < w->left ? offset : w->left;
	return 1;
}

/* The policy's decision on the acting task's TLS that nobody reads; 0: there is none, or nothing is asked of this socket. */
static __always_inline u32 asked_of(struct subject *subject, const struct socket *sock, struct sock *sk)
{
	u16 family;

	if (!sk || sock->type != AA_SOCK_STREAM || !current_subject(subject) || !subject->policy)
		return 0;
	family = sk->__sk_common.skc_family;
	if (family != AA_AF_INET && family != AA_AF_INET6)
		return 0;
	return subject->policy->blind;
}

/*
 * Whether somebody reads what goes over the socket, or did a moment ago what this thread had encrypted. Not if that was judged
 * by where it would go, and goes elsewhere.
 */
static __noinline int is_read(struct sock *sk)
{
	u64 cookie = bpf_get_socket_cookie(sk), thread = bpf_get_current_pid_tgid();
	struct aa_tls_socket *socket = bpf_map_lookup_elem(&tls_sockets, &cookie);
	struct aa_tls_object key = { .pid = thread >> 32 };
	struct aa_tls_connection *connection;
	struct aa_tls_thread *last;

	if (socket && socket->bound)
		return 1;
	last = bpf_map_lookup_elem(&tls_threads, &thread);
	if (!last || !last->object)
		return 0;
	key.object = last->object;
	connection = bpf_map_lookup_elem(&tls_connections, &key);
	return !connection || !connection->socket || connection->socket == cookie;
}

/*
 * Whether so many bytes of application data may be the end of a handshake: there is one such send in a connection. By its
 * place in the stream, since it may be judged twice: while one build of the daemon takes over from another both are in force.
 */
static __noinline int may_end_handshake(struct aa_socket_owner *owner, struct sock *sk, u64 data)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (!tcp || data > AA_BLIND_FINISHED)
		return 0;
	if (!(__sync_fetch_and_or(&owner->blind, AA_BLIND_ENDED) & AA_BLIND_ENDED))
		owner->blind_at = tcp->write_seq;
	return owner->blind_at == tcp->write_seq;
}

SEC("lsm/socket_sendmsg")
int BPF_PROG(judge_blind_send, struct socket *sock, struct msghdr *msg, int size)
{
	struct aa_socket_owner *owner;
	struct aa_walk walk = {};
	struct subject subject;
	struct sock *sk = sock->sk;
	u32 decision = asked_of(&subject, sock, sk), began;

	if (!sk || !decision || is_read(sk))
		return 0;
	owner = owner_of(sk, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owner)
		return subject.observes ? 0 : eperm();
	/* Denied once, and told then. */
	if (owner->blind & AA_BLIND_TOLD)
		return subject.observes ? 0 : eperm();
	began = owner->blind & (AA_BLIND_TLS | AA_BLIND_JUDGED);
	if (begin_walk(&walk, msg))
		bpf_loop(AA_BLIND_STEPS, take_next, &walk, 0);
	else
		walk.end = AA_WALK_OTHER;
	if (!began && !walk.records && walk.end == AA_WALK_OTHER)
		return 0;
	if (walk.begins_handshake)
		__sync_fetch_and_or(&owner->blind, AA_BLIND_TLS);
	if (walk.end == AA_WALK_DONE && (!walk.data || may_end_handshake(owner, sk, walk.data)))
		return 0;
	if (__sync_fetch_and_or(&owner->blind, AA_BLIND_TOLD) & AA_BLIND_TOLD)
		return subject.observes ? 0 : eperm();
	return refuse_send(ctx, &subject, decision, AA_REASON_BLIND_TLS, sk);
}

/* Attached after the one above, so it runs before it. Never denies. */
SEC("?lsm.s/socket_sendmsg")
int BPF_PROG(touch_blind_send, struct socket *sock, struct msghdr *msg, int size)
{
	struct aa_walk walk = {};
	struct subject subject;
	struct sock *sk = sock->sk;

	if (sk && asked_of(&subject, sock, sk) && !is_read(sk) && begin_walk(&walk, msg))
		bpf_loop(AA_BLIND_STEPS, touch_next, &walk, 0);
	return 0;
}
