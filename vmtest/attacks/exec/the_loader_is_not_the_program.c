// SPDX-License-Identifier: Apache-2.0
/*
 * attack: runs a denied program by giving it to ld.so as an argument
 * stopped by: mmap_file: code that is mapped is judged too
 * record: load
 * effect: runs
 */
ATTACK
{
	char *arguments[] = { "/lib64/ld-linux-x86-64.so.2", (char *)at("dynamic"), RAN, 0 };
	int code = run_in_child(arguments);

	/* The loader's own: it could not map a segment. */
	return code == 127 ? REFUSED : code;
}
