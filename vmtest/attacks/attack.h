/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What attacks share. Each file of the catalogue is one attack: a function that tries something on the objects of one side,
 * `deny` or `allow`, and says what came of it. All are compiled into one program (see build.rs and runner.h).
 *
 * The sides are the same but for what the policy says of them: a directory, addresses, sockets, names.
 */
#ifndef ATTACK_H
#define ATTACK_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What came of it. Whatever else a process ends with means that the attack itself is broken. */
enum { HAPPENED = 0, REFUSED = 1, LACKING = 2, BROKEN = 3 };

/* What this run is about, set by the runner. */
static struct {
	const char *name;
	int denied;		/* which side */
	const char *root;	/* the side's directory */
	const char *host4;	/* its addresses, where something listens on `port` */
	const char *host6;
	int port;
	int denied_port;	/* on the allowed address */
	int process;		/* somebody else's, ungoverned */
	unsigned long word;	/* where that one has a word that is not to be changed */
} world;

/* Told to whoever asks: what was read, or what broke. Shared with children. */
static char *said;
enum { SAID = 4096 };

#define OWN "/srv/attack/own"  /* both sides may do anything here */
#define RAN "/srv/attack/ran"  /* made by the programs that should not run */

static __attribute__((format(printf, 1, 2))) char *text(const char *format, ...)
{
	va_list list;
	char *made;

	va_start(list, format);
	if (vasprintf(&made, format, list) < 0)
		_exit(BROKEN);
	va_end(list);
	return made;
}

/* An object of the side. */
static const char *at(const char *name)
{
	return text("%s/%s", world.root, name);
}

/* What the result of the decisive system call means. Our refusal is EPERM; others are told apart by the records. */
static int outcome(long result)
{
	if (result >= 0)
		return HAPPENED;
	snprintf(said, SAID, "%s", strerrorname_np(errno) ?: "?");
	switch (errno) {
	case EPERM:
	case EACCES:
		return REFUSED;
	case ENOSYS:
	case EOPNOTSUPP:
	case EPROTONOSUPPORT:
	case ESOCKTNOSUPPORT:
	case EAFNOSUPPORT:
	case ENODEV:
		return LACKING;
	default:
		return BROKEN;
	}
}

/* A step that has to succeed on both sides before the attack begins. */
#define must(expression) must_at((long)(expression), #expression)
static long must_at(long result, const char *what)
{
	if (result >= 0)
		return result;
	snprintf(said, SAID, "%s: %s", what, strerrorname_np(errno) ?: "?");
	_exit(BROKEN);
}

/* A step that the kernel may refuse already: then that is what came of it. */
#define try(expression) try_at((long)(expression))
static long try_at(long result)
{
	if (result < 0)
		_exit(outcome(result));
	return result;
}

/* Reads what can be had from a descriptor, and tells it. */
static int leak(long fd)
{
	ssize_t length;

	if (fd < 0)
		return outcome(fd);
	length = read((int)fd, said, SAID - 1);
	if (length < 0)
		return outcome(length);
	said[length] = 0;
	return HAPPENED;
}

/* A mount namespace. What the twin mounts there, nobody else sees: systemd makes mounts shared. */
static void own_mounts(void)
{
	must(unshare(CLONE_NEWNS));
	if (!world.denied)
		must(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
}

static int leak_file(const char *path)
{
	return leak(open(path, O_RDONLY));
}

/* What a child did, as it ended. */
static int outcome_of(long child)
{
	int status;

	if (child < 0)
		return outcome(child);
	while (waitpid((pid_t)child, &status, __WALL) < 0)
		if (errno != EINTR)
			return BROKEN;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Becomes the program, which makes RAN; its code is the outcome. */
static int run(const char *path)
{
	char *arguments[] = { (char *)path, 0 };

	execve(path, arguments, environ);
	return outcome(-1);
}

/* The same in a child, for attacks that have more to do. */
static int run_in_child(char *const arguments[])
{
	pid_t child = fork();

	if (child == 0) {
		execve(arguments[0], arguments, environ);
		_exit(outcome(-1));
	}
	return outcome_of(child);
}

/* The same, and tells all that it prints. */
static int run_and_tell(char *const arguments[])
{
	size_t length = 0;
	ssize_t more;
	int fds[2];
	pid_t child;

	must(pipe(fds));
	child = fork();
	if (child == 0) {
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		execve(arguments[0], arguments, environ);
		_exit(BROKEN);
	}
	close(fds[1]);
	while ((more = read(fds[0], said + length, SAID - 1 - length)) > 0)
		length += (size_t)more;
	said[length] = 0;
	return outcome_of(child);
}

/* What a program prints on its standard output would be taken for an answer. */
static void be_silent(void)
{
	must(dup2((int)must(open("/dev/null", O_WRONLY)), 1));
}

static void write_file(const char *path, const void *bytes, size_t length)
{
	int fd = (int)must(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));

	must(write(fd, bytes, length));
	close(fd);
}

static void copy_file(const char *from, const char *to)
{
	static char bytes[65536];
	int in = (int)try(open(from, O_RDONLY));
	int out = (int)try(open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755));
	ssize_t length;

	while ((length = must(read(in, bytes, sizeof(bytes)))) > 0)
		must(write(out, bytes, (size_t)length));
	close(in);
	close(out);
}

