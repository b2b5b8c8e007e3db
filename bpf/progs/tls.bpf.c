// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Plaintext: what a governed process gives to TLS libraries, and gets from them. The sensor attaches these programs to
 * functions it was told of, in files that governed processes map; a process nobody governs leaves at once.
 *
 * Copied at the return, when it is known how much was taken: a writer may call again with the same bytes (node does three
 * times). Where the policy blocks data what is sent is copied at the entry, and waits there to be judged. Never seen here:
 * plaintext of functions that are not known, and what is encrypted outside of such functions.
 */
#include "../lib/leak.bpf.h"

AA_LICENSE;

static __always_inline u64 read_place(const u64 *registers, u64 sp, u32 place)
{
	u64 value = 0;

	if (place < AA_PLACE_REGISTERS)
		return registers[place & 15];
	if (place != AA_PLACE_NONE && bpf_probe_read_user(&value, sizeof(value), (void *)(sp + (place & (AA_PLACE_STACK - 1)))))
		count_loss(AA_LOSS_PLAINTEXT_CALL);
	return value;
}

static __always_inline struct aa_tls_caller caller_of(const struct aa_registers *ctx, const struct aa_tls_site *site)
{
	u64 thread = bpf_get_current_pid_tgid();

	return (struct aa_tls_caller){
		.who = site->flags & AA_TLS_GOROUTINE ? ctx->general[AA_R14] : thread,
		.pid = thread >> 32,
		.receives = site->flags & AA_TLS_RECEIVES,
	};
}

/* 0, which is no content type, if it cannot be read: the call is then passed over, and counted. */
static __always_inline u8 read_type(u64 address)
{
	u8 type = 0;

	if (bpf_copy_from_user(&type, 1, (void *)address)) {
		count_loss(AA_LOSS_PLAINTEXT_CALL);
		return 0;
	}
	return type;
}

/* Of what type the record is that a cipher is given, by what it authenticates beside it. */
static __always_inline u32 inner_of(u64 associated, u64 bytes)
{
	if (bytes == AA_TLS13_ASSOCIATED)
		return read_type(associated) == AA_TLS_APPLICATION_DATA ? AA_INNER_TYPED : AA_INNER_OTHER;
	if (bytes != AA_TLS12_ASSOCIATED)
		return AA_INNER_OTHER;
	return read_type(associated + AA_TLS12_TYPE_AT) == AA_TLS_APPLICATION_DATA ? AA_INNER_NONE : AA_INNER_OTHER;
}

/* How much of a record's plaintext is application data: not its type, and nothing of a handshake or alert. */
static __always_inline u64 application_bytes(const struct aa_tls_call *call, u64 bytes)
{
	if (call->inner == AA_INNER_NONE)
		return bytes;
	if (call->inner == AA_INNER_OTHER || !bytes)
		return 0;
	return read_type(call->buffer + bytes - 1) == AA_TLS_APPLICATION_DATA ? bytes - 1 : 0;
}

/*
 * Remembers a call until it returns. One from within another of the same object is passed over: the outer one tells.
 * Whether it is the outer one.
 */
static __noinline int begin_call(const struct aa_registers *ctx, const struct aa_tls_site *site, struct aa_tls_call *call)
{
	struct aa_tls_caller caller = caller_of(ctx, site);
	struct aa_tls_call *outer = bpf_map_lookup_elem(&tls_calls, &caller);

	call->sp = ctx->sp;
	if (outer && !(site->flags & AA_TLS_GOROUTINE) && outer->object == call->object && outer->site != call->site &&
	    outer->sp > call->sp)
		return 0;
	if (bpf_map_update_elem(&tls_calls, &caller, call, BPF_ANY))
		count_loss(AA_LOSS_PLAINTEXT_CALL);
	if (caller.receives)
		await_greeting(call->object);
	else
		await_socket(call->object, call->length);
	return 1;
}

/* The arguments of a call. Not inline: the copy of the registers has no room on the stack beside what a judgement needs. */
static __noinline int read_call(const struct aa_registers *ctx, const struct aa_tls_site *site, struct aa_tls_call *call)
{
	u64 registers[AA_PLACE_REGISTERS + 1];

#pragma unroll
	for (u32 i = 0; i < AA_PLACE_REGISTERS; i++)
		registers[i] = ctx->general[i];
	registers[AA_PLACE_REGISTERS] = 0;
	call->object = read_place(registers, ctx->sp, site->object);
	call->buffer = read_place(registers, ctx->sp, site->buffer);
	call->length = read_place(registers, ctx->sp, site->length);
	call->done = read_place(registers, ctx->sp, site->done);
	if (site->flags & AA_TLS_INT_LENGTH)
		call->length = (s32)call->length < 0 ? 0 : (u32)call->length;
	if (site->flags & AA_TLS_FLAGS_FIRST && call->done < AA_PAGE_BYTES)
		call->done = registers[AA_R8];
	if (site->flags & AA_TLS_HALF)
		call->inner = inner_of(read_place(registers, ctx->sp, site->associated),
				       read_place(registers, ctx->sp, site->associated_bytes));
	return 0;
}

