// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The network and programs where neither LSM programs nor fmod_ret may be loaded (kernel lockdown): the same judgement at
 * the root of the cgroups, by the identity of the acting task, which these programs know from 6.18 on, and at a tracepoint
 * in the midst of an exec, which can only kill.
 *
 * Who is governed is inherited at sched_process_fork, which comes before the child runs and cannot refuse it. Unix
 * sockets have only the name that the caller wrote here, so none that has a name is reached at all. What no program here
 * sees: sockets of families that are not inet's, and sockets passed by others; `aasm run` closes the first.
 */
#include "../lib/exec.bpf.h"
#include "../lib/net.bpf.h"

AA_LICENSE;

extern int bpf_send_signal_task(struct task_struct *task, int sig, u32 type, u64 value) __ksym __weak;

enum aa_cgroup_constants {
	AA_PIDTYPE_TGID = 1,
	AA_TCP_LISTEN = 10,
	AA_IPV4_VERSION = 4,
	AA_SOCK_OPS_PASSES = 1,
	AA_WORKS = 16, /* more than an exec can leave: it goes through 5 interpreters at most (fs/exec.c) */
};

/* Which of the files that an exec goes through. */
enum aa_level {
	AA_LEVEL_CALLED = 1, /* the first: the one that the caller named, and whose its arguments are */
	AA_LEVEL_SCRIPT = 2, /* another one interprets it */
};

/* What a hook's return value is here: EPERM, or what the call is to be restarted with, told aside. */
static __always_inline int told(int ret)
{
	if (!ret)
		return 1;
	bpf_set_retval(ret);
	return 0;
}

