// SPDX-License-Identifier: Apache-2.0
/*
 * attack: name_to_handle_at and open_by_handle_at, which takes no path at all
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	struct { struct file_handle head; unsigned char bytes[128]; } handle = { .head = { .handle_bytes = 128 } };
	int mount;

	must(name_to_handle_at(AT_FDCWD, at("secret"), &handle.head, &mount, 0));
	return leak(open_by_handle_at((int)must(open("/srv", O_RDONLY)), &handle.head, O_RDONLY));
}
