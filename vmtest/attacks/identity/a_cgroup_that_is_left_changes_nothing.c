// SPDX-License-Identifier: Apache-2.0
/*
 * attack: moves itself into the root cgroup
 * stopped by: task storage: identity is no cgroup
 * record: open-read
 * effect: reads
 */
ATTACK
{
	int fd = (int)must(open("/sys/fs/cgroup/cgroup.procs", O_WRONLY));

	must(write(fd, "0", 1));
	return leak_file(at("secret"));
}
