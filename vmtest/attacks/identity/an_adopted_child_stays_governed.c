// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a child whose parent is its own parent (CLONE_PARENT)
 * stopped by: task_alloc
 * record: open-read
 * effect: reads
 */
ATTACK
{
	struct clone_args arguments = { .flags = CLONE_PARENT };
	int done[2];
	char code;

	must(pipe(done));
	if (must(syscall(SYS_clone3, &arguments, 64)) == 0) {
		code = (char)leak_file(at("secret"));
		_exit(write(done[1], &code, 1) != 1);
	}
	must(read(done[0], &code, 1) == 1 ? 0 : -1);
	return code;
}
