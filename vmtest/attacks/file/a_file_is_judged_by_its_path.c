// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file by its name
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	return leak_file(at("secret"));
}
