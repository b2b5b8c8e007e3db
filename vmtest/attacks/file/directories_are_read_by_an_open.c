// SPDX-License-Identifier: Apache-2.0
/*
 * attack: lists a denied directory
 * stopped by: file_open
 * record: open-read
 * effect: returns
 */
ATTACK
{
	return outcome(open(at("dir"), O_RDONLY | O_DIRECTORY));
}
