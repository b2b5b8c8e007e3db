/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program that has all attacks in it: `attacks batch` reads a line for each run,
 *
 *   CLASS/NAME deny|allow PORT DENIED-PORT PROCESS WORD
 *
 * and answers with a line: the code the attack ended with, and what it said. Each runs in a process of its own. Before it
 * begins, a file that no policy lets us read is opened: its denial parts the records of one run from those of the next.
 *
 * `attacks victim` is somebody else's process: it prints where its word is, and stays.
 */
struct attack {
	const char *name;
	int (*run)(void);
};

static const struct attack attacks[];

static void mark(const char *name, const char *side)
{
	int fd = open(text("/srv/attack/mark/%s-%s", strchr(name, '/') + 1, side), O_RDONLY);

	if (fd >= 0)
		close(fd);
}

static void run_line(char *line)
{
	char *words[6] = { 0 };
	const struct attack *attack = attacks;
	pid_t child;
	int code;

	for (int i = 0; i < 6; i++)
		words[i] = strtok(i ? 0 : line, " \n");
	while (attack->name && (!words[5] || strcmp(attack->name, words[0])))
		attack++;
	if (!attack->name) {
		printf("%d no such attack\n", BROKEN);
		return;
	}
	world.name = strchr(attack->name, '/') + 1;
	world.denied = !strcmp(words[1], "deny");
	world.root = text("/srv/attack/%s", words[1]);
	world.host4 = world.denied ? "127.0.0.2" : "127.0.0.1";
	world.host6 = world.denied ? "fd00::2" : "fd00::1";
	world.port = atoi(words[2]);
	world.denied_port = atoi(words[3]);
	world.process = atoi(words[4]);
	world.word = strtoul(words[5], 0, 0);
	said[0] = 0;
	mark(attack->name, words[1]);
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		alarm(240);
		_exit(attack->run());
	}
	code = outcome_of(child);
	/* What it left behind. */
	kill(-child, SIGKILL);
	while (waitpid(-1, 0, WNOHANG) > 0)
		;
	for (char *c = said; *c; c++)
		if (*c == '\n')
			*c = ' ';
	printf("%d %s\n", code, said);
}

static unsigned long victims_word = 0x5ec2e7;

int main(int count, char **words)
{
	static char line[4096];

	setvbuf(stdout, 0, _IOLBF, 0);
	if (count == 2 && !strcmp(words[1], "victim")) {
		printf("%p\n", (void *)&victims_word);
		for (;;)
			pause();
	}
	said = mmap(0, SAID, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (count != 2 || said == MAP_FAILED)
		return 64;
	while (fgets(line, sizeof(line), stdin))
		run_line(line);
	return 0;
}
