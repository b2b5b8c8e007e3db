// SPDX-License-Identifier: Apache-2.0
/*
 * attack: gives a denied file to somebody else
 * stopped by: path_chown
 * record: chown
 * effect: changes
 */
ATTACK
{
	return outcome(chown(at("secret"), 1000, 1000));
}
