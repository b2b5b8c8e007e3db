// SPDX-License-Identifier: Apache-2.0
/*
 * One action at the level of system calls, for the guest tests: `act ACTION ARGS...` does it and prints `ok [DATA]` or
 * `errno NAME`. `act batch` reads one action a line and answers each with one line, so that one governed process can do
 * hundreds: starting a process costs tens of milliseconds under emulation. Words are separated by blanks; `%XX` is a
 * byte, `%-` an empty word. Exit status 0 except for wrong usage (2).
 *
 * Some words stand before another action and do it elsewhere: fork, vfork, thread, double-fork, unshare, cgroup,
 * chroot, as-user, on-cpu, prefork/child, prethread/in-thread. Each action is a function named as the action, so that a
 * symbolised stack can be recognised.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
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
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 160, ANSWER = 4096, LINE = 65536 };

/* What is printed: shared with children, so that they can answer for us. */
static char *answer;

static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(answer, ANSWER, format, list);
	va_end(list);
}

static void fail(int error)
{
	const char *name = strerrorname_np(error);

	if (name)
		say("errno %s", name);
	else
		say("errno %d", error);
}

/* `ok` if `result` is not negative, else the errno. */
static int told(long result)
{
	if (result < 0)
		fail(errno);
	else
		say("ok");
	return result >= 0;
}

/* The same for a descriptor, which is closed. */
static int told_descriptor(int fd)
{
	int fine = told(fd);

	if (fd >= 0)
		close(fd);
	return fine;
}

static void run_action(int count, char **words);

/* ---- addresses ---- */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	};
	socklen_t length;
};

static int parse_address(struct address *to, const char *host, const char *port)
{
	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, host, &to->v4.sin_addr) == 1) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_port = htons(atoi(port));
		to->length = sizeof(to->v4);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &to->v6.sin6_addr) == 1) {
		to->v6.sin6_family = AF_INET6;
		to->v6.sin6_port = htons(atoi(port));
		to->length = sizeof(to->v6);
		return 0;
	}
	say("usage: %s is no address", host);
	return -1;
}

/* a.b.c.d as ::ffff:a.b.c.d */
static int parse_mapped(struct address *to, const char *host, const char *port)
{
	char text[64];

	snprintf(text, sizeof(text), "::ffff:%s", host);
	return parse_address(to, text, port);
}

/* A path, or @name for the abstract one. */
static void unix_address(struct address *to, const char *name)
{
	size_t length = strlen(name);

	memset(to, 0, sizeof(*to));
	to->un.sun_family = AF_UNIX;
	if (length >= sizeof(to->un.sun_path))
		length = sizeof(to->un.sun_path) - 1;
	memcpy(to->un.sun_path, name, length);
	to->length = offsetof(struct sockaddr_un, sun_path) + length;
	if (name[0] == '@')
		to->un.sun_path[0] = 0;
	else
		to->length++;
}

static int number_of(const char *text)
{
	static const struct { const char *name; int value; } known[] = {
		{ "inet", AF_INET }, { "inet6", AF_INET6 }, { "unix", AF_UNIX }, { "packet", AF_PACKET },
		{ "vsock", AF_VSOCK }, { "alg", AF_ALG }, { "netlink", AF_NETLINK }, { "xdp", AF_XDP },
		{ "stream", SOCK_STREAM }, { "dgram", SOCK_DGRAM }, { "raw", SOCK_RAW }, { "seqpacket", SOCK_SEQPACKET },
		{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "icmp", IPPROTO_ICMP }, { "icmpv6", IPPROTO_ICMPV6 },
		{ "sctp", IPPROTO_SCTP }, { "mptcp", IPPROTO_MPTCP }, { "udplite", IPPROTO_UDPLITE },
		{ "route", NETLINK_ROUTE }, { "sock-diag", NETLINK_SOCK_DIAG }, { "user", CLONE_NEWUSER },
		{ "mnt", CLONE_NEWNS }, { "net", CLONE_NEWNET }, { "pid", CLONE_NEWPID }, { "uts", CLONE_NEWUTS },
		{ "ipc", CLONE_NEWIPC }, { "ns-cgroup", CLONE_NEWCGROUP },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].name, text))
			return known[i].value;
	return (int)strtol(text, 0, 0);
}

/* ---- files ---- */

static void act_open_read(char **w)
{
	told_descriptor(open(w[0], O_RDONLY | O_NONBLOCK));
}

/* `act open-changed ONE OTHER`: opens ONE, whose name another process replaces by OTHER in shared memory meanwhile. */
static void act_open_changed(char **w)
{
	char *path = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	strncpy(path, w[0], 4095);
	child = fork();
	if (child == 0) {
		sleep(2);
		strncpy(path, w[1], 4095);
		_exit(0);
	}
	told_descriptor(open(path, O_RDONLY));
	waitpid(child, 0, 0);
	munmap(path, 4096);
}

static void *open_it(void *path)
{
	int fd = open(path, O_RDONLY);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? path : 0;
}

/* `act open-by-threads PATH COUNT`: so many threads, 64 at most, open it; how many could. */
static void act_open_by_threads(char **w)
{
	pthread_t threads[64];
	int all = atoi(w[1]), count = 0;
	void *done;

	for (int i = 0; i < all; i++)
		if (pthread_create(&threads[i], 0, open_it, w[0]))
			exit(2);
	for (int i = 0; i < all; i++) {
		pthread_join(threads[i], &done);
		count += done != 0;
	}
	say("ok %d", count);
}

static void act_read(char **w)
{
	char bytes[64] = "";
	int fd = open(w[0], O_RDONLY);
	ssize_t got;

	if (!told(fd))
		return;
	got = read(fd, bytes, sizeof(bytes) - 1);
	close(fd);
	bytes[strcspn(bytes, "\n")] = 0;
	if (told(got))
		say("ok %s", bytes);
}

static void act_open_write(char **w)
{
	told_descriptor(open(w[0], O_WRONLY));
}

static void act_open_both(char **w)
{
	told_descriptor(open(w[0], O_RDWR));
}

static void act_openat2(char **w)
{
	struct { uint64_t flags, mode, resolve; } how = { .flags = O_RDONLY };

	told_descriptor(syscall(437, AT_FDCWD, w[0], &how, sizeof(how)));
}

static void act_creat(char **w)
{
	told_descriptor(creat(w[0], 0644));
}

static void act_create(char **w)
{
	told_descriptor(open(w[0], O_WRONLY | O_CREAT | O_EXCL, 0644));
}

static void act_o_tmpfile(char **w)
{
	told_descriptor(open(w[0], O_TMPFILE | O_RDWR, 0600));
}

static void act_o_trunc(char **w)
{
	told_descriptor(open(w[0], O_WRONLY | O_TRUNC));
}

static void act_append(char **w)
{
	told_descriptor(open(w[0], O_WRONLY | O_APPEND));
}

static void act_unlink(char **w)
{
	told(unlink(w[0]));
}

static void act_rename(char **w)
{
	told(rename(w[0], w[1]));
}

static void act_rename_exchange(char **w)
{
	told(renameat2(AT_FDCWD, w[0], AT_FDCWD, w[1], RENAME_EXCHANGE));
}

static void act_rename_noreplace(char **w)
{
	told(renameat2(AT_FDCWD, w[0], AT_FDCWD, w[1], RENAME_NOREPLACE));
}

static void act_link(char **w)
{
	told(link(w[0], w[1]));
}

