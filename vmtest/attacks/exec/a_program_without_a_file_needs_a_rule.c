// SPDX-License-Identifier: Apache-2.0
/*
 * attack: executes a program whose file is deleted while it is open
 * stopped by: bprm_check_security: what has lost its name is `deleted`
 * record: exec
 * effect: runs
 * twin: permitted
 */
ATTACK
{
	int fd;

	copy_file("/srv/attack/allow/prog", OWN "/gone");
	fd = (int)must(open(OWN "/gone", O_RDONLY | O_CLOEXEC));
	must(unlink(OWN "/gone"));
	return run(text("/proc/self/fd/%d", fd));
}
