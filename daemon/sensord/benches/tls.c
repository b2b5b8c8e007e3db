// SPDX-License-Identifier: Apache-2.0
// Two ends of TLS in one process, over memory. Without OpenSSL's headers, which not every machine that has the library has too.
//   tls CERTIFICATE KEY: what a call of SSL_write costs. Prints nanoseconds a call for each size: the median of several rounds, and of calls
//       timed one by one the median and the 99th of a hundred.
//   tls CERTIFICATE KEY stream MEGABYTES_A_SECOND SECONDS: a request with a body without an end, no faster than that. Prints how fast it was.
//   tls CERTIFICATE KEY connections COUNT: a request without an answer on each, says `ready` and waits until its input ends.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct bio_st BIO;
const void *TLS_method(void);
SSL_CTX *SSL_CTX_new(const void *);
int SSL_CTX_use_certificate_file(SSL_CTX *, const char *, int);
int SSL_CTX_use_PrivateKey_file(SSL_CTX *, const char *, int);
SSL *SSL_new(SSL_CTX *);
void SSL_set_bio(SSL *, BIO *, BIO *);
void SSL_set_connect_state(SSL *);
void SSL_set_accept_state(SSL *);
int SSL_do_handshake(SSL *);
int SSL_write(SSL *, const void *, int);
int SSL_read(SSL *, void *, int);
const void *BIO_s_mem(void);
BIO *BIO_new(const void *);
int BIO_up_ref(BIO *);
long BIO_ctrl(BIO *, int, long, void *);

enum { PEM = 1, RESET = 1, ROUNDS = 15, MOST = 20000, CALL = 16384 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int less(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

static char data[CALL];

static void call(SSL *client, BIO *there, int size)
{
	if (SSL_write(client, data, size) != size) {
		fprintf(stderr, "SSL_write failed\n");
		exit(1);
	}
	BIO_ctrl(there, RESET, 0, 0);
}

struct ends {
	SSL *client;
	BIO *there;
};

/* A connection of which the handshake is over. */
static struct ends connect_ends(SSL_CTX *context)
{
	BIO *there = BIO_new(BIO_s_mem()), *back = BIO_new(BIO_s_mem());
	SSL *client = SSL_new(context), *server = SSL_new(context);

	BIO_up_ref(there);
	BIO_up_ref(back);
	SSL_set_bio(client, back, there);
	SSL_set_bio(server, there, back);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 8; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	return (struct ends){ client, there };
}

static void say(struct ends ends, const char *text)
{
	if (SSL_write(ends.client, text, strlen(text)) <= 0) {
		fprintf(stderr, "SSL_write failed\n");
		exit(1);
	}
	BIO_ctrl(ends.there, RESET, 0, 0);
}

static void time_calls(struct ends ends)
{
	static double each[MOST];
	int sizes[] = { 200, CALL }, calls[] = { MOST, 4000 };

	memset(data, 'x', sizeof(data));
	for (int which = 0; which < 2; which++) {
		double rounds[ROUNDS];

		for (int round = 0; round < ROUNDS; round++) {
			double begun = now();

			for (int i = 0; i < calls[which]; i++)
				call(ends.client, ends.there, sizes[which]);
			rounds[round] = (now() - begun) / calls[which];
		}
		for (int i = 0; i < calls[which]; i++) {
			double begun = now();

			call(ends.client, ends.there, sizes[which]);
			each[i] = now() - begun;
		}
		qsort(rounds, ROUNDS, sizeof(double), less);
		qsort(each, calls[which], sizeof(double), less);
		printf("%d %.0f %.0f %.0f\n", sizes[which], rounds[ROUNDS / 2], each[calls[which] / 2], each[calls[which] / 100 * 99]);
	}
}

/* Bytes of a body, in calls of CALL bytes. */
static void stream(struct ends ends, double rate, double seconds)
{
	double begun = now(), sent = 0;

	say(ends, "POST /v1/messages HTTP/1.1\r\nHost: bench\r\nContent-Length: 1000000000000\r\n\r\n");
	for (int i = 0; i < CALL; i++)
		data[i] = i % 64 ? 'a' + i * 7 % 26 : ' ';
	while (now() - begun < seconds * 1e9) {
		double early = begun + sent / rate * 1e3 - now();

		if (early > 0)
			usleep(early / 1e3);
		call(ends.client, ends.there, CALL);
		sent += CALL;
	}
	printf("%.0f\n", sent / (now() - begun) * 1e3);
}

int main(int count, char **arguments)
{
	SSL_CTX *context = SSL_CTX_new(TLS_method());

	if (count < 3 || SSL_CTX_use_certificate_file(context, arguments[1], PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, arguments[2], PEM) != 1) {
		fprintf(stderr, "usage: tls CERTIFICATE KEY [connections COUNT | stream MEGABYTES_A_SECOND SECONDS]\n");
		return 64;
	}
	if (count == 5 && !strcmp(arguments[3], "connections")) {
		for (int i = 0; i < atoi(arguments[4]); i++)
			say(connect_ends(context), "GET /v1/models HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer none\r\n\r\n");
		printf("ready\n");
		fflush(stdout);
		while (getchar() != EOF)
			;
	} else if (count == 6 && !strcmp(arguments[3], "stream")) {
		stream(connect_ends(context), atof(arguments[4]), atof(arguments[5]));
	} else {
		time_calls(connect_ends(context));
	}
	return 0;
}
