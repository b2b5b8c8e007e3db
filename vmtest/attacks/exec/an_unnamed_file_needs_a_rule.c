// SPDX-License-Identifier: Apache-2.0
/*
 * attack: executes an O_TMPFILE, which never had a name
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 * twin: permitted
 */
ATTACK
{
	char bytes[4096];
	int from = (int)must(open("/srv/attack/allow/prog", O_RDONLY));
	int to = (int)must(open(OWN, O_TMPFILE | O_WRONLY, 0755));
	int again;

	must(write(to, bytes, (size_t)must(read(from, bytes, sizeof(bytes)))));
	again = (int)must(open(text("/proc/self/fd/%d", to), O_RDONLY | O_CLOEXEC));
	close(to);
	return run(text("/proc/self/fd/%d", again));
}
