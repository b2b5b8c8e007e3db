// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sets the times of a denied file
 * not stopped: the kernel has no hook with a path there; nothing of the content is read or changed
 * effect: changes
 */
ATTACK
{
	struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	return outcome(utimensat(AT_FDCWD, at("secret"), times, 0));
}
