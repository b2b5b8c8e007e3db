// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a node of the disk where it may write, to read the disk by that name
 * stopped by: capable: CAP_MKNOD
 * record: kernel
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	struct stat disk;
	long result;

	must(stat("/dev/vda", &disk));
	result = mknod(OWN "/disk", S_IFBLK | 0600, disk.st_rdev);
	if (!result)
		unlink(OWN "/disk");
	return outcome(result);
}
