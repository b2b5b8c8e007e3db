// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a denied file writable for all
 * stopped by: path_chmod
 * record: chmod
 * effect: changes
 */
ATTACK
{
	return outcome(chmod(at("secret"), 0666));
}
