// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks the daemon, by an aasm run of its own, to be another agent with a milder policy
 * stopped by: the gateway: who is governed already is not governed anew
 * record: none
 * effect: reads
 * twin: ungoverned
 */
ATTACK
{
	static const char policy[] = "policy: milder\nversion: 1\nfile: {read: {default: allow}, write: {default: allow}}\n";
	char *arguments[] = { "/usr/bin/aasm", "run", "--policy", OWN "/milder.yaml", "--", "cat", (char *)at("secret"), 0 };

	write_file(OWN "/milder.yaml", policy, sizeof(policy) - 1);
	return run_and_tell(arguments) ? REFUSED : HAPPENED;
}
