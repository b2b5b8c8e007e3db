/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records: what the kernel programs tell the gateway, through rings of different worth.
 *
 *   decisions   denials, would-be denials, holds and answered asks, identity, lifecycle. If a record cannot be reserved the action is denied
 *               all the same and the loss is counted; an identity record that cannot be reserved denies the action.
 *   activity    allowed actions and process life; may lose, and counts what it loses.
 *   plaintext   what passes through TLS (plaintext.h); may lose, and says where.
 *
 * Every record begins with struct aa_event_head; `size` is the whole record. Append-only within an ABI version.
 */
#ifndef AA_ABI_EVENT_H
#define AA_ABI_EVENT_H

#include "types.h"
#include "reasons.h"

enum aa_event_limits {
	AA_EVENT_VERSION = 2,
	AA_STACK_FRAMES = 32,
	AA_EVENT_DATA_BYTES = 12288, /* executable, object and second object, each at most a path */
};

enum aa_event_kind {
	AA_EVENT_DECISION = 1, /* a governed action was judged: denied, would be denied, or allowed and recorded */
	AA_EVENT_LIFE = 2,     /* fork, exec, exit, govern */
};

/* What the kernel did about it. */
enum aa_effect {
	AA_EFFECT_ALLOWED = 1,
	AA_EFFECT_DENIED = 2,
	AA_EFFECT_WOULD_DENY = 3, /* observe mode */
	AA_EFFECT_KILLED = 4, /* the process; all of the agent where the verdict is AA_KILL */
	AA_EFFECT_HELD = 5, /* the process is stopped until somebody answers */
	AA_EFFECT_SUSPENDED = 6,
};

struct aa_event_head {
	u16 version;
	u16 kind;
	u32 size;
	u64 ktime_ns; /* boot time (CLOCK_BOOTTIME where the kernel has it, else CLOCK_MONOTONIC) */
	u64 sequence; /* per cpu and ring, from 1 on; a hole is a loss */
	u32 cpu;
	u32 agent;
	u64 session;
	u64 cgroup;
	u64 start_ns; /* start of the process (thread group leader), boot time; with pid it names a process for good */
	u32 pid;      /* thread group id, in the initial pid namespace */
	u32 tid;
	u32 parent_pid;
	u32 uid;
};

struct aa_event {
	struct aa_event_head head;
	u32 generation; /* of the policy that judged */
	u32 decision;	/* verdict, explicit bit and rule as in policy.h */
	u16 action;	/* enum aa_action */
	u16 reason;	/* enum aa_reason */
	u16 effect;	/* enum aa_effect */
	u16 errno_returned;
	/* Network objects, in canonical form; protocol is the IP protocol, family the socket's. */
	u8 address[16];
	u16 port;
	u16 family;
	u16 protocol;
	u16 socket_type;
	u32 other_pid; /* signal, ptrace: whom */
	u32 stack_frames;
	u32 executable_bytes; /* data holds executable, then object, then second object */
	u32 object_bytes;
	u32 second_bytes;
	u32 object_flags; /* enum aa_object_flags */
	u64 digest[2];	  /* of a hold and of what its answer led to: which action exactly; else 0 */
	u64 stack[AA_STACK_FRAMES];
};

enum aa_object_flags {
	AA_OBJECT_DIRECTORY = 1,
	AA_OBJECT_DELETED = 2,
	AA_OBJECT_MEMFD = 4,
	AA_OBJECT_SCRIPT = 8,
	AA_OBJECT_ALIASED = 16,	  /* reached through a bind mount or a detached mount */
	AA_OBJECT_TRUNCATED = 32, /* the record holds only the beginning */
};

_Static_assert(sizeof(struct aa_event_head) == 72, "aa_event_head");
_Static_assert(sizeof(struct aa_event) == 408, "aa_event");

#endif
