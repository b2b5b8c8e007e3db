/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Data that must not leave: where a policy blocks some, the gateway judges what is given to TLS before it is encrypted.
 *
 * The caller waits in the probe. Nobody else is stopped for it, no signal ends it but one that kills, and no hold can be
 * cut short by a SIGCONT. What was denied is encrypted all the same where a later send can be made to fail: over the
 * socket of that connection nothing goes any more, whoever sends it and when. Elsewhere the process is killed before it
 * runs the function's first instruction. What cannot be read, or is not judged in time, is denied.
 *
 * What a person is asked about is encrypted too, and the send of it is held like any other call (hold.bpf.h): one question
 * at a time for a connection, what comes to a second is denied.
 *
 * Never seen here: what another thread writes over the bytes between the judgement and the encryption.
 */
#ifndef AA_LEAK_BPF_H
#define AA_LEAK_BPF_H

#include "address.bpf.h"
#include "judge.bpf.h"
#include "tls.bpf.h"

/* Whether sends can be made to fail. The loader sets it; the verifier drops the other way. */
const volatile u32 sends_can_fail SEC(".rodata.sends") = 0;

enum aa_leak_limits {
	AA_BLOCKED_CONNECTIONS = 8192,
	AA_QUESTIONS = 3, /* index in `sequences` */
	AA_QUESTION_CPU_BITS = 12,
	AA_TURNS = 1 << 22,
	AA_TURNS_MORE = 64, /* so often: more than AA_PATIENCE_NS take */
};

/* As long as a gateway takes to start again, with room. */
#define AA_PATIENCE_NS (10ULL * 1000 * 1000 * 1000)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_TLS_ANSWERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct aa_tls_answer);
} tls_answers SEC(".maps");

/* Which socket; or, until it is known over which a connection goes, which process: 0 is none. */
struct aa_blocked_key {
	u64 socket;
	u64 start_ns;
	u64 pid;
};

struct aa_blocked {
	u64 object;
	u64 told;
	u64 question;
	u32 decision;
	u32 waits; /* for a person; else nothing goes any more */
};

/*
 * Connections that hold what was denied. Kept until unloaded: a socket's number is never given again. Where one more finds
 * no room, who sends is killed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, AA_BLOCKED_CONNECTIONS);
	__type(key, struct aa_blocked_key);
	__type(value, struct aa_blocked);
} tls_blocked SEC(".maps");

/* A wait for an answer. */
struct aa_waiting {
	u64 question;
	u64 until_ns;
	u64 memory; /* any address of the caller's */
	u32 decision;
	u32 answered;
};

/* Whether there is no use in waiting on: it was long enough, or the caller is being killed. */
static __always_inline int is_over(u64 until_ns)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return bpf_ktime_get_boot_ns() >= until_ns || (task->pending.signal.sig[0] & (1 << (AA_SIGKILL - 1)));
}

/* Takes the lock of the caller's memory, and may sleep for it: a kernel that does not preempt lets others run there. */
static __always_inline void let_others_run(u64 memory)
{
	u8 byte;

	bpf_copy_from_user_task(&byte, 1, (void *)memory, bpf_get_current_task_btf(), 0);
}

static long ask_next_piece(u32 index, struct aa_sending *s)
{
	u32 bytes = s->left > AA_PLAINTEXT_BYTES ? AA_PLAINTEXT_BYTES : s->left;
	u32 cause;

	if (!bytes || is_over(s->until_ns))
		return 1;
	if (bytes == s->left)
		s->flags |= AA_PLAINTEXT_LAST;
	cause = send_piece(s, bytes);
	if (cause == AA_LOSS_PLAINTEXT_READ) {
		touch(s->from, bytes);
		cause = send_piece(s, bytes);
		if (cause == AA_LOSS_PLAINTEXT_READ)
			return 1;
	}
	/* The gateway is about to make room. */
	if (cause) {
		let_others_run(s->from);
		return 0;
	}
	advance(s, bytes);
	s->flags &= ~AA_PLAINTEXT_FIRST;
	return 0;
}

static long await_turn(u32 index, struct aa_waiting *w)
{
	u32 place = w->question & (AA_TLS_ANSWERS - 1);
	struct aa_tls_answer *answer = bpf_map_lookup_elem(&tls_answers, &place);

	if (!answer || is_over(w->until_ns))
		return 1;
	if (*(volatile u64 *)&answer->question == w->question) {
		w->decision = *(volatile u32 *)&answer->decision;
		w->answered = 1;
		return 1;
	}
	let_others_run(w->memory);
	return 0;
}

