/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a call of a TLS function to records of its plaintext.
 *
 * Programs here sleep, so that memory that is not resident is read all the same. What may wait for such memory holds
 * nothing that others need: with a page made to fault for ever, a process would otherwise keep the working memory, or
 * everything behind its reservation in the ring.
 */
#ifndef AA_TLS_BPF_H
#define AA_TLS_BPF_H

#include "record.bpf.h"
#include "subject.bpf.h"

enum aa_tls_limits {
	AA_TLS_CALLS = 16384,
	AA_TLS_CONNECTIONS = 16384,
	AA_TLS_BUFFERS_PER_CPU = 4,
	AA_TLS_PIECES = 1 << 14, /* 256 MiB of one call */
	AA_PAGE_BYTES = 4096,
};

/* Index: cookie. Written by the sensor. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_TLS_SITES);
	__type(key, u32);
	__type(value, struct aa_tls_site);
} tls_sites SEC(".maps");

/* Who called: a thread, or a goroutine by its address. */
struct aa_tls_caller {
	u64 who;
	u32 pid;
	u32 receives;
};

struct aa_tls_call {
	u64 object;
	u64 buffer;
	u64 length;
	u64 done;
	u64 sp;
	u32 site;
	u16 inner;  /* enum aa_tls_inner */
	u16 judged; /* the gateway has the bytes already */
};

/* Calls that have not returned. Made at a function's entry, deleted at its return; what never returns is the least used. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, AA_TLS_CALLS);
	__type(key, struct aa_tls_caller);
	__type(value, struct aa_tls_call);
} tls_calls SEC(".maps");

struct aa_tls_object {
	u64 object;
	u64 pid;
};

struct aa_tls_connection {
	u64 socket; /* cookie; 0 if not known */
	u64 born_ns;
	u64 start_ns; /* of the process: ids are given again */
	u64 exec;     /* which program of it */
	u64 bytes[2]; /* sent, received */
	u32 presumed; /* 1: the socket took its handshake, or so it seems, and nothing of its plaintext yet */
	u32 pad;
};

/* Connections by their object. Made at the first byte, deleted where the object ends. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, AA_TLS_CONNECTIONS);
	__type(key, struct aa_tls_object);
	__type(value, struct aa_tls_connection);
} tls_connections SEC(".maps");

/* Sockets by their cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, AA_TLS_CONNECTIONS);
	__type(key, u64);
	__type(value, struct aa_tls_socket);
} tls_sockets SEC(".maps");

/*
 * What a thread did last: of which object it had bytes encrypted that no socket was seen to take, and from which socket it
 * received. The kernel is given the ciphertext by the same thread, in the call or soon after (measured for all runtimes of
 * the conformance suite); how many bytes there must be at least keeps other sockets out.
 */
struct aa_tls_thread {
	u64 object;
	u64 bytes;
	u64 from; /* cookie */
	u64 greets; /* the object that shakes hands, and has no socket */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, AA_TLS_CALLS);
	__type(key, u64);
	__type(value, struct aa_tls_thread);
} tls_threads SEC(".maps");

struct aa_tls_buffer {
	u32 busy;
	u32 reserved;
	struct aa_plaintext record;
	u8 data[AA_PLAINTEXT_BYTES]; /* of the record */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_TLS_BUFFERS_PER_CPU); /* the loader sets it to this times the possible cpus */
	__type(key, u32);
	__type(value, struct aa_tls_buffer);
} tls_buffers SEC(".maps");

/* struct pt_regs of x86-64, which is user space's ABI (asm/ptrace.h). */
struct aa_registers {
	u64 general[AA_PLACE_REGISTERS]; /* r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di */
	u64 orig_ax, ip, cs, flags, sp, ss;
};

enum aa_tls_inner {
	AA_INNER_NONE = 0, /* the bytes as they are */
	AA_INNER_TYPED = 1, /* TLS 1.3: the last one is the content type */
	AA_INNER_OTHER = 2, /* no application data */
};

enum aa_tls_numbers {
	AA_TLS_APPLICATION_DATA = 23,
	AA_TLS13_ASSOCIATED = 5, /* the record's header (RFC 8446, 5.2) */
	AA_TLS12_ASSOCIATED = 13, /* number, type, version, length (RFC 5246, 6.2.3.3) */
	AA_TLS12_TYPE_AT = 8,
	AA_TLS_RECORD = 16384,
	AA_TLS_LEAST_ADDED = 21, /* header and tag of a record at least */
};

