// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens the disk itself for writing, below all files
 * stopped by: file_open: a device is a name
 * record: open-write
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(open("/dev/vda", O_WRONLY));
}