/* ---- the network ---- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
};

static socklen_t make_address(union address *to, const char *host, int port)
{
	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, host, &to->v4.sin_addr) == 1) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_port = htons((uint16_t)port);
		return sizeof(to->v4);
	}
	if (inet_pton(AF_INET6, host, &to->v6.sin6_addr) != 1)
		_exit(BROKEN);
	to->v6.sin6_family = AF_INET6;
	to->v6.sin6_port = htons((uint16_t)port);
	return sizeof(to->v6);
}

/* A path, or @name for an abstract one. */
static socklen_t make_unix(union address *to, const char *name)
{
	memset(to, 0, sizeof(*to));
	to->un.sun_family = AF_UNIX;
	snprintf(to->un.sun_path, sizeof(to->un.sun_path), "%s", name);
	if (name[0] != '@')
		return sizeof(to->un);
	to->un.sun_path[0] = 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
}

static int connect_by(int type, int protocol, const char *host, int port)
{
	union address to;
	socklen_t length = make_address(&to, host, port);

	return outcome(connect((int)try(socket(to.any.sa_family, type, protocol)), &to.any, length));
}

static int connect_unix(int type, const char *name)
{
	union address to;
	socklen_t length = make_unix(&to, name);
	int fd = (int)try(socket(AF_UNIX, type, 0));

	try(connect(fd, &to.any, length));
	return outcome(send(fd, "x", 1, 0));
}

static int datagram_to(int family, const char *host)
{
	union address to;
	socklen_t length = make_address(&to, host, world.port);

	return outcome(sendto((int)try(socket(family, SOCK_DGRAM, 0)), "x", 1, 0, &to.any, length));
}

/* A descriptor from the ungoverned server with this name. */
static int receive(const char *name)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	union address to;
	socklen_t length = make_unix(&to, name);
	int fd = (int)must(socket(AF_UNIX, SOCK_STREAM, 0));
	struct cmsghdr *header;
	int got;

	must(connect(fd, &to.any, length));
	must(recvmsg(fd, &message, 0));
	header = CMSG_FIRSTHDR(&message);
	/* What is refused is left out. */
	if (!header) {
		errno = EPERM;
		return -1;
	}
	memcpy(&got, CMSG_DATA(header), sizeof(got));
	return got;
}

/* ---- io_uring, by its system calls ---- */

struct ring {
	int fd;
	struct io_uring_params parameters;
	char *queue;
	struct io_uring_sqe *entries;
};

static void open_ring(struct ring *ring, unsigned int flags)
{
	struct io_uring_params *p = &ring->parameters;
	size_t submitted, completed;

	memset(ring, 0, sizeof(*ring));
	p->flags = flags;
	p->sq_thread_idle = 2000;
	ring->fd = (int)try(syscall(SYS_io_uring_setup, 8, p));
	submitted = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
	completed = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	ring->queue = mmap(0, submitted > completed ? submitted : completed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			   ring->fd, IORING_OFF_SQ_RING);
	ring->entries = mmap(0, p->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			     ring->fd, IORING_OFF_SQES);
	if (ring->queue == MAP_FAILED || ring->entries == MAP_FAILED)
		_exit(BROKEN);
}

static volatile uint32_t *ring_word(struct ring *ring, uint32_t offset)
{
	return (volatile uint32_t *)(ring->queue + offset);
}

