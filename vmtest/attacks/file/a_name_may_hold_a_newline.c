// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file whose name has a newline, which could part a line of the log
 * stopped by: file_open: names are bytes
 * record: open-read
 * effect: reads
 */
ATTACK
{
	return leak_file(at("new\nline"));
}
