// SPDX-License-Identifier: Apache-2.0
/*
 * Costs of single operations, in the guest's instructions: under `-icount shift=0` the time stamp counter advances by
 * one per instruction. Every operation is timed alone, many times; printed are the median and the least.
 *
 *   measure prepare DIR                  makes the files that `hooks DIR` opens
 *   measure hooks DIR                    waits for a byte on stdin, then measures each operation
 *   measure workload PROGRAM             the same beginning; whole small workloads
 *   measure launch COUNT PROGRAM ARG...  starting a program until it has ended
 *   measure asks COUNT FILE              opening a file that somebody has to say yes to
 *   measure swarm COUNT FILE             so many processes that open a file fifty times a second until they are killed,
 *                                        and write into FILE when each did last, monotonic ns
 *   measure landlocked DIR hooks DIR     the same under ten rules of Landlock, which let all of it happen
 *
 * Output: `operation median least`, a line each.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SAMPLES = 1000, /* at most, of one operation */
	FRESH_FILES = 64,
	SMALL_FILES = 2000,
	SPAWNS = 100,
	PATH_ROOM = 512,
	LOOP_ROUNDS = 100000,
	PORTS = 20000, /* the policies allow from here on */
};

/*
 * Where files are made and removed: a tmpfs, since ext4 searches longer for an inode the more were freed in the last
 * seconds, by more than any hook costs.
 */
#define SCRATCH "/dev/shm/aa-bench"

static uint64_t samples[SAMPLES];
static size_t taken;

