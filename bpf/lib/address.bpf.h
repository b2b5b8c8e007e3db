/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses: from what a caller wrote to one canonical form, and from that to the policy's decision.
 */
#ifndef AA_ADDRESS_BPF_H
#define AA_ADDRESS_BPF_H

#include "automaton.bpf.h"
#include "subject.bpf.h"

/* The far end, into the record. */
static __always_inline void describe(struct aa_scratch *s, const struct aa_destination *to, u16 family, u16 type)
{
	__builtin_memcpy(s->event.address, to->address, sizeof(s->event.address));
	s->event.port = to->port;
	s->event.protocol = to->protocol;
	s->event.family = family;
	s->event.socket_type = type;
}

enum aa_classify {
	AA_ADDRESS_JUDGE = 0,
	AA_ADDRESS_NONE = 1,	   /* not an internet address: nothing to judge here */
	AA_ADDRESS_UNREADABLE = 2,
};

static __always_inline void set_v4(u64 *address, u32 v4)
{
	u32 *words = (u32 *)address;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = v4;
}

/*
 * One form for every way to write an address: NAT64's well-known prefix folds to IPv4 (RFC 6052), and in a
 * destination the unspecified address is this host (RFC 1122 3.2.1.3; Linux connects it to loopback).
 */
static __always_inline void canonicalise(u64 *address, int destination)
{
	u32 *words = (u32 *)address;

	if (words[0] == bpf_htonl(0x0064ff9b) && words[1] == 0 && words[2] == 0)
		set_v4(address, words[3]);
	if (!destination)
		return;
	if (words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff) && words[3] == 0)
		words[3] = bpf_htonl(0x7f000001);
	if (words[0] == 0 && words[1] == 0 && words[2] == 0 && words[3] == 0)
		words[3] = bpf_htonl(1);
}

/* IPPROTO of a socket as rules see it: MPTCP is TCP. */
static __always_inline u16 rule_protocol(struct sock *sk)
{
	u16 protocol = sk->sk_protocol;

	return protocol == AA_IPPROTO_MPTCP ? AA_IPPROTO_TCP : protocol;
}

/* Reads a kernel copy of a sockaddr. `socket_family` only says what AF_UNSPEC means (udp_sendmsg takes it for IPv4). */
static __always_inline int read_address(struct aa_destination *to, void *address, u32 length, u16 socket_family, int sending)
{
	struct aa_sockaddr_in6 raw __attribute__((aligned(8))) = {};
	struct aa_sockaddr_in *v4 = (void *)&raw;

	/* One read for all families. The kernel's copy has room for every address; what lies behind `length` is not used. */
	if (length < sizeof(raw.family) || bpf_probe_read_kernel(&raw, 24, address))
		return AA_ADDRESS_UNREADABLE;

	u16 family = raw.family;

	if (family == AA_AF_UNSPEC) {
		/* In connect it dissolves an association. In send, an IPv4 socket takes it for an IPv4 address. */
		if (!sending || socket_family != AA_AF_INET)
			return AA_ADDRESS_NONE;
		family = AA_AF_INET;
	}
	if (family == AA_AF_INET) {
		if (length < sizeof(*v4))
			return AA_ADDRESS_UNREADABLE;
		set_v4(to->address, v4->address);
		to->port = bpf_ntohs(v4->port);
		return AA_ADDRESS_JUDGE;
	}
	if (family == AA_AF_INET6) {
		/* RFC 2133's sockaddr_in6 has no scope id and is still accepted by the kernel: 24 bytes. */
		if (length < 24)
			return AA_ADDRESS_UNREADABLE;
		__builtin_memcpy(to->address, raw.address, sizeof(to->address));
		to->port = bpf_ntohs(raw.port);
		return AA_ADDRESS_JUDGE;
	}
	return AA_ADDRESS_UNREADABLE;
}

/* The decision of the last of `count` ranges that begins at or below the port. Global: the verifier looks once. */
__noinline u32 decide_port(u32 ranges, u32 count, u32 port, u32 column, u32 fallback)
{
	u8 *pool = pool_bytes();

	if (!pool)
		return fallback;
	for (u32 i = 0; i < AA_MAX_PORT_RANGES; i++) {
		if (i >= count || pool_word(pool, ranges) > port)
			break;
		fallback = pool_word(pool, ranges + column * sizeof(u32));
		ranges += 4 * sizeof(u32);
	}
	return fallback;
}

/* Which word of a port range is for this protocol. */
static __always_inline u32 column_of(u32 protocol)
{
	return protocol == AA_IPPROTO_TCP ? 1 : protocol == AA_IPPROTO_UDP ? 2 : 3;
}

static __always_inline int same_destination(const struct aa_destination *one, const struct aa_destination *other)
{
	return one->address[0] == other->address[0] && one->address[1] == other->address[1] && one->port == other->port &&
	       one->protocol == other->protocol;
}

/*
 * The decision for an address: one longest-prefix lookup, then the last range that begins at or below the port. A task
 * that asks for the same again, as clients of one service do, gets the same answer until the policy changes.
 */
static __always_inline u32 decide_address(const struct subject *subject, const struct aa_destination *to)
{
	const struct aa_policy *policy = subject->policy;
	struct aa_identity *identity = subject->identity;
	struct aa_address_key key __attribute__((aligned(8))) = { .prefix_bits = 32 + 128, .generation = policy->generation };
	struct aa_address_value *value;
	u32 column = column_of(to->protocol);
	u32 decision;

	if (identity && identity->last_generation == policy->generation && same_destination(&identity->last, to))
		return identity->last_decision;
	__builtin_memcpy(key.address, to->address, sizeof(key.address));
	value = bpf_map_lookup_elem(&address_rules, &key);
	decision = value ? decide_port(value->ranges, value->count, to->port, column, policy->default_net) : policy->default_net;
	if (identity) {
		identity->last = *to;
		identity->last_decision = decision;
		identity->last_generation = policy->generation;
	}
	return decision;
}

#endif
