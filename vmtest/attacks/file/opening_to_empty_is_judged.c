// SPDX-License-Identifier: Apache-2.0
/*
 * attack: empties a denied file by O_TRUNC
 * stopped by: file_open, path_truncate
 * record: open-write
 * effect: changes
 */
ATTACK
{
	return outcome(open(at("secret"), O_WRONLY | O_TRUNC));
}
