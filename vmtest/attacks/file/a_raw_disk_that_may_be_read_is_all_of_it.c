// SPDX-License-Identifier: Apache-2.0
/*
 * attack: reads the disk itself where a policy allows reading everything but the secret
 * not stopped: a rule that allows everything allows the disk too: deny the devices by name where agents run as root
 * effect: returns
 */
ATTACK
{
	return outcome(open("/dev/vda", O_RDONLY));
}