static uint64_t now(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static void fail(const char *what)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long must(long result, const char *what)
{
	if (result < 0)
		fail(what);
	return result;
}

static void take(uint64_t begun)
{
	uint64_t ended = now();

	if (taken < SAMPLES)
		samples[taken++] = ended - begun;
}

static int smaller(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return (a > b) - (a < b);
}

static void tell(const char *operation)
{
	qsort(samples, taken, sizeof(samples[0]), smaller);
	printf("%s %llu %llu\n", operation, (unsigned long long)samples[taken / 2], (unsigned long long)samples[0]);
	fflush(stdout);
	taken = 0;
}

/* Paths of a given length and number of components, so that what each costs shows. */
struct shape {
	const char *operation;
	size_t bytes, depth;
};

static const struct shape shapes[] = {
	{ "open-first-50b-5d", 50, 5 },	   { "open-first-100b-5d", 100, 5 },   { "open-first-200b-5d", 200, 5 },
	{ "open-first-100b-8d", 100, 8 }, { "open-first-100b-12d", 100, 12 },
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* The path of one file of a shape; with `make`, its directories too. */
static void shape_path(char *path, const char *dir, size_t shape, int file, int make)
{
	size_t own = 0, length = strlen(dir), left, parts;

	for (const char *at = dir; *at; at++)
		own += *at == '/';
	parts = shapes[shape].depth - own;
	strcpy(path, dir);
	for (left = shapes[shape].bytes - length; parts > 0; parts--) {
		size_t part = left / parts;
		char name[8];

		memset(path + length, 'a' + (int)shape, part);
		path[length] = '/';
		length += part;
		left -= part;
		path[length] = 0;
		if (parts == 1) {
			snprintf(name, sizeof(name), "%03d", file);
			memcpy(path + length - 3, name, 3);
		} else if (make && mkdir(path, 0755) && errno != EEXIST) {
			fail(path);
		}
	}
}

static void write_file(const char *path)
{
	int fd = must(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644), path);

	must(write(fd, "x", 1), path);
	close(fd);
}

static void prepare(const char *dir)
{
	char path[PATH_ROOM];

	if (mkdir(dir, 0755) && errno != EEXIST)
		fail(dir);
	for (size_t shape = 0; shape < SHAPES; shape++)
		for (int file = 0; file < FRESH_FILES; file++) {
			shape_path(path, dir, shape, file, 1);
			write_file(path);
		}
	snprintf(path, sizeof(path), "%s/known", dir);
	write_file(path);
	if (mkdir(SCRATCH, 0755) && errno != EEXIST)
		fail(SCRATCH);
}

static void open_and_close(const char *path)
{
	uint64_t begun = now();

	close(must(open(path, O_RDONLY | O_CLOEXEC), path));
	take(begun);
}

static void files(const char *dir)
{
	const char *made = SCRATCH "/file", *other = SCRATCH "/other";
	char path[PATH_ROOM];
	int fd;

	snprintf(path, sizeof(path), "%s/known", dir);
	for (int i = 0; i < 505; i++) {
		open_and_close(path);
		if (i == 4)
			taken = 0;
	}
	tell("open-known");
	for (size_t shape = 0; shape < SHAPES; shape++) {
		for (int file = 0; file < FRESH_FILES; file++) {
			shape_path(path, dir, shape, file, 0);
			open_and_close(path);
		}
		tell(shapes[shape].operation);
	}
	for (int i = 0; i < 200; i++) {
		uint64_t begun = now();

		fd = must(open(made, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644), made);
		take(begun);
		close(fd);
		must(unlink(made), made);
	}
	tell("create");
	for (int i = 0; i < 200; i++) {
		write_file(made);
		uint64_t begun = now();

		must(unlink(made), made);
		take(begun);
	}
	tell("unlink");
	write_file(made);
	for (int i = 0; i < 200; i++) {
		uint64_t begun = now();

		must(i & 1 ? rename(other, made) : rename(made, other), made);
		take(begun);
	}
	tell("rename");
	for (int i = 0; i < 200; i++) {
		uint64_t begun = now();

		must(chmod(made, i & 1 ? 0644 : 0600), made);
		take(begun);
	}
	tell("chmod");
	must(unlink(made), made);
	fd = must(open("/opt/aa-bench/tiny", O_RDONLY | O_CLOEXEC), "tiny");
	for (int i = 0; i < 205; i++) {
		uint64_t begun = now();
		void *at = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

		take(begun);
		if (at == MAP_FAILED)
			fail("mmap");
		munmap(at, 4096);
		if (i == 4)
			taken = 0;
	}
	tell("map-code");
	close(fd);
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void connect_once(int fd, int port)
{
	struct sockaddr_in to = loopback(port);
	uint64_t begun = now();
	int result = connect(fd, (struct sockaddr *)&to, sizeof(to));

	take(begun);
	if (result && errno != EINPROGRESS)
		fail("connect");
}

static void network(void)
{
	struct sockaddr_in at = loopback(PORTS + 1), listening = loopback(PORTS + 2);
	struct linger at_once = { .l_onoff = 1 };
	int fd, receiver, listener, one = 1;
	char byte = 'x';

	for (int i = 0; i < 300; i++) {
		uint64_t begun = now();

		fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
		take(begun);
		close(fd);
	}
	tell("socket");
	fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
	for (int i = 0; i < 505; i++) {
		connect_once(fd, PORTS);
		if (i == 4)
			taken = 0;
	}
	tell("connect-udp");
	for (int i = 0; i < 300; i++)
		connect_once(fd, PORTS + 1000 + i);
	tell("connect-udp-first");
	close(fd);
	fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
	receiver = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
	must(bind(receiver, (struct sockaddr *)&at, sizeof(at)), "bind");
	for (int i = 0; i < 305; i++) {
		uint64_t begun = now();

		must(sendto(fd, &byte, 1, 0, (struct sockaddr *)&at, sizeof(at)), "sendto");
		take(begun);
		must(recv(receiver, &byte, 1, 0), "recv");
		if (i == 4)
			taken = 0;
	}
	tell("send-udp");
	close(fd);
	close(receiver);
	listener = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	must(bind(listener, (struct sockaddr *)&listening, sizeof(listening)), "bind");
	must(listen(listener, 64), "listen");
	for (int i = 0; i < 205; i++) {
		fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
		connect_once(fd, PORTS + 2);
		close(must(accept(listener, 0, 0), "accept"));
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
		if (i == 4)
			taken = 0;
	}
	tell("connect-tcp");
	close(listener);
}

static void run_and_wait(char *const argv[], char *const environment[])
{
	int status = 0;
	uint64_t begun = now();
	pid_t child = vfork();

	if (child == 0) {
		execve(argv[0], argv, environment);
		_exit(127);
	}
	must(child, "vfork");
	must(waitpid(child, &status, 0), "wait");
	take(begun);
	if (status) {
		fprintf(stderr, "measure: %s ended with status %d\n", argv[0], status);
		exit(1);
	}
}

static void processes(void)
{
	char *plain[] = { "/opt/aa-bench/tiny", 0 }, *mentioned[] = { "/opt/aa-bench/git", "-C", "/srv/work", "status", 0 };
	char *none[] = { 0 };

	for (int i = 0; i < 105; i++) {
		uint64_t begun = now();
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		take(begun);
		must(child, "fork");
		must(waitpid(child, 0, 0), "wait");
		if (i == 4)
			taken = 0;
	}
	tell("fork");
	for (int i = 0; i < 105; i++) {
		uint64_t begun = now();
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		must(child, "fork");
		must(waitpid(child, 0, 0), "wait");
		take(begun);
		if (i == 4)
			taken = 0;
	}
	tell("fork-exit-wait");
	for (int i = 0; i < 85; i++) {
		run_and_wait(plain, none);
		if (i == 4)
			taken = 0;
	}
	tell("exec");
	for (int i = 0; i < 85; i++) {
		run_and_wait(mentioned, none);
		if (i == 4)
			taken = 0;
	}
	tell("exec-with-arguments");
}

static void hooks(const char *dir)
{
	for (int i = 0; i < 9; i++) {
		uint64_t rounds = LOOP_ROUNDS, begun = now();

		asm volatile("1: dec %0; jnz 1b" : "+r"(rounds));
		take(begun);
	}
	tell("loop");
	for (int i = 0; i < 500; i++) {
		uint64_t begun = now();

		getppid();
		take(begun);
	}
	tell("getppid");
	files(dir);
	network();
	processes();
}

static void workload(char *program)
{
	char path[PATH_ROOM], byte;
	char *argv[] = { program, 0 }, *none[] = { 0 };
	uint64_t begun = now();

	for (int i = 0; i < SMALL_FILES; i++) {
		snprintf(path, sizeof(path), SCRATCH "/small-%d", i);
		write_file(path);
	}
	for (int i = 0; i < SMALL_FILES; i++) {
		snprintf(path, sizeof(path), SCRATCH "/small-%d", i);
		int fd = must(open(path, O_RDONLY | O_CLOEXEC), path);

		must(read(fd, &byte, 1), path);
		close(fd);
	}
	for (int i = 0; i < SMALL_FILES; i++) {
		snprintf(path, sizeof(path), SCRATCH "/small-%d", i);
		must(unlink(path), path);
	}
	take(begun);
	tell("small-files");
	begun = now();
	for (int i = 0; i < SPAWNS; i++)
		run_and_wait(argv, none);
	taken = 0;
	take(begun);
	tell("spawns");
}

static void swarm(int count, const char *file)
{
	int fd = must(open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), file);

	must(ftruncate(fd, count * sizeof(uint64_t)), file);

	volatile uint64_t *last = mmap(0, count * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (last == MAP_FAILED)
		fail("mmap");
	for (int i = 0; i < count; i++) {
		if (must(fork(), "fork"))
			continue;
		for (;;) {
			struct timespec at, pause = { .tv_nsec = 20000000 };
			int opened = open("/etc/hostname", O_RDONLY | O_CLOEXEC);

			if (opened >= 0) {
				close(opened);
				clock_gettime(CLOCK_MONOTONIC, &at);
				last[i] = at.tv_sec * 1000000000ULL + at.tv_nsec;
			}
			nanosleep(&pause, 0);
		}
	}
	pause();
}

/* All rights to files but ioctl's, by a rule for each of the trees that are used; of the network nothing is governed. */
static void landlock(const char *dir)
{
	const char *trees[] = { dir, SCRATCH, "/dev", "/etc", "/opt", "/proc", "/run", "/tmp", "/usr", "/var" };
	long version = must(syscall(SYS_landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION), "landlock");
	/* The third version knows truncation beside. */
	struct landlock_ruleset_attr ruleset = { .handled_access_fs = (LANDLOCK_ACCESS_FS_REFER << (version < 3 ? 1 : 2)) - 1 };
	int fd = must(syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0), "landlock_create_ruleset");

	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		struct landlock_path_beneath_attr rule = { .allowed_access = ruleset.handled_access_fs };

		rule.parent_fd = must(open(trees[i], O_PATH | O_CLOEXEC), trees[i]);
		must(syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0), trees[i]);
		close(rule.parent_fd);
	}
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
	must(syscall(SYS_landlock_restrict_self, fd, 0), "landlock_restrict_self");
	close(fd);
}