SEC("uprobe.s")
int tls_enter(struct aa_registers *ctx)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());

	if (!identity)
		return 0;

	u32 index = bpf_get_attach_cookie(ctx);
	struct aa_tls_site *site = bpf_map_lookup_elem(&tls_sites, &index);
	struct aa_tls_call call = { .site = index };

	if (!site)
		return 0;
	read_call(ctx, site, &call);
	if (call.inner == AA_INNER_OTHER)
		return 0;
	if (site->flags & AA_TLS_ENDS) {
		end_connection(identity, site, call.object);
		return 0;
	}
	if (site->flags & AA_TLS_GREETS) {
		await_greeting(call.object);
		return 0;
	}

	u64 question, bytes = site->flags & AA_TLS_RECEIVES ? 0 : application_bytes(&call, call.length);

	u32 decision;

	call.judged = bytes && blocking_generation(identity);
	if (site->flags & AA_TLS_WHOLE) {
		if (!bytes)
			return 0;
		await_socket(call.object, bytes);
		if (!call.judged)
			send_bytes(identity, site, call.object, call.buffer, bytes);
	} else if (!begin_call(ctx, site, &call)) {
		return 0;
	}
	if (!call.judged)
		return 0;
	decision = judge_data(identity, site, &call, bytes, &question);
	if (!decision || !passes(decision))
		deny_data(ctx, identity, call.object, question, decision);
	if (site->flags & AA_TLS_WHOLE)
		count_judged(call.object, bytes);
	return 0;
}

SEC("uprobe.s")
int tls_leave(struct aa_registers *ctx)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());

	if (!identity)
		return 0;

	u32 index = bpf_get_attach_cookie(ctx);
	struct aa_tls_site *site = bpf_map_lookup_elem(&tls_sites, &index);

	if (!site)
		return 0;

	struct aa_tls_caller caller = caller_of(ctx, site);
	struct aa_tls_call *known = bpf_map_lookup_elem(&tls_calls, &caller);

	if (!known || known->site != index)
		return 0;

	struct aa_tls_call call = *known;
	s64 result = site->flags & AA_TLS_INT_RESULT ? (s32)ctx->general[AA_RAX] : (s64)ctx->general[AA_RAX];
	u64 bytes = result > 0 ? result : 0;

	bpf_map_delete_elem(&tls_calls, &caller);
	if (site->flags & AA_TLS_COUNT_AT_DONE) {
		if (result != 1)
			return 0;
		/* Without a place for the count all of it was done. */
		bytes = call.length;
		if (call.done && bpf_copy_from_user(&bytes, sizeof(bytes), (void *)call.done)) {
			count_loss(AA_LOSS_PLAINTEXT_CALL);
			return 0;
		}
	}
	if (bytes > call.length)
		bytes = call.length;
	bytes = application_bytes(&call, bytes);
	if (bytes && call.judged)
		count_judged(call.object, bytes);
	else if (bytes)
		send_bytes(identity, site, call.object, call.buffer, bytes);
	return 0;
}

/* The socket of a governed process, which is a TCP one; null for others. */
static __always_inline struct aa_tls_socket *socket_of(const struct aa_identity *identity, struct sock *sk, u64 *cookie)
{
	u16 family = sk->__sk_common.skc_family;

	if (sk->sk_protocol != AA_IPPROTO_TCP || (family != AA_AF_INET && family != AA_AF_INET6))
		return 0;
	*cookie = bpf_get_socket_cookie(sk);

	struct aa_tls_socket *known = bpf_map_lookup_elem(&tls_sockets, cookie);

	if (known)
		return known;

	struct task_struct *task = bpf_get_current_task_btf();
	struct aa_tls_socket fresh = {
		.start_ns = BPF_CORE_READ(task, group_leader, start_boottime),
		.pid = task->tgid,
		.agent = identity->agent,
		.port = bpf_ntohs(sk->__sk_common.skc_dport),
	};

	read_far_end(sk, fresh.address);
	bpf_map_update_elem(&tls_sockets, cookie, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&tls_sockets, cookie);
}

/* What a thread gives to a socket at least after it had something encrypted. */
static __always_inline u64 least_sent(const struct aa_tls_thread *thread)
{
	return (thread->bytes > AA_TLS_RECORD ? AA_TLS_RECORD : thread->bytes) + AA_TLS_LEAST_ADDED;
}

static __always_inline void note_sent(struct sock *sk, s64 bytes)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());
	u64 cookie, thread = bpf_get_current_pid_tgid();

	if (!identity || bytes <= 0)
		return;

	struct aa_tls_socket *socket = socket_of(identity, sk, &cookie);

	if (!socket)
		return;
	struct aa_tls_thread *last = bpf_map_lookup_elem(&tls_threads, &thread);
	u64 before = __sync_fetch_and_add(&socket->sent, bytes);

	if (!last)
		return;

	struct aa_tls_object key = { .object = last->object, .pid = thread >> 32 };
	struct aa_tls_connection *connection;

	/* A handshake is what comes first over a socket. */
	if (last->greets && !before) {
		key.object = last->greets;
		connection = connection_of(&key);
		if (connection && !connection->socket)
			bind_socket(identity, connection, key.object, cookie, AA_BINDS_PRESUMABLY);
	}
	last->greets = 0;
	key.object = last->object;
	if (!key.object || (u64)bytes < least_sent(last))
		return;
	connection = connection_of(&key);
	if (connection && (!connection->socket || connection->presumed))
		bind_socket(identity, connection, key.object, cookie, 0);
	last->object = 0;
}

