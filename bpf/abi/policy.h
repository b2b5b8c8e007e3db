/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the sensor writes and the kernel programs read: agents, policies, automata, addresses.
 *
 * Plain fixed-width integers only: the BPF programs include this file and bindgen makes the Rust side from it.
 * Any change here raises AA_ABI_VERSION, so that a new sensor never adopts pins laid out otherwise.
 */
#ifndef AA_ABI_POLICY_H
#define AA_ABI_POLICY_H

#include "types.h"

enum aa_limits {
	AA_ABI_VERSION = 15,
	AA_MAX_AGENTS = 4096,	 /* agents alive at once; index 0 is never an agent */
	AA_SELF_TEST_AGENT = AA_MAX_AGENTS - 1, /* never given out */
	AA_MAX_SLOTS = 256,	 /* policies in force at once */
	AA_MAX_POLICIES = 512,	 /* policy generations resident: in force plus being built */
	AA_MAX_ADDRESSES = 262144, /* prefixes of all resident policies */
	AA_MAX_PORT_RANGES = 64, /* port ranges of one prefix */
	AA_PATH_BYTES = 4096,	 /* PATH_MAX of the kernel, with the NUL */
	AA_PATH_DEPTH = 256,	 /* components of a path; a deeper one is unreadable, so denied */
	AA_ARGV_BYTES = 4096,	 /* bytes of argv that are judged; a longer one is unreadable */
	AA_ARGV_TOKENS = 128,
	AA_MAX_GRANTS = 8192,	 /* answers given and not yet taken */
	AA_MAX_BINDINGS = 65536, /* addresses that lookups were answered with, of all agents */
	AA_BOUND_NAMES = 8,	 /* classes of hosts bound to one address of one agent */
	AA_LABELS = 32,		 /* labels the machine knows: one bit each, by name, until everything is unloaded */
	AA_LABEL_BYTES = 32,	 /* name of a label, filled up with NULs */
	AA_MAX_PIPE_LABELS = 65536, /* pipes that hold something labelled */
	AA_MAX_CONTENTS = 65536, /* hashes of programs that all resident policies name */
	AA_DIGEST_BYTES = 32,	 /* SHA-256 */
	AA_LARGEST_READ = 512 * 1024 * 1024, /* bytes of a program: the kernel cannot be stopped while it reads, and who waits, waits */
};

/* What may be taken from who carries a label; the order of `CarriedKind` in aa-policy. */
enum aa_label_kind {
	AA_LABEL_NET = 0,
	AA_LABEL_EXEC = 1,
	AA_LABEL_WRITE = 2,
	AA_LABEL_KINDS = 3,
};

/* What is denied unless the policy lists it; the order of `Privilege` in aa-policy. */
enum aa_privilege {
	AA_PRIVILEGE_SETUID = 0,
	AA_PRIVILEGE_USERNS = 1,
	AA_PRIVILEGE_IO_URING = 2,
	AA_PRIVILEGES = 3,
};

/* Verdicts: the numeric order is the order of strictness, the same as in `aa-policy`. */
enum aa_verdict {
	AA_UNGOVERNED = 0,
	AA_ALLOW = 1,
	AA_ASK = 2,
	AA_DENY = 3,
	AA_SUSPEND = 4, /* deny, and the agent stands still */
	AA_KILL = 5,	/* deny, and the agent ends */
};

/*
 * A decision is one word: verdict in bits 0-2, bit 3 set where a written rule (not a default or a built-in) made it,
 * the rule's id plus one from bit 8 on (0: no rule). Bit 4: a connection may be made, and requests over it are judged.
 */
enum aa_decision_bits {
	AA_DECISION_VERDICT = 0x7,
	AA_DECISION_EXPLICIT = 0x8,
	AA_DECISION_REQUESTS = 0x10,
	AA_DECISION_RULE_SHIFT = 8,
};

