// SPDX-License-Identifier: Apache-2.0
/*
 * attack: becomes root of a user namespace of its own, to mount and trace there
 * stopped by: userns_create
 * record: user-namespace
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(unshare(CLONE_NEWUSER));
}