enum aa_register {
	AA_R14 = 1,
	AA_R8 = 9,
	AA_RAX = 10,
};

/* A record without bytes counts as one. */
static __always_inline void count_lost_bytes(u32 cause, u64 bytes)
{
	u64 *count = bpf_map_lookup_elem(&losses, &cause);

	if (count)
		__sync_fetch_and_add(count, bytes ?: 1);
}

static __always_inline struct aa_tls_buffer *claim_tls_buffer(void)
{
	u32 base = bpf_get_smp_processor_id() * AA_TLS_BUFFERS_PER_CPU;

	for (u32 i = 0; i < AA_TLS_BUFFERS_PER_CPU; i++) {
		u32 index = base + i;
		struct aa_tls_buffer *b = bpf_map_lookup_elem(&tls_buffers, &index);

		if (b && __sync_lock_test_and_set(&b->busy, 1) == 0)
			return b;
	}
	return 0;
}

static __always_inline void release_tls_buffer(struct aa_tls_buffer *b)
{
	__sync_lock_test_and_set(&b->busy, 0);
}

/* Bytes on their way to the ring. */
struct aa_sending {
	u64 from;
	u64 left;
	u64 offset;
	u64 object;
	u64 born_ns;
	u64 session;
	u64 socket;
	u32 agent;
	u32 file;
	u32 flags; /* enum aa_plaintext_flags */
	/* Of a question, see lib/leak.bpf.h. */
	u32 generation;
	u64 question;
	u64 until_ns;
};

static __always_inline void tell_far_end(u64 cookie, u8 *address, u16 *port)
{
	struct aa_tls_socket *socket = cookie ? bpf_map_lookup_elem(&tls_sockets, &cookie) : 0;

	*port = socket ? socket->port : 0;
	if (socket)
		__builtin_memcpy(address, socket->address, sizeof(socket->address));
	else
		__builtin_memset(address, 0, sizeof(socket->address));
}

/*
 * One record. Returns 0, or why it could not be sent: an aa_loss, which is not counted yet. A global function for the
 * verifier's sake: it looks at it once.
 */
__noinline u32 send_piece(struct aa_sending *s, u32 bytes)
{
	struct aa_tls_buffer *b;
	u32 cause = 0;

	if (!s)
		return AA_LOSS_PLAINTEXT_CALL;
	b = claim_tls_buffer();
	if (!b)
		return AA_LOSS_PLAINTEXT_BUFFER;
	/* Callers see to it; the verifier cannot. */
	if (bytes > AA_PLAINTEXT_BYTES)
		bytes = AA_PLAINTEXT_BYTES;
	if (bytes && bpf_probe_read_user(b->data, bytes, (void *)s->from)) {
		cause = AA_LOSS_PLAINTEXT_READ;
	} else {
		struct aa_plaintext *r = &b->record;

		fill_head(&r->head, AA_EVENT_PLAINTEXT, s->agent, s->session);
		r->head.sequence = next_sequence(AA_RING_PLAINTEXT);
		r->head.size = sizeof(*r) + bytes;
		r->object = s->object;
		r->born_ns = s->born_ns;
		r->offset = s->offset;
		r->bytes = bytes;
		r->file = s->file;
		r->flags = s->flags;
		r->socket = s->socket;
		r->question = s->question;
		r->generation = s->generation;
		tell_far_end(s->socket, r->address, &r->port);
		if (bpf_ringbuf_output(&plaintext, r, sizeof(*r) + bytes, 0))
			cause = AA_LOSS_PLAINTEXT_RING;
	}
	release_tls_buffer(b);
	return cause;
}

/* A record without bytes. */
static __always_inline void send_note(struct aa_sending *s)
{
	u32 cause = send_piece(s, 0);

	if (cause)
		count_lost_bytes(cause, 0);
}

static __always_inline void advance(struct aa_sending *s, u32 bytes)
{
	s->from += bytes;
	s->offset += bytes;
	s->left -= bytes;
}

/* Makes the memory resident; holds nothing while it waits. */
static __always_inline void touch(u64 from, u32 bytes)
{
	u8 byte;

	for (u32 i = 0; i <= AA_PLAINTEXT_BYTES / AA_PAGE_BYTES; i++) {
		u64 at = (from & ~(u64)(AA_PAGE_BYTES - 1)) + i * AA_PAGE_BYTES;

		if (at >= from + bytes)
			break;
		bpf_copy_from_user(&byte, 1, (void *)(at < from ? from : at));
	}
}

