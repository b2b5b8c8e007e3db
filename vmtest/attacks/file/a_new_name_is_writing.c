// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a file in the denied directory
 * stopped by: path_mknod
 * record: create
 * effect: changes
 */
ATTACK
{
	return outcome(open(at("new"), O_WRONLY | O_CREAT | O_EXCL, 0600));
}
