/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One line per action and per reason: the C enums, the Rust names, the docs and `aasm` follow from these lists.
 * Append only: the numbers are in records on disk.
 */
#ifndef AA_ABI_REASONS_H
#define AA_ABI_REASONS_H

/* X(NAME, number, "name in records", "what was attempted") */
#define AA_ACTIONS(X) \
	X(OPEN_READ, 1, "open-read", "open for reading") \
	X(OPEN_WRITE, 2, "open-write", "open for writing") \
	X(CREATE, 3, "create", "create a file") \
	X(UNLINK, 4, "unlink", "remove a file") \
	X(RENAME, 5, "rename", "rename") \
	X(LINK, 6, "link", "make a hard link") \
	X(SYMLINK, 7, "symlink", "make a symbolic link") \
	X(TRUNCATE, 8, "truncate", "truncate a file") \
	X(MKDIR, 9, "mkdir", "make a directory") \
	X(RMDIR, 10, "rmdir", "remove a directory") \
	X(CHMOD, 11, "chmod", "change permissions") \
	X(CHOWN, 12, "chown", "change the owner") \
	X(MKNOD, 13, "mknod", "make a special file") \
	X(EXEC, 20, "exec", "run a program") \
	X(LOAD, 21, "load", "map a file as code") \
	X(ARGV, 22, "exec-argv", "run a program with these arguments") \
	X(CONNECT, 30, "connect", "connect") \
	X(SEND, 31, "send", "send to an address") \
	X(BIND, 32, "bind", "bind a local address") \
	X(LISTEN, 33, "listen", "listen for connections") \
	X(SOCKET, 34, "socket", "open a socket of this family and type") \
	X(UNIX_CONNECT, 35, "unix-connect", "connect to a unix socket") \
	X(UNIX_SEND, 36, "unix-send", "send to a unix socket") \
	X(RECEIVE_FD, 37, "receive-socket", "receive a socket from another process") \
	X(LOOKUP, 38, "lookup", "look up a name") \
	X(FORK, 40, "fork", "start a process") \
	X(EXIT, 41, "exit", "end") \
	X(GOVERN, 42, "govern", "become governed") \
	X(SIGNAL, 43, "signal", "signal a process of somebody else") \
	X(PTRACE, 44, "ptrace", "inspect a process of somebody else") \
	X(USERNS, 45, "user-namespace", "create a user namespace") \
	X(MOUNT, 46, "mount", "change mounts") \
	X(BPF, 47, "bpf", "use the bpf system call") \
	X(IO_URING, 48, "io-uring", "set up an io_uring") \
	X(KERNEL, 49, "kernel", "change the kernel") \
	X(TERMINAL, 50, "terminal-input", "type into a terminal") \
	X(LABEL, 51, "label", "carry a label") \
	X(SETUID, 52, "setuid", "gain the rights of a program") \
	X(SEND_DATA, 53, "send-data", "send data inside TLS")

