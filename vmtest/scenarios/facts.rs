//! The facts G1-G27 of the kernel notes that concern a deny: ways round the obvious hook, one test each.
//!
//! No test: G20-G22, G24's cgroup half and G25 say what we must not build on; G22 and G23 are what the
//! fmod-ret kernel of the matrix is for.

use std::fs;
use std::net::TcpStream;

use crate::act::{Act, policy_file};
use crate::guest::{Guest, command, file_at, script_at, succeed, tiny_at};
use crate::harness::{Checks, Test, tests};
use crate::listeners::{hosts, passing};
use crate::records::denials_of;
use crate::steps::{allow, deny, enforce, gives};

pub(crate) const TESTS: &[Test] = tests![
    g01_tcp_fast_open_is_a_connect,
    g02_an_unspecified_family_is_judged_as_what_the_kernel_makes_of_it,
    g03_an_ipv4_address_on_an_ipv6_socket_is_judged_as_ipv4,
    g04_mapped_addresses_are_judged_as_ipv4,
    g05_each_message_of_sendmmsg_is_judged,
    g06_raw_sockets_are_refused_and_ping_is_judged,
    g07_packet_sockets_are_refused,
    g08_mptcp_is_judged_as_tcp,
    g09_splice_and_sendfile_need_an_allowed_file_and_an_allowed_socket,
    g10_a_passed_socket_is_judged_by_where_it_leads,
    g10_a_passed_file_is_judged_by_written_denials,
    g11_io_uring_is_judged_as_the_system_calls,
    g12_a_new_network_namespace_changes_nothing,
    g13_reopening_an_o_path_descriptor_is_an_open,
    g14_other_names_of_a_protected_file_do_not_help,
    g14_a_name_in_another_mount_namespace_does_not_help,
    g15_a_shared_mapping_needs_an_open_for_writing,
    g16_ftruncate_is_judged_on_a_passed_descriptor,
    g17_the_name_of_a_memfd_means_nothing,
    g18_the_loader_cannot_run_a_denied_program,
    g19_a_script_and_its_interpreter_are_both_judged,
    g24_nobody_detaches_the_programs,
    g26_every_child_and_thread_inherits,
    g27_the_address_judged_is_the_address_used,
];

const NET: &str = "net: {allow: [127.0.0.1]}\n";

fn g01_tcp_fast_open_is_a_connect(guest: &Guest, checks: &mut Checks) {
    let [good, bad] = hosts(["127.0.0.1", "127.0.0.2"]);
    let steps = [
        allow(format!("tfo {}", good.words())),
        deny(format!("tfo {}", bad.words()), "send"),
        gives(
            format!("tfo {} mptcp", good.words()),
            match guest.expectations.mptcp_fast_open.as_str() {
                "ok" => "ok".to_owned(),
                errno => format!("errno {errno}"),
            },
        ),
    ];
    enforce(checks, "tfo", NET, || {}, &steps);
    let mut act = Act::governed("tfo", NET);
    // Where the kernel can do it at all we deny it first.
    let answer = act.ask(&format!("tfo {} mptcp", bad.words()));
    checks.equal(
        "fast open on MPTCP to a denied address",
        &answer.as_str(),
        &"errno EPERM",
    );
    checks.equal("connections to the denied address", &bad.tcp.settled(), &0);
    checks.that(good.tcp.settled() >= 1, || "the allowed one did not arrive".to_owned());
}

fn g02_an_unspecified_family_is_judged_as_what_the_kernel_makes_of_it(_: &Guest, checks: &mut Checks) {
    let [good, bad] = hosts(["127.0.0.1", "127.0.0.2"]);
    let steps = [
        allow(format!("sendto-unspec {}", good.words())),
        deny(format!("sendto-unspec {}", bad.words()), "send"),
        deny(
            format!("connect-unspec-reconnect {} {}", good.words(), bad.words()),
            "connect",
        ),
    ];
    enforce(checks, "unspec", NET, || {}, &steps);
    checks.equal("datagrams to the denied address", &bad.udp.settled(), &0);
    checks.equal("datagrams to the allowed address", &good.udp.settled(), &1);
}

