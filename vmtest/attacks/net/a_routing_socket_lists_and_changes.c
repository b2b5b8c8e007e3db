// SPDX-License-Identifier: Apache-2.0
/*
 * attack: gives the loopback interface another address (rtnetlink)
 * stopped by: capable: CAP_NET_ADMIN
 * record: kernel
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	struct { struct { uint32_t length; uint16_t type, flags; uint32_t sequence, pid; } head;
		 struct { unsigned char family, prefix, flags, scope; uint32_t index; } address;
		 struct { uint16_t length, type; unsigned char bytes[4]; } local; } request = {
		.head = { sizeof(request), 20 /* RTM_NEWADDR */, 5 /* REQUEST | ACK */, 1, 0 },
		.address = { AF_INET, 32, 0, 0, 1 },
		.local = { 8, 2 /* IFA_LOCAL */, { 127, 9, 9, (unsigned char)(9 + world.denied) } },
	};
	struct { struct { uint32_t length; uint16_t type, flags; uint32_t sequence, pid; } head; int error; char rest[1000]; } answer;
	int fd = (int)try(socket(AF_NETLINK, SOCK_RAW, 0));

	try(send(fd, &request, sizeof(request), 0));
	must(recv(fd, &answer, sizeof(answer), 0));
	errno = -answer.error;
	/* It may have it already. */
	return answer.error && errno != EEXIST ? outcome(-1) : HAPPENED;
}