enum aa_policy_flags {
	AA_POLICY_OBSERVE = 1, /* record verdicts, let pass */
	AA_POLICY_BLOCKS_DATA = 2, /* what its agents send inside TLS is judged before it is encrypted */
};

/* Set by the sensor, or by a hook whose rule says so. While one is set every hook denies. */
enum aa_agent_flags {
	AA_AGENT_KILLED = 1,
	AA_AGENT_SUSPENDED = 2,
};

/*
 * The automaton pool is one array of 32-bit words; a place in it is an offset in bytes, so that a walk has nothing to
 * scale. An automaton is a class table of 256 16-bit entries (128 words) followed by rows; a row is `accept` then one
 * word per byte class holding the place of the next row. A class entry is the word's offset within the row, in bytes.
 * Accept: bits 0-30 index of the decision, bit 31 `guarded`. Place 0 of the pool is a dead row, so a corrupt place ends
 * in "nothing matched", which is the section's default.
 */
enum aa_pool_layout {
	AA_CLASS_WORDS = 128,
	AA_ACCEPT_GUARDED = 0x80000000,
	AA_POOL_SLACK_BYTES = 512, /* behind the pool: a class table may be looked up from any place in it */
};

struct aa_automaton {
	u32 classes; /* place of the class table */
	u32 start;   /* place of the first row */
	u32 accepts; /* place of the decision table: `columns` words an entry */
	u32 columns;
};

/* Columns of the path automaton's decision table; that of sockets has one. */
enum aa_path_column {
	AA_COLUMN_SOCKET = 0,
	AA_COLUMN_READ = 0,
	AA_COLUMN_WRITE = 1,
	AA_COLUMN_EXEC = 2,
	AA_COLUMN_LOAD = 3,
	AA_DECIDED_COLUMNS = 4, /* those above hold decisions */
	AA_COLUMN_LABELS = 4,	/* bits: the labels who reads it gets */
	AA_COLUMN_LABELLED_BY = 5, /* a decision that only cites the rule */
	AA_COLUMNS = 6,
};

/* What may only be done so often; see lib/rate.bpf.h. */
enum aa_rate_class {
	AA_RATE_CONNECT = 0,
	AA_RATE_EXEC = 1,
	AA_RATE_FORK = 2,
	AA_RATE_CREATE = 3,
	AA_RATE_RENAME = 4,
	AA_RATE_UNLINK = 5,
	AA_RATES = 6,
};

/* A bucket of `burst_ns / interval_ns + 1` that gets one more every `interval_ns`. */
struct aa_rate {
	u64 interval_ns; /* 0: not limited */
	u64 burst_ns;
	u32 decision; /* on what is more */
	u32 pad;
};

struct aa_policy {
	u32 generation; /* unique for every load, never 0; the key of everything else of this policy */
	u32 flags;
	struct aa_automaton paths;
	struct aa_automaton sockets; /* names of unix sockets; one column */
	struct aa_automaton argv;
	u32 default_net; /* the decision when no rule of `net` matches */
	u32 memfd;
	u32 deleted;
	u32 pool_start; /* the words of the pool that are this policy's, so that a new sensor knows what is taken */
	u32 pool_words;
	u32 slot;
	u32 otherwise; /* AA_ALLOW or AA_DENY: what an ask comes to when nobody can answer */
	u32 hosts;     /* place of the classes of hosts: two words each, place and count of its port ranges */
	u32 host_count;
	u32 dns;   /* the decision on what is sent to port 53, which then goes to the resolver; 0: it is an address as any */
	u32 hours; /* the decision while it is closed, see `openings`; 0: it never is */
	u32 privileges[AA_PRIVILEGES]; /* decisions, never 0 */
	struct aa_rate rates[AA_RATES];
	u32 labels; /* bits of the labels it speaks of; 0: it has none, and nothing is followed */
	u32 label_rules; /* place of the decisions on carriers: for each kind, one word for each bit */
	u32 label_taken[AA_LABEL_KINDS]; /* bits of those for which there is such a decision */
	u32 contents; /* enum aa_contents; 0: no rule names what is in programs */
	u32 blind; /* the decision on what is sent inside TLS where nobody reads it; 0: there is none */
	u32 pad;
};

