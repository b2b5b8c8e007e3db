// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks by TCP, as for long answers
 * stopped by: cgroup/connect4
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	unsigned char message[514], reply[1024];
	size_t size = make_question(message + 2, side_name(), 1);
	union address to;
	socklen_t length = make_address(&to, NOBODY, 53);
	int fd = (int)must(socket(AF_INET, SOCK_STREAM, 0));

	message[0] = 0;
	message[1] = (unsigned char)size;
	must(connect(fd, &to.any, length));
	must(write(fd, message, size + 2));
	must(recv(fd, reply, 2, MSG_WAITALL));
	return judge_reply(reply, recv(fd, reply, reply[1], MSG_WAITALL));
}
