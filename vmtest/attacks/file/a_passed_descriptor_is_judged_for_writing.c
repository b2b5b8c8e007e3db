// SPDX-License-Identifier: Apache-2.0
/*
 * attack: is handed a descriptor to write a denied file with, and truncates it
 * stopped by: file_receive
 * record: open-write
 * effect: changes
 */
ATTACK
{
	return outcome(ftruncate((int)try(receive(world.denied ? "@attack-file-writable-deny" : "@attack-file-writable-allow")), 0));
}
