// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Names: connections to port 53 lead to the resolver, and its answers seem to come from the name server that was asked.
 *
 * socket_connect and socket_sendmsg (net.bpf.c) have judged the question before: here a socket without an owner is
 * nobody's we govern. Datagrams with an address are redirected where they are judged, in cgroup/sendmsg4 and 6.
 */
#include "../lib/judge.bpf.h"
#include "../lib/names.bpf.h"

AA_LICENSE;

/* 1: goes on; 0: EPERM. The attached programs cannot pass over a question that its judge let through for the resolver. */
static __always_inline int send_question(struct bpf_sock_addr *ctx, struct aa_destination *to, int family)
{
	struct aa_socket_owner *owner;
	struct subject subject;

	owner = owner_at(ctx);
	if (!owner || !owner->agent)
		return 1;
	subject_of_agent(&subject, owner->agent, owner->session);
	to->port = AA_DNS_PORT;
	to->protocol = ctx->protocol;
	if (!is_question(&subject, to) || redirect(ctx, owner, to, family) || subject.observes)
		return 1;

	struct judgement j = { .decision = DECISION_CLOSED, .reason = AA_REASON_NO_RESOLVER };
	struct aa_scratch *s = claim_scratch(&subject);

	if (!s)
		return 0;
	reset_event(s);
	__builtin_memcpy(s->event.address, to->address, sizeof(s->event.address));
	s->event.port = to->port;
	s->event.protocol = to->protocol;
	s->event.family = ctx->family;
	s->event.socket_type = ctx->type;
	refuse(ctx, s, &subject, AA_ACTION_CONNECT, j, AA_AT_SOCKET);
	release_scratch(s);
	return 0;
}

SEC("cgroup/connect4")
int send_question4(struct bpf_sock_addr *ctx)
{
	struct aa_destination to = {};

	if (ctx->user_port != bpf_htons(AA_DNS_PORT))
		return 1;
	set_v4(to.address, ctx->user_ip4);
	return send_question(ctx, &to, AA_AF_INET);
}

SEC("cgroup/connect6")
int send_question6(struct bpf_sock_addr *ctx)
{
	struct aa_destination to = {};
	u32 *words = (u32 *)to.address;

	if (ctx->user_port != bpf_htons(AA_DNS_PORT))
		return 1;
	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
	return send_question(ctx, &to, AA_AF_INET6);
}

/* Who this datagram seems to come from, if it is the resolver's answer to a question of this socket's. */
static __always_inline struct aa_socket_owner *asked_from(struct bpf_sock_addr *ctx, int v4)
{
	struct aa_resolver *resolver = the_resolver();
	struct aa_socket_owner *owner;

	if (!resolver || ctx->user_port != bpf_htons(v4 ? resolver->port4 : resolver->port6))
		return 0;
	owner = owner_at(ctx);
	return owner && owner->asked.port ? owner : 0;
}

SEC("cgroup/recvmsg4")
int answer_question4(struct bpf_sock_addr *ctx)
{
	struct aa_socket_owner *owner;

	if (ctx->user_ip4 != bpf_htonl(AA_LOOPBACK4))
		return 1;
	owner = asked_from(ctx, 1);
	if (owner && is_v4(owner->asked.address)) {
		ctx->user_ip4 = ((u32 *)owner->asked.address)[3];
		ctx->user_port = bpf_htons(AA_DNS_PORT);
	}
	return 1;
}

SEC("cgroup/recvmsg6")
int answer_question6(struct bpf_sock_addr *ctx)
{
	struct aa_socket_owner *owner;
	u32 *words;
	int v4 = ctx->user_ip6[2] == bpf_htonl(0xffff) && ctx->user_ip6[3] == bpf_htonl(AA_LOOPBACK4);

	if (ctx->user_ip6[0] || ctx->user_ip6[1] || (!v4 && (ctx->user_ip6[2] || ctx->user_ip6[3] != bpf_htonl(1))))
		return 1;
	owner = asked_from(ctx, v4);
	if (owner) {
		words = (u32 *)owner->asked.address;
		ctx->user_ip6[0] = words[0];
		ctx->user_ip6[1] = words[1];
		ctx->user_ip6[2] = words[2];
		ctx->user_ip6[3] = words[3];
		ctx->user_port = bpf_htons(AA_DNS_PORT);
	}
	return 1;
}