/* Remembers whose a socket is, for the programs that know no task. Null: it could not be, which denies. */
static __always_inline struct aa_socket_owner *own(struct bpf_sock *sk, const struct subject *subject)
{
	struct aa_socket_owner *owner = bpf_sk_storage_get(&socket_owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	struct sock *socket;

	if (!owner || owner->agent)
		return owner;
	socket = (void *)address_of(subject->identity, sk);
	owner->session = subject->session;
	owner->network = BPF_CORE_READ(socket, __sk_common.skc_net.net, ns.inum);
	owner->agent = subject->agent;
	return owner;
}

/* The child has its parent's identity before it runs. If that cannot be stored, neither lives. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(inherit_at_fork, struct task_struct *parent, struct task_struct *task)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());
	struct aa_identity child;

	if (!identity)
		return 0;
	child = *identity;
	child.carried_for = 0;
	child.held = 0;
	child.let_go = 0;
	child.splicing = 0;
	if (bpf_task_storage_get(&identities, task, &child, BPF_LOCAL_STORAGE_GET_F_CREATE))
		return 0;
	count_loss(AA_LOSS_IDENTITY);
	bpf_send_signal(AA_SIGKILL);
	if (bpf_ksym_exists(bpf_send_signal_task))
		bpf_send_signal_task(task, AA_SIGKILL, AA_PIDTYPE_TGID, 0);
	return 0;
}

/*
 * Judges one file that an exec goes through: as judge_exec() of process.bpf.c, but what is denied is killed. An address of 0
 * is a file that was not found. Returns whether it may run. A global function, which the verifier looks at once.
 */
__noinline int judge_level(u64 file_address, u64 filename_address, u32 level)
{
	struct judgement j = { .decision = DECISION_CLOSED, .reason = AA_REASON_NO_POLICY };
	u32 called = level & AA_LEVEL_CALLED, action = AA_ACTION_EXEC;
	struct subject subject;
	struct aa_scratch *s;

	if (!current_subject(&subject))
		return 1;
	s = claim_scratch(&subject);
	if (!s) {
		if (!subject.observes)
			bpf_send_signal(AA_SIGKILL);
		return subject.observes;
	}
	reset_event(s);
	if (subject.policy && !file_address) {
		j.reason = AA_REASON_UNREADABLE_PATH;
	} else if (subject.policy) {
		struct file *file = bpf_core_cast((void *)file_address, struct file);

		j = judge_program(s, &subject, file, called ? (const char *)filename_address : 0, level & AA_LEVEL_SCRIPT, &action,
				  AA_AT_EXEC);
		if (!j.reason) {
			j.reason = reason_of(j.decision);
			if (called)
				limit(&subject, AA_RATE_EXEC, &j);
		}
	}
	return conclude_at(0, s, &subject, action, j, AA_AT_EXEC) == 0;
}

/* The file that a task's work closes, if it was opened to be executed; else 0. */
static __always_inline u64 executed_file(struct callback_head *work)
{
	struct file *file = (void *)((u64)work - bpf_core_field_offset(struct file, f_task_work));
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	/* Works of other kinds lie in no file, whose inode would be that of its name. */
	if (!inode || BPF_CORE_READ(file, f_path.dentry, d_inode) != inode)
		return 0;
	return BPF_CORE_READ(file, f_flags) & AA_FMODE_EXEC ? (u64)file : 0;
}

/*
 * Where a new program has been found and is not begun: bprm->file is what will run, the last interpreter. The files it was
 * found by (scripts, and what binfmt_misc knows) were closed on the way, and what a task closes stays open until it goes
 * back to user space: they lie among its works, the newest first, and nothing else that was opened to be executed does yet.
 * Where there must be one and none is found, that denies. What the program really gets as arguments is compared with what
 * was judged at sched_process_exec.
 */
SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(judge_new_program, struct task_struct *task, struct linux_binprm *bprm)
{
	u64 filename, file, executable, found = 0;
	struct callback_head *work;

	if (!identity_of(bpf_get_current_task_btf()))
		return 0;
	/* Numbers: a global function takes no kernel pointer. */
	filename = (u64)BPF_CORE_READ(bprm, filename);
	file = (u64)BPF_CORE_READ(bprm, file);
	executable = (u64)BPF_CORE_READ(bprm, executable);
	work = BPF_CORE_READ(task, task_works);
	if ((u64)BPF_CORE_READ(bprm, interp) == filename) {
		judge_level(file, filename, AA_LEVEL_CALLED);
		return 0;
	}
	for (u32 i = 0; i < AA_WORKS && work; i++) {
		u64 next = executed_file(work);

		if (next && found && !judge_level(found, 0, AA_LEVEL_SCRIPT))
			return 0;
		found = next ?: found;
		work = BPF_CORE_READ(work, next);
	}
	if (!found)
		found = executable;
	else if (executable && !judge_level(executable, 0, AA_LEVEL_SCRIPT))
		return 0;
	if (judge_level(work ? 0 : found, filename, AA_LEVEL_CALLED | AA_LEVEL_SCRIPT))
		judge_level(file, 0, 0);
	return 0;
}

/*
 * connect(2), TCP Fast Open too, and every datagram with an address: sendmmsg's one by one. `family` is the hook's. A
 * question is judged as one, and then led to the resolver.
 */
static __always_inline int judge_departure(struct bpf_sock_addr *ctx, struct aa_destination *to, u32 action, int family)
{
	struct judgement unanswered = { .decision = DECISION_CLOSED, .reason = AA_REASON_NO_RESOLVER };
	struct aa_destination judged;
	struct aa_socket_owner *owner;
	struct subject subject;
	int ret;

	if (!current_subject(&subject))
		return 1;
	if (!ctx->sk)
		return 0;
	owner = own(ctx->sk, &subject);
	if (!owner)
		return 0;
	to->port = bpf_ntohs(ctx->user_port);
	to->protocol = ctx->protocol == AA_IPPROTO_MPTCP ? AA_IPPROTO_TCP : ctx->protocol;
	judged = *to;
	canonicalise(judged.address, 1);
	ret = judge_address(ctx, &subject, &judged, AA_ADDRESS_JUDGE, action, ctx->family, ctx->type, AA_AT_CGROUP, ctx->sk, 0);
	if (ret || !is_question(&subject, to))
		return told(ret);
	if (redirect(ctx, owner, to, family))
		return 1;
	return told(refuse_numbers(ctx, &subject, action, unanswered, 0, ctx->family, ctx->type, to->protocol, AA_AT_CGROUP));
}

static __always_inline void read_v6(struct bpf_sock_addr *ctx, struct aa_destination *to)
{
	u32 *words = (u32 *)to->address;

	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
}

SEC("cgroup/connect4")
int judge_connect4(struct bpf_sock_addr *ctx)
{
	struct aa_destination to = {};

	set_v4(to.address, ctx->user_ip4);
	return judge_departure(ctx, &to, AA_ACTION_CONNECT, AA_AF_INET);
}

SEC("cgroup/connect6")
int judge_connect6(struct bpf_sock_addr *ctx)
{
	struct aa_destination to = {};

	read_v6(ctx, &to);
	return judge_departure(ctx, &to, AA_ACTION_CONNECT, AA_AF_INET6);
}

SEC("cgroup/sendmsg4")
int judge_sent4(struct bpf_sock_addr *ctx)
{
	struct aa_destination to = {};

	set_v4(to.address, ctx->user_ip4);
	return judge_departure(ctx, &to, AA_ACTION_SEND, AA_AF_INET);
}

SEC("cgroup/sendmsg6")
int judge_sent6(struct bpf_sock_addr *ctx)
{
	struct aa_destination to = {};

	read_v6(ctx, &to);
	return judge_departure(ctx, &to, AA_ACTION_SEND, AA_AF_INET6);
}

static __always_inline int judge_binding(struct bpf_sock_addr *ctx, struct aa_destination *at)
{
	struct subject subject;

	if (!current_subject(&subject))
		return 1;
	at->port = bpf_ntohs(ctx->user_port);
	at->protocol = ctx->protocol == AA_IPPROTO_MPTCP ? AA_IPPROTO_TCP : ctx->protocol;
	canonicalise(at->address, 0);
	/* As judge_bind(): what every client does before it connects. */
	if (at->port == 0 && is_unspecified(at->address) && !subject.barred)
		return 1;
	return told(judge_address(ctx, &subject, at, AA_ADDRESS_JUDGE, AA_ACTION_BIND, ctx->family, ctx->type, AA_AT_CGROUP, 0, 0));
}

SEC("cgroup/bind4")
int judge_bind4(struct bpf_sock_addr *ctx)
{
	struct aa_destination at = {};

	set_v4(at.address, ctx->user_ip4);
	return judge_binding(ctx, &at);
}

SEC("cgroup/bind6")
int judge_bind6(struct bpf_sock_addr *ctx)
{
	struct aa_destination at = {};

	read_v6(ctx, &at);
	return judge_binding(ctx, &at);
}

static __always_inline int refuse_unix(struct bpf_sock_addr *ctx, u32 action)
{
	struct judgement j = { .decision = DECISION_CLOSED, .reason = AA_REASON_UNIX_UNSEEN };
	struct subject subject;

	if (!current_subject(&subject))
		return 1;
	if (!subject.policy)
		j.reason = AA_REASON_NO_POLICY;
	else if (verdict_of(subject.policy->default_net) == AA_UNGOVERNED && !subject.barred)
		return 1;
	judge_barred(&subject, &j);
	return told(refuse_numbers(ctx, &subject, action, j, 0, AA_AF_UNIX, ctx->type, 0, AA_AT_CGROUP));
}

SEC("cgroup/connect_unix")
int refuse_unix_connect(struct bpf_sock_addr *ctx)
{
	return refuse_unix(ctx, AA_ACTION_UNIX_CONNECT);
}

SEC("cgroup/sendmsg_unix")
int refuse_unix_send(struct bpf_sock_addr *ctx)
{
	return refuse_unix(ctx, AA_ACTION_UNIX_SEND);
}

/* Sockets of inet's families; the others do not come by here. */
SEC("cgroup/sock_create")
int judge_new_socket(struct bpf_sock *sk)
{
	struct judgement j = { .decision = DECISION_CLOSED, .reason = AA_REASON_FAMILY };
	struct subject subject;

	if (!current_subject(&subject))
		return 1;
	if (!subject.policy)
		j.reason = AA_REASON_NO_POLICY;
	else if (!subject.barred &&
		 (verdict_of(subject.policy->default_net) == AA_UNGOVERNED || socket_allowed(sk->family, sk->type, sk->protocol)))
		return own(sk, &subject) != 0;
	judge_barred(&subject, &j);
	return told(refuse_numbers(sk, &subject, AA_ACTION_SOCKET, j, 0, sk->family, sk->type, sk->protocol, AA_AT_CGROUP));
}

/* Where a packet goes, and whence. */
struct route {
	struct aa_destination to;
	u32 from_port;
	u32 v4;
};

/* 0, or -1 if it cannot be said. Of IPv6 only what has no extension header, by which a route could be given. */
static __always_inline int read_packet(struct __sk_buff *skb, struct route *route)
{
	u8 first = 0, protocol = 0;
	u32 header = 40, v4;
	u16 ports[2] = {};

	if (bpf_skb_load_bytes(skb, 0, &first, 1))
		return -1;
	route->v4 = first >> 4 == AA_IPV4_VERSION;
	if (route->v4) {
		header = (first & 0xf) * 4;
		if (bpf_skb_load_bytes(skb, 9, &protocol, 1) || bpf_skb_load_bytes(skb, 16, &v4, 4))
			return -1;
		set_v4(route->to.address, v4);
	} else if (bpf_skb_load_bytes(skb, 6, &protocol, 1) || bpf_skb_load_bytes(skb, 24, route->to.address, 16)) {
		return -1;
	}
	if ((protocol == AA_IPPROTO_TCP || protocol == AA_IPPROTO_UDP) && bpf_skb_load_bytes(skb, header, ports, sizeof(ports)))
		return -1;
	route->to.protocol = protocol;
	route->to.port = bpf_ntohs(ports[1]);
	route->from_port = bpf_ntohs(ports[0]);
	return 0;
}

/* Whether a packet goes to whom its socket is connected to, which was judged when it was. */
static __always_inline int goes_to_peer(struct bpf_sock *sk, const struct route *route)
{
	const u32 *words = (const u32 *)route->to.address;
	u32 ip4 = sk->dst_ip4;

	/* Else the two last words become one read from either place ("pointer arithmetic on sock prohibited"). */
	barrier_var(ip4);
	if (!sk->dst_port || bpf_ntohs(sk->dst_port) != route->to.port)
		return 0;
	if (route->v4)
		return ip4 == words[3];
	return sk->dst_ip6[0] == words[0] && sk->dst_ip6[1] == words[1] && sk->dst_ip6[2] == words[2] && sk->dst_ip6[3] == words[3];
}

/* Whether a packet goes to the resolver; writes down who asks. */
static __always_inline int asks_resolver(const struct route *route, const struct aa_socket_owner *owner)
{
	struct aa_resolver *resolver = the_resolver();
	const u32 *words = (const u32 *)route->to.address;
	int tcp = route->to.protocol == AA_IPPROTO_TCP;

	if (!owner->asked.port || !resolver || resolver->network != owner->network)
		return 0;
	if (route->v4 ? words[3] != bpf_htonl(AA_LOOPBACK4) || route->to.port != resolver->port4 :
			words[0] || words[1] || words[2] || words[3] != bpf_htonl(1) || route->to.port != resolver->port6)
		return 0;
	note_asker(route->v4 ? (tcp ? AA_ASKERS_TCP4 : AA_ASKERS_UDP4) : (tcp ? AA_ASKERS_TCP6 : AA_ASKERS_UDP6), route->from_port,
		   owner->agent);
	return 1;
}

/*
 * Behind the others: what leaves by a governed socket, whoever sends it and however: ping sockets, routes given beside a
 * datagram, and all of it once something bars the agent. 0 drops the packet.
 */
SEC("cgroup_skb/egress")
int check_departing(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct aa_socket_owner *owner;
	struct route route = {};
	struct subject subject;

	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	owner = bpf_sk_storage_get(&socket_owners, sk, 0, 0);
	if (!owner || !owner->agent)
		return 1;
	subject_of_agent(&subject, owner->agent, owner->session);
	if (!subject.policy || subject.barred)
		return subject.observes != 0;
	if (sk->state == AA_TCP_LISTEN || verdict_of(subject.policy->default_net) == AA_UNGOVERNED)
		return 1;
	if (read_packet(skb, &route))
		return subject.observes != 0;
	if (asks_resolver(&route, owner) || goes_to_peer(sk, &route))
		return 1;
	canonicalise(route.to.address, 1);

	u32 decision = decide_names(subject.policy, subject.agent, &route.to, decide_address(&subject, &route.to));

	/* Who was asked was asked when it was sent. */
	if (passes(decision) || verdict_of(decision) == AA_ASK)
		return 1;
	return judge_address(skb, &subject, &route.to, AA_ADDRESS_JUDGE, AA_ACTION_SEND, sk->family, sk->type, AA_AT_SOCKET, 0, 0) == 0;
}

/* The address that a socket listens at. */
static __always_inline void read_listener(struct aa_destination *at, u32 family, u32 ip4, const u32 *ip6, u32 port)
{
	u32 *words = (u32 *)at->address;

	if (family == AA_AF_INET6) {
		words[0] = ip6[0];
		words[1] = ip6[1];
		words[2] = ip6[2];
		words[3] = ip6[3];
	} else {
		set_v4(at->address, ip4);
	}
	at->port = port;
	at->protocol = AA_IPPROTO_TCP;
	canonicalise(at->address, 0);
}

/* listen(2) succeeds whatever is said here: this records, and hear_nobody() is what denies. */
SEC("sockops")
int judge_listening(struct bpf_sock_ops *ctx)
{
	u32 ip6[4] = { ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2], ctx->local_ip6[3] };
	struct aa_destination at = {};
	struct subject subject;

	if (ctx->op != BPF_SOCK_OPS_TCP_LISTEN_CB || !current_subject(&subject))
		return AA_SOCK_OPS_PASSES;
	read_listener(&at, ctx->family, ctx->local_ip4, ip6, ctx->local_port);
	judge_address(ctx, &subject, &at, AA_ADDRESS_JUDGE, AA_ACTION_LISTEN, ctx->family, AA_SOCK_STREAM, AA_AT_SOCKET, 0, 0);
	return AA_SOCK_OPS_PASSES;
}

/* What comes to a governed socket that may not listen where it does is dropped: nobody connects. */
SEC("cgroup_skb/ingress")
int hear_nobody(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct aa_socket_owner *owner;
	struct aa_destination at = {};
	struct subject subject;

	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->state != AA_TCP_LISTEN)
		return 1;
	owner = bpf_sk_storage_get(&socket_owners, sk, 0, 0);
	if (!owner || !owner->agent)
		return 1;
	subject_of_agent(&subject, owner->agent, owner->session);
	if (!subject.policy || subject.barred)
		return subject.observes != 0;

	u32 ip6[4] = { sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3] };

	read_listener(&at, sk->family, sk->src_ip4, ip6, sk->src_port);
	return passes(decide_address(&subject, &at)) || subject.observes;
}
