// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file whose name is no UTF-8
 * stopped by: file_open: names are bytes
 * record: open-read
 * effect: reads
 */
ATTACK
{
	return leak_file(at("\xff\xfe"));
}
