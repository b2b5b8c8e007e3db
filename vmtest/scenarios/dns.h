/* SPDX-License-Identifier: Apache-2.0 */
/* Asks name servers, by every way a question can leave: part of act.c. */

static size_t put_name(unsigned char *to, const char *name)
{
	unsigned char *start = to;

	while (*name) {
		size_t length = strcspn(name, ".");

		*to++ = (unsigned char)length;
		memcpy(to, name, length);
		to += length;
		name += length + (name[length] == '.');
	}
	*to++ = 0;
	return (size_t)(to - start);
}

/* A question for the addresses of a name: RFC 1035 4.1. */
static size_t make_question(unsigned char *to, const char *name, int type)
{
	static const unsigned char header[12] = { 0x12, 0x34, 1, 0, 0, 1 };
	size_t length = sizeof(header);

	memcpy(to, header, sizeof(header));
	length += put_name(to + length, name);
	to[length++] = 0;
	to[length++] = (unsigned char)type;
	to[length++] = 0;
	to[length++] = 1;
	return length;
}

static size_t skip_name(const unsigned char *from, size_t at, size_t length)
{
	while (at < length && from[at] && from[at] < 0xc0)
		at += from[at] + 1u;
	return at + (at < length && from[at] >= 0xc0 ? 2 : 1);
}

/* "ok RCODE ANSWERS FIRST-ADDRESS from WHERE" */
static void tell_reply(const unsigned char *reply, ssize_t length, const struct address *from)
{
	char first[INET6_ADDRSTRLEN] = "-", where[INET6_ADDRSTRLEN] = "-";
	int port = 0;
	size_t at;

	if (length < 12) {
		say("ok short %zd", length);
		return;
	}
	at = skip_name(reply, 12, (size_t)length) + 4;
	for (int left = reply[7]; left > 0 && at + 12 < (size_t)length; left--) {
		at = skip_name(reply, at, (size_t)length);
		if (reply[at + 1] == 1)
			inet_ntop(AF_INET, reply + at + 10, first, sizeof(first));
		if (reply[at + 1] == 28)
			inet_ntop(AF_INET6, reply + at + 10, first, sizeof(first));
		at += 10u + reply[at + 9];
	}
	if (from->length && from->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &from->v4.sin_addr, where, sizeof(where));
		port = ntohs(from->v4.sin_port);
	} else if (from->length) {
		inet_ntop(AF_INET6, &from->v6.sin6_addr, where, sizeof(where));
		port = ntohs(from->v6.sin6_port);
	}
	say("ok %d %d %s from %s %d", reply[3] & 15, reply[7], first, where, port);
}

static ssize_t send_question(int fd, const char *how, const unsigned char *question, size_t length, const struct address *to)
{
	struct iovec part = { (void *)question, length };
	struct mmsghdr messages[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		messages[i].msg_hdr = (struct msghdr){ .msg_name = (void *)&to->any, .msg_namelen = to->length, .msg_iov = &part, .msg_iovlen = 1 };
	}
	if (!strcmp(how, "udp") || !strcmp(how, "mapped"))
		return sendto(fd, question, length, 0, &to->any, to->length);
	if (!strcmp(how, "mmsg"))
		return sendmmsg(fd, messages, 2, 0) == 2 ? 0 : -1;
	if (!strcmp(how, "tfo"))
		return sendto(fd, question, length, MSG_FASTOPEN, &to->any, to->length);
	if (connect(fd, &to->any, to->length) < 0)
		return -1;
	return write(fd, question, length);
}

/* ask HOW SERVER NAME: udp, mapped, mmsg, connected, tcp, tfo, mptcp; a second of patience */
static void act_ask(char **w)
{
	const char *how = w[0];
	int stream = !strcmp(how, "tcp") || !strcmp(how, "tfo") || !strcmp(how, "mptcp");
	struct timeval patience = { .tv_sec = 3 };
	unsigned char question[512], reply[2048];
	struct address to, from = { 0 };
	size_t length;
	ssize_t got;
	int fd;

	if (strcmp(how, "mapped") ? parse_address(&to, w[1], "53") : parse_mapped(&to, w[1], "53"))
		return;
	length = make_question(question + 2, w[2], to.any.sa_family == AF_INET6 && strcmp(how, "mapped") ? 28 : 1);
	question[0] = (unsigned char)(length >> 8);
	question[1] = (unsigned char)length;
	fd = socket(to.any.sa_family, stream ? SOCK_STREAM : SOCK_DGRAM, strcmp(how, "mptcp") ? 0 : 262);
	if (fd < 0) {
		fail(errno);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (send_question(fd, how, stream ? question : question + 2, stream ? length + 2 : length, &to) < 0) {
		fail(errno);
		close(fd);
		return;
	}
	from.length = sizeof(from.storage);
	if (stream)
		from.length = 0;
	got = stream ? read(fd, reply, sizeof(reply)) : recvfrom(fd, reply, sizeof(reply), 0, &from.any, &from.length);
	if (got < 0)
		fail(errno);
	else if (stream)
		tell_reply(reply + 2, got - 2, &from);
	else
		tell_reply(reply, got, &from);
	close(fd);
}
