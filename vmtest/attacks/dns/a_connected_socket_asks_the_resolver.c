// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to a name server and writes its question
 * stopped by: cgroup/connect4
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	unsigned char question[512];
	size_t size = make_question(question, side_name(), 1);
	union address to;
	socklen_t length = make_address(&to, NOBODY, 53);
	int fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0));

	must(connect(fd, &to.any, length));
	must(write(fd, question, size));
	return wait_for_reply(fd);
}
