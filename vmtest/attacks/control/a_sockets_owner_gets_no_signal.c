// SPDX-License-Identifier: Apache-2.0
/*
 * attack: names somebody else as a socket's owner by an ioctl (FIOSETOWN)
 * stopped by: file_ioctl
 * record: signal
 * effect: harms
 * twin: ungoverned
 */
ATTACK
{
	int who = world.denied ? world.process : getpid(), pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	try(ioctl(pair[0], FIOSETOWN, &who));
	must(fcntl(pair[0], F_SETSIG, world.denied ? SIGKILL : SIGWINCH));
	must(fcntl(pair[0], F_SETFL, O_ASYNC));
	must(write(pair[1], "x", 1));
	return HAPPENED;
}
