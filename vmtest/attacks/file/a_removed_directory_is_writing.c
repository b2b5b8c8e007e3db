// SPDX-License-Identifier: Apache-2.0
/*
 * attack: removes an empty directory in the denied one
 * stopped by: path_rmdir
 * record: rmdir
 * effect: changes
 */
ATTACK
{
	return outcome(rmdir(at("hollow")));
}