static long await_turns(u32 index, struct aa_waiting *w)
{
	bpf_loop(AA_TURNS, await_turn, w, 0);
	return w->answered || is_over(w->until_ns);
}

/*
 * From here on not inline: together they need more than the stack has room for, one after the other they do not.
 */

/* Of the policy that has judged what the caller sends inside TLS; 0: nobody has. */
static __noinline u32 blocking_generation(const struct aa_identity *identity)
{
	struct subject subject;

	subject_of_agent(&subject, identity->agent, identity->session);
	return subject.policy && subject.policy->flags & AA_POLICY_BLOCKS_DATA ? subject.policy->generation : 0;
}

static __noinline u64 patience(const struct aa_identity *identity)
{
	struct subject subject;

	subject_of_agent(&subject, identity->agent, identity->session);
	return subject.fault == AA_FAULT_UNJUDGED ? 0 : bpf_ktime_get_boot_ns() + AA_PATIENCE_NS;
}

static __noinline u32 await_answer(const struct aa_sending *s)
{
	struct aa_waiting w = {
		.question = s->question,
		.until_ns = s->until_ns,
		.memory = s->from,
	};

	bpf_loop(AA_TURNS_MORE, await_turns, &w, 0);
	return w.decision;
}

static __always_inline struct aa_blocked_key blocked_process(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return (struct aa_blocked_key){
		.start_ns = BPF_CORE_READ(task, group_leader, start_boottime),
		.pid = bpf_get_current_pid_tgid() >> 32,
	};
}

/* By a socket that is merely presumed nothing is held back: the ciphertext might go elsewhere. */
static __always_inline struct aa_blocked_key blocked_key(const struct aa_tls_connection *connection)
{
	return connection->socket && !connection->presumed ? (struct aa_blocked_key){ .socket = connection->socket } : blocked_process();
}

/*
 * Nothing more goes over an object's connection, or nothing before it was answered. Returns 0, or less where that cannot be
 * kept: also where another one of the process was blocked whose socket is not known either, since they could not be told
 * apart. A denial takes the place of a question that waits.
 */
static __always_inline long block_connection(const struct aa_tls_connection *connection, u64 object, u64 question,
					     u32 decision, u32 waits)
{
	struct aa_blocked_key key = blocked_key(connection);
	struct aa_blocked blocked = { .object = object, .question = question, .decision = decision, .waits = waits };
	struct aa_blocked *before = bpf_map_lookup_elem(&tls_blocked, &key);

	if (before && before->waits && !waits && (key.socket || before->object == object)) {
		before->waits = 0;
		return 0;
	}
	return bpf_map_update_elem(&tls_blocked, &key, &blocked, BPF_NOEXIST);
}

/* Whether nothing that is encrypted for it can leave, whatever it is. */
static __always_inline int is_blocked(const struct aa_tls_connection *connection, u64 object)
{
	struct aa_blocked_key key = blocked_key(connection);
	struct aa_blocked *blocked = bpf_map_lookup_elem(&tls_blocked, &key);

	return blocked && !blocked->waits && (key.socket || blocked->object == object);
}

/* Asks of what is about to be encrypted. Returns the decision on it; 0 if there is none. */
static __noinline u32 judge_data(const struct aa_identity *identity, const struct aa_tls_site *site,
				 const struct aa_tls_call *call, u64 bytes, u64 *question)
{
	struct aa_tls_object key = { .object = call->object, .pid = bpf_get_current_pid_tgid() >> 32 };
	struct aa_tls_connection *connection = connection_of(&key);
	struct aa_sending s = {
		.from = call->buffer,
		.left = bytes,
		.object = call->object,
		.session = identity->session,
		.agent = identity->agent,
		.file = site->file,
		.flags = AA_PLAINTEXT_ASKS | AA_PLAINTEXT_FIRST | (site->flags & AA_TLS_HALF ? AA_PLAINTEXT_HALF : 0),
		.question = next_sequence(AA_QUESTIONS) << AA_QUESTION_CPU_BITS | bpf_get_smp_processor_id(),
		.until_ns = patience(identity),
		.generation = blocking_generation(identity),
	};

	*question = s.question;
	if (!connection)
		return 0;
	if (is_blocked(connection, call->object))
		return AA_ALLOW;
	presume_socket(identity, connection, call->object, s.flags & AA_PLAINTEXT_HALF);
	s.offset = connection->bytes[0];
	s.born_ns = connection->born_ns;
	s.socket = connection->socket;
	bpf_loop(AA_TURNS, ask_next_piece, &s, 0);
	return s.left ? 0 : await_answer(&s);
}

