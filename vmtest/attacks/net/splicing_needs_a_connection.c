// SPDX-License-Identifier: Apache-2.0
/*
 * attack: moves a file into a connection to a denied address without copying it through memory (sendfile, splice, vmsplice)
 * stopped by: socket_connect
 * record: connect
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length = make_address(&to, world.host4, world.port);
	int fd = (int)must(socket(AF_INET, SOCK_STREAM, 0)), pipes[2];
	struct iovec data = { "x", 1 };

	must(pipe(pipes));
	must(vmsplice(pipes[1], &data, 1, 0));
	try(connect(fd, &to.any, length));
	return outcome(splice(pipes[0], 0, fd, 0, 1, 0));
}
