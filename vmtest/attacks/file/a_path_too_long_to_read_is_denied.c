// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a file whose path has more than 4,096 bytes
 * stopped by: file_open: what cannot be read is denied
 * record: mkdir
 * effect: returns
 */
ATTACK
{
	char name[201] = { 0 };

	/* Where reading and writing is allowed: nothing but the length is wrong with it. */
	memset(name, 'x', sizeof(name) - 1);
	must(chdir(OWN));
	for (int i = 0; i < (world.denied ? 22 : 18); i++) {
		try(mkdir(name, 0755));
		try(chdir(name));
	}
	return outcome(open("file", O_WRONLY | O_CREAT, 0600));
}