fn g03_an_ipv4_address_on_an_ipv6_socket_is_judged_as_ipv4(_: &Guest, checks: &mut Checks) {
    let [good, bad] = hosts(["127.0.0.1", "127.0.0.2"]);
    let steps = [
        allow(format!("sendto-v4-on-v6 {}", good.words())),
        deny(format!("sendto-v4-on-v6 {}", bad.words()), "send"),
        allow(format!("connect-v4-on-v6 {}", good.words())),
        deny(format!("connect-v4-on-v6 {}", bad.words()), "connect"),
    ];
    enforce(checks, "v4-on-v6", NET, || {}, &steps);
    // Rules about IPv6 alone do not open it either.
    let steps = [deny(format!("sendto-v4-on-v6 {}", bad.words()), "send")];
    enforce(checks, "v4-on-v6", "net: {allow: ['[::]/0']}\n", || {}, &steps);
    checks.equal("datagrams to the denied address", &bad.udp.settled(), &0);
}

fn g04_mapped_addresses_are_judged_as_ipv4(_: &Guest, checks: &mut Checks) {
    let [good, bad] = hosts(["127.0.0.1", "127.0.0.2"]);
    let steps = [
        allow(format!("connect-mapped {}", good.words())),
        deny(format!("connect-mapped {}", bad.words()), "connect"),
        allow(format!("sendto-mapped {}", good.words())),
        deny(format!("sendto-mapped {}", bad.words()), "send"),
    ];
    for body in [NET, "net: {allow: ['[::]/0', 127.0.0.1]}\n"] {
        enforce(checks, "mapped", body, || {}, &steps);
    }
    checks.equal("connections to the denied address", &bad.tcp.settled(), &0);
    checks.equal("datagrams to the denied address", &bad.udp.settled(), &0);
}

fn g05_each_message_of_sendmmsg_is_judged(_: &Guest, checks: &mut Checks) {
    let [good, bad] = hosts(["127.0.0.1", "127.0.0.2"]);
    let (good_at, bad_at) = ("127.0.0.1", "127.0.0.2");
    let mut act = Act::governed("sendmmsg", NET);
    let mut send = |hosts: &str| act.ask(&format!("sendmmsg-udp {} {hosts}", good.port));
    checks.equal(
        "all to the denied one",
        &send(&[bad_at; 4].join(" ")).as_str(),
        &"errno EPERM",
    );
    checks.equal(
        "all to the allowed one",
        &send(&[good_at; 4].join(" ")).as_str(),
        &"ok 4",
    );
    checks.equal(
        "the second denied",
        &send(&format!("{good_at} {bad_at} {good_at}")).as_str(),
        &"ok 1",
    );
    checks.equal(
        "the last denied",
        &send(&format!("{good_at} {good_at} {good_at} {bad_at}")).as_str(),
        &"ok 3",
    );
    checks.equal("datagrams to the denied address", &bad.udp.settled(), &0);
    checks.equal("datagrams to the allowed address", &good.udp.settled(), &8);
    checks.equal("records", &denials_of(&act.agent, 3).len(), &3);
}

fn g06_raw_sockets_are_refused_and_ping_is_judged(_: &Guest, checks: &mut Checks) {
    let steps = [
        deny("socket inet raw 255", "socket"),
        deny("socket inet raw icmp", "socket"),
        deny("socket inet6 raw icmpv6", "socket"),
        allow("ping 127.0.0.1"),
        deny("ping 127.0.0.2", "send"),
        deny("connect-ping 127.0.0.2 0", "connect"),
    ];
    enforce(checks, "raw", NET, || {}, &steps);
}

