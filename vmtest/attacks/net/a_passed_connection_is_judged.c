// SPDX-License-Identifier: Apache-2.0
/*
 * attack: is handed a connection to a denied address by an ungoverned process
 * stopped by: file_receive
 * record: receive-socket
 * effect: returns
 */
ATTACK
{
	return outcome(send((int)try(receive(world.denied ? "@attack-net-connected-deny" : "@attack-net-connected-allow")), "x", 1, 0));
}
