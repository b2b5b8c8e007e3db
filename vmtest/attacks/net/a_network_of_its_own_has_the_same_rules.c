// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects in a network namespace of its own
 * stopped by: socket_connect
 * record: connect
 * effect: returns
 */
ATTACK
{
	int code;

	must(unshare(CLONE_NEWNET));
	code = connect_by(SOCK_STREAM, 0, world.host4, world.port);
	/* There is nothing there to connect to, which is no refusal. */
	return errno == ENETUNREACH ? HAPPENED : code;
}
