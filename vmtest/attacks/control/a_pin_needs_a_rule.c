// SPDX-License-Identifier: Apache-2.0
/*
 * attack: unlinks one of our pins in bpffs, so that enforcement ends with the sensor
 * stopped by: path_unlink: bpffs is not allowed to be written
 * record: unlink
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	/* The twin makes something else there and removes that. */
	if (world.denied)
		return outcome(unlink(pin("links")));
	must(mkdir("/sys/fs/bpf/attack", 0700));
	return outcome(rmdir("/sys/fs/bpf/attack"));
}