/* Does one request; its result, with errno set. Both queues lie in one mapping (IORING_FEAT_SINGLE_MMAP, 5.4). */
static long ring_do(struct ring *ring, const struct io_uring_sqe *entry)
{
	struct io_uring_params *p = &ring->parameters;
	volatile uint32_t *tail = ring_word(ring, p->sq_off.tail), *head = ring_word(ring, p->cq_off.head);
	uint32_t slot = *tail & *ring_word(ring, p->sq_off.ring_mask);
	uint32_t wanted = *head + 1, flags = IORING_ENTER_GETEVENTS;
	struct io_uring_cqe *done;
	int result;

	ring->entries[slot] = *entry;
	ring_word(ring, p->sq_off.array)[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (p->flags & IORING_SETUP_SQPOLL)
		flags |= IORING_ENTER_SQ_WAKEUP;
	/* Some requests complete twice; the first is their result. */
	while ((int)(__atomic_load_n(ring_word(ring, p->cq_off.tail), __ATOMIC_ACQUIRE) - wanted) < 0)
		if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, flags, 0, 0) < 0)
			return -1;
	done = (struct io_uring_cqe *)(ring->queue + p->cq_off.cqes) + (*head & *ring_word(ring, p->cq_off.ring_mask));
	result = done->res;
	*head = wanted;
	if (result < 0) {
		errno = -result;
		return -1;
	}
	return result;
}

/* ---- races ---- */

/* Copies one of two values over a shared one, in turn, for as long as it is told to. */
struct flipping {
	char *shared;
	const char *one, *other;
	size_t length;
	volatile int stop;
};

static void *flip(void *argument)
{
	struct flipping *f = argument;

	while (!f->stop) {
		memcpy(f->shared, f->one, f->length);
		for (volatile int i = 0; i < 300; i++)
			;
		memcpy(f->shared, f->other, f->length);
		for (volatile int i = 0; i < 300; i++)
			;
	}
	return 0;
}

static pthread_t start_flipping(struct flipping *f)
{
	pthread_t thread;

	if (pthread_create(&thread, 0, flip, f))
		_exit(BROKEN);
	return thread;
}

/* Whether this is the side's secret, told if it is. */
static int is_secret(int fd)
{
	char bytes[256];
	ssize_t length = read(fd, bytes, sizeof(bytes) - 1);

	if (length <= 0)
		return 0;
	bytes[length] = 0;
	if (!strstr(bytes, "secret-of-"))
		return 0;
	memcpy(said, bytes, (size_t)length + 1);
	return 1;
}

static volatile int swapped_enough;

static void *swap_names(void *unused)
{
	while (!swapped_enough)
		renameat2(AT_FDCWD, OWN "/a", AT_FDCWD, OWN "/b", RENAME_EXCHANGE);
	return unused;
}

/* Whether a race goes on. Where its threads had no turn against one another yet, it does so for long. */
static int goes_on(int round, int refused, int undecided)
{
	return refused < 150 && (round < 1500 || (undecided && round < 100000));
}

/* Opens `path` while OWN/a and OWN/b are exchanged again and again. */
static int open_while_swapped(const char *path)
{
	int refused = 0, code = REFUSED;
	pthread_t thread;

	must(pthread_create(&thread, 0, swap_names, 0) ? -1 : 0);
	for (int i = 0; code == REFUSED && goes_on(i, refused, !refused); i++) {
		int fd = open(path, O_RDONLY);

		if (fd < 0)
			refused += errno == EPERM;
		else if (is_secret(fd))
			code = HAPPENED;
		close(fd);
	}
	swapped_enough = 1;
	pthread_join(thread, 0);
	return code == HAPPENED ? HAPPENED : refused ? REFUSED : BROKEN;
}

/* Somebody else on the denied side; on the other a child of our own, stopped in its sleep. */
static pid_t target(void)
{
	pid_t child;

	if (world.denied)
		return world.process;
	child = (pid_t)must(fork());
	if (child == 0)
		for (;;)
			pause();
	return child;
}

/* A process by its name. */
static pid_t process_called(const char *name)
{
	char command[64];

	for (pid_t pid = 1; pid < 32768; pid++) {
		int fd = open(text("/proc/%d/comm", pid), O_RDONLY);
		ssize_t length = fd < 0 ? 0 : read(fd, command, sizeof(command));

		close(fd);
		if (length > 1 && !strncmp(command, name, strlen(name)))
			return pid;
	}
	_exit(BROKEN);
}

/* One of our pins of a kind. */
static const char *pin(const char *kind)
{
	glob_t found;

	if (glob(text("/sys/fs/bpf/aa-sensord/*/%s/*", kind), 0, 0, &found))
		_exit(BROKEN);
	return found.gl_pathv[0];
}

#define ATTACK static int ATTACK_NAME(void)

#endif
