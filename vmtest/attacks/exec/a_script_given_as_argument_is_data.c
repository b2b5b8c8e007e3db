// SPDX-License-Identifier: Apache-2.0
/*
 * attack: gives a denied script to an allowed interpreter as its argument
 * not stopped: to the kernel it is a file that is read. Deny reading it.
 * effect: runs
 */
ATTACK
{
	char *arguments[] = { "/bin/sh", (char *)at("commands"), 0 };

	return run_in_child(arguments);
}