/* A second name for an open descriptor, as linkat(AT_EMPTY_PATH) and /proc/self/fd do. */
static void act_link_descriptor(char **w)
{
	int fd = open(w[0], O_PATH);
	char text[64];

	if (!told(fd))
		return;
	snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
	told(linkat(AT_FDCWD, text, AT_FDCWD, w[1], AT_SYMLINK_FOLLOW));
	close(fd);
}

static void act_symlink(char **w)
{
	told(symlink(w[0], w[1]));
}

static void act_truncate(char **w)
{
	told(truncate(w[0], 0));
}

static void act_ftruncate(char **w)
{
	int fd = open(w[0], O_WRONLY);

	if (told(fd) && told(ftruncate(fd, 0)))
		say("ok");
	if (fd >= 0)
		close(fd);
}

static void act_mkdir(char **w)
{
	told(mkdir(w[0], 0755));
}

static void act_rmdir(char **w)
{
	told(rmdir(w[0]));
}

static void act_mknod(char **w)
{
	told(mknod(w[0], S_IFIFO | 0644, 0));
}

static void act_chmod(char **w)
{
	told(chmod(w[0], 0755));
}

static void act_fchmod(char **w)
{
	int fd = open(w[0], O_RDONLY);

	if (told(fd))
		told(fchmod(fd, 0755));
	if (fd >= 0)
		close(fd);
}

static void act_chown(char **w)
{
	told(chown(w[0], 0, 0));
}

/* stat needs no permission to open: what an O_PATH descriptor is good for. */
static void act_stat(char **w)
{
	struct stat st;

	told(stat(w[0], &st));
}

static void act_opath_reopen(char **w)
{
	int fd = open(w[0], O_PATH);
	char text[64];

	if (!told(fd))
		return;
	snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
	told_descriptor(open(text, O_RDONLY));
	close(fd);
}

static void act_opath_only(char **w)
{
	told_descriptor(open(w[0], O_PATH));
}

static void act_open_by_handle(char **w)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u;
	int mount_id, mount, fd;

	u.handle.handle_bytes = MAX_HANDLE_SZ;
	if (!told(name_to_handle_at(AT_FDCWD, w[0], &u.handle, &mount_id, 0)))
		return;
	/* Any descriptor on the mount will do. */
	mount = open(w[1], O_RDONLY | O_DIRECTORY);
	fd = open_by_handle_at(mount, &u.handle, O_RDONLY);
	told_descriptor(fd);
	close(mount);
}

static void act_read_via_proc_root(char **w)
{
	char text[4200];

	snprintf(text, sizeof(text), "/proc/self/root%s", w[0]);
	told_descriptor(open(text, O_RDONLY));
}

static void act_read_relative(char **w)
{
	int directory = open(w[0], O_PATH | O_DIRECTORY);

	if (!told(directory))
		return;
	told_descriptor(openat(directory, w[1], O_RDONLY));
	close(directory);
}

static void act_mmap_shared_write(char **w)
{
	int fd = open(w[0], O_RDWR);
	char *bytes;

	if (!told(fd))
		return;
	if (lseek(fd, 0, SEEK_END) == 0) {
		say("empty");
		close(fd);
		return;
	}
	bytes = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED) {
		fail(errno);
		return;
	}
	bytes[0] = 'X';
	munmap(bytes, 4096);
	say("ok");
}

/* A file opened for reading cannot be made writable through its mapping. */
static void act_mmap_make_writable(char **w)
{
	int fd = open(w[0], O_RDONLY);
	char *bytes;

	if (!told(fd))
		return;
	bytes = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED) {
		fail(errno);
		return;
	}
	told(mprotect(bytes, 4096, PROT_READ | PROT_WRITE));
	munmap(bytes, 4096);
}

/* What a just-in-time compiler does. */
static void act_mmap_anonymous_exec(char **w)
{
	void *bytes = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)w;
	if (told(bytes == MAP_FAILED ? -1 : 0))
		munmap(bytes, 4096);
}

static void act_mmap_exec(char **w)
{
	int fd = open(w[0], O_RDONLY);
	void *bytes;

	if (!told(fd))
		return;
	bytes = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		fail(errno);
	else
		munmap(bytes, 4096);
	close(fd);
}

static void act_mprotect_exec(char **w)
{
	int fd = open(w[0], O_RDONLY);
	void *bytes;

	if (!told(fd))
		return;
	bytes = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED) {
		fail(errno);
		return;
	}
	told(mprotect(bytes, 4096, PROT_READ | PROT_EXEC));
	munmap(bytes, 4096);
}

/* `act open-many PREFIX FIRST COUNT`: so many different files, created or opened; how many succeeded. */
static void act_open_many(char **w)
{
	int first = atoi(w[1]), count = atoi(w[2]), done = 0;
	char path[4200];

	for (int i = first; i < first + count; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s%d", w[0], i);
		fd = open(path, O_RDONLY | O_CREAT, 0644);
		if (fd >= 0) {
			done++;
			close(fd);
		}
	}
	say("ok %d", done);
}

/* Denied opens between allowed ones: every COUNT/DENIALS-th open is of w[3], which a rule denies. */
static void act_flood(char **w)
{
	int count = atoi(w[1]), denials = atoi(w[2]), allowed = 0, denied = 0;
	char path[4200];

	for (int i = 0; i < count; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s%d", w[0], i);
		fd = open(path, O_RDONLY);
		if (fd >= 0)
			close(fd);
		allowed += fd >= 0;
		if (i % (count / denials) == 0) {
			fd = open(w[3], O_RDONLY);
			denied += fd < 0 && errno == EPERM;
			if (fd >= 0)
				close(fd);
		}
	}
	say("ok %d %d", allowed, denied);
}

/* ---- by the instruction itself, so that this function is the innermost frame of the stack ---- */

