/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to name servers, for attacks by names. */
#ifndef DNS_H
#define DNS_H

/* Where nobody answers: only a question that was redirected gets a reply. */
#define NOBODY "93.184.216.99"
/* Where api.test leads, and where no name that the policy lists does. */
#define LISTED "93.184.216.10"
#define UNLISTED "93.184.216.11"

/* A name below `domain` that tells which attack asked for it. */
static const char *name_below(const char *domain)
{
	char *name = text("%s.%s", world.name, domain);

	for (char *c = name; *c; c++)
		if (*c == '_')
			*c = '-';
	return name;
}

static const char *side_name(void)
{
	return world.denied ? name_below("unlisted.test") : "api.test";
}

/* A question of one type for a name: RFC 1035 4.1. */
static size_t make_question(unsigned char *to, const char *name, int type)
{
	static const unsigned char header[12] = { 0x12, 0x34, 1, 0, 0, 1 };
	unsigned char *start = to;

	memcpy(to, header, sizeof(header));
	to += sizeof(header);
	while (*name) {
		size_t length = strcspn(name, ".");

		*to++ = (unsigned char)length;
		memcpy(to, name, length);
		to += length;
		name += length + (name[length] == '.');
	}
	*to++ = 0;
	*to++ = 0;
	*to++ = (unsigned char)type;
	*to++ = 0;
	*to++ = 1;
	return (size_t)(to - start);
}

/* What a reply says: refused unless there is an answer in it. */
static int judge_reply(const unsigned char *reply, ssize_t length)
{
	if (length < 12)
		return outcome(length < 0 ? -1 : (errno = EBADMSG, -1));
	snprintf(said, SAID, "code %d, %d answers", reply[3] & 15, reply[7]);
	return reply[7] ? HAPPENED : REFUSED;
}

static int wait_for_reply(int fd)
{
	unsigned char reply[1024];
	struct timeval limit = { 5, 0 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return judge_reply(reply, recv(fd, reply, sizeof(reply), 0));
}

static int ask_by_datagram(const char *server, const char *name, int type)
{
	unsigned char question[512];
	size_t size = make_question(question, name, type);
	union address to;
	socklen_t length = make_address(&to, server, 53);
	int fd = (int)must(socket(to.any.sa_family, SOCK_DGRAM, 0));

	try(sendto(fd, question, size, 0, &to.any, length));
	return wait_for_reply(fd);
}

#endif
