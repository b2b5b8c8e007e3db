// SPDX-License-Identifier: Apache-2.0
/*
 * attack: copies a denied program into a directory where programs are allowed
 * not stopped: a program is its path: a copy is another one. Deny reading it, or allow programs only where the agent cannot write.
 * effect: runs
 */
ATTACK
{
	copy_file(at("prog"), OWN "/copy");
	return run(OWN "/copy");
}