static inline __attribute__((always_inline)) long system_call(long number, long a, long b, long c)
{
	long result;

	asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

static void told_raw(long result)
{
	if (result < 0)
		fail(-result);
	else
		say("ok");
}

static void act_inline_open(char **w)
{
	long fd = system_call(SYS_open, (long)w[0], O_RDONLY, 0);

	told_raw(fd);
	if (fd >= 0)
		close(fd);
}

#include "dns.h"

/* ---- network ---- */

static int connect_to(const struct address *to, int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol), result;

	if (fd < 0)
		return -1;
	result = connect(fd, &to->any, to->length);
	if (result < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static void act_connect(char **w)
{
	struct address to;

	if (!parse_address(&to, w[0], w[1]))
		told_descriptor(connect_to(&to, to.any.sa_family, SOCK_STREAM, 0));
}

static void act_inline_connect(char **w)
{
	struct address to;
	int fd;

	if (parse_address(&to, w[0], w[1]))
		return;
	fd = socket(to.any.sa_family, SOCK_STREAM, 0);
	told_raw(system_call(SYS_connect, fd, (long)&to.any, to.length));
	close(fd);
}

static void act_connect_mapped(char **w)
{
	struct address to;

	if (!parse_mapped(&to, w[0], w[1]))
		told_descriptor(connect_to(&to, AF_INET6, SOCK_STREAM, 0));
}

/* EINPROGRESS counts as success: the connection is under way. */
static void connect_nonblock(const struct address *to, int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	if (fd < 0) {
		fail(errno);
		return;
	}
	if (connect(fd, &to->any, to->length) < 0 && errno != EINPROGRESS)
		fail(errno);
	else
		say("ok");
	close(fd);
}

static void act_connect_nonblock(char **w)
{
	struct address to;

	if (!parse_address(&to, w[0], w[1]))
		connect_nonblock(&to, to.any.sa_family, SOCK_STREAM, 0);
}

static void act_connect_mapped_nonblock(char **w)
{
	struct address to;

	if (!parse_mapped(&to, w[0], w[1]))
		connect_nonblock(&to, AF_INET6, SOCK_STREAM, 0);
}

static void act_mptcp_connect(char **w)
{
	struct address to;

	if (!parse_address(&to, w[0], w[1]))
		told_descriptor(connect_to(&to, to.any.sa_family, SOCK_STREAM, IPPROTO_MPTCP));
}

static void act_connect_udp(char **w)
{
	struct address to;

	if (!parse_address(&to, w[0], w[1]))
		told_descriptor(connect_to(&to, to.any.sa_family, SOCK_DGRAM, 0));
}

static void act_connect_ping(char **w)
{
	struct address to;

	if (!parse_address(&to, w[0], w[1]))
		told_descriptor(connect_to(&to, to.any.sa_family, SOCK_DGRAM,
					   to.any.sa_family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6));
}

static void act_tfo(char **w)
{
	struct address to;
	int protocol = w[2] && !strcmp(w[2], "mptcp") ? IPPROTO_MPTCP : 0, fd;

	if (parse_address(&to, w[0], w[1]))
		return;
	fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, protocol);
	if (fd < 0) {
		fail(errno);
		return;
	}
	if (sendto(fd, "x", 1, MSG_FASTOPEN, &to.any, to.length) < 0 && errno != EINPROGRESS)
		fail(errno);
	else
		say("ok");
	close(fd);
}

static void send_datagram(const struct address *to, int family, int type, int protocol, const void *bytes, size_t length)
{
	int fd = socket(family, type, protocol);

	if (fd < 0) {
		fail(errno);
		return;
	}
	told(sendto(fd, bytes, length, 0, &to->any, to->length));
	close(fd);
}

static void act_sendto_udp(char **w)
{
	struct address to;

	if (!parse_address(&to, w[0], w[1]))
		send_datagram(&to, to.any.sa_family, SOCK_DGRAM, 0, "x", 1);
}

static void act_sendto_udplite(char **w)
{
	struct address to;

	if (!parse_address(&to, w[0], w[1]))
		send_datagram(&to, to.any.sa_family, SOCK_DGRAM, IPPROTO_UDPLITE, "x", 1);
}

static void act_sendto_unspec(char **w)
{
	struct address to;

	if (parse_address(&to, w[0], w[1]))
		return;
	to.any.sa_family = AF_UNSPEC;
	send_datagram(&to, AF_INET, SOCK_DGRAM, 0, "x", 1);
}

static void act_sendto_mapped(char **w)
{
	struct address to;

	if (!parse_mapped(&to, w[0], w[1]))
		send_datagram(&to, AF_INET6, SOCK_DGRAM, 0, "x", 1);
}

/* An IPv4 address given to an IPv6 socket. */
static void act_sendto_v4_on_v6(char **w)
{
	struct address to;

	if (!parse_address(&to, w[0], w[1]))
		send_datagram(&to, AF_INET6, SOCK_DGRAM, 0, "x", 1);
}

static void act_connect_v4_on_v6(char **w)
{
	struct address to;

	if (!parse_address(&to, w[0], w[1]))
		told_descriptor(connect_to(&to, AF_INET6, SOCK_DGRAM, 0));
}

static void act_sendmsg_udp(char **w)
{
	struct address to;
	struct iovec part = { "x", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	int fd;

	if (parse_address(&to, w[0], w[1]))
		return;
	message.msg_name = &to.any;
	message.msg_namelen = to.length;
	fd = socket(to.any.sa_family, SOCK_DGRAM, 0);
	if (fd < 0) {
		fail(errno);
		return;
	}
	told(sendmsg(fd, &message, 0));
	close(fd);
}

/* `act sendmmsg-udp PORT HOST...`: one call; how many went out. */
static void act_sendmmsg_udp(char **w)
{
	enum { MOST = 16 };
	struct address to[MOST];
	struct mmsghdr messages[MOST] = {};
	struct iovec part = { "x", 1 };
	int count = 0, fd, sent;

	for (; count < MOST && w[1 + count]; count++) {
		if (parse_address(&to[count], w[1 + count], w[0]))
			return;
		messages[count].msg_hdr.msg_name = &to[count].any;
		messages[count].msg_hdr.msg_namelen = to[count].length;
		messages[count].msg_hdr.msg_iov = &part;
		messages[count].msg_hdr.msg_iovlen = 1;
	}
	fd = socket(to[0].any.sa_family, SOCK_DGRAM, 0);
	if (fd < 0) {
		fail(errno);
		return;
	}
	sent = sendmmsg(fd, messages, count, 0);
	if (told(sent))
		say("ok %d", sent);
	close(fd);
}

/* Associates, dissolves with AF_UNSPEC, associates elsewhere. */
static void act_connect_unspec_reconnect(char **w)
{
	struct address one, other;
	struct sockaddr nothing = { .sa_family = AF_UNSPEC };
	int fd;

	if (parse_address(&one, w[0], w[1]) || parse_address(&other, w[2], w[3]))
		return;
	fd = connect_to(&one, one.any.sa_family, SOCK_DGRAM, 0);
	if (fd < 0) {
		say("first %s", strerrorname_np(errno));
		return;
	}
	if (connect(fd, &nothing, sizeof(nothing)) < 0)
		say("dissolve %s", strerrorname_np(errno));
	else if (told(connect(fd, &other.any, other.length)))
		told(send(fd, "x", 1, 0));
	close(fd);
}

/* A connected socket still takes an address. */
static void act_connected_sendto(char **w)
{
	struct address one, other;
	int fd;

	if (parse_address(&one, w[0], w[1]) || parse_address(&other, w[2], w[3]))
		return;
	fd = connect_to(&one, one.any.sa_family, SOCK_DGRAM, 0);
	if (fd < 0) {
		say("first %s", strerrorname_np(errno));
		return;
	}
	told(sendto(fd, "x", 1, 0, &other.any, other.length));
	close(fd);
}

static void bind_here(char **w, int type, int backlog)
{
	struct address at;
	int fd, one = 1;

	if (parse_address(&at, w[0], w[1]))
		return;
	fd = socket(at.any.sa_family, type, 0);
	if (fd < 0) {
		fail(errno);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (told(bind(fd, &at.any, at.length)) && backlog)
		told(listen(fd, backlog));
	close(fd);
}

static void act_bind(char **w)
{
	bind_here(w, SOCK_STREAM, 0);
}

static void act_bind_udp(char **w)
{
	bind_here(w, SOCK_DGRAM, 0);
}

static void act_bind_ping(char **w)
{
	struct address at;
	int fd;

	if (parse_address(&at, w[0], w[1]))
		return;
	fd = socket(at.any.sa_family, SOCK_DGRAM, at.any.sa_family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (!told(fd))
		return;
	told(bind(fd, &at.any, at.length));
	close(fd);
}

static void act_listen(char **w)
{
	bind_here(w, SOCK_STREAM, 4);
}

/* Without a bind the kernel picks a port on all interfaces. */
static void act_listen_unbound(char **w)
{
	int fd = socket(number_of(w[0]), SOCK_STREAM, 0);

	if (!told(fd))
		return;
	told(listen(fd, 4));
	close(fd);
}

static void act_socket(char **w)
{
	told_descriptor(socket(number_of(w[0]), number_of(w[1]), w[2] ? number_of(w[2]) : 0));
}

static void act_socketpair(char **w)
{
	int pair[2];

	(void)w;
	if (!told(socketpair(AF_UNIX, SOCK_STREAM, 0, pair)))
		return;
	told(write(pair[0], "x", 1));
	close(pair[0]);
	close(pair[1]);
}

/* An echo request, which only ping sockets may send without being raw. */
static void act_ping(char **w)
{
	struct address to;
	char echo[8] = { 8, 0 };

	if (parse_address(&to, w[0], "0"))
		return;
	if (to.any.sa_family == AF_INET6)
		echo[0] = (char)128;
	send_datagram(&to, to.any.sa_family, SOCK_DGRAM, to.any.sa_family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6, echo,
		      sizeof(echo));
}

static void act_packet_send(char **w)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = 1, .sll_protocol = htons(0x0800), .sll_halen = 6 };
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(0x0800));

	(void)w;
	if (!told(fd))
		return;
	told(sendto(fd, "xxxxxxxxxxxxxxxxxxxx", 20, 0, (struct sockaddr *)&to, sizeof(to)));
	close(fd);
}

static void unix_connect(const char *name, int type)
{
	struct address to;

	unix_address(&to, name);
	told_descriptor(connect_to(&to, AF_UNIX, type, 0));
}

static void act_unix_connect(char **w)
{
	unix_connect(w[0], SOCK_STREAM);
}

static void act_unix_seqpacket(char **w)
{
	unix_connect(w[0], SOCK_SEQPACKET);
}

static void act_unix_dgram_connect(char **w)
{
	unix_connect(w[0], SOCK_DGRAM);
}

static void act_unix_dgram_send(char **w)
{
	struct address to;

	unix_address(&to, w[0]);
	send_datagram(&to, AF_UNIX, SOCK_DGRAM, 0, "x", 1);
}

/* Binds a socket of its own and connects to it. */
static void act_unix_own(char **w)
{
	struct address at;
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = -1;

	unix_address(&at, w[0]);
	if (told(bind(server, &at.any, at.length)) && told(listen(server, 1))) {
		client = connect_to(&at, AF_UNIX, SOCK_STREAM, 0);
		told(client);
	}
	if (client >= 0)
		close(client);
	close(server);
}

/* connect() while another thread rewrites the address: the address judged is the address used. */
struct race {
	struct address *shown;
	in_addr_t one, other;
	atomic_int stop;
};

static void *flip_address(void *argument)
{
	struct race *race = argument;

	while (!race->stop) {
		race->shown->v4.sin_addr.s_addr = race->other;
		race->shown->v4.sin_addr.s_addr = race->one;
	}
	return 0;
}

/* `act connect-race ALLOWED DENIED PORT ROUNDS`: how many were let through and how many denied. */
static void act_connect_race(char **w)
{
	struct address to;
	struct race race = { .shown = &to };
	int rounds = atoi(w[3]), passed = 0, denied = 0;
	pthread_t thread;

	if (parse_address(&to, w[0], w[2]))
		return;
	race.one = to.v4.sin_addr.s_addr;
	race.other = inet_addr(w[1]);
	pthread_create(&thread, 0, flip_address, &race);
	for (int i = 0; i < rounds; i++) {
		int fd = connect_to(&to, AF_INET, SOCK_STREAM, 0);

		passed += fd >= 0;
		denied += fd < 0 && errno == EPERM;
		if (fd >= 0)
			close(fd);
	}
	race.stop = 1;
	pthread_join(thread, 0);
	say("ok %d %d", passed, denied);
}

/* ---- passed descriptors ---- */

static int held = -1;

/* `act receive NAME`: connects to a unix socket, whose server sends one descriptor, and keeps it. */
static void act_receive(char **w)
{
	struct address to;
	char room[CMSG_SPACE(sizeof(int))] = "", byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *head;
	int fd;

	unix_address(&to, w[0]);
	fd = connect_to(&to, AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0) {
		say("connect %s", strerrorname_np(errno));
		return;
	}
	if (!told(recvmsg(fd, &message, 0))) {
		close(fd);
		return;
	}
	close(fd);
	head = CMSG_FIRSTHDR(&message);
	if (held >= 0)
		close(held);
	held = -1;
	if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&held, CMSG_DATA(head), sizeof(int));
	if (held >= 0)
		say("ok descriptor");
	else
		say("no descriptor%s", message.msg_flags & MSG_CTRUNC ? " truncated" : "");
}

