// SPDX-License-Identifier: Apache-2.0
/*
 * attack: reads in a mount namespace of its own
 * stopped by: file_open: the file's first name counts
 * record: open-read
 * effect: reads
 */
ATTACK
{
	must(unshare(CLONE_NEWNS));
	return leak_file(at("secret"));
}
