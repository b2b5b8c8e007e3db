// SPDX-License-Identifier: Apache-2.0
/*
 * attack: names somebody else as a descriptor's owner by a structure (F_SETOWN_EX)
 * stopped by: file_fcntl: who it names could change after a look
 * record: signal
 * effect: harms
 * twin: ungoverned
 */
ATTACK
{
	struct { int type, who; } owner = { 1 /* F_OWNER_PID */, world.denied ? world.process : getpid() };
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	try(fcntl(pair[0], 15 /* F_SETOWN_EX */, &owner));
	must(fcntl(pair[0], F_SETSIG, world.denied ? SIGKILL : SIGWINCH));
	must(fcntl(pair[0], F_SETFL, O_ASYNC));
	must(write(pair[1], "x", 1));
	return HAPPENED;
}