fn g07_packet_sockets_are_refused(_: &Guest, checks: &mut Checks) {
    let steps = [
        deny("socket packet raw 0x300", "socket"),
        deny("socket packet dgram 0x300", "socket"),
        deny("packet-send", "socket"),
    ];
    enforce(checks, "packet", "net: {default: allow}\n", || {}, &steps);
}

fn g08_mptcp_is_judged_as_tcp(_: &Guest, checks: &mut Checks) {
    let [good, bad] = hosts(["127.0.0.1", "127.0.0.2"]);
    let steps = [
        allow(format!("mptcp-connect {}", good.words())),
        deny(format!("mptcp-connect {}", bad.words()), "connect"),
    ];
    enforce(checks, "mptcp", "net: {allow: [127.0.0.1/tcp]}\n", || {}, &steps);
    let steps = [deny(format!("mptcp-connect {}", good.words()), "connect")];
    enforce(checks, "mptcp", "net: {allow: [127.0.0.1/udp]}\n", || {}, &steps);
    checks.equal("connections to the denied address", &bad.tcp.settled(), &0);
    checks.equal("connections to the allowed address", &good.tcp.settled(), &1);
}

fn g09_splice_and_sendfile_need_an_allowed_file_and_an_allowed_socket(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("splice");
    let (open, secret) = (file_at(tree.join("open"), "x"), file_at(tree.join("secret"), "x"));
    let (open, secret) = (open.display(), secret.display());
    let [good, bad] = hosts(["127.0.0.1", "127.0.0.2"]);
    let body = format!("{NET}file:\n  read: {{allow: [/**], deny: ['{secret}']}}\n");
    let mut steps = Vec::new();
    for action in ["sendfile", "splice"] {
        steps.push(allow(format!("{action} {open} {}", good.words())));
        steps.push(deny(format!("{action} {secret} {}", good.words()), "open-read"));
        steps.push(deny(format!("{action} {open} {}", bad.words()), "connect"));
    }
    enforce(checks, "splice", &body, || {}, &steps);
    checks.equal("connections to the denied address", &bad.tcp.settled(), &0);
}

fn g10_a_passed_socket_is_judged_by_where_it_leads(guest: &Guest, checks: &mut Checks) {
    let [good, bad] = hosts(["127.0.0.1", "127.0.0.2"]);
    let tag = guest.tree("pass").file_name().unwrap().to_string_lossy().into_owned();
    for (name, host) in [("good", &good), ("bad", &bad)] {
        passing(
            &format!("@{tag}-{name}"),
            TcpStream::connect((host.address, host.port)).unwrap(),
        );
    }
    let body = "net: {allow: [127.0.0.1, 'unix:@**']}\n";
    let mut act = Act::governed("pass", body);
    checks.equal(
        "one that leads to the allowed address",
        &act.ask(&format!("receive @{tag}-good")).as_str(),
        &"ok descriptor",
    );
    checks.equal("sending on it", &act.ask("held-send").as_str(), &"ok");
    let answer = act.ask(&format!("receive @{tag}-bad"));
    checks.that(answer.starts_with("no descriptor"), || {
        format!("one that leads to the denied address: {answer}")
    });
    checks.equal("sending on it", &act.ask("held-send").as_str(), &"errno EBADF");
    let records: Vec<String> = denials_of(&act.agent, 1)
        .into_iter()
        .map(|event| event.action)
        .collect();
    checks.equal("records", &records, &vec!["receive-socket".to_owned()]);
    let mut observed = Act::governed("pass", &format!("mode: observe\n{body}"));
    checks.equal(
        "observed",
        &observed.ask(&format!("receive @{tag}-bad")).as_str(),
        &"ok descriptor",
    );
    let mut ungoverned = Act::ungoverned();
    checks.equal(
        "ungoverned",
        &ungoverned.ask(&format!("receive @{tag}-bad")).as_str(),
        &"ok descriptor",
    );
}

