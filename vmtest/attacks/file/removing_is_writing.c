// SPDX-License-Identifier: Apache-2.0
/*
 * attack: unlinks a denied file
 * stopped by: path_unlink
 * record: unlink
 * effect: changes
 */
ATTACK
{
	return outcome(unlink(at("secret")));
}
