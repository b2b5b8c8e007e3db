// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens one of our pinned links (BPF_OBJ_GET), to detach it
 * stopped by: bpf
 * record: bpf
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	struct { uint64_t path; char rest[120]; } get = { 0, { 0 } };

	get.path = (uintptr_t)pin("links");
	return outcome(syscall(SYS_bpf, 7 /* BPF_OBJ_GET */, &get, sizeof(get)));
}
