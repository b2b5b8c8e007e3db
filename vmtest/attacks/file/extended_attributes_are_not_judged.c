// SPDX-License-Identifier: Apache-2.0
/*
 * attack: stores bytes in an extended attribute of a denied file
 * not stopped: the kernel has no hook with a path there; the content is untouched, and whoever reads attributes may find them
 * effect: changes
 */
ATTACK
{
	return outcome(setxattr(at("secret"), "trusted.attack", "x", 1, 0));
}
