// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has fanotify hand it a descriptor of the denied file when somebody opens that
 * stopped by: file_open: the descriptor is made as the reader's
 * record: open-read
 * effect: reads
 */
ATTACK
{
	struct { int length; char version, reserved; short metadata; uint64_t mask __attribute__((aligned(8))); int fd, pid; } event;
	int group = (int)must(syscall(SYS_fanotify_init, 0, O_RDONLY));

	must(syscall(SYS_fanotify_mark, group, 1 /* FAN_MARK_ADD */, 0x20 /* FAN_OPEN */, AT_FDCWD, at("secret")));
	must(connect_unix(SOCK_STREAM, world.denied ? "@attack-file-opens-deny" : "@attack-file-opens-allow"));
	try(read(group, &event, sizeof(event)));
	return leak(event.fd);
}