/* A process that is started to measure is laid out the same way each time: page tables cost instructions. */
static void without_randomness(char **argv)
{
	int old = personality(0xffffffff);

	if (old & ADDR_NO_RANDOMIZE)
		return;
	personality(old | ADDR_NO_RANDOMIZE);
	execv("/proc/self/exe", argv);
	fail("/proc/self/exe");
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	char byte;

	if (strcmp(what, "prepare") == 0) {
		prepare(argv[2]);
		return 0;
	}
	if (strcmp(what, "launch") == 0 && argc > 3) {
		for (int i = 0; i < atoi(argv[2]); i++)
			run_and_wait(argv + 3, environ);
		tell("launch");
		return 0;
	}
	if (strcmp(what, "asks") == 0 && argc > 3) {
		for (int i = 0; i < atoi(argv[2]); i++) {
			uint64_t begun = now();
			int fd = must(open(argv[3], O_RDONLY | O_CLOEXEC), argv[3]);

			take(begun);
			close(fd);
		}
		tell("open");
		return 0;
	}
	if (strcmp(what, "swarm") == 0 && argc > 3) {
		swarm(atoi(argv[2]), argv[3]);
		return 0;
	}
	without_randomness(argv);
	if (strcmp(what, "landlocked") == 0 && argc > 4) {
		landlock(argv[2]);
		argv += 2;
		what = argv[1];
	}
	if (strcmp(what, "hooks") == 0 || strcmp(what, "workload") == 0) {
		must(read(0, &byte, 1), "stdin");
		if (*what == 'h')
			hooks(argv[2]);
		else
			workload(argv[2]);
		return 0;
	}
	fprintf(stderr, "measure: see the head of measure.c\n");
	return 64;
}
