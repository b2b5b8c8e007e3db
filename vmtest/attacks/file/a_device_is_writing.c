// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a device node in the denied directory
 * stopped by: path_mknod
 * record: mknod
 * effect: changes
 * twin: ungoverned
 */
ATTACK
{
	return outcome(mknod(at("new"), S_IFCHR | 0600, 0x103));
}
