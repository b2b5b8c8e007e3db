// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sets up an io_uring
 * stopped by: inode_init_security_anon
 * record: io-uring
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	struct ring ring;

	open_ring(&ring, 0);
	return HAPPENED;
}