static void act_hold_opath(char **w)
{
	if (held >= 0)
		close(held);
	held = open(w[0], O_PATH);
	told(held);
}

static void act_held_read(char **w)
{
	char byte;

	(void)w;
	told(read(held, &byte, 1));
}

static void act_held_send(char **w)
{
	(void)w;
	told(send(held, "x", 1, MSG_NOSIGNAL));
}

static void act_held_ftruncate(char **w)
{
	(void)w;
	told(ftruncate(held, 0));
}

static void act_held_sendfile_to(char **w)
{
	struct address to;
	int fd;

	if (parse_address(&to, w[0], w[1]))
		return;
	fd = connect_to(&to, to.any.sa_family, SOCK_STREAM, 0);
	if (!told(fd))
		return;
	told(sendfile(fd, held, 0, 16));
	close(fd);
}

/* `act sendfile PATH HOST PORT` and splice: opens, connects, moves. */
static void act_sendfile(char **w)
{
	struct address to;
	int file = open(w[0], O_RDONLY), fd;

	if (!told(file) || parse_address(&to, w[1], w[2]))
		return;
	fd = connect_to(&to, to.any.sa_family, SOCK_STREAM, 0);
	if (told(fd) && told(sendfile(fd, file, 0, 16)))
		say("ok");
	close(file);
	if (fd >= 0)
		close(fd);
}

static void act_splice(char **w)
{
	struct address to;
	int file = open(w[0], O_RDONLY), fd, ends[2];

	if (!told(file) || parse_address(&to, w[1], w[2]))
		return;
	fd = connect_to(&to, to.any.sa_family, SOCK_STREAM, 0);
	if (told(fd) && told(pipe(ends))) {
		if (told(splice(file, 0, ends[1], 0, 16, 0)))
			told(splice(ends[0], 0, fd, 0, 16, 0));
		close(ends[0]);
		close(ends[1]);
	}
	close(file);
	if (fd >= 0)
		close(fd);
}

/* ---- io_uring, by raw system calls ---- */

struct ring {
	int fd;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
	struct io_uring_params parameters;
};

