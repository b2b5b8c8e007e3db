// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a directory in the denied one
 * stopped by: path_mkdir
 * record: mkdir
 * effect: changes
 */
ATTACK
{
	return outcome(mkdir(at("new"), 0700));
}
