// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file below /proc/self/root
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	return leak_file(text("/proc/self/root%s", at("secret")));
}
