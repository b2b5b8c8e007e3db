/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What passes through TLS libraries: where probes find it, and the records that carry it to the gateway.
 *
 * A record holds up to AA_PLAINTEXT_BYTES of one direction of one connection, and at which byte of it they begin. What
 * could not be read or sent is missing between two records, and counted by cause.
 */
#ifndef AA_ABI_PLAINTEXT_H
#define AA_ABI_PLAINTEXT_H

#include "event.h"

enum aa_plaintext_limits {
	AA_EVENT_PLAINTEXT = 3,	    /* the kind; see enum aa_event_kind */
	AA_PLAINTEXT_BYTES = 16384, /* of one record; a TLS record holds no more (RFC 8446, 5.1) */
	AA_TLS_SITES = 4096,
	AA_TLS_ANSWERS = 4096, /* questions that wait at a time */
};

/* Where an argument is when a probe fires: the index of a register in struct pt_regs, or in memory above the stack pointer. */
enum aa_tls_place {
	AA_PLACE_REGISTERS = 15, /* r15 .. rdi; less is one of them */
	AA_PLACE_STACK = 0x10000, /* and the offset from the stack pointer, bytes */
	AA_PLACE_NONE = 0xffffffff,
};

enum aa_tls_site_flags {
	AA_TLS_RECEIVES = 1,
	AA_TLS_INT_LENGTH = 2,	/* the length is an `int` */
	AA_TLS_INT_RESULT = 4,	/* the result is an `int` */
	AA_TLS_COUNT_AT_DONE = 8, /* 1 is success, and `done` leads to how many bytes; else the result says it */
	AA_TLS_WHOLE = 16,	/* all of it is taken, or the connection ends: copied before, and the return is not looked at */
	AA_TLS_GOROUTINE = 32,	/* the call may return on another thread */
	AA_TLS_ENDS = 64,	/* the connection's object ends */
	AA_TLS_HALF = 256,	/* a cipher's key: one direction of a connection, one record a call */
	AA_TLS_GREETS = 512,	/* begins or goes on with a handshake; no plaintext */
	AA_TLS_FLAGS_FIRST = 128, /* where `done` holds no address but flags, it is the next argument (OpenSSL from 3.2 on) */
};

/* A function that is probed. Written by the sensor before the probe is attached; the probe's cookie is its index. */
struct aa_tls_site {
	u32 flags;
	u32 object; /* enum aa_tls_place, here and below */
	u32 buffer;
	u32 length;
	u32 done;
	u32 associated;	/* of AA_TLS_HALF: what says of which type the record is */
	u32 associated_bytes;
	u32 file; /* which probed file it is of, as the sensor counts them */
};

struct aa_plaintext {
	struct aa_event_head head;
	u64 object;  /* the connection's address in the process */
	u64 born_ns; /* when its first byte was seen, boot time: addresses are given again */
	u64 offset;  /* bytes of this direction before these */
	u64 socket;  /* cookie of the socket it goes over; 0 if that is not known yet */
	u32 bytes;   /* that follow */
	u32 file;    /* as in the site */
	u32 flags;   /* enum aa_plaintext_flags */
	u16 port;    /* of the far end; 0 if the socket is not known */
	u16 reserved;
	u8 address[16]; /* likewise, canonical */
	u64 question;	/* of AA_PLAINTEXT_ASKS: what the answer is laid under; else 0 */
	u32 generation; /* of AA_PLAINTEXT_ASKS: of the policy that blocks data; else 0 */
	u32 pad;
};

enum aa_plaintext_flags {
	AA_PLAINTEXT_RECEIVED = 1,
	AA_PLAINTEXT_ENDS = 2, /* no more comes of this object; `offset` is how much there was in this direction */
	AA_PLAINTEXT_HALF = 4, /* the object is of one direction alone */
	AA_PLAINTEXT_BINDS = 8, /* no bytes: from now on the socket is known */
	AA_PLAINTEXT_ASKS = 16, /* they are not encrypted yet: the caller waits until the question is answered */
	AA_PLAINTEXT_FIRST = 32, /* of the question */
	AA_PLAINTEXT_LAST = 64,
};

/* An answer. The gateway writes it by mmap at the question's number modulo AA_TLS_ANSWERS, the question last. */
struct aa_tls_answer {
	u64 question;
	u32 decision; /* AA_ALLOW, or the decision that denies */
	u32 pad;
};

/* A file in one state: what is written to it anew is another. */
struct aa_file_version {
	u64 device; /* as the kernel has it: major << 20 | minor */
	u64 inode;
	s64 changed_s; /* ctime */
	s64 bytes;
	u32 changed_ns;
	u32 pad;
};

/* A governed process is about to map a file as code, or (whole) is governed from now on, whatever it has mapped: to the sensor. */
struct aa_mapped {
	struct aa_file_version file;
	u32 pid;
	u32 whole; /* then no file is told */
};

/* A TCP socket of a governed process. Written by the kernel programs, read by the sensor; gone with the least used. */
struct aa_tls_socket {
	u64 sent; /* bytes that went to the socket, of any sort */
	u64 received;
	u64 said; /* bytes of plaintext that were seen to go over it */
	u64 heard;
	u64 start_ns; /* of the process */
	u32 pid;
	u32 agent;
	u16 port; /* of the far end */
	u16 bound; /* 1: it was seen whose plaintext goes over it */
	u16 reserved[2];
	u8 address[16]; /* likewise, canonical */
};

_Static_assert(sizeof(struct aa_plaintext) == 152, "aa_plaintext");
_Static_assert(sizeof(struct aa_tls_answer) == 16, "aa_tls_answer");
_Static_assert(sizeof(struct aa_tls_socket) == 72, "aa_tls_socket");
_Static_assert(sizeof(struct aa_file_version) == 40, "aa_file_version");
_Static_assert(sizeof(struct aa_mapped) == 48, "aa_mapped");

#endif
