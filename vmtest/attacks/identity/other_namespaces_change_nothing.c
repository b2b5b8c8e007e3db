// SPDX-License-Identifier: Apache-2.0
/*
 * attack: reads in new namespaces of every kind but users
 * stopped by: task storage
 * record: open-read
 * effect: reads
 */
ATTACK
{
	must(unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWTIME));
	return leak_file(at("secret"));
}