static int ring_open(struct ring *ring)
{
	struct io_uring_params *p = &ring->parameters;

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(SYS_io_uring_setup, 4, p);
	if (ring->fd < 0)
		return -1;
	ring->sq = mmap(0, p->sq_off.array + p->sq_entries * sizeof(uint32_t), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
	ring->cq = mmap(0, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_CQ_RING);
	ring->sqes = mmap(0, p->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			  ring->fd, IORING_OFF_SQES);
	return ring->sq == MAP_FAILED || ring->cq == MAP_FAILED || ring->sqes == MAP_FAILED ? -1 : 0;
}

/* Submits one entry and waits for its result: -errno or what it gave. */
static int ring_do(struct ring *ring, const struct io_uring_sqe *entry)
{
	struct io_uring_params *p = &ring->parameters;
	uint32_t *tail = (uint32_t *)(ring->sq + p->sq_off.tail), *array = (uint32_t *)(ring->sq + p->sq_off.array);
	uint32_t *head = (uint32_t *)(ring->cq + p->cq_off.head);
	uint32_t at = *tail & *(uint32_t *)(ring->sq + p->sq_off.ring_mask);
	struct io_uring_cqe *done;
	int result;

	ring->sqes[at] = *entry;
	array[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) < 0)
		return -errno;
	done = (struct io_uring_cqe *)(ring->cq + p->cq_off.cqes) + (*head & *(uint32_t *)(ring->cq + p->cq_off.ring_mask));
	result = done->res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

static void ring_one(struct io_uring_sqe *entry, const char *how)
{
	struct ring ring;
	int result;

	if (ring_open(&ring)) {
		say("setup %s", strerrorname_np(errno));
		return;
	}
	if (how && !strcmp(how, "async"))
		entry->flags |= IOSQE_ASYNC;
	result = ring_do(&ring, entry);
	if (result < 0)
		fail(-result);
	else
		say("ok");
	if (result > 2 && (entry->opcode == IORING_OP_OPENAT || entry->opcode == IORING_OP_SOCKET))
		close(result);
	close(ring.fd);
}

static void act_uring_openat(char **w)
{
	struct io_uring_sqe entry = {
		.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)w[0], .open_flags = O_RDONLY,
	};

	ring_one(&entry, w[1]);
}

static void act_uring_unlinkat(char **w)
{
	struct io_uring_sqe entry = { .opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = (uintptr_t)w[0] };

	ring_one(&entry, w[1]);
}

static void act_uring_connect(char **w)
{
	struct address to;
	struct io_uring_sqe entry = { .opcode = IORING_OP_CONNECT };
	int fd;

	if (parse_address(&to, w[0], w[1]))
		return;
	fd = socket(to.any.sa_family, SOCK_STREAM, 0);
	entry.fd = fd;
	entry.addr = (uintptr_t)&to.any;
	entry.off = to.length;
	ring_one(&entry, w[2]);
	close(fd);
}

static void act_uring_sendmsg(char **w)
{
	struct address to;
	struct iovec part = { "x", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct io_uring_sqe entry = { .opcode = IORING_OP_SENDMSG, .addr = (uintptr_t)&message, .len = 1 };
	int fd;

	if (parse_address(&to, w[0], w[1]))
		return;
	message.msg_name = &to.any;
	message.msg_namelen = to.length;
	fd = socket(to.any.sa_family, SOCK_DGRAM, 0);
	entry.fd = fd;
	ring_one(&entry, w[2]);
	close(fd);
}

/* ---- programs ---- */

extern char **environ;

struct launch {
	char **argv;
	const char *path;
	int descriptor; /* execveat on this, if >= 0 */
	int flags;
};

/* Runs in a child; says `ok STATUS FIRST-LINE`, or the errno of execve. */
static void launch(const struct launch *what)
{
	volatile int *error = (volatile int *)(answer + ANSWER);
	char output[256] = "";
	int ends[2], none[2], status = 0;
	ssize_t got, length = 0;
	pid_t child;

	if (pipe(ends) || pipe(none)) {
		say("setup %s", strerrorname_np(errno));
		return;
	}
	*error = 0;
	child = fork();
	if (child < 0) {
		fail(errno);
	} else if (child == 0) {
		dup2(none[0], 0);
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		close(none[1]);
		if (what->descriptor >= 0)
			syscall(SYS_execveat, what->descriptor, "", what->argv, environ, AT_EMPTY_PATH | what->flags);
		else
			execve(what->path, what->argv, environ);
		*error = errno;
		_exit(126);
	}
	close(ends[1]);
	close(none[0]);
	close(none[1]);
	if (child > 0) {
		while ((got = read(ends[0], output + length, sizeof(output) - 1 - length)) > 0)
			length += got;
		waitpid(child, &status, 0);
		output[strcspn(output, "\n")] = 0;
		if (*error)
			fail(*error);
		else if (WIFSIGNALED(status))
			say("ok signal%d %s", WTERMSIG(status), output);
		else
			say("ok %d %s", WEXITSTATUS(status), output);
	}
	close(ends[0]);
}

/* `act exec PATH ARGV1...`: argv[0] is the path. */
static void act_exec(char **w)
{
	launch(&(struct launch){ .argv = w, .path = w[0], .descriptor = -1 });
}

/* `act exec-as PATH ARGV0 ARGV1...` */
static void act_exec_as(char **w)
{
	launch(&(struct launch){ .argv = w + 1, .path = w[0], .descriptor = -1 });
}

/* `act exec-in DIRECTORY RELATIVE ARGV1...` */
static void act_exec_in(char **w)
{
	int before = open(".", O_PATH);

	if (told(chdir(w[0])))
		launch(&(struct launch){ .argv = w + 1, .path = w[1], .descriptor = -1 });
	if (fchdir(before))
		say("chdir %s", strerrorname_np(errno));
	close(before);
}

static void act_execveat_descriptor(char **w)
{
	int fd = open(w[0], O_PATH);

	if (!told(fd))
		return;
	launch(&(struct launch){ .argv = w, .descriptor = fd });
	close(fd);
}

/* As glibc's fexecve on old kernels: through /proc/self/fd. */
static void act_exec_proc_fd(char **w)
{
	char text[64];
	int fd = open(w[0], O_PATH);

	if (!told(fd))
		return;
	snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
	launch(&(struct launch){ .argv = w, .path = text, .descriptor = -1 });
	close(fd);
}

static void act_exec_held(char **w)
{
	launch(&(struct launch){ .argv = w, .descriptor = held });
}

/* Copies the program at /proc/self/exe, ourselves, to memory and runs that. */
static void act_memfd_exec(char **w)
{
	int from = open("/proc/self/exe", O_RDONLY), fd = memfd_create(w[0], 0);
	char bytes[65536];
	ssize_t got;

	if (from < 0) {
		say("self %s", strerrorname_np(errno));
		close(fd);
		return;
	}
	while ((got = read(from, bytes, sizeof(bytes))) > 0)
		if (write(fd, bytes, got) != got)
			break;
	close(from);
	launch(&(struct launch){ .argv = w, .descriptor = fd });
	close(fd);
}

/* A tiny program that exits with 0, for where reading our own file may be denied. */
static const unsigned char tiny_program[] = {
#include "tiny.inc"
};

static void act_memfd_tiny(char **w)
{
	int fd = memfd_create(w[0], 0);

	if (write(fd, tiny_program, sizeof(tiny_program)) != (ssize_t)sizeof(tiny_program))
		say("setup %s", strerrorname_np(errno));
	else
		launch(&(struct launch){ .argv = w, .descriptor = fd });
	close(fd);
}

/* Removes the program after opening it, then runs it by the descriptor. */
static void act_deleted_exec(char **w)
{
	int fd = open(w[0], O_PATH);

	if (!told(fd))
		return;
	if (told(unlink(w[0])))
		launch(&(struct launch){ .argv = w, .descriptor = fd });
	close(fd);
}

static void act_proc_self_exe(char **w)
{
	static char self[] = "/proc/self/exe";
	char *argv[] = { self, "getpid", 0 };

	(void)w;
	launch(&(struct launch){ .argv = argv, .path = self, .descriptor = -1 });
}

static void act_proc_self_root_exec(char **w)
{
	char text[4200];

	snprintf(text, sizeof(text), "/proc/self/root%s", w[0]);
	launch(&(struct launch){ .argv = w, .path = text, .descriptor = -1 });
}

/* ---- isolation, other processes, the kernel ---- */

static void act_mount_bind(char **w)
{
	if (told(mount(w[0], w[1], 0, MS_BIND, 0)))
		umount2(w[1], MNT_DETACH);
}

static void act_mount_tmpfs(char **w)
{
	if (told(mount("none", w[0], "tmpfs", 0, 0)))
		umount2(w[0], MNT_DETACH);
}

static void act_umount(char **w)
{
	told(umount2(w[0], MNT_DETACH));
}

static void act_pivot_root(char **w)
{
	told(syscall(SYS_pivot_root, w[0], w[0]));
}

/* A detached copy of a tree, and a file in it by its name there. */
static void act_open_tree_clone(char **w)
{
	int tree = syscall(428, AT_FDCWD, w[0], 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);

	if (tree < 0) {
		say("tree %s", strerrorname_np(errno));
		return;
	}
	told_descriptor(openat(tree, w[1], O_RDONLY));
	close(tree);
}

static void act_move_mount(char **w)
{
	int tree = syscall(428, AT_FDCWD, w[0], 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);

	if (tree < 0) {
		say("tree %s", strerrorname_np(errno));
		return;
	}
	if (told(syscall(429, tree, "", AT_FDCWD, w[1], 4 /* MOVE_MOUNT_F_EMPTY_PATH */)))
		umount2(w[1], MNT_DETACH);
	close(tree);
}

static void act_kill(char **w)
{
	told(kill(atoi(w[0]), atoi(w[1])));
}

static void act_pidfd_signal(char **w)
{
	int fd = syscall(SYS_pidfd_open, atoi(w[0]), 0);

	if (!told(fd))
		return;
	told(syscall(SYS_pidfd_send_signal, fd, atoi(w[1]), 0, 0));
	close(fd);
}

static void act_pidfd_getfd(char **w)
{
	int fd = syscall(SYS_pidfd_open, atoi(w[0]), 0);

	if (!told(fd))
		return;
	told_descriptor(syscall(SYS_pidfd_getfd, fd, atoi(w[1]), 0));
	close(fd);
}

static void act_ptrace_attach(char **w)
{
	pid_t pid = atoi(w[0]);

	if (told(ptrace(PTRACE_SEIZE, pid, 0, 0)))
		ptrace(PTRACE_DETACH, pid, 0, 0);
}

static void act_process_vm_readv(char **w)
{
	char bytes[8];
	struct iovec local = { bytes, sizeof(bytes) }, remote = { (void *)strtoull(w[1], 0, 0), sizeof(bytes) };

	told(process_vm_readv(atoi(w[0]), &local, 1, &remote, 1, 0));
}

static void act_proc_mem(char **w)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/mem", w[0]);
	told_descriptor(open(path, O_RDWR));
}