/* Whether rules name programs by what is in them. */
enum aa_contents {
	AA_CONTENTS_NAMED = 1,
	AA_CONTENTS_RESTRICT = 2, /* some of them ask or deny */
};

/* A program by what is in it, under a generation of a policy; the value is the decision. */
struct aa_content_key {
	u32 generation;
	u8 digest[AA_DIGEST_BYTES];
};

/* What is in a program, beside its inode. Made by whoever asks, without a hash; forgotten where it is opened for writing. */
struct aa_content {
	u8 digest[AA_DIGEST_BYTES]; /* SHA-256 */
	u32 known;		    /* 1: that is it */
	u32 pad;
};

/* An agent: which policy slot governs it. One 8-byte word, so that a change is one write. */
struct aa_agent {
	u32 slot;
	u32 flags;
};

/* A slot: the policy generation in force, by index into `policies`. Swapping a policy is writing this one word. */
struct aa_slot {
	u32 policy;
	u32 agent; /* the agent that processes matched by this slot's selectors become; 0: none */
};

/* Longest-prefix key: the generation is matched exactly, then the canonical address (IPv4 as ::ffff:a.b.c.d). */
struct aa_address_key {
	u32 prefix_bits; /* 32 + length of the address prefix */
	u32 generation;
	u8 address[16];
};

/* Port ranges lie in the pool at the place `ranges`: `count` groups of four words {from, tcp, udp, other}, by `from`. */
struct aa_address_value {
	u32 ranges;
	u32 count;
};

/* A destination in canonical form. */
struct aa_destination {
	u64 address[2]; /* as aa_address_key */
	u32 port;	/* host order */
	u32 protocol;	/* as rules see it: MPTCP is TCP */
};

/* An address that an agent's lookups were answered with. Written by the sensor, whole. */
struct aa_binding_key {
	u64 address[2]; /* as aa_address_key */
	u32 agent;
	u32 pad;
};

/* A class of hosts the address was found under; it holds for this generation of the policy, until it expires. */
struct aa_bound {
	u32 class;
	u32 generation; /* 0: free */
	u64 expires_ns; /* boot time */
};

struct aa_binding {
	struct aa_bound bound[AA_BOUND_NAMES];
};

/* Where the resolver answers: one record, written by the sensor. Ports of the loopback addresses, host order; 0: it does not. */
struct aa_resolver {
	u32 port4;
	u32 port6;
	u32 network; /* the network namespace it is in, by its inode number */
	u32 pad;
};

/* Who a task is: task storage, inherited in task_alloc before the child can run. */
struct aa_identity {
	u32 agent;
	u32 argv_bytes; /* of argv[1..] as judged before the exec; 0: not judged */
	u64 session;
	u64 program;   /* inode address of the program the last exec was allowed to run */
	u64 argv_hash; /* of those bytes, compared again in the new address space */
	u64 address;   /* scratch of address_of() in lib/subject.bpf.h */
	/* The destination this task last asked for, and its decision under that policy generation. */
	struct aa_destination last;
	u32 last_generation; /* 0: none */
	u32 last_decision;
	/* What an answered ask also covers in the same system call; see lib/hold.bpf.h. */
	u64 carried;
	u64 carried_until_ns; /* boot time */
	u32 carried_for;
	u32 held;    /* stopped by us, and not yet judged again */
	u32 let_go;  /* an answer let this task send or connect; see `granted` below */
	/* What the process carries: of the leader's identity these count; see lib/label.bpf.h. */
	u32 labels;
	u32 memory; /* enum aa_memory */
	u32 pad;
	u64 splicing; /* the pipe that the last splice was to fill */
};

