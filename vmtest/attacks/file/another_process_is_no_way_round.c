// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file below /proc/PID/root of an ungoverned process
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	return leak_file(text("/proc/%d/root%s", world.process, at("secret")));
}
