// SPDX-License-Identifier: Apache-2.0
/*
 * attack: takes maps by their numbers, ours among them (BPF_MAP_GET_FD_BY_ID)
 * stopped by: bpf
 * record: bpf
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	struct { uint32_t from, next; char rest[120]; } id = { 0, 0, { 0 } };

	try(syscall(SYS_bpf, 12 /* BPF_MAP_GET_NEXT_ID */, &id, sizeof(id)));
	id.from = id.next;
	id.next = 0;
	return outcome(syscall(SYS_bpf, 14 /* BPF_MAP_GET_FD_BY_ID */, &id, sizeof(id)));
}
