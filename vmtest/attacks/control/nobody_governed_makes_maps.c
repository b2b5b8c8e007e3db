// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a BPF map
 * stopped by: bpf
 * record: bpf
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	struct { uint32_t type, key, value, entries; char rest[112]; } map = { 2, 4, 4, 1, { 0 } };

	return outcome(syscall(SYS_bpf, 0, &map, sizeof(map)));
}
