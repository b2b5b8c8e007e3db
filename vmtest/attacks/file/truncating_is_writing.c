// SPDX-License-Identifier: Apache-2.0
/*
 * attack: truncates a denied file by its name, without opening it
 * stopped by: path_truncate
 * record: truncate
 * effect: changes
 */
ATTACK
{
	return outcome(truncate(at("secret"), 1));
}
