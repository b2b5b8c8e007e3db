/* SPDX-License-Identifier: Apache-2.0 */
/* Flows through pipes and sockets: a part of flows.h. */
enum { FLOW_BLOCK = 1, FLOW_SPLICE = 2, FLOW_VMSPLICE = 4, FLOW_TEE = 8, FLOW_TWO = 16, FLOW_READ_SPLICE = 32 };

static int flow_channel(int from, int to, int how)
{
	int second[2];
	pid_t child;

	if (how & FLOW_TWO)
		flow_must(pipe(second));
	child = fork();
	if (!child) {
		int file;

		if (how & FLOW_BLOCK)
			flow_pause();
		file = flow_open();
		if (how & FLOW_SPLICE)
			flow_must(splice(file, 0, to, 0, 1, 0));
		else if (how & FLOW_VMSPLICE)
			flow_must(vmsplice(to, &(struct iovec){ "x", 1 }, 1, 0));
		else
			flow_must(write(to, "x", 1));
		_exit(0);
	}
	if (!(how & FLOW_BLOCK) && flow_wait(child))
		return 202;
	if (how & FLOW_TWO) {
		/* A third process moves it on without having it. */
		pid_t mover = fork();

		if (!mover) {
			if (how & FLOW_TEE)
				flow_must(tee(from, second[1], 1, 0));
			else
				flow_must(splice(from, 0, second[1], 0, 1, 0));
			_exit(0);
		}
		if (flow_wait(mover))
			return 202;
		from = second[0];
	}
	if (how & FLOW_READ_SPLICE) {
		flow_must(pipe(second));
		flow_must(splice(from, 0, second[1], 0, 1, 0));
		from = second[0];
	}
	return flow_read_from(from);
}

static int flow_by_pipe(int how)
{
	int ends[2];

	flow_must(pipe(ends));
	return flow_channel(ends[0], ends[1], how);
}

static int flow_pipe(void) { return flow_by_pipe(0); }
static int flow_pipe_blocked(void) { return flow_by_pipe(FLOW_BLOCK); }
static int flow_pipe_splice(void) { return flow_by_pipe(FLOW_SPLICE); }
static int flow_pipe_splice_blocked(void) { return flow_by_pipe(FLOW_SPLICE | FLOW_BLOCK); }
static int flow_pipe_vmsplice(void) { return flow_by_pipe(FLOW_VMSPLICE); }
static int flow_pipe_tee(void) { return flow_by_pipe(FLOW_TWO | FLOW_TEE); }
static int flow_pipe_to_pipe(void) { return flow_by_pipe(FLOW_TWO); }

static int flow_fifo(void)
{
	int fd;

	flow_must(mkfifo(flow_where, 0644));
	fd = open(flow_where, O_RDWR);
	flow_must(fd);
	return flow_channel(open(flow_where, O_RDONLY), open(flow_where, O_WRONLY), FLOW_BLOCK);
}

static int flow_by_pair(int type, int how)
{
	int ends[2];

	flow_must(socketpair(AF_UNIX, type, 0, ends));
	return flow_channel(ends[0], ends[1], how);
}

static int flow_stream(void) { return flow_by_pair(SOCK_STREAM, 0); }
static int flow_stream_blocked(void) { return flow_by_pair(SOCK_STREAM, FLOW_BLOCK); }
static int flow_datagram(void) { return flow_by_pair(SOCK_DGRAM, 0); }
static int flow_datagram_blocked(void) { return flow_by_pair(SOCK_DGRAM, FLOW_BLOCK); }
static int flow_packet(void) { return flow_by_pair(SOCK_SEQPACKET, 0); }
static int flow_packet_blocked(void) { return flow_by_pair(SOCK_SEQPACKET, FLOW_BLOCK); }
static int flow_stream_spliced(void) { return flow_by_pair(SOCK_STREAM, FLOW_READ_SPLICE); }

/* By a socket with a name, in either direction. */
static int flow_named(int back)
{
	struct address to;
	int listening = socket(AF_UNIX, SOCK_STREAM, 0), from, fd;

	unix_address(&to, flow_where);
	flow_must(bind(listening, &to.any, to.length));
	flow_must(listen(listening, 1));
	fd = connect_to(&to, AF_UNIX, SOCK_STREAM, 0);
	flow_must(fd);
	from = accept(listening, 0, 0);
	flow_must(from);
	return back ? flow_channel(fd, from, 0) : flow_channel(from, fd, 0);
}

static int flow_named_stream(void) { return flow_named(0); }
static int flow_named_stream_back(void) { return flow_named(1); }

static int flow_passed(void)
{
	char room[CMSG_SPACE(sizeof(int))] = "", byte = 'x';
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int ends[2], fd;
	pid_t child;

	flow_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	child = fork();
	if (!child) {
		fd = flow_open();
		memcpy(CMSG_DATA(head), &fd, sizeof(fd));
		flow_must(sendmsg(ends[1], &message, 0));
		_exit(0);
	}
	if (flow_wait(child))
		return 202;
	flow_must(recvmsg(ends[0], &message, 0));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return flow_read_from(fd);
}