fn g10_a_passed_file_is_judged_by_written_denials(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("pass-file");
    let tag = tree.file_name().unwrap().to_string_lossy().into_owned();
    let (plain, secret) = (file_at(tree.join("plain"), "x"), file_at(tree.join("secret"), "x"));
    passing(&format!("@{tag}-plain"), fs::File::open(&plain).unwrap());
    passing(&format!("@{tag}-secret"), fs::File::open(&secret).unwrap());
    let body = format!("file:\n  read: {{deny: ['{}']}}\n", secret.display());
    let mut act = Act::governed("pass-file", &body);
    // Its own open fails by the section's default; being handed it is how brokers grant access.
    checks.equal(
        "its own open",
        &act.ask(&format!("open-read {}", plain.display())).as_str(),
        &"errno EPERM",
    );
    checks.equal(
        "passed",
        &act.ask(&format!("receive @{tag}-plain")).as_str(),
        &"ok descriptor",
    );
    checks.equal("read", &act.ask("held-read").as_str(), &"ok");
    let answer = act.ask(&format!("receive @{tag}-secret"));
    checks.that(answer.starts_with("no descriptor"), || {
        format!("what a rule denies: {answer}")
    });
    checks.equal("records", &denials_of(&act.agent, 2).len(), &2);
}

fn g11_io_uring_is_judged_as_the_system_calls(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("uring");
    let t = tree.display();
    let prepare = || {
        for name in ["rw/f", "rw/g", "rw/h", "no/f"] {
            file_at(tree.join(name), "x");
        }
    };
    let [good, bad] = hosts(["127.0.0.1", "127.0.0.2"]);
    let body = format!(
        "privileges: {{allow: [io_uring]}}\n{NET}file:\n  read: {{allow: ['{t}/rw/**']}}\n  write: {{allow: ['{t}/rw/**']}}\n"
    );
    let mut steps = Vec::new();
    for (how, removed) in [("inline", "g"), ("async", "h")] {
        steps.push(allow(format!("uring-openat {t}/rw/f {how}")));
        steps.push(deny(format!("uring-openat {t}/no/f {how}"), "open-read"));
        steps.push(allow(format!("uring-unlinkat {t}/rw/{removed} {how}")));
        steps.push(deny(format!("uring-unlinkat {t}/no/f {how}"), "unlink"));
        steps.push(allow(format!("uring-connect {} {how}", good.words())));
        steps.push(deny(format!("uring-connect {} {how}", bad.words()), "connect"));
        steps.push(allow(format!("uring-sendmsg {} {how}", good.words())));
        steps.push(deny(format!("uring-sendmsg {} {how}", bad.words()), "send"));
    }
    prepare();
    let mut act = Act::governed("uring", &body);
    let pid = act.ask("getpid");
    let records = crate::steps::enforce_on(checks, &mut act, &steps);
    for record in records {
        let process = record.process.as_ref().unwrap();
        checks.equal(
            "the process is the one that asked, not its worker",
            &format!("ok {}", process.pid),
            &pid,
        );
    }
    checks.equal("connections to the denied address", &bad.tcp.settled(), &0);
    checks.equal("datagrams to the denied address", &bad.udp.settled(), &0);
    checks.that(tree.join("no/f").exists(), || "the denied file is gone".to_owned());
}

fn g12_a_new_network_namespace_changes_nothing(_: &Guest, checks: &mut Checks) {
    let steps = [
        deny("unshare net connect 127.0.0.2 80", "connect"),
        deny("clone-new net connect 127.0.0.2 80", "connect"),
        gives("unshare net connect 127.0.0.1 80", "errno ENETUNREACH"),
        deny("unshare net sendto-udp 127.0.0.2 80", "send"),
        deny("unshare net socket packet raw 0x300", "socket"),
    ];
    enforce(checks, "netns", NET, || {}, &steps);
}

