// SPDX-License-Identifier: Apache-2.0
/*
 * attack: writes a denied address in hexadecimal, octal and as one number
 * stopped by: socket_connect: the kernel sees four bytes
 * record: connect
 * effect: reaches
 */
ATTACK
{
	const char *spellings[] = { "0x7f.1", "0177.0.0.1", "2130706433", "127.1" };
	const char *denied[] = { "0x7f.2", "0177.0.0.2", "2130706434", "127.2" };
	int code = BROKEN;

	for (int i = 0; i < 4; i++) {
		union address to = { .v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)world.port) } };

		must(inet_aton(world.denied ? denied[i] : spellings[i], &to.v4.sin_addr) ? 0 : -1);
		code = outcome(connect((int)must(socket(AF_INET, SOCK_STREAM, 0)), &to.any, sizeof(to.v4)));
		if (code != world.denied)
			return code;
	}
	return code;
}
