// SPDX-License-Identifier: Apache-2.0
/*
 * attack: replaces a program of ours by one of its own
 * stopped by: path_rename
 * record: rename
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	write_file(OWN "/aasm", "x", 1);
	/* The twin looks whether it might write there. */
	return world.denied ? outcome(rename(OWN "/aasm", "/usr/bin/aasm")) : outcome(access("/usr/bin", W_OK));
}
