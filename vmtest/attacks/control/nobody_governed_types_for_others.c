// SPDX-License-Identifier: Apache-2.0
/*
 * attack: types into a terminal (TIOCSTI), where a shell would take it for a person's
 * stopped by: file_ioctl
 * record: terminal-input
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	int master = (int)must(open("/dev/ptmx", O_RDWR | O_NOCTTY)), unlock = 0, number;
	long result;

	must(ioctl(master, TIOCSPTLCK, &unlock));
	must(ioctl(master, TIOCGPTN, &number));
	result = ioctl((int)must(open(text("/dev/pts/%d", number), O_RDWR | O_NOCTTY)), TIOCSTI, "x");
	/* EIO: dev.tty.legacy_tiocsti is off here. Nobody of ours refused it. */
	return !world.denied && result < 0 && errno == EIO ? HAPPENED : outcome(result);
}
