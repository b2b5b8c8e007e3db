// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A program that does nothing on every hook that ../../bpf/progs uses, as many as there are: what promise K1 is
 * measured against. Left out are file_truncate and userns_create, which not every kernel has and no figure touches.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define EMPTY(section, name, verdict) \
	SEC(section) int name(void *ctx) { return verdict; }

EMPTY("lsm/file_open", open, 0)
EMPTY("lsm/mmap_file", code_mapping, 0)
EMPTY("lsm/file_mprotect", code_protection, 0)
EMPTY("lsm/path_mknod", create, 0)
EMPTY("lsm/path_mkdir", mkdir, 0)
EMPTY("lsm/path_rmdir", rmdir, 0)
EMPTY("lsm/path_unlink", unlink, 0)
EMPTY("lsm/path_symlink", symlink, 0)
EMPTY("lsm/path_truncate", truncate, 0)
EMPTY("lsm/path_chmod", chmod, 0)
EMPTY("lsm/path_chown", chown, 0)
EMPTY("lsm/path_rename", rename, 0)
EMPTY("lsm/path_link", link, 0)
EMPTY("lsm/file_receive", received_file, 0)
EMPTY("lsm/file_receive", received_socket, 0)
EMPTY("lsm/inode_rename", renamed, 0)
EMPTY("lsm/inode_link", linked, 0)
EMPTY("fexit/vfs_rename", moved_directory, 0)
EMPTY("lsm/sb_mount", mount, 0)
EMPTY("lsm/sb_mount", mounted, 0)
EMPTY("lsm/move_mount", move_mount, 0)
EMPTY("lsm/move_mount", moved_mount, 0)
EMPTY("lsm/sb_umount", umount, 0)
EMPTY("lsm/sb_pivotroot", pivot_root, 0)
EMPTY("lsm/socket_create", socket_kind, 0)
EMPTY("lsm/socket_post_create", new_socket, 0)
EMPTY("lsm/socket_connect", connect, 0)
EMPTY("lsm/socket_bind", bind, 0)
EMPTY("lsm/socket_listen", listen, 0)
EMPTY("lsm/socket_sendmsg", send, 0)
EMPTY("lsm/unix_stream_connect", unix_connect, 0)
EMPTY("lsm/unix_may_send", unix_send, 0)
EMPTY("lsm/task_alloc", task, 0)
EMPTY("lsm/bprm_check_security", exec, 0)
EMPTY("lsm/ptrace_access_check", ptrace, 0)
EMPTY("lsm/task_kill", signal, 0)
EMPTY("lsm/bpf", bpf, 0)
EMPTY("tp_btf/sched_process_exec", executed, 0)
EMPTY("tp_btf/sched_process_exit", ended, 0)
EMPTY("cgroup/sendmsg4", datagram4, 1)
EMPTY("cgroup/sendmsg6", datagram6, 1)