fn g13_reopening_an_o_path_descriptor_is_an_open(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("opath");
    let (open, secret) = (file_at(tree.join("open"), "x"), file_at(tree.join("secret"), "x"));
    let (open, secret) = (open.display(), secret.display());
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{secret}']}}\n");
    let steps = [
        allow(format!("opath-reopen {open}")),
        allow(format!("opath-only {secret}")),
        deny(format!("opath-reopen {secret}"), "open-read"),
        allow(format!("open-by-handle {open} /srv")),
        deny(format!("open-by-handle {secret} /srv"), "open-read"),
    ];
    enforce(checks, "opath", &body, || {}, &steps);
}

fn g14_other_names_of_a_protected_file_do_not_help(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("names");
    let t = tree.display();
    for name in ["secret/key", "open/f", "parent/secret.d/key"] {
        file_at(tree.join(name), "x");
    }
    for name in ["bound", "mount", "newroot"] {
        fs::create_dir(tree.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(tree.join("secret/key"), tree.join("open/link")).unwrap();
    // By somebody who may, before and while.
    succeed("mount", &["--bind", &format!("{t}/secret"), &format!("{t}/bound")]);
    let body = format!(
        "file:\n  read: {{allow: [/**], deny: ['{t}/secret/**', '{t}/parent/secret.d/**']}}\n  write: {{allow: [/**]}}\n"
    );
    let steps = [
        deny(format!("open-read {t}/secret/key"), "open-read"),
        deny(format!("open-read {t}/open/link"), "open-read"),
        deny(format!("read-via-proc-root {t}/secret/key"), "open-read"),
        deny(format!("open-read {t}/bound/key"), "open-read"),
        deny(format!("link {t}/secret/key {t}/open/hard"), "link"),
        deny(format!("rename {t}/secret {t}/open/moved"), "rename"),
        deny(format!("rename {t}/parent {t}/open/moved"), "rename"),
        deny(format!("chroot {t}/secret open-read /key"), "open-read"),
        deny(format!("chroot {t} open-read /secret/key"), "open-read"),
        deny(format!("open-tree-clone {t}/secret key"), "open-read"),
        deny(format!("open-tree-clone {t} secret/key"), "open-read"),
        deny(format!("move-mount {t}/secret {t}/mount"), "mount"),
        deny(format!("mount-bind {t}/secret {t}/mount"), "mount"),
        deny(format!("unshare mnt mount-bind {t}/secret {t}/mount"), "mount"),
        allow(format!("unshare mnt open-read {t}/open/f")),
        deny(format!("unshare mnt open-read {t}/secret/key"), "open-read"),
        deny(format!("unshare mnt open-read {t}/bound/key"), "open-read"),
        allow(format!("open-tree-clone {t} open/f")),
        allow(format!("chroot {t} open-read /open/f")),
    ];
    enforce(checks, "aliases", &body, || {}, &steps);
    let user = Act::governed("aliases", &body).ask(&format!("unshare user open-read {t}/secret/key"));
    checks.that(user.starts_with("setup EPERM"), || format!("a user namespace: {user}"));
    succeed("umount", &[&format!("{t}/bound")]);
}

/// A file system that has a harmless name in another mount namespace, and a task of the same policy that looked there.
fn g14_a_name_in_another_mount_namespace_does_not_help(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("namespace");
    let tag = tree.file_name().unwrap().to_string_lossy().into_owned();
    let t = tree.display();
    for name in ["secret", "open"] {
        fs::create_dir(tree.join(name)).unwrap();
    }
    succeed("mount", &["-t", "tmpfs", "aa-test", &format!("{t}/secret")]);
    file_at(tree.join("secret/key"), "x");
    let policy = policy_file(
        "namespace",
        &format!("file:\n  read: {{allow: [/**], deny: ['{t}/secret/**']}}\nnet: {{allow: ['unix:@**']}}\n"),
    );
    let mut here = Act::under(&policy);
    checks.equal(
        "its first name",
        &here.ask(&format!("open-read {t}/secret/key")).as_str(),
        &"errno EPERM",
    );
    let mut there = Act::in_mount_namespace(&format!("mount --move {t}/secret {t}/open"), &policy);
    let seen = format!("/proc/{}/root{t}/open/key", there.started_pid());
    for _ in 0..3 {
        checks.equal(
            "where it has the other name",
            &there.ask(&format!("open-read {t}/open/key")).as_str(),
            &"ok",
        );
    }
    passing(&format!("@{tag}"), fs::File::open(&seen).unwrap());
    for _ in 0..2 {
        let answer = here.ask(&format!("receive @{tag}"));
        checks.that(answer.starts_with("no descriptor"), || {
            format!("passed from there: {answer}")
        });
    }
    drop(there);
    succeed("umount", &[&format!("{t}/secret")]);
}

fn g15_a_shared_mapping_needs_an_open_for_writing(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("mapping");
    let (open, kept) = (file_at(tree.join("open"), "x"), file_at(tree.join("kept"), "x"));
    let body = format!(
        "file:\n  read: {{allow: [/**]}}\n  write: {{allow: ['{}']}}\n",
        open.display()
    );
    let steps = [
        allow(format!("mmap-shared-write {}", open.display())),
        deny(format!("mmap-shared-write {}", kept.display()), "open-write"),
        gives(format!("mmap-make-writable {}", kept.display()), "errno EACCES"),
    ];
    enforce(checks, "mapping", &body, || {}, &steps);
    checks.equal(
        "the protected file",
        &fs::read_to_string(kept).unwrap(),
        &"x".to_owned(),
    );
}

fn g16_ftruncate_is_judged_on_a_passed_descriptor(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("ftruncate");
    let tag = tree.file_name().unwrap().to_string_lossy().into_owned();
    let (yes, no) = (file_at(tree.join("yes"), "text"), file_at(tree.join("no"), "text"));
    for (name, path) in [("yes", &yes), ("no", &no)] {
        passing(
            &format!("@{tag}-{name}"),
            fs::File::options().write(true).open(path).unwrap(),
        );
    }
    let mut act = Act::governed(
        "ftruncate",
        &format!("file:\n  write: {{allow: ['{}']}}\n", yes.display()),
    );
    for (name, expected) in [("yes", "ok"), ("no", "errno EPERM")] {
        checks.equal(
            "passed",
            &act.ask(&format!("receive @{tag}-{name}")).as_str(),
            &"ok descriptor",
        );
        checks.equal(
            format!("ftruncate {name}"),
            &act.ask("held-ftruncate").as_str(),
            &expected,
        );
    }
    checks.equal(
        "text of the protected file",
        &fs::read_to_string(no).unwrap(),
        &"text".to_owned(),
    );
}

fn g17_the_name_of_a_memfd_means_nothing(_: &Guest, checks: &mut Checks) {
    let body = "exec: {allow: [/usr/**, '**/git', git]}\n";
    let steps = [
        deny("memfd-tiny git", "exec"),
        deny("memfd-tiny /usr/bin/git", "exec"),
        deny("memfd-tiny ../usr/bin/git", "exec"),
    ];
    enforce(checks, "memfd", body, || {}, &steps);
}

fn g18_the_loader_cannot_run_a_denied_program(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("loader");
    let program = tree.join("prog");
    fs::copy("/usr/bin/true", &program).unwrap();
    let loader = fs::canonicalize("/lib64/ld-linux-x86-64.so.2").unwrap();
    let body = "exec: {allow: [/usr/**]}\n";
    let mut act = Act::governed("loader", body);
    let answer = act.ask(&format!("exec {} {}", loader.display(), program.display()));
    checks.that(answer.starts_with("ok 127 "), || {
        format!("expected the loader to fail: {answer}")
    });
    let records: Vec<String> = denials_of(&act.agent, 1)
        .into_iter()
        .map(|event| event.action)
        .collect();
    checks.equal("records", &records, &vec!["load".to_owned()]);
    let answer = act.ask(&format!("exec {} /usr/bin/true", loader.display()));
    checks.equal("an allowed program", &answer.as_str(), &"ok 0 ");
}

fn g19_a_script_and_its_interpreter_are_both_judged(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("shebang");
    let t = tree.display();
    tiny_at(tree.join("bin/yes"));
    tiny_at(tree.join("bin/no"));
    script_at(tree.join("ok/by-yes"), &format!("#!{t}/bin/yes\n"));
    script_at(tree.join("ok/by-no"), &format!("#!{t}/bin/no\n"));
    script_at(tree.join("no/by-yes"), &format!("#!{t}/bin/yes\n"));
    let body = format!("exec: {{allow: [/usr/local/lib/aa-test/act, '{t}/ok/**', '{t}/bin/yes']}}\n");
    let steps = [
        allow(format!("exec {t}/ok/by-yes")),
        deny(format!("exec {t}/ok/by-no"), "exec"),
        deny(format!("exec {t}/no/by-yes"), "exec"),
    ];
    let records = enforce(checks, "shebang", &body, || {}, &steps);
    let objects: Vec<String> = records
        .iter()
        .filter_map(|event| event.object.as_ref())
        .map(ToString::to_string)
        .collect();
    checks.equal(
        "objects",
        &objects,
        &vec![format!("{t}/bin/no"), format!("{t}/no/by-yes")],
    );
}

fn g24_nobody_detaches_the_programs(guest: &Guest, checks: &mut Checks) {
    let steps = [deny("bpf map", "bpf"), deny("bpf program", "bpf")];
    enforce(checks, "bpf", "file:\n  read: {default: allow}\n", || {}, &steps);
    // Root outside can unpin what it likes, but the links of programs that decide do not detach.
    let links: serde_json::Value = serde_json::from_str(&succeed("bpftool", &["-j", "link", "list"])).unwrap();
    let link = links
        .as_array()
        .unwrap()
        .iter()
        .find(|link| link["type"] == "tracing" && link["attach_type"] == guest.expect.attached().unwrap().1);
    let Some(link) = link else {
        panic!("no link of such a program in {links}")
    };
    let output = command("bpftool", &["link", "detach", "id", &link["id"].to_string()]);
    checks.that(!output.status.success(), || "a link was detached".to_owned());
    let mut act = Act::governed("bpf", "file:\n  read: {allow: [/**], deny: [/etc/shadow]}\n");
    checks.equal(
        "still in force",
        &act.ask("open-read /etc/shadow").as_str(),
        &"errno EPERM",
    );
}

fn g26_every_child_and_thread_inherits(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("inherit");
    let secret = file_at(tree.join("secret"), "x");
    let mut act = Act::governed(
        "inherit",
        &format!("file:\n  read: {{allow: [/**], deny: ['{}']}}\n", secret.display()),
    );
    let answer = act.ask(&format!("fork-many 100 {}", secret.display()));
    checks.equal(
        "children whose own, thread's and child's open was denied, and others",
        &answer.as_str(),
        &"ok 100 0",
    );
    checks.equal("records", &denials_of(&act.agent, 300).len(), &300);
}

fn g27_the_address_judged_is_the_address_used(_: &Guest, checks: &mut Checks) {
    let [good, bad] = hosts(["127.0.0.1", "127.0.0.2"]);
    let mut act = Act::governed("race", NET);
    let answer = act.ask(&format!("connect-race 127.0.0.1 127.0.0.2 {} 300", good.port));
    checks.that(answer.starts_with("ok "), || answer.clone());
    checks.equal("connections to the denied address", &bad.tcp.settled(), &0);
    let passed: usize = answer.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    checks.that(passed > 0 && good.tcp.settled() == passed, || {
        format!("{answer}: the allowed ones did not arrive")
    });
}