static long send_next_piece(u32 index, struct aa_sending *s)
{
	u32 bytes = s->left > AA_PLAINTEXT_BYTES ? AA_PLAINTEXT_BYTES : s->left;
	u32 cause;

	if (!bytes)
		return 1;
	cause = send_piece(s, bytes);
	if (cause == AA_LOSS_PLAINTEXT_READ) {
		touch(s->from, bytes);
		cause = send_piece(s, bytes);
	}
	if (cause)
		count_lost_bytes(cause, bytes);
	advance(s, bytes);
	return 0;
}

/* The connection of an object, made if there is none; null if it cannot be. Not inline, for the room on the stack. */
static __noinline struct aa_tls_connection *connection_of(struct aa_tls_object *key)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 start_ns = BPF_CORE_READ(task, group_leader, start_boottime), exec = task->self_exec_id;
	struct aa_tls_connection *known = bpf_map_lookup_elem(&tls_connections, key);

	if (known && known->start_ns == start_ns && known->exec == exec)
		return known;

	struct aa_tls_connection fresh = { .born_ns = bpf_ktime_get_boot_ns(), .start_ns = start_ns, .exec = exec };

	bpf_map_update_elem(&tls_connections, key, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&tls_connections, key);
}

/* What a thread is to remember of an object of which it was not seen yet over which socket it goes. */
static __always_inline void await_socket(u64 object, u64 bytes)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct aa_tls_object key = { .object = object, .pid = thread >> 32 };
	struct aa_tls_connection *connection = bpf_map_lookup_elem(&tls_connections, &key);
	struct aa_tls_thread *known, fresh = { .object = object, .bytes = bytes };

	if (connection && connection->socket && !connection->presumed)
		return;
	known = bpf_map_lookup_elem(&tls_threads, &thread);
	if (known) {
		known->object = object;
		known->bytes = bytes;
	} else {
		bpf_map_update_elem(&tls_threads, &thread, &fresh, BPF_ANY);
	}
}

/* The same of one that may be about to send the beginning of a handshake. */
static __noinline int await_greeting(u64 object)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct aa_tls_object key = { .object = object, .pid = thread >> 32 };
	struct aa_tls_connection *connection = bpf_map_lookup_elem(&tls_connections, &key);
	struct aa_tls_thread *known, fresh = { .greets = object };

	if (connection && connection->socket)
		return 0;
	known = bpf_map_lookup_elem(&tls_threads, &thread);
	if (known)
		known->greets = object;
	else
		bpf_map_update_elem(&tls_threads, &thread, &fresh, BPF_ANY);
	return 0;
}

static __always_inline void count_plaintext(struct aa_tls_socket *socket, const struct aa_tls_connection *connection, s64 sign)
{
	__sync_fetch_and_add(&socket->said, sign * connection->bytes[0]);
	__sync_fetch_and_add(&socket->heard, sign * connection->bytes[1]);
}

/* Beside enum aa_plaintext_flags: it was not seen yet that the connection's plaintext goes there. */
#define AA_BINDS_PRESUMABLY 0x80000000U

/* From now on it is known over which socket a connection goes. */
static __noinline int bind_socket(const struct aa_identity *identity, struct aa_tls_connection *connection, u64 object, u64 cookie,
				  u32 flags)
{
	struct aa_tls_socket *socket = bpf_map_lookup_elem(&tls_sockets, &cookie), *before;
	u32 presumed = !!(flags & AA_BINDS_PRESUMABLY);
	struct aa_sending s = {
		.object = object,
		.born_ns = connection->born_ns,
		.session = identity->session,
		.agent = identity->agent,
		.socket = cookie,
		.flags = (flags & ~AA_BINDS_PRESUMABLY) | AA_PLAINTEXT_BINDS,
	};

	connection->presumed = presumed;
	if (socket && !presumed)
		socket->bound = 1;
	if (connection->socket == cookie)
		return 0;
	before = bpf_map_lookup_elem(&tls_sockets, &connection->socket);
	if (before)
		count_plaintext(before, connection, -1);
	connection->socket = cookie;
	if (socket)
		count_plaintext(socket, connection, 1);
	s.offset = connection->bytes[!!(flags & AA_PLAINTEXT_RECEIVED)];
	send_note(&s);
	return 0;
}

