/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names. Where a policy names hosts, what a governed task sends to port 53 goes to the resolver, wherever it was
 * addressed. The resolver binds each address it answers to the class of the name, for the agent that asked, before it
 * answers; a connection is then decided by the address and by every class bound to it.
 */
#ifndef AA_NAMES_BPF_H
#define AA_NAMES_BPF_H

#include "address.bpf.h"

enum aa_names {
	AA_DNS_PORT = 53,
	AA_LOOPBACK4 = 0x7f000001,
};

static __always_inline struct aa_resolver *the_resolver(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&resolvers, &zero);
}

/* Whether this goes to the resolver. */
static __always_inline int is_question(const struct subject *subject, const struct aa_destination *to)
{
	return to->port == AA_DNS_PORT && subject->policy && subject->policy->dns &&
	       (to->protocol == AA_IPPROTO_TCP || to->protocol == AA_IPPROTO_UDP);
}

/* IPv4, in whatever family's socket it is written. */
static __always_inline int is_v4(const u64 *address)
{
	const u32 *words = (const u32 *)address;

	return words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff);
}

/* The resolver's port as this socket can reach it; 0 where it cannot: none is there, or in another network namespace. */
static __always_inline u32 resolver_port(const struct aa_socket_owner *owner, int v4)
{
	struct aa_resolver *resolver = the_resolver();

	if (!owner || !resolver || resolver->network != owner->network)
		return 0;
	return v4 ? resolver->port4 : resolver->port6;
}

/*
 * Sends what is addressed to a name server to the resolver instead, and remembers for whom it was. `asked` as written, not
 * in canonical form: the answer seems to come from there. 0 where it cannot. `family` is the hook's, a constant: each may
 * touch the addresses of its own only.
 */
static __always_inline int redirect(struct bpf_sock_addr *ctx, struct aa_socket_owner *owner, const struct aa_destination *asked,
				    int family)
{
	int v4 = family == AA_AF_INET || is_v4(asked->address);
	u32 port = resolver_port(owner, v4);

	if (!port)
		return 0;
	owner->asked = *asked;
	if (family == AA_AF_INET) {
		ctx->user_ip4 = bpf_htonl(AA_LOOPBACK4);
	} else {
		ctx->user_ip6[0] = 0;
		ctx->user_ip6[1] = 0;
		ctx->user_ip6[2] = v4 ? bpf_htonl(0xffff) : 0;
		ctx->user_ip6[3] = v4 ? bpf_htonl(AA_LOOPBACK4) : bpf_htonl(1);
	}
	ctx->user_port = bpf_htons(port);
	return 1;
}

/* Writes down who asks from a port, before the question leaves it. */
static __always_inline void note_asker(u32 table, u32 port, u32 agent)
{
	u32 index = table + (port & 0xffff);
	u64 *entry = bpf_map_lookup_elem(&askers, &index);

	if (entry)
		*(volatile u64 *)entry = agent | (bpf_ktime_get_boot_ns() / 1000000000) << 32;
}

/* The same for a socket that was connected to the resolver. Everything of the agent's that leads there asks for it. */
static __always_inline void note_connected_asker(const struct subject *subject, struct sock *sk)
{
	struct aa_resolver *resolver;
	u64 peer[2] = {};
	u32 port, tcp, v4;

	if (!subject->policy || !subject->policy->dns)
		return;
	resolver = the_resolver();
	port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (!resolver || !port || (port != resolver->port4 && port != resolver->port6))
		return;
	v4 = sk->__sk_common.skc_family == AA_AF_INET;
	if (!v4 && !bpf_probe_read_kernel(peer, sizeof(peer), &sk->__sk_common.skc_v6_daddr))
		v4 = is_v4(peer);
	tcp = rule_protocol(sk) == AA_IPPROTO_TCP;
	note_asker(v4 ? (tcp ? AA_ASKERS_TCP4 : AA_ASKERS_UDP4) : (tcp ? AA_ASKERS_TCP6 : AA_ASKERS_UDP6),
		   sk->__sk_common.skc_num, subject->agent);
}

/* Of an address and a name, or of two names: what a rule wrote before a default, then the stricter. */
static __always_inline u32 stronger(u32 one, u32 other)
{
	u32 requests = (one | other) & AA_DECISION_REQUESTS;

	if ((one ^ other) & AA_DECISION_EXPLICIT)
		return (other & AA_DECISION_EXPLICIT ? other : one) | requests;
	return stricter(one, other) | requests;
}

/* The decision of an address, and of the classes bound to it. Global: the verifier looks once. */
__noinline u32 decide_names(const struct aa_policy *policy, u32 agent, const struct aa_destination *to, u32 decision)
{
	struct aa_binding_key key = {};
	struct aa_binding *binding;
	u8 *pool = pool_bytes();
	u64 now;
	u32 column;

	if (!policy || !to || !pool)
		return DECISION_CLOSED;
	key.address[0] = to->address[0];
	key.address[1] = to->address[1];
	key.agent = agent;
	binding = bpf_map_lookup_elem(&name_bindings, &key);
	if (!binding)
		return decision;
	now = bpf_ktime_get_boot_ns();
	column = column_of(to->protocol);
	for (u32 i = 0; i < AA_BOUND_NAMES; i++) {
		const struct aa_bound *bound = &binding->bound[i];
		u32 class = bound->class;
		u32 place;

		if (bound->generation != policy->generation || bound->expires_ns <= now || class >= policy->host_count)
			continue;
		place = policy->hosts + class * 2 * sizeof(u32);
		decision = stronger(decision, decide_port(pool_word(pool, place), pool_word(pool, place + sizeof(u32)), to->port,
							   column, policy->default_net));
	}
	return decision;
}

#endif