/* With whom a process shares what no hook sees. */
enum aa_memory {
	AA_MEMORY_SHARED = 1, /* it maps what others may map: until it runs another program */
	AA_MEMORY_TRACED = 2, /* it traces or is traced, reads or is read */
	AA_MEMORY_LENT = 4,   /* its memory is its parent's (vfork): until it runs another program */
};

/* A verdict per column of an inode; see lib/cache.bpf.h for the packing. */
enum aa_cache_columns {
	AA_CACHED_COLUMNS = 4,
};

struct aa_inode_cache {
	u64 cells[AA_CACHED_COLUMNS];
};

/* Who opened a socket: where a hook has no task storage (cgroup hooks before 6.18) the socket tells. */
struct aa_socket_owner {
	u32 agent;
	u32 granted_tid;
	u64 session;
	/* Where an answered ask let one call of one thread send or connect: the thread, by number and start. */
	struct aa_destination granted;
	u64 granted_start_ns;
	/* The name server its last question was for, which the answer seems to come from. */
	struct aa_destination asked;
	u32 network; /* its network namespace, by its inode number */
	u32 labels;  /* of what was sent to it */
	u32 blind;   /* enum aa_blind */
	u32 blind_at; /* how many bytes had gone over it, by TCP's count, when what looks like the end of a handshake did */
};

/* What is known of TLS on a socket of whose plaintext nothing is. */
enum aa_blind {
	AA_BLIND_TLS = 1,   /* it began a handshake */
	AA_BLIND_ENDED = 2, /* and ended it */
	AA_BLIND_TOLD = 4,  /* the denial was recorded */
	AA_BLIND_JUDGED = 8, /* requests over it are judged: nothing goes that nobody reads */
};

/* Labels of what is in a file: of who wrote to it, and those that its name gives. */
struct aa_inode_labels {
	u32 labels;
	u32 pad;
};

/* The name of a label; its bit is its place. Written by the sensor, and kept until everything is unloaded. */
struct aa_label_name {
	u8 name[AA_LABEL_BYTES];
};

/* One governed task, as the task iterator lists it. */
struct aa_task_row {
	u32 agent;
	u32 pid;
	u32 tid;
	u32 parent_pid;
	u32 uid;
	u32 held; /* stopped until somebody answers */
	u64 session;
	u64 start_ns;
	u8 command[16];
};

/*
 * What the sensor tells the programs at run time and remembers for its successor: one record, written by it alone. The selectors automaton has one column: the slot whose
 * policy governs a program of that path, plus one.
 */
struct aa_settings {
	u32 record_activity; /* 1: allowed actions are recorded too */
	u32 fault;	     /* enum aa_fault: only ever set by the fault-injection tests */
	u32 fault_agent;     /* the fault strikes this agent only */
	u32 selectors_words; /* pool words from selectors.classes on */
	struct aa_automaton selectors; /* start 0: no selectors by path */
	u32 generations; /* last policy generation given out */
	u32 labels;	 /* 1: some policy has labels; else what follows them returns at once */
	u64 sessions;	 /* last session number given out by the sensor: even ones */
};

/* What the programs keep for themselves: one record. */
struct aa_world {
	u32 epoch; /* raised when a directory moves or a mount changes: every cached verdict is void */
	u32 pad;
	u64 sessions; /* twice the sessions begun in the kernel: their numbers are odd */
};

/* Who an answer is for: one thread, one action. Nothing else finds it. */
struct aa_grant_key {
	u64 digest[2]; /* as in the record of the hold */
	u64 start_ns;  /* start of the process, as in aa_event_head */
	u32 agent;
	u32 tid;
};

/* The answer. Whoever it is for deletes it and does as it says; after its time it is none. */
struct aa_grant {
	u64 expires_ns; /* boot time */
	u32 verdict;	/* AA_ALLOW or AA_DENY */
	u32 reason;	/* enum aa_reason: what the record of it says */
};