/* A child of ours, left waiting, and what we may do to it. */
static void act_own_child(char **w)
{
	int ends[2];
	pid_t child;

	if (pipe(ends)) {
		fail(errno);
		return;
	}
	child = fork();
	if (child == 0) {
		char byte;

		close(ends[1]);
		_exit(read(ends[0], &byte, 1) < 0);
	}
	close(ends[0]);
	if (!strcmp(w[0], "kill"))
		told(kill(child, SIGTERM));
	else
		told(ptrace(PTRACE_SEIZE, child, 0, 0));
	close(ends[1]);
	if (!strcmp(w[0], "ptrace"))
		kill(child, SIGKILL);
	waitpid(child, 0, 0);
}

/* `act type PATH`: into the terminal, or what else lies there. */
static void act_type(char **w)
{
	char byte = ' ';
	int fd = open(w[0], O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (!told(fd))
		return;
	told(ioctl(fd, TIOCSTI, &byte));
	close(fd);
}

static void act_bpf(char **w)
{
	struct { uint32_t type, key_size, value_size, entries, flags; char rest[100]; } map = { 2, 4, 4, 1, 0, "" };
	struct { uint32_t type, count; uint64_t code, license; char rest[100]; } program = { 1, 2, 0, 0, "" };
	static const uint64_t code[] = { 0xb7, 0x95 };
	static const char license[] = "GPL";

	if (!strcmp(w[0], "map")) {
		told_descriptor(syscall(SYS_bpf, 0, &map, sizeof(map)));
		return;
	}
	program.code = (uintptr_t)code;
	program.license = (uintptr_t)license;
	told_descriptor(syscall(SYS_bpf, 5, &program, sizeof(program)));
}

static void act_prctl_name(char **w)
{
	told(prctl(PR_SET_NAME, w[0]));
}

static void act_getpid(char **w)
{
	(void)w;
	say("ok %d", getpid());
}

static void act_setuid(char **w)
{
	told(setresuid(atoi(w[0]), atoi(w[0]), atoi(w[0])));
}

static void act_sleep(char **w)
{
	usleep(atoi(w[0]) * 1000);
	say("ok");
}

/* ---- elsewhere: the words after the first are an action ---- */

static int count_words(char **w)
{
	int count = 0;

	while (w[count])
		count++;
	return count;
}

static void in_fork(char **w, int (*prepare)(char *), char *argument)
{
	pid_t child = fork();
	int status;

	if (child < 0) {
		say("fork %s", strerrorname_np(errno));
		return;
	}
	if (child == 0) {
		if (prepare && prepare(argument))
			say("setup %s", strerrorname_np(errno));
		else
			run_action(count_words(w), w);
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		say("signal %d", WTERMSIG(status));
}

static void act_fork(char **w)
{
	in_fork(w, 0, 0);
}

/* The child may touch our memory and answers through it. */
static void act_vfork(char **w)
{
	pid_t child = vfork();

	if (child == 0) {
		run_action(count_words(w), w);
		_exit(0);
	}
	if (child < 0)
		say("fork %s", strerrorname_np(errno));
	else
		waitpid(child, 0, 0);
}

/* Orphaned, in a session of its own, adopted by somebody else. */
static void act_double_fork(char **w)
{
	int ends[2];
	char byte;
	pid_t child;

	if (pipe(ends)) {
		fail(errno);
		return;
	}
	say("no answer");
	child = fork();
	if (child == 0) {
		setsid();
		child = fork();
		if (child)
			_exit(0);
		close(ends[0]);
		/* Until the one in between has ended. */
		for (int i = 0; i < 1000 && getppid() != 1; i++)
			usleep(1000);
		run_action(count_words(w), w);
		_exit(0);
	}
	close(ends[1]);
	waitpid(child, 0, 0);
	/* Ends with the last holder of the other end. */
	if (read(ends[0], &byte, 1) < 0)
		fail(errno);
	close(ends[0]);
}

static int do_unshare(char *which)
{
	int flag = number_of(which);

	if (unshare(flag))
		return -1;
	if (flag == CLONE_NEWPID) {
		pid_t child = fork();

		if (child > 0) {
			waitpid(child, 0, 0);
			_exit(0);
		}
		return child < 0 ? -1 : 0;
	}
	return 0;
}

/* `act unshare WHAT ACTION...` */
static void act_unshare(char **w)
{
	in_fork(w + 1, do_unshare, w[0]);
}

/* By clone() instead of unshare(). */
static void act_clone_new(char **w)
{
	pid_t child = syscall(SYS_clone, number_of(w[0]) | SIGCHLD, 0, 0, 0, 0);

	if (child < 0) {
		say("clone %s", strerrorname_np(errno));
		return;
	}
	if (child == 0) {
		run_action(count_words(w + 1), w + 1);
		_exit(0);
	}
	waitpid(child, 0, 0);
}

static int do_cgroup(char *directory)
{
	char path[4200];
	int fd, failed;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	fd = open(path, O_WRONLY);
	failed = fd < 0 || write(fd, "0", 1) != 1;
	if (fd >= 0)
		close(fd);
	return failed;
}

/* `act cgroup DIRECTORY ACTION...` */
static void act_cgroup(char **w)
{
	in_fork(w + 1, do_cgroup, w[0]);
}

/* clone3(CLONE_INTO_CGROUP): the child is born there. */
static void act_clone_into_cgroup(char **w)
{
	uint64_t arguments[11] = { [0] = 0x200000000ULL, [4] = SIGCHLD };
	int fd = open(w[0], O_RDONLY | O_DIRECTORY);
	pid_t child;

	if (!told(fd))
		return;
	arguments[10] = fd;
	child = syscall(SYS_clone3, arguments, sizeof(arguments));
	if (child < 0) {
		say("clone %s", strerrorname_np(errno));
	} else if (child == 0) {
		run_action(count_words(w + 1), w + 1);
		_exit(0);
	} else {
		waitpid(child, 0, 0);
	}
	close(fd);
}

static int do_chroot(char *directory)
{
	return chroot(directory) || chdir("/");
}

static void act_chroot(char **w)
{
	in_fork(w + 1, do_chroot, w[0]);
}

static int do_setuid(char *user)
{
	return setresuid(atoi(user), atoi(user), atoi(user));
}

static void act_as_user(char **w)
{
	in_fork(w + 1, do_setuid, w[0]);
}

static int do_run_on(char *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(atoi(cpu), &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static void act_on_cpu(char **w)
{
	in_fork(w + 1, do_run_on, w[0]);
}

static void *thread_main(void *argument)
{
	char **w = argument;

	run_action(count_words(w), w);
	return 0;
}

static void act_thread(char **w)
{
	pthread_t thread;
	int error = pthread_create(&thread, 0, thread_main, w);

	if (error)
		fail(error);
	else
		pthread_join(thread, 0);
}

/* A child and a thread made now and used later, when a policy may have come to govern them. */
static int to_child[2] = { -1, -1 }, from_child[2] = { -1, -1 };
static int to_thread[2] = { -1, -1 }, from_thread[2] = { -1, -1 };

static void serve(int in, int out);

static void act_prefork(char **w)
{
	pid_t child;

	(void)w;
	if (pipe(to_child) || pipe(from_child)) {
		fail(errno);
		return;
	}
	child = fork();
	if (child == 0) {
		close(to_child[1]);
		close(from_child[0]);
		serve(to_child[0], from_child[1]);
		_exit(0);
	}
	close(to_child[0]);
	close(from_child[1]);
	if (told(child))
		say("ok %d", child);
}

static void *waiting_thread(void *argument)
{
	(void)argument;
	serve(to_thread[0], from_thread[1]);
	return 0;
}

static void act_prethread(char **w)
{
	pthread_t thread;
	int error;

	(void)w;
	if (pipe(to_thread) || pipe(from_thread)) {
		fail(errno);
		return;
	}
	error = pthread_create(&thread, 0, waiting_thread, 0);
	if (error)
		fail(error);
	else
		say("ok");
}

/* Passes the rest of the line on as it was written. */
static const char *current_line;

static void relay(int to, int from)
{
	const char *rest = strchr(current_line, ' ');
	char byte[1];
	size_t length = 0;

	if (to < 0 || !rest || dprintf(to, "%s\n", rest + 1) < 0) {
		say("usage: nobody waits");
		return;
	}
	while (length < ANSWER - 1 && read(from, byte, 1) == 1 && byte[0] != '\n')
		answer[length++] = byte[0];
	answer[length] = 0;
}

static void act_child(char **w)
{
	(void)w;
	relay(to_child[1], from_child[0]);
}

static void act_in_thread(char **w)
{
	(void)w;
	relay(to_thread[1], from_thread[0]);
}

/* `act fork-many COUNT PATH`: children and threads that may not open PATH; how many could not and how many could. */
static void *open_for_count(void *argument)
{
	int fd = open(argument, O_RDONLY);

	if (fd >= 0)
		close(fd);
	return (void *)(intptr_t)(fd < 0 && errno == EPERM);
}

static void act_fork_many(char **w)
{
	int count = atoi(w[0]), denied = 0, passed = 0;

	for (int i = 0; i < count; i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			pid_t grandchild;
			pthread_t thread;
			void *in_thread = 0;
			int below;

			if (!open_for_count(w[1]))
				_exit(1);
			pthread_create(&thread, 0, open_for_count, w[1]);
			pthread_join(thread, &in_thread);
			grandchild = fork();
			if (grandchild == 0)
				_exit(open_for_count(w[1]) ? 0 : 1);
			waitpid(grandchild, &below, 0);
			_exit(in_thread && below == 0 ? 0 : 1);
		}
		waitpid(child, &status, 0);
		if (status == 0)
			denied++;
		else
			passed++;
	}
	say("ok %d %d", denied, passed);
}

/* ---- the table ---- */

static const struct action {
	const char *name;
	void (*run)(char **words);
	int least; /* words after the name */
} actions[] = {
	{ "open-read", act_open_read, 1 }, { "read", act_read, 1 }, { "open-write", act_open_write, 1 },
	{ "open-changed", act_open_changed, 2 }, { "open-by-threads", act_open_by_threads, 2 },
	{ "open-both", act_open_both, 1 }, { "openat2", act_openat2, 1 }, { "creat", act_creat, 1 },
	{ "create", act_create, 1 }, { "o-tmpfile", act_o_tmpfile, 1 }, { "o-trunc", act_o_trunc, 1 },
	{ "append", act_append, 1 }, { "unlink", act_unlink, 1 }, { "rename", act_rename, 2 },
	{ "rename-exchange", act_rename_exchange, 2 }, { "rename-noreplace", act_rename_noreplace, 2 },
	{ "link", act_link, 2 }, { "link-descriptor", act_link_descriptor, 2 }, { "symlink", act_symlink, 2 },
	{ "truncate", act_truncate, 1 }, { "ftruncate", act_ftruncate, 1 }, { "mkdir", act_mkdir, 1 },
	{ "rmdir", act_rmdir, 1 }, { "mknod", act_mknod, 1 }, { "chmod", act_chmod, 1 }, { "fchmod", act_fchmod, 1 },
	{ "chown", act_chown, 1 }, { "stat", act_stat, 1 }, { "opath-only", act_opath_only, 1 },
	{ "opath-reopen", act_opath_reopen, 1 }, { "open-by-handle", act_open_by_handle, 2 },
	{ "read-via-proc-root", act_read_via_proc_root, 1 }, { "read-relative", act_read_relative, 2 },
	{ "mmap-shared-write", act_mmap_shared_write, 1 }, { "mmap-make-writable", act_mmap_make_writable, 1 },
	{ "mmap-exec", act_mmap_exec, 1 }, { "mmap-anonymous-exec", act_mmap_anonymous_exec, 0 }, { "mprotect-exec", act_mprotect_exec, 1 }, { "open-many", act_open_many, 3 },
	{ "flood", act_flood, 4 }, { "inline-open", act_inline_open, 1 }, { "inline-connect", act_inline_connect, 2 },
	{ "connect", act_connect, 2 }, { "connect-mapped", act_connect_mapped, 2 },
	{ "connect-nonblock", act_connect_nonblock, 2 }, { "connect-mapped-nonblock", act_connect_mapped_nonblock, 2 },
	{ "mptcp-connect", act_mptcp_connect, 2 }, { "connect-udp", act_connect_udp, 2 }, { "ask", act_ask, 3 },
	{ "connect-ping", act_connect_ping, 2 }, { "tfo", act_tfo, 2 }, { "sendto-udp", act_sendto_udp, 2 },
	{ "sendto-udplite", act_sendto_udplite, 2 }, { "sendto-unspec", act_sendto_unspec, 2 },
	{ "sendto-mapped", act_sendto_mapped, 2 }, { "sendto-v4-on-v6", act_sendto_v4_on_v6, 2 },
	{ "connect-v4-on-v6", act_connect_v4_on_v6, 2 }, { "sendmsg-udp", act_sendmsg_udp, 2 },
	{ "sendmmsg-udp", act_sendmmsg_udp, 2 }, { "connect-unspec-reconnect", act_connect_unspec_reconnect, 4 },
	{ "connected-sendto", act_connected_sendto, 4 }, { "bind", act_bind, 2 }, { "bind-udp", act_bind_udp, 2 },
	{ "bind-ping", act_bind_ping, 2 }, { "listen", act_listen, 2 }, { "listen-unbound", act_listen_unbound, 1 },
	{ "socket", act_socket, 2 }, { "socketpair", act_socketpair, 0 }, { "ping", act_ping, 1 },
	{ "packet-send", act_packet_send, 0 }, { "unix-connect", act_unix_connect, 1 },
	{ "unix-seqpacket", act_unix_seqpacket, 1 }, { "unix-dgram-connect", act_unix_dgram_connect, 1 },
	{ "unix-dgram-send", act_unix_dgram_send, 1 }, { "unix-own", act_unix_own, 1 },
	{ "connect-race", act_connect_race, 4 }, { "receive", act_receive, 1 }, { "hold-opath", act_hold_opath, 1 },
	{ "held-read", act_held_read, 0 }, { "held-send", act_held_send, 0 }, { "held-ftruncate", act_held_ftruncate, 0 },
	{ "held-sendfile-to", act_held_sendfile_to, 2 }, { "sendfile", act_sendfile, 3 }, { "splice", act_splice, 3 },
	{ "uring-openat", act_uring_openat, 1 }, { "uring-unlinkat", act_uring_unlinkat, 1 },
	{ "uring-connect", act_uring_connect, 2 }, { "uring-sendmsg", act_uring_sendmsg, 2 },
	{ "exec", act_exec, 1 }, { "exec-as", act_exec_as, 2 }, { "exec-in", act_exec_in, 2 },
	{ "execveat-descriptor", act_execveat_descriptor, 1 }, { "exec-proc-fd", act_exec_proc_fd, 1 },
	{ "exec-held", act_exec_held, 1 }, { "memfd-exec", act_memfd_exec, 1 }, { "memfd-tiny", act_memfd_tiny, 1 },
	{ "deleted-exec", act_deleted_exec, 1 }, { "proc-self-exe", act_proc_self_exe, 0 },
	{ "proc-self-root-exec", act_proc_self_root_exec, 1 },
	{ "mount-bind", act_mount_bind, 2 }, { "mount-tmpfs", act_mount_tmpfs, 1 }, { "umount", act_umount, 1 },
	{ "pivot-root", act_pivot_root, 1 }, { "open-tree-clone", act_open_tree_clone, 2 },
	{ "move-mount", act_move_mount, 2 }, { "kill", act_kill, 2 }, { "pidfd-signal", act_pidfd_signal, 2 },
	{ "pidfd-getfd", act_pidfd_getfd, 2 }, { "ptrace-attach", act_ptrace_attach, 1 },
	{ "process-vm-readv", act_process_vm_readv, 2 }, { "proc-mem", act_proc_mem, 1 },
	{ "own-child", act_own_child, 1 }, { "bpf", act_bpf, 1 }, { "type", act_type, 1 }, { "prctl-name", act_prctl_name, 1 },
	{ "getpid", act_getpid, 0 }, { "setuid", act_setuid, 1 }, { "sleep", act_sleep, 1 },
	{ "fork", act_fork, 1 }, { "vfork", act_vfork, 1 }, { "double-fork", act_double_fork, 1 },
	{ "unshare", act_unshare, 2 }, { "clone-new", act_clone_new, 2 }, { "cgroup", act_cgroup, 2 },
	{ "clone-into-cgroup", act_clone_into_cgroup, 2 }, { "chroot", act_chroot, 2 }, { "as-user", act_as_user, 2 },
	{ "on-cpu", act_on_cpu, 2 },
	{ "thread", act_thread, 1 }, { "prefork", act_prefork, 0 }, { "prethread", act_prethread, 0 },
	{ "child", act_child, 1 }, { "in-thread", act_in_thread, 1 }, { "fork-many", act_fork_many, 2 },
};

static void run_action(int count, char **words)
{
	for (size_t i = 0; count > 0 && i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, words[0]))
			continue;
		if (count - 1 < actions[i].least)
			break;
		say("no answer");
		actions[i].run(words + 1);
		return;
	}
	say("usage: %s", count > 0 ? words[0] : "");
}

/* Undoes %XX and %- in place. */
static void decode(char *word)
{
	char *to = word;

	if (!strcmp(word, "%-")) {
		*word = 0;
		return;
	}
	for (char *from = word; *from; from++) {
		unsigned int byte;

		if (*from == '%' && sscanf(from + 1, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = 0;
}

/* An answer for every line, until there are no more. */
static void serve(int in, int out)
{
	FILE *lines = fdopen(in, "r");
	char *line = 0;
	size_t room = 0;
	ssize_t length;

	while ((length = getline(&line, &room, lines)) > 0) {
		char *words[WORDS + 1], *copy, *rest;
		int count = 0;

		if (line[length - 1] == '\n')
			line[length - 1] = 0;
		copy = strdup(line);
		rest = copy;
		for (char *word; count < WORDS && (word = strtok_r(rest, " ", &rest));)
			words[count++] = word;
		words[count] = 0;
		current_line = line;
		/* What is passed on is decoded by whom it is passed to. */
		if (count && strcmp(words[0], "child") && strcmp(words[0], "in-thread"))
			for (int i = 0; i < count; i++)
				decode(words[i]);
		run_action(count, words);
		answer[strcspn(answer, "\n")] = 0;
		if (dprintf(out, "%s\n", answer) < 0)
			_exit(3);
		free(copy);
	}
}

#include "flows.h"

int main(int argc, char **argv)
{
	if (argc > 1 && !strncmp(argv[1], "flow", 4)) {
		answer = (char[ANSWER]){ 0 };
		signal(SIGPIPE, SIG_IGN);
		return flow_main(argc - 1, argv + 1);
	}
	answer = mmap(0, ANSWER + 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (answer == MAP_FAILED)
		return 3;
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		fprintf(stderr, "usage: act ACTION ARGS...; act batch\n");
		return 2;
	}
	if (!strcmp(argv[1], "batch")) {
		serve(0, 1);
		return 0;
	}
	run_action(argc - 1, argv + 1);
	printf("%s\n", answer);
	return strncmp(answer, "usage", 5) ? 0 : 2;
}