static __always_inline void note_received(struct sock *sk, s64 bytes)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());
	u64 cookie, thread = bpf_get_current_pid_tgid();

	if (!identity || bytes <= 0)
		return;

	struct aa_tls_socket *socket = socket_of(identity, sk, &cookie);

	if (!socket)
		return;
	__sync_fetch_and_add(&socket->received, bytes);

	struct aa_tls_thread *last = bpf_map_lookup_elem(&tls_threads, &thread), fresh = { .from = cookie };

	if (last)
		last->from = cookie;
	else
		bpf_map_update_elem(&tls_threads, &thread, &fresh, BPF_ANY);
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(tls_sent, struct sock *sk, int ret)
{
	note_sent(sk, ret);
	return 0;
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(tls_received, struct sock *sk, int ret)
{
	note_received(sk, ret);
	return 0;
}

/* The same before 6.3, which has no such tracepoints. */
SEC("?fexit/tcp_sendmsg")
int BPF_PROG(tls_sent_by_function, struct sock *sk, struct msghdr *msg, unsigned long size, int ret)
{
	note_sent(sk, ret);
	return 0;
}

SEC("?fexit/tcp_recvmsg")
int BPF_PROG(tls_received_by_function, struct sock *sk, struct msghdr *msg, unsigned long length, int flags, int *address_length, int ret)
{
	note_received(sk, ret);
	return 0;
}

/* A send of so many bytes over a socket: if it is of the blocked object, which the thread had encrypted just before, the socket is known. */
static __noinline int find_blocked_socket(const struct aa_identity *identity, struct aa_blocked *blocked, u64 cookie, s64 bytes)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct aa_tls_thread *last = bpf_map_lookup_elem(&tls_threads, &thread);
	struct aa_tls_object object = { .object = blocked->object, .pid = thread >> 32 };
	struct aa_blocked_key process = blocked_process(), socket = { .socket = cookie };

	if (!last || last->object != blocked->object || bytes < (s64)least_sent(last))
		return 0;
	if (bpf_map_update_elem(&tls_blocked, &socket, blocked, BPF_ANY))
		return 0;
	bpf_map_delete_elem(&tls_blocked, &process);

	struct aa_tls_connection *connection = connection_of(&object);

	if (connection && (!connection->socket || connection->presumed))
		bind_socket(identity, connection, object.object, cookie, 0);
	return 0;
}

/*
 * Over the socket of a connection that was blocked nothing goes. While it is not known which that is, nothing goes over any
 * socket of the process of which it is not known either.
 */
SEC("lsm/socket_sendmsg")
int BPF_PROG(judge_blocked_send, struct socket *sock, struct msghdr *msg, int size)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());
	struct sock *sk = sock->sk;
	struct subject subject;

	if (!identity || !sk || sock->type != AA_SOCK_STREAM || !blocking_generation(identity))
		return 0;

	u16 family = sk->__sk_common.skc_family;
	u64 cookie = bpf_get_socket_cookie(sk);
	struct aa_blocked_key key = { .socket = cookie };
	struct aa_blocked *blocked = bpf_map_lookup_elem(&tls_blocked, &key);

	if (family != AA_AF_INET && family != AA_AF_INET6)
		return 0;
	if (!blocked) {
		struct aa_blocked_key process = blocked_process();
		struct aa_tls_socket *socket = bpf_map_lookup_elem(&tls_sockets, &cookie);

		blocked = bpf_map_lookup_elem(&tls_blocked, &process);
		if (!blocked || (socket && socket->bound))
			return 0;
		find_blocked_socket(identity, blocked, cookie, size);
		/* What is deleted may be another's already. */
		blocked = bpf_map_lookup_elem(&tls_blocked, &key) ?: bpf_map_lookup_elem(&tls_blocked, &process);
		if (!blocked)
			return eperm();
	}
	if (!current_subject(&subject))
		return eperm();
	if (blocked->waits) {
		struct aa_blocked *known = bpf_map_lookup_elem(&tls_blocked, &key);
		int held;

		/* Of another socket of the process, perhaps. */
		if (!known)
			return eperm();
		held = ask_send(ctx, &subject, known, sk);
		if (!held)
			bpf_map_delete_elem(&tls_blocked, &key);
		else if (held == -AA_EPERM) {
			known->told = 1;
			known->waits = 0;
		}
		return held;
	}
	/* Told once. */
	if (__sync_lock_test_and_set(&blocked->told, 1))
		return eperm();
	refuse_send(ctx, &subject, blocked->decision, AA_REASON_BLOCKED_CONNECTION, sk);
	return eperm();
}
