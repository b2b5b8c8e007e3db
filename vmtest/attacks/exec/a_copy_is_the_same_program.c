// SPDX-License-Identifier: Apache-2.0
/*
 * attack: copies a denied program into a directory where programs are allowed
 * not stopped: to a rule about paths a copy is another program. Deny it by its hash, deny reading it, or allow programs only where the agent cannot write.
 * effect: runs
 */
ATTACK
{
	copy_file(at("prog"), OWN "/copy");
	return run(OWN "/copy");
}
