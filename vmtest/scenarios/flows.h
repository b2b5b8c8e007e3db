/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How something read becomes known to another process: `act flow NAME FILE HOST PORT [WHERE]`. In a tree of processes of
 * its own somebody reads FILE and passes a byte on in the way of the name; the last to have it connects. The answer is
 * two words: what came of that connection, and of one made by this process, which has nothing of it. Nothing is shared
 * with this process but exit statuses, which are not followed.
 */
static struct address flow_to;
static const char *flow_file, *flow_where;

/* How processes of a flow end: the error, 0 if it was none, 200 for what should not happen. */
static int flow_connect(void)
{
	int fd = connect_to(&flow_to, flow_to.any.sa_family, SOCK_STREAM, 0);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static void flow_must(long result)
{
	if (result < 0)
		_exit(200);
}

static int flow_open(void)
{
	int fd = open(flow_file, O_RDONLY);

	flow_must(fd);
	return fd;
}

static void flow_get(void)
{
	char byte;
	int fd = flow_open();

	flow_must(read(fd, &byte, 1));
	close(fd);
}

static int flow_wait(pid_t child)
{
	int status;

	flow_must(waitpid(child, &status, __WALL));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 201;
}

static void flow_pause(void)
{
	usleep(200 * 1000);
}

/* ---- within a process ---- */

static int flow_self(void)
{
	flow_get();
	return flow_connect();
}

static int flow_fork(void)
{
	pid_t child;

	flow_get();
	child = fork();
	if (!child)
		_exit(flow_connect());
	return flow_wait(child);
}

/* A child made before is not concerned. */
static int flow_child_before(void)
{
	pid_t child = fork();

	if (!child) {
		flow_pause();
		_exit(flow_connect());
	}
	flow_get();
	return flow_wait(child);
}

static char flow_port[8], flow_host[64];

static int flow_exec(void)
{
	flow_get();
	execl("/proc/self/exe", "act", "flow-connect", flow_host, flow_port, (char *)0);
	return 200;
}

static void *flow_getting_thread(void *unused)
{
	flow_get();
	return unused;
}

static int flow_thread(void)
{
	pthread_t thread;

	flow_must(-pthread_create(&thread, 0, flow_getting_thread, 0));
	pthread_join(thread, 0);
	return flow_connect();
}

static void *flow_execing_thread(void *unused)
{
	flow_exec();
	return unused;
}

static int flow_thread_exec(void)
{
	pthread_t thread;

	flow_must(-pthread_create(&thread, 0, flow_execing_thread, 0));
	pthread_join(thread, 0);
	return 200;
}

static char flow_stacks[3][65536] __attribute__((aligned(16)));

static pid_t flow_clone(int which, int (*main)(void *), int flags)
{
	pid_t child = clone(main, flow_stacks[which] + sizeof(flow_stacks[which]), flags | SIGCHLD, 0);

	flow_must(child);
	return child;
}

static int flow_getting_clone(void *unused)
{
	(void)unused;
	flow_get();
	return 0;
}

static int flow_connecting_clone(void *unused)
{
	(void)unused;
	flow_pause();
	return flow_connect();
}

static int flow_vfork(void)
{
	if (flow_wait(flow_clone(0, flow_getting_clone, CLONE_VM | CLONE_VFORK)))
		return 200;
	return flow_connect();
}

static int flow_clone_vm(void)
{
	pid_t child = flow_clone(0, flow_connecting_clone, CLONE_VM);

	flow_get();
	return flow_wait(child);
}

static int flow_clone_siblings(void)
{
	pid_t child = flow_clone(0, flow_connecting_clone, CLONE_VM);
	pid_t other = flow_clone(1, flow_getting_clone, CLONE_VM);

	if (flow_wait(other))
		return 200;
	return flow_wait(child);
}

static int flow_orphaned_clone(void *unused)
{
	int fd;

	(void)unused;
	while (getppid() == *(volatile pid_t *)flow_where)
		usleep(1000);
	fd = open(flow_file, O_RDONLY);
	return fd < 0 ? errno : 0;
}

/* Who shares memory with a process that is gone gets nothing that gives a label. */
static int flow_orphan(void)
{
	static pid_t middle;
	int status;
	pid_t child;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	child = fork();
	if (!child) {
		middle = getpid();
		flow_where = (char *)&middle;
		flow_clone(0, flow_orphaned_clone, CLONE_VM);
		_exit(0);
	}
	if (flow_wait(child) || wait4(-1, &status, __WALL, 0) < 0)
		return 200;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 201;
}

/* ---- sockets that were connected before ---- */

static int flow_connected(int how)
{
	int type = how == 'u' ? SOCK_DGRAM : SOCK_STREAM;
	int fd = connect_to(&flow_to, flow_to.any.sa_family, type, 0), file, ends[2];
	struct iovec part = { "x", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	long got = -1;

	flow_must(fd);
	flow_must(pipe(ends));
	flow_must(write(ends[1], "x", 1));
	file = flow_open();
	errno = 0;
	switch (how) {
	case 's': case 'u': got = send(fd, "x", 1, 0); break;
	case 'w': got = write(fd, "x", 1); break;
	case 'v': got = writev(fd, &part, 1); break;
	case 'm': got = sendmsg(fd, &message, 0); break;
	case 'f': got = sendfile(fd, file, 0, 1); break;
	case 'p': got = splice(ends[0], 0, fd, 0, 1, 0); break;
	}
	return got < 0 ? errno : 0;
}

static int flow_connected_send(void) { return flow_connected('s'); }
static int flow_connected_datagram(void) { return flow_connected('u'); }
static int flow_connected_write(void) { return flow_connected('w'); }
static int flow_connected_writev(void) { return flow_connected('v'); }
static int flow_connected_sendmsg(void) { return flow_connected('m'); }
static int flow_connected_sendfile(void) { return flow_connected('f'); }
static int flow_connected_splice(void) { return flow_connected('p'); }

/* To somebody else's unix socket, at WHERE. */
static int flow_unix_outside(void)
{
	struct address to;
	int fd;

	unix_address(&to, flow_where);
	fd = connect_to(&to, AF_UNIX, SOCK_STREAM, 0);
	flow_must(fd);
	flow_get();
	return send(fd, "x", 1, MSG_NOSIGNAL) < 0 ? errno : 0;
}

/* ---- files, at WHERE ---- */

static void flow_write_file(void)
{
	int fd = open(flow_where, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	flow_must(fd);
	flow_get();
	flow_must(write(fd, "x", 1));
	close(fd);
}

static int flow_read_from(int fd)
{
	char byte;

	flow_must(fd);
	flow_must(read(fd, &byte, 1));
	close(fd);
	return flow_connect();
}

/* Another process does this to its end. */
static void flow_other(void (*act)(void))
{
	pid_t child = fork();

	if (!child) {
		act();
		_exit(0);
	}
	if (flow_wait(child))
		_exit(202);
}

static int flow_file_written(void)
{
	flow_other(flow_write_file);
	return flow_read_from(open(flow_where, O_RDONLY));
}

static int flow_file_renamed(void)
{
	char name[256];

	snprintf(name, sizeof(name), "%s.renamed", flow_where);
	flow_other(flow_write_file);
	flow_must(rename(flow_where, name));
	return flow_read_from(open(name, O_RDONLY));
}

static int flow_file_open_before(void)
{
	int fd = open(flow_where, O_RDONLY | O_CREAT, 0644);

	flow_must(fd);
	flow_other(flow_write_file);
	return flow_read_from(fd);
}

static int flow_file_mapped(void)
{
	volatile char *at;
	int fd;

	flow_other(flow_write_file);
	fd = open(flow_where, O_RDONLY);
	at = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd < 0 || at == MAP_FAILED || !at[0])
		return 200;
	return flow_connect();
}

static void flow_copy_file(void)
{
	int from = flow_open(), to = open(flow_where, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	flow_must(copy_file_range(from, 0, to, 0, 1, 0));
}

static int flow_file_copied(void)
{
	flow_other(flow_copy_file);
	return flow_read_from(open(flow_where, O_RDONLY));
}

/* A descriptor of a table that both have: who reads by it did not open the file. */
static int flow_held_descriptor;

static int flow_opening_clone(void *unused)
{
	(void)unused;
	flow_held_descriptor = dup2(flow_open(), 77);
	return 0;
}

static int flow_descriptor_shared(void)
{
	if (flow_wait(flow_clone(0, flow_opening_clone, CLONE_FILES)))
		return 200;
	return flow_read_from(77);
}

#include "flows_pipes.h"

/* ---- memory ---- */

static int flow_by_memory(volatile char *memory)
{
	pid_t child = fork();

	if (!child) {
		flow_get();
		memory[0] = 'x';
		_exit(0);
	}
	if (flow_wait(child) || memory[0] != 'x')
		return 202;
	return flow_connect();
}

static int flow_mapping(void)
{
	char *memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? 200 : flow_by_memory(memory);
}

static int flow_memfd(void)
{
	int fd = memfd_create("flow", 0);
	char *memory;

	flow_must(ftruncate(fd, 4096));
	memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return memory == MAP_FAILED ? 200 : flow_by_memory(memory);
}

static void flow_map_and_write(void)
{
	int fd = open(flow_where, O_RDWR | O_CREAT, 0644);
	char *memory;

	flow_must(ftruncate(fd, 4096));
	flow_get();
	memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		_exit(200);
	memory[0] = 'x';
}

/* One maps the file when it carries the label, another reads the file later. */
static int flow_file_mapped_written(void)
{
	flow_other(flow_map_and_write);
	return flow_read_from(open(flow_where, O_RDONLY));
}

static char flow_secret_byte;

static int flow_memory_read(int labelled_before)
{
	struct iovec here = { flow_stacks[2], 1 }, there = { &flow_secret_byte, 1 };
	pid_t child = fork();
	int result;

	if (!child) {
		if (!labelled_before)
			flow_pause();
		flow_get();
		pause();
		_exit(0);
	}
	if (labelled_before)
		flow_pause();
	flow_must(process_vm_readv(child, &here, 1, &there, 1, 0));
	if (!labelled_before)
		usleep(500 * 1000);
	result = flow_connect();
	kill(child, SIGKILL);
	flow_wait(child);
	return result;
}

static int flow_vm_readv(void) { return flow_memory_read(1); }
static int flow_vm_readv_before(void) { return flow_memory_read(0); }

static int flow_environ(void)
{
	char name[64];
	pid_t child = fork();
	int result;

	if (!child) {
		flow_get();
		pause();
		_exit(0);
	}
	flow_pause();
	snprintf(name, sizeof(name), "/proc/%d/environ", child);
	result = flow_read_from(open(name, O_RDONLY));
	kill(child, SIGKILL);
	flow_wait(child);
	return result;
}

static const struct {
	const char *name;
	int (*run)(void);
} flows[] = {
	{ "self", flow_self }, { "fork", flow_fork }, { "child-before", flow_child_before }, { "exec", flow_exec },
	{ "thread", flow_thread }, { "thread-exec", flow_thread_exec }, { "vfork", flow_vfork },
	{ "clone-vm", flow_clone_vm }, { "clone-siblings", flow_clone_siblings }, { "orphan", flow_orphan },
	{ "connected-send", flow_connected_send }, { "connected-datagram", flow_connected_datagram },
	{ "connected-write", flow_connected_write }, { "connected-writev", flow_connected_writev },
	{ "connected-sendmsg", flow_connected_sendmsg }, { "connected-sendfile", flow_connected_sendfile },
	{ "connected-splice", flow_connected_splice }, { "unix-outside", flow_unix_outside },
	{ "file", flow_file_written }, { "file-renamed", flow_file_renamed }, { "file-open-before", flow_file_open_before },
	{ "file-mapped", flow_file_mapped }, { "file-copied", flow_file_copied },
	{ "descriptor-shared", flow_descriptor_shared },
	{ "pipe", flow_pipe }, { "pipe-blocked", flow_pipe_blocked }, { "pipe-splice", flow_pipe_splice },
	{ "pipe-splice-blocked", flow_pipe_splice_blocked }, { "pipe-vmsplice", flow_pipe_vmsplice },
	{ "pipe-tee", flow_pipe_tee }, { "pipe-to-pipe", flow_pipe_to_pipe }, { "fifo", flow_fifo },
	{ "stream", flow_stream }, { "stream-blocked", flow_stream_blocked }, { "datagram", flow_datagram },
	{ "datagram-blocked", flow_datagram_blocked }, { "packet", flow_packet }, { "packet-blocked", flow_packet_blocked },
	{ "stream-spliced", flow_stream_spliced }, { "named-stream", flow_named_stream },
	{ "named-stream-back", flow_named_stream_back }, { "passed", flow_passed },
	{ "mapping", flow_mapping }, { "memfd", flow_memfd }, { "file-mapped-written", flow_file_mapped_written },
	{ "vm-readv", flow_vm_readv }, { "vm-readv-before", flow_vm_readv_before }, { "environ", flow_environ },
};

static const char *flow_told(int result)
{
	return result == 0 ? "ok" : result < 200 ? strerrorname_np(result) : result == 200 ? "failed" : "broken";
}

/* The whole of `act flow`, before anything is mapped that is shared. Several names, divided by commas: a line each. */
static int flow_main(int count, char **w)
{
	if (count >= 3 && !strcmp(w[0], "flow-connect") && !parse_address(&flow_to, w[1], w[2]))
		return flow_connect();
	if (count < 5 || parse_address(&flow_to, w[3], w[4]))
		return 2;
	flow_file = w[2];
	snprintf(flow_host, sizeof(flow_host), "%s", w[3]);
	snprintf(flow_port, sizeof(flow_port), "%s", w[4]);
	for (char *rest = w[1], *name; (name = strtok_r(rest, ",", &rest));) {
		size_t i = 0;
		char where[256];
		int result = 203;
		pid_t child;

		while (i < sizeof(flows) / sizeof(flows[0]) && strcmp(flows[i].name, name))
			i++;
		if (i == sizeof(flows) / sizeof(flows[0]))
			return 2;
		snprintf(where, sizeof(where), "%s%s", count > 5 ? w[5] : "", strcmp(name, "unix-outside") ? name : "");
		flow_where = where;
		child = fork();
		if (!child) {
			alarm(20);
			_exit(flows[i].run());
		}
		result = flow_wait(child);
		printf("%s %s %s\n", name, flow_told(result), flow_told(flow_connect()));
		fflush(stdout);
	}
	return 0;
}
