// SPDX-License-Identifier: Apache-2.0
/*
 * attack: forks 60 children that live at once, each of which reads
 * stopped by: task_alloc
 * record: open-read
 * effect: reads
 */
ATTACK
{
	int go[2], allowed = 0, refused = 0, others = 0;
	char byte;

	must(pipe(go));
	for (int i = 0; i < 60; i++)
		if (must(fork()) == 0) {
			close(go[1]);
			(void)!read(go[0], &byte, 1);
			_exit(leak_file(at("secret")));
		}
	close(go[1]);
	for (int status; wait(&status) > 0;) {
		int code = WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;

		allowed += code == HAPPENED;
		refused += code == REFUSED;
		others += code > REFUSED;
	}
	if (others || allowed + refused != 60)
		return BROKEN;
	return allowed ? HAPPENED : REFUSED;
}
