// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has the kernel kill somebody else when a socket of its own has data (F_SETOWN, F_SETSIG, O_ASYNC)
 * stopped by: file_fcntl: the owner of a descriptor is oneself
 * record: signal
 * effect: harms
 */
ATTACK
{
	pid_t who = world.denied ? world.process : getpid();
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	try(fcntl(pair[0], F_SETOWN, who));
	must(fcntl(pair[0], F_SETSIG, world.denied ? SIGKILL : SIGWINCH));
	must(fcntl(pair[0], F_SETFL, O_ASYNC));
	must(write(pair[1], "x", 1));
	return HAPPENED;
}