/* X(NAME, number, "name in records", "sentence for a person") */
#define AA_REASONS(X) \
	X(RULE, 1, "rule", "a rule of the policy decides this") \
	X(DEFAULT, 2, "default", "no rule of the section matches, and its default is to deny") \
	X(KILLED, 3, "killed", "the kill switch is thrown for this agent") \
	X(UNREADABLE_PATH, 4, "unreadable-path", "the path could not be read in the kernel") \
	X(UNREADABLE_ADDRESS, 5, "unreadable-address", "the address could not be read in the kernel") \
	X(UNREADABLE_ARGV, 6, "unreadable-argv", "the arguments could not be read in the kernel") \
	X(NO_POLICY, 7, "no-policy", "the agent has no policy in force") \
	X(NO_RECORD, 8, "no-record", "the action could not be recorded") \
	X(NO_SCRATCH, 9, "no-scratch", "no working memory was free in the kernel") \
	X(NO_IDENTITY, 10, "no-identity", "the child's identity could not be stored") \
	X(FAMILY, 11, "socket-family", "governed processes may not open sockets of this family or type") \
	X(CONTAINMENT, 12, "containment", "governed processes may not do this at all") \
	X(GUARDED_TREE, 13, "guarded-directory", "the directory holds names that rules protect") \
	X(FOREIGN_SOCKET, 14, "foreign-socket", "the passed socket leads where this agent may not go") \
	X(ALIAS, 15, "alias", "another name of the same object is denied") \
	X(ARGV_CHANGED, 16, "argv-changed", "the arguments were changed while the program was being started") \
	X(ASKED, 17, "asked", "a rule asks, and the answer is awaited") \
	X(APPROVED, 18, "approved", "a rule asks, and the answer was yes") \
	X(REFUSED, 19, "refused", "a rule asks, and the answer was no") \
	X(NO_ANSWER, 20, "no-answer", "a rule asks, and nobody answered in time") \
	X(CANNOT_WAIT, 21, "cannot-wait", "a rule asks, but this action cannot wait for an answer") \
	X(NOBODY_ANSWERS, 22, "nobody-answers", "a rule asks, but nobody was there to take the answer") \
	X(NO_RESOLVER, 23, "no-resolver", "lookups go through the resolver, which cannot be reached from here") \
	X(NOT_LOOKED_UP, 24, "not-looked-up", "the resolver does not look this name up, or not all it leads to") \
	X(SUSPENDED, 25, "suspended", "the agent is suspended until somebody resumes it") \
	X(HOURS, 26, "hours", "the policy is closed at this time") \
	X(RATE, 27, "rate", "the policy allows fewer of these in a time") \
	X(LABELLED_NAME, 28, "labelled-name", "it read what a rule labels by its name") \
	X(LABELLED_DATA, 29, "labelled-data", "it read what somebody wrote who carries the label") \
	X(LABELLED_MEMORY, 30, "labelled-memory", "it shares memory with somebody who carries the label") \
	X(LOSES_LABEL, 31, "loses-label", "under the new name a label would be lost that the old name gives") \
	X(NO_LABEL, 32, "no-label", "the label could not be put on the process or on what it writes") \
	X(PRIVILEGE, 33, "privilege", "governed processes may do this only if their policy lists it") \
	X(UNIX_UNSEEN, 34, "unix-socket-unseen", "which unix socket it is cannot be seen where the kernel takes no LSM programs") \
	X(UNREADABLE_CONTENT, 35, "unreadable-content", "what is in the program is not known, and a hash decides on it") \
	X(BLOCKED_CONNECTION, 36, "blocked-connection", "the connection holds data that was blocked, encrypted") \
	X(UNJUDGED_DATA, 37, "unjudged-data", "what was to be sent could not be read or judged in time") \
	X(BLIND_TLS, 38, "blind-tls", "nobody reads what this program sends inside TLS")

/* X(NAME, number, "name in metrics", "what was lost") */
#define AA_LOSSES(X) \
	X(DECISIONS_RING, 0, "decisions-ring-full", "records of denials, because the gateway did not drain the ring") \
	X(ACTIVITY_RING, 1, "activity-ring-full", "records of allowed actions, because the gateway did not drain the ring") \
	X(SCRATCH, 2, "scratch-busy", "actions denied because no working memory was free") \
	X(IDENTITY, 3, "identity-failed", "forks and sockets refused because whose they are could not be stored") \
	X(PATH, 4, "path-unreadable", "actions denied because a path could not be read") \
	X(ADDRESS, 5, "address-unreadable", "actions denied because an address could not be read") \
	X(ARGV, 6, "argv-unreadable", "executions denied because the arguments could not be read") \
	X(INODE_CACHE, 7, "inode-cache-failed", "verdicts that could not be cached (slower, not weaker)") \
	X(PLAINTEXT_RING, 8, "plaintext-ring-full", "bytes of TLS plaintext, because the gateway did not drain the ring") \
	X(PLAINTEXT_BUFFER, 9, "plaintext-buffer-busy", "bytes of TLS plaintext, because no working memory was free") \
	X(PLAINTEXT_READ, 10, "plaintext-unreadable", "bytes of TLS plaintext that could not be read") \
	X(PLAINTEXT_CALL, 11, "plaintext-call-unknown", "calls of TLS functions whose arguments could not be read or kept") \
	X(MAPPED_RING, 12, "mapped-ring-full", "code that agents mapped and nobody looked at, because the sensor did not drain the ring")

#define AA_ENUM_ACTION(name, number, text, help) AA_ACTION_##name = number,
#define AA_ENUM_REASON(name, number, text, help) AA_REASON_##name = number,
#define AA_ENUM_LOSS(name, number, text, help) AA_LOSS_##name = number,

enum aa_action { AA_ACTIONS(AA_ENUM_ACTION) };
enum aa_reason { AA_REASONS(AA_ENUM_REASON) };
enum aa_loss { AA_LOSSES(AA_ENUM_LOSS) AA_LOSS_COUNT };

#endif
