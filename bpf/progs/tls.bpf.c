// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Plaintext: what a governed process gives to TLS libraries, and gets from them. The sensor attaches these programs to
 * functions it was told of, in files that governed processes map; a process nobody governs leaves at once.
 *
 * Copied at the return, when it is known how much was taken: a writer may call again with the same bytes (node does three
 * times). Never seen here: plaintext of functions that are not known, and what is encrypted outside of such functions.
 */
#include "../lib/tls.bpf.h"

AA_LICENSE;

static __always_inline u64 read_place(const u64 *registers, u64 sp, u32 place)
{
	u64 value = 0;

	if (place < AA_PLACE_REGISTERS)
		return registers[place & 15];
	if (place != AA_PLACE_NONE)
		bpf_probe_read_user(&value, sizeof(value), (void *)(sp + (place & (AA_PLACE_STACK - 1))));
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

/* Remembers a call until it returns. One from within another of the same object is passed over: the outer one tells. */
static __always_inline void begin_call(const struct aa_registers *ctx, const struct aa_tls_site *site, struct aa_tls_call *call)
{
	struct aa_tls_caller caller = caller_of(ctx, site);
	struct aa_tls_call *outer = bpf_map_lookup_elem(&tls_calls, &caller);

	call->sp = ctx->sp;
	if (outer && !(site->flags & AA_TLS_GOROUTINE) && outer->object == call->object && outer->site != call->site &&
	    outer->sp > call->sp)
		return;
	if (bpf_map_update_elem(&tls_calls, &caller, call, BPF_ANY))
		count_loss(AA_LOSS_PLAINTEXT_CALL);
}

SEC("uprobe.s")
int tls_enter(struct aa_registers *ctx)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());

	if (!identity)
		return 0;

	u32 index = bpf_get_attach_cookie(ctx);
	struct aa_tls_site *site = bpf_map_lookup_elem(&tls_sites, &index);
	u64 registers[AA_PLACE_REGISTERS + 1];

	if (!site)
		return 0;
#pragma unroll
	for (u32 i = 0; i < AA_PLACE_REGISTERS; i++)
		registers[i] = ctx->general[i];
	registers[AA_PLACE_REGISTERS] = 0;

	struct aa_tls_call call = {
		.object = read_place(registers, ctx->sp, site->object),
		.buffer = read_place(registers, ctx->sp, site->buffer),
		.length = read_place(registers, ctx->sp, site->length),
		.done = read_place(registers, ctx->sp, site->done),
		.site = index,
	};

	if (site->flags & AA_TLS_INT_LENGTH)
		call.length = (s32)call.length < 0 ? 0 : (u32)call.length;
	if (site->flags & AA_TLS_ENDS) {
		end_connection(identity, site, call.object);
	} else if (site->flags & AA_TLS_WHOLE) {
		send_bytes(identity, site, call.object, call.buffer, call.length);
	} else {
		if (site->flags & AA_TLS_FLAGS_FIRST && call.done < AA_PAGE_BYTES)
			call.done = registers[AA_R8];
		begin_call(ctx, site, &call);
	}
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
	if (bytes)
		send_bytes(identity, site, call.object, call.buffer, bytes);
	return 0;
}
