// SPDX-License-Identifier: Apache-2.0
/*
 * attack: enters the network namespace of another process by a descriptor and connects there
 * stopped by: socket_connect
 * record: connect
 * effect: reaches
 */
ATTACK
{
	must(setns((int)must(open(text("/proc/%d/ns/net", world.process), O_RDONLY)), CLONE_NEWNET));
	return connect_by(SOCK_STREAM, 0, world.host4, world.port);
}
