// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a tunnel interface of its own (/dev/net/tun)
 * stopped by: file_open
 * record: open-write
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(open("/dev/net/tun", O_RDWR));
}