/*
 * Before an object's first plaintext is judged it is asked where that will go: a client has just been answered from there, so
 * it is where its thread received last, if nothing else is known to go over that.
 */
static __noinline int presume_socket(const struct aa_identity *identity, struct aa_tls_connection *connection, u64 object, u32 flags)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct aa_tls_thread *last = bpf_map_lookup_elem(&tls_threads, &thread);
	struct aa_tls_socket *socket;

	if (connection->socket || !last)
		return 0;
	socket = bpf_map_lookup_elem(&tls_sockets, &last->from);
	if (socket && !socket->bound)
		bind_socket(identity, connection, object, last->from, flags | AA_BINDS_PRESUMABLY);
	return 0;
}

/* Counts bytes that were sent or received; how many there were before. */
static __always_inline u64 count_bytes(struct aa_tls_connection *connection, u32 received, u64 bytes)
{
	u64 cookie = connection->socket;
	struct aa_tls_socket *socket = cookie ? bpf_map_lookup_elem(&tls_sockets, &cookie) : 0;

	if (socket)
		__sync_fetch_and_add(received ? &socket->heard : &socket->said, bytes);
	return __sync_fetch_and_add(&connection->bytes[received], bytes);
}

/* The same of bytes that the gateway has already, since it was asked of them. */
static __always_inline void count_judged(u64 object, u64 bytes)
{
	struct aa_tls_object key = { .object = object, .pid = bpf_get_current_pid_tgid() >> 32 };
	struct aa_tls_connection *connection = connection_of(&key);

	if (connection)
		count_bytes(connection, 0, bytes);
}

/* Not inline, for the room on the stack. */
static __noinline int send_bytes(const struct aa_identity *identity, const struct aa_tls_site *site, u64 object, u64 buffer,
				 u64 bytes)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct aa_tls_object key = { .object = object, .pid = thread >> 32 };
	struct aa_tls_connection *connection = connection_of(&key);
	u32 received = !!(site->flags & AA_TLS_RECEIVES);
	u32 flags = received ? AA_PLAINTEXT_RECEIVED : 0;

	if (!connection) {
		count_loss(AA_LOSS_PLAINTEXT_CALL);
		return 0;
	}
	if (site->flags & AA_TLS_HALF)
		flags |= AA_PLAINTEXT_HALF;
	/* What a key decrypts came from where its thread received last. */
	if (!connection->socket && flags == (AA_PLAINTEXT_RECEIVED | AA_PLAINTEXT_HALF)) {
		struct aa_tls_thread *last = bpf_map_lookup_elem(&tls_threads, &thread);

		if (last && last->from)
			bind_socket(identity, connection, object, last->from, flags);
	}

	struct aa_sending s = {
		.from = buffer,
		.left = bytes,
		.offset = count_bytes(connection, received, bytes),
		.object = object,
		.born_ns = connection->born_ns,
		.session = identity->session,
		.agent = identity->agent,
		.file = site->file,
		.socket = connection->socket,
		.flags = flags,
	};

	bpf_loop(AA_TLS_PIECES, send_next_piece, &s, 0);
	if (s.left)
		count_lost_bytes(AA_LOSS_PLAINTEXT_READ, s.left);
	return 0;
}

/* Says of both directions how much there was. */
static __noinline int end_connection(const struct aa_identity *identity, const struct aa_tls_site *site, u64 object)
{
	struct aa_tls_object key = { .object = object, .pid = bpf_get_current_pid_tgid() >> 32 };
	struct aa_tls_connection *connection = bpf_map_lookup_elem(&tls_connections, &key);

	if (!connection)
		return 0;

	struct aa_sending s = {
		.object = object,
		.offset = connection->bytes[0],
		.born_ns = connection->born_ns,
		.session = identity->session,
		.agent = identity->agent,
		.file = site->file,
		.socket = connection->socket,
		.flags = AA_PLAINTEXT_ENDS,
	};
	u64 received = connection->bytes[1];

	bpf_map_delete_elem(&tls_connections, &key);
	send_note(&s);
	s.offset = received;
	s.flags |= AA_PLAINTEXT_RECEIVED;
	send_note(&s);
	return 0;
}

#endif
