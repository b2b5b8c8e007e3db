/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The judgement of addresses and kinds of sockets, which LSM programs and those at cgroups share.
 */
#ifndef AA_NET_BPF_H
#define AA_NET_BPF_H

#include "address.bpf.h"
#include "label.bpf.h"
#include "names.bpf.h"
#include "rate.bpf.h"

/* Whether this destination was already recorded for this agent; remembers it. */
static __always_inline int seen(const struct subject *subject, const struct aa_destination *to)
{
	struct aa_seen_key key = { .agent = subject->agent, .generation = subject->policy->generation, .destination = *to };
	u32 one = 1;

	if (bpf_map_lookup_elem(&seen_destinations, &key))
		return 1;
	bpf_map_update_elem(&seen_destinations, &key, &one, 0);
	return 0;
}

/* Whether an answer let just this thread go where the socket goes. Cgroup programs know no other name of the thread. */
static __always_inline int granted_to_us(const struct aa_socket_owner *owner)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return owner->granted_tid && owner->granted_tid == (u32)BPF_CORE_READ(task, pid) &&
	       owner->granted_start_ns == BPF_CORE_READ(task, start_boottime);
}

/* A new call: what was granted to an earlier one of this thread is used up. */
static __always_inline void end_grant(const struct subject *subject, struct sock *sk)
{
	struct aa_socket_owner *owner;

	if (!subject->identity->let_go)
		return;
	owner = owner_of(sk, 0);
	if (owner && granted_to_us(owner))
		owner->granted_tid = 0;
}

/*
 * Whether this counts as a connection: of datagrams the first to go where the thread's last one did not. Programs that
 * know no thread come after one that does.
 */
static __always_inline int begins(const struct subject *subject, u32 action, const struct aa_destination *to)
{
	if (action == AA_ACTION_CONNECT)
		return 1;
	return action == AA_ACTION_SEND && subject->identity && !same_destination(&subject->identity->last, to);
}

/* Whether the address is somebody else's. */
static __always_inline int goes_out(u32 action)
{
	return action == AA_ACTION_CONNECT || action == AA_ACTION_SEND || action == AA_ACTION_RECEIVE_FD;
}

/* The owner of the socket that a program of this place is about. */
static __always_inline struct aa_socket_owner *owner_seen(void *ctx, void *sk, enum aa_place place, u64 flags)
{
	if (place == AA_AT_HOOK)
		return owner_of(sk, flags);
	if (place == AA_AT_CGROUP)
		return bpf_sk_storage_get(&socket_owners, sk, 0, flags);
	return owner_at(ctx);
}

/*
 * Requests over a connection are judged where they are read, and nothing goes over it that nobody reads: the socket is to tell.
 * What is sent together with the connecting comes before it could. Returns 0, or -1.
 */
static __noinline int expect_requests(struct sock *sk, u32 action)
{
	struct aa_socket_owner *owner;

	if (!sk || action != AA_ACTION_CONNECT)
		return -1;
	owner = owner_of(sk, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owner)
		return -1;
	__sync_fetch_and_or(&owner->blind, AA_BLIND_JUDGED);
	return 0;
}

/*
 * The common end. `classified` is what read_address() said. `sk` remembers where an answer let it go: null where an
 * answer is for the one call.
 */