/* What is found of a copy of a task: it is without its parent's storage, or still has it. */
enum aa_forks {
	AA_FORK_APART = 1,
	AA_FORK_SHARES = 2,
};

/* What holding needs: one record, written by the sensor. */
struct aa_hold {
	u64 answered_until_ns; /* boot time until which somebody takes answers; renewed while a gateway lives */
	u64 key[2];	       /* of the digests: drawn once, and never told */
};

/* Faults the tests inject to prove that a read that fails denies. */
enum aa_fault {
	AA_FAULT_NONE = 0,
	AA_FAULT_PATH = 1,
	AA_FAULT_ADDRESS = 2,
	AA_FAULT_ARGV = 3,
	AA_FAULT_POLICY = 4,
	AA_FAULT_RECORD = 5,
	AA_FAULT_SCRATCH = 6,
	AA_FAULT_UNATTENDED = 7, /* nobody takes answers */
	AA_FAULT_CONTENT = 8,	 /* the kernel has no IMA */
	AA_FAULT_UNJUDGED = 9,	 /* what is sent inside TLS is not judged in time */
};

/*
 * Who asks the resolver, by the port the question comes from, for each family and protocol: the agent, and in the upper
 * half the second of boot time. The programs write it before the question leaves; the resolver reads it by mmap.
 */
enum aa_askers {
	AA_ASKER_SECONDS = 10, /* how long an entry is good: a port may become another's */
	AA_ASKERS_UDP4 = 0,
	AA_ASKERS_TCP4 = 65536,
	AA_ASKERS_UDP6 = 131072,
	AA_ASKERS_TCP6 = 196608,
	AA_MAX_ASKERS = 262144,
};

/* Mount points by device: the name an object has outside every bind mount. Sensor writes, path walk reads. */
enum aa_mount_limits {
	AA_MOUNT_PREFIX_BYTES = 256,
};

struct aa_mount {
	u32 length; /* 0: mounted at / */
	u8 prefix[AA_MOUNT_PREFIX_BYTES];
	u32 pad;
};

_Static_assert(sizeof(struct aa_automaton) == 16, "aa_automaton");
_Static_assert(sizeof(struct aa_rate) == 24, "aa_rate");
_Static_assert(sizeof(struct aa_policy) == 144 + 24 * AA_RATES, "aa_policy");
_Static_assert(sizeof(struct aa_content_key) == 36, "aa_content_key");
_Static_assert(sizeof(struct aa_content) == 40, "aa_content");
_Static_assert(sizeof(struct aa_agent) == 8, "aa_agent");
_Static_assert(sizeof(struct aa_slot) == 8, "aa_slot");
_Static_assert(sizeof(struct aa_address_key) == 24, "aa_address_key");
_Static_assert(sizeof(struct aa_destination) == 24, "aa_destination");
_Static_assert(sizeof(struct aa_identity) == 120, "aa_identity");
_Static_assert(sizeof(struct aa_inode_cache) == 32, "aa_inode_cache");
_Static_assert(sizeof(struct aa_socket_owner) == 88, "aa_socket_owner");
_Static_assert(sizeof(struct aa_binding_key) == 24, "aa_binding_key");
_Static_assert(sizeof(struct aa_binding) == 16 * AA_BOUND_NAMES, "aa_binding");
_Static_assert(sizeof(struct aa_resolver) == 16, "aa_resolver");
_Static_assert(sizeof(struct aa_task_row) == 56, "aa_task_row");
_Static_assert(sizeof(struct aa_settings) == 48, "aa_settings");
_Static_assert(sizeof(struct aa_world) == 16, "aa_world");
_Static_assert(sizeof(struct aa_mount) == 264, "aa_mount");
_Static_assert(sizeof(struct aa_grant_key) == 32, "aa_grant_key");
_Static_assert(sizeof(struct aa_grant) == 16, "aa_grant");
_Static_assert(sizeof(struct aa_hold) == 24, "aa_hold");

#endif