/* Records a denial, and sees to it that it is one. What a person is to be asked about waits where it is sent. */
static __noinline int deny_data(void *ctx, const struct aa_identity *identity, u64 object, u64 question, u32 decision)
{
	struct aa_tls_object key = { .object = object, .pid = bpf_get_current_pid_tgid() >> 32 };
	struct aa_tls_connection *connection = connection_of(&key);
	struct judgement j = {
		.decision = decision ?: DECISION_CLOSED,
		.reason = decision & AA_DECISION_EXPLICIT ? AA_REASON_RULE : AA_REASON_UNJUDGED_DATA,
	};
	enum aa_place place = AA_AT_EXEC; /* which kills */
	struct aa_scratch *scratch;
	struct subject subject;

	subject_of_agent(&subject, identity->agent, identity->session);
	if (verdict_of(j.decision) == AA_ASK && !subject.observes) {
		if (sends_can_fail && connection && !block_connection(connection, object, question, j.decision, 1))
			return 0;
		j.reason = AA_REASON_CANNOT_WAIT;
	}
	if (sends_can_fail &&
	    (subject.observes || (connection && !block_connection(connection, object, question, j.decision, 0))))
		place = AA_AT_CGROUP;
	scratch = claim_scratch(&subject);
	if (!scratch) {
		if (place == AA_AT_EXEC && !subject.observes)
			bpf_send_signal(AA_SIGKILL);
		return 0;
	}
	reset_event(scratch);
	tell_far_end(connection ? connection->socket : 0, scratch->event.address, &scratch->event.port);
	scratch->event.protocol = scratch->event.port ? AA_IPPROTO_TCP : 0;
	/* By which the gateway knows what it found. */
	scratch->event.digest[0] = question;
	refuse(ctx, scratch, &subject, AA_ACTION_SEND_DATA, j, place);
	release_scratch(scratch);
	return 0;
}

/* Where a TCP socket leads, canonical. */
static __always_inline void read_far_end(struct sock *sk, u8 *address)
{
	u32 *words = (u32 *)address;

	if (sk->__sk_common.skc_family == AA_AF_INET) {
		words[0] = 0;
		words[1] = 0;
		words[2] = bpf_htonl(0xffff);
		words[3] = sk->__sk_common.skc_daddr;
	} else {
		bpf_probe_read_kernel(address, 16, &sk->__sk_common.skc_v6_daddr);
	}
}

/* Denies a send, and records where it would have gone. */
static __noinline int refuse_send(void *ctx, const struct subject *subject, u32 decision, u32 reason, struct sock *sk)
{
	struct judgement j = { .decision = decision, .reason = reason };
	struct aa_scratch *s = claim_scratch(subject);
	int ret;

	if (!s)
		return subject->observes ? 0 : eperm();
	reset_event(s);
	s->event.port = bpf_ntohs(sk->__sk_common.skc_dport);
	s->event.protocol = rule_protocol(sk);
	read_far_end(sk, s->event.address);
	ret = refuse(ctx, s, subject, AA_ACTION_SEND_DATA, j, AA_AT_HOOK);
	release_scratch(s);
	return ret;
}

/*
 * Asks about a send, or does as was answered. Which question was judged is part of the digest, and told to the gateway, which
 * knows what the data are.
 */
static __noinline int ask_send(void *ctx, const struct subject *subject, const struct aa_blocked *blocked, struct sock *sk)
{
	struct judgement j = { .decision = blocked->decision, .reason = AA_REASON_RULE };
	struct aa_scratch *s = claim_scratch(subject);

	if (!s)
		return eperm();
	reset_event(s);
	s->event.port = bpf_ntohs(sk->__sk_common.skc_dport);
	s->event.protocol = rule_protocol(sk);
	read_far_end(sk, s->event.address);
	s->event.other_pid = blocked->question;
	s->exact[0] = blocked->question;
	s->exact[1] = 1;
	return conclude(ctx, s, subject, AA_ACTION_SEND_DATA, j);
}

#endif