static __always_inline int judge_address(void *ctx, const struct subject *subject, struct aa_destination *to, int classified,
					 u32 action, u16 family, u16 type, enum aa_place place, void *sk, int goes_on)
{
	struct aa_socket_owner *owner = 0;
	int counts = !goes_on && begins(subject, action, to);
	struct judgement j;
	u32 taken = goes_out(action) ? taken_from(subject, AA_LABEL_NET) : 0;

	if (!subject->policy) {
		j.decision = DECISION_CLOSED;
		j.reason = AA_REASON_NO_POLICY;
	} else if (classified == AA_ADDRESS_UNREADABLE || (subject->fault == AA_FAULT_ADDRESS)) {
		count_loss(AA_LOSS_ADDRESS);
		if (verdict_of(subject->policy->default_net) == AA_UNGOVERNED && passes(taken) && !subject->barred)
			return 0;
		j.decision = DECISION_CLOSED;
		j.reason = AA_REASON_UNREADABLE_ADDRESS;
	} else if (goes_out(action) && passes(taken) && is_question(subject, to)) {
		j.decision = subject->policy->dns;
		j.reason = reason_of(j.decision);
		if (passes(j.decision)) {
			owner = sk && place != AA_AT_SOCKET ? owner_seen(ctx, sk, place, 0) : 0;
			/* The cgroup programs send it to the resolver. */
			if (owner && owner->agent == subject->agent && resolver_port(owner, 1) && !subject->barred)
				return 0;
			owner = 0;
			j.decision = DECISION_CLOSED;
			j.reason = AA_REASON_NO_RESOLVER;
		}
	} else {
		j.decision = decide_address(subject, to);
		if (goes_out(action) && subject->policy->host_count)
			j.decision = decide_names(subject->policy, subject->agent, to, j.decision);
		if (place == AA_AT_HOOK && goes_out(action) && j.decision & AA_DECISION_REQUESTS && expect_requests(sk, action)) {
			j.decision = DECISION_CLOSED;
			j.reason = AA_REASON_BLIND_TLS;
		} else {
			j.decision = with_taken(j.decision, taken);
			j.reason = reason_of(j.decision);
		}
	}
	judge_barred(subject, &j);
	if (counts)
		limit(subject, AA_RATE_CONNECT, &j);
	if (passes(j.decision)) {
		if (verdict_of(j.decision) == AA_UNGOVERNED || !subject->records || seen(subject, to))
			return 0;
	}
	if (sk && verdict_of(j.decision) == AA_ASK && !subject->observes) {
		owner = owner_seen(ctx, sk, place, BPF_SK_STORAGE_GET_F_CREATE);
		if (owner && granted_to_us(owner) && same_destination(&owner->granted, to)) {
			/* A datagram of the call that judge_send let pass, or a connect that goes on after a signal. */
			if (place == AA_AT_SOCKET || goes_on)
				return 0;
		}
		j.reason = AA_REASON_CANNOT_WAIT;
	}

	struct aa_scratch *s = claim_scratch(subject);
	int ret = 0;

	if (!s)
		return passes(j.decision) || subject->observes ? 0 : eperm();
	reset_event(s);
	describe(s, to, family, type);
	if (passes(j.decision)) {
		record_allowed(s, subject, action, j.decision);
	} else if (place != AA_AT_SOCKET && asks(subject, j.decision)) {
		ret = ask(ctx, s, subject, action, j, place);
		if (owner) {
			struct task_struct *task = (void *)bpf_get_current_task();

			owner->granted_tid = 0;
			if (!ret) {
				owner->granted = *to;
				owner->granted_start_ns = BPF_CORE_READ(task, start_boottime);
				owner->granted_tid = BPF_CORE_READ(task, pid);
				subject->identity->let_go = 1;
			}
		}
	} else {
		if (place == AA_AT_SOCKET && verdict_of(j.decision) == AA_ASK && !subject->observes)
			j.reason = AA_REASON_CANNOT_WAIT;
		ret = refuse(ctx, s, subject, action, j, place);
	}
	release_scratch(s);
	return ret;
}

/*
 * Remembers who opened or uses a socket, for the hooks that have no task storage and for passed descriptors. Returns 0, or -1
 * where it cannot: such a socket is not to be used, since those hooks would take it for nobody's.
 */
static __always_inline int own_socket(struct sock *sk, const struct subject *subject, int overwrite)
{
	struct aa_socket_owner *owner = owner_of(sk, BPF_SK_STORAGE_GET_F_CREATE);

	if (!owner) {
		count_loss(AA_LOSS_IDENTITY);
		return -1;
	}
	if (owner->agent && !overwrite)
		return 0;
	owner->session = subject->session;
	owner->network = sk->__sk_common.skc_net.net->ns.inum;
	owner->agent = subject->agent;
	return 0;
}

/*
 * The socket for a question: it must tell the cgroup programs whose it is. None, and so no question, where the resolver
 * could not be asked or could not know who asks: MPTCP's connections are made by sockets of the kernel's own, and what
 * goes out with a connection (TCP Fast Open) leaves before its port is known.
 */
static __always_inline struct sock *asking_socket(struct sock *sk, const struct subject *subject, const struct aa_destination *to,
						  int sending)
{
	if (!is_question(subject, to))
		return sk;
	if (sk->sk_protocol == AA_IPPROTO_MPTCP || (sending && to->protocol == AA_IPPROTO_TCP))
		return 0;
	return own_socket(sk, subject, 0) ? 0 : sk;
}

static __always_inline int is_unspecified(const u64 *address)
{
	const u32 *words = (const u32 *)address;

	return words[0] == 0 && words[1] == 0 && (words[2] == 0 || words[2] == bpf_htonl(0xffff)) && words[3] == 0;
}

/* The sockets a governed process may have: an allow-list, since every other family is a way round the address rules. */
static __always_inline int socket_allowed(u32 family, u32 type, u32 protocol)
{
	type &= 0xf; /* SOCK_NONBLOCK and SOCK_CLOEXEC are above */
	if (family == AA_AF_UNIX)
		return 1;
	if (family == AA_AF_NETLINK)
		return protocol == AA_NETLINK_ROUTE;
	if (family != AA_AF_INET && family != AA_AF_INET6)
		return 0;
	if (type == AA_SOCK_STREAM)
		return protocol == AA_IPPROTO_IP || protocol == AA_IPPROTO_TCP || protocol == AA_IPPROTO_MPTCP;
	if (type == AA_SOCK_DGRAM)
		return protocol == AA_IPPROTO_IP || protocol == AA_IPPROTO_UDP || protocol == AA_IPPROTO_ICMP ||
		       protocol == AA_IPPROTO_ICMPV6;
	return 0;
}

#endif
