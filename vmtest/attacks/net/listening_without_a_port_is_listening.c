// SPDX-License-Identifier: Apache-2.0
/*
 * attack: listens without binding: the kernel picks a port of all interfaces
 * stopped by: socket_listen
 * record: listen
 * effect: returns
 */
ATTACK
{
	union address here;
	socklen_t length = make_address(&here, "127.0.0.1", 7997);
	int fd = (int)must(socket(AF_INET, SOCK_STREAM, 0));

	if (!world.denied)
		must(bind(fd, &here.any, length));
	return outcome(listen(fd, 1));
}
