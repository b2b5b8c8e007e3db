//! Connections, datagrams, unix sockets, bind and listen, socket families.

use crate::guest::{Guest, file_at, succeed};
use crate::harness::{Checks, Test, tests};
use crate::listeners::{Host, hosts, unix_datagram, unix_stream};
use crate::steps::{Step, allow, deny, enforce, gives, judge, observe};

pub(crate) const TESTS: &[Test] = tests![
    connections_are_judged_by_address_and_port,
    datagrams_are_judged_by_each_address,
    ranges_and_protocols_of_rules_are_kept_apart,
    an_ask_is_a_denial_until_somebody_answers,
    unix_sockets_are_judged_by_name,
    deputies_are_reached_by_name_only,
    binding_and_listening_need_a_rule_for_the_address,
    only_socket_families_that_rules_can_judge_may_be_opened,
    without_a_net_section_the_network_is_not_governed,
];

/// Allowed and denied hosts of both families: 127.0.0.1, 127.0.0.2, fd00::1, fd00::2.
fn four_hosts() -> [Host; 4] {
    hosts(["127.0.0.1", "127.0.0.2", "fd00::1", "fd00::2"])
}

const BODY: &str = "net: {allow: [127.0.0.1, '[fd00::1]'], deny: ['127.0.0.2', '[fd00::2]']}\n";

fn connections_are_judged_by_address_and_port(_: &Guest, checks: &mut Checks) {
    let [v4, no4, v6, no6] = four_hosts();
    let mut steps = Vec::new();
    for (good, bad) in [(&v4, &no4), (&v6, &no6)] {
        for action in [
            "connect",
            "connect-nonblock",
            "mptcp-connect",
            "connect-udp",
            "connect-ping",
        ] {
            steps.push(allow(format!("{action} {}", good.words())));
            steps.push(deny(format!("{action} {}", bad.words()), "connect"));
        }
    }
    steps.push(allow(format!("connect-mapped {}", v4.words())));
    steps.push(deny(format!("connect-mapped {}", no4.words()), "connect"));
    steps.push(gives("connect 127.0.0.1 1", "errno ECONNREFUSED"));
    // Neither rule speaks of these: the section's default.
    steps.push(deny(format!("connect 127.0.0.3 {}", v4.port), "connect"));
    steps.push(deny("connect 192.0.2.1 443", "connect"));
    steps.push(deny("connect-nonblock 2001:db8::1 443", "connect"));
    // 0.0.0.0 is this host.
    steps.push(allow(format!("connect 0.0.0.0 {}", v4.port)));
    steps.push(deny(format!("connect :: {}", v4.port), "connect"));
    steps.push(deny("connect-nonblock 64:ff9b::7f00:2 443", "connect"));
    enforce(checks, "connections", BODY, || {}, &steps);
    checks.equal("connections to 127.0.0.2", &no4.tcp.settled(), &0);
    checks.equal("connections to fd00::2", &no6.tcp.settled(), &0);
    checks.that(v4.tcp.settled() >= 4 && v6.tcp.settled() >= 3, || {
        "allowed connections did not arrive".to_owned()
    });
    observe(checks, "connections", BODY, || {}, &steps);
    checks.that(no4.tcp.settled() >= 3, || {
        "observed connections did not arrive".to_owned()
    });
}

fn datagrams_are_judged_by_each_address(_: &Guest, checks: &mut Checks) {
    let [v4, no4, v6, no6] = four_hosts();
    let mut steps = Vec::new();
    for (good, bad) in [(&v4, &no4), (&v6, &no6)] {
        for action in ["sendto-udp", "sendmsg-udp"] {
            steps.push(allow(format!("{action} {}", good.words())));
            steps.push(deny(format!("{action} {}", bad.words()), "send"));
        }
        steps.push(gives(
            format!("sendmmsg-udp {} {} {}", good.port, good.address, good.address),
            "ok 2",
        ));
        steps.push(deny(
            format!("sendmmsg-udp {} {} {}", bad.port, bad.address, good.address),
            "send",
        ));
    }
    for action in ["sendto-unspec", "sendto-mapped", "sendto-v4-on-v6"] {
        steps.push(allow(format!("{action} {}", v4.words())));
        steps.push(deny(format!("{action} {}", no4.words()), "send"));
    }
    steps.push(allow(format!("connect-v4-on-v6 {}", v4.words())));
    steps.push(deny(format!("connect-v4-on-v6 {}", no4.words()), "connect"));
    steps.push(allow(format!("connect-unspec-reconnect {} {}", v4.words(), v4.words())));
    steps.push(deny(
        format!("connect-unspec-reconnect {} {}", v4.words(), no4.words()),
        "connect",
    ));
    steps.push(allow(format!("connected-sendto {} {}", v4.words(), v4.words())));
    steps.push(deny(format!("connected-sendto {} {}", v4.words(), no4.words()), "send"));
    steps.push(allow("ping 127.0.0.1"));
    steps.push(deny("ping 127.0.0.2", "send"));
    enforce(checks, "datagrams", BODY, || {}, &steps);
    checks.equal("datagrams to 127.0.0.2", &no4.udp.settled(), &0);
    checks.equal("datagrams to fd00::2", &no6.udp.settled(), &0);
    checks.equal("datagrams to 127.0.0.1", &v4.udp.settled(), &9);
    checks.equal("datagrams to fd00::1", &v6.udp.settled(), &4);
    observe(checks, "datagrams", BODY, || {}, &steps);
    checks.that(no4.udp.settled() >= 8, || {
        "observed datagrams did not arrive".to_owned()
    });
}

fn ranges_and_protocols_of_rules_are_kept_apart(_: &Guest, checks: &mut Checks) {
    let body = "net:\n  allow: ['127.0.0.0/8:4000-4999/tcp', '127.0.0.1:53/udp', '[fd00::]/16:7000']\n  deny: ['127.0.0.0/30:4500']\n";
    let refused = "errno ECONNREFUSED";
    let steps = [
        gives("connect 127.0.0.9 4000", refused),
        gives("connect 127.0.0.9 4999", refused),
        deny("connect 127.0.0.9 3999", "connect"),
        deny("connect 127.0.0.9 5000", "connect"),
        gives("connect 127.0.0.9 4500", refused),
        deny("connect 127.0.0.3 4500", "connect"),
        deny("connect-udp 127.0.0.9 4000", "connect"),
        allow("connect-udp 127.0.0.1 53"),
        deny("connect 127.0.0.1 53", "connect"),
        deny("connect-udp 127.0.0.2 53", "connect"),
        gives("connect fd00::1 7000", refused),
        allow("connect-udp fd00::1 7000"),
        deny("connect fd00::1 7001", "connect"),
        deny("ping 127.0.0.1", "send"),
    ];
    judge(checks, "ranges", body, || {}, &steps);
}

fn an_ask_is_a_denial_until_somebody_answers(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("ask");
    let file = tree.join("hooks");
    std::fs::write(&file, "x").unwrap();
    let file = file.display();
    let body = format!(
        "net: {{allow: [127.0.0.0/8], ask: ['127.0.0.1:81']}}\nfile:\n  read: {{allow: [/**], ask: ['{file}']}}\nask: {{within: 1s}}\n"
    );
    let steps = [
        deny("connect 127.0.0.1 81", "connect"),
        deny(format!("open-read {file}"), "open-read"),
    ];
    let records = enforce(checks, "ask", &body, || {}, &steps);
    for record in records {
        checks.equal("verdict", &record.verdict, &Some(aa_wire::event::Verdict::Ask));
    }
    observe(checks, "ask", &body, || {}, &steps);
}

fn unix_sockets_are_judged_by_name(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("unix");
    let path = |name: &str| tree.join(name).display().to_string();
    let tag = tree.file_name().unwrap().to_string_lossy().into_owned();
    let [yes, no] = ["yes", "no"].map(path);
    let [abstract_yes, abstract_no] = [format!("@{tag}-yes"), format!("@{tag}-no")];
    let counts: Vec<_> = [&yes, &no, &abstract_yes, &abstract_no]
        .iter()
        .map(|name| unix_stream(name))
        .collect();
    let [gram_yes, gram_no] = ["dgram-yes", "dgram-no"].map(path);
    let grams: Vec<_> = [&gram_yes, &gram_no].iter().map(|name| unix_datagram(name)).collect();
    std::os::unix::fs::symlink(&no, tree.join("yes-link")).unwrap();
    let body = format!(
        "net:\n  allow: ['unix:{yes}*', 'unix:{gram_yes}', 'unix:{abstract_yes}']\n  deny: ['unix:{abstract_no}']\n"
    );
    let own = path("own");
    let prepare = || {
        // A file that is not there is as good.
        let _ = std::fs::remove_file(&own);
    };
    let steps = [
        allow(format!("unix-connect {yes}")),
        deny(format!("unix-connect {no}"), "unix-connect"),
        // By the name the socket has, not the name it is called by.
        deny(format!("unix-connect {}", path("yes-link")), "unix-connect"),
        allow(format!("unix-connect {abstract_yes}")),
        deny(format!("unix-connect {abstract_no}"), "unix-connect"),
        allow(format!("unix-dgram-send {gram_yes}")),
        deny(format!("unix-dgram-send {gram_no}"), "unix-send"),
        allow(format!("unix-dgram-connect {gram_yes}")),
        deny(format!("unix-dgram-connect {gram_no}"), "unix-send"),
        allow("socketpair"),
        allow(format!("unix-own {own}")),
        allow(format!("unix-own @{tag}-own")),
    ];
    enforce(checks, "unix", &body, prepare, &steps);
    checks.equal("connections to the denied path", &counts[1].settled(), &0);
    checks.equal("connections to the denied name", &counts[3].settled(), &0);
    checks.equal("datagrams to the denied path", &grams[1].settled(), &0);
    observe(checks, "unix", &body, prepare, &steps);
}

fn deputies_are_reached_by_name_only(guest: &Guest, checks: &mut Checks) {
    let alias = guest.tree("deputies").join("alias.sock").display().to_string();
    let own = "/tmp/tmux-1/default";
    let tmux = "/tmp/tmux-0/default";
    let sockets = [
        "/run/docker.sock",
        "/run/plain.sock",
        tmux,
        "@/tmp/.X11-unix/X9",
        "/run/user/7/bus",
    ];
    for folder in ["/tmp/tmux-0", "/tmp/tmux-1", "/run/user/7"] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let counts = sockets.map(|name| {
        // A file that is not there is as good.
        let _ = std::fs::remove_file(name);
        unix_stream(name)
    });
    file_at(&alias, "");
    succeed("mount", &["--bind", "/run/docker.sock", &alias]);
    let connect = |name: &str| format!("unix-connect {name}");
    let [docker, plain, tmux, x11, bus] = sockets.map(connect);
    let prepare = || {
        let _ = std::fs::remove_file(own);
    };
    let closed = [
        deny(docker.clone(), "unix-connect"),
        deny(connect(&alias), "unix-connect"),
        deny(tmux.clone(), "unix-connect"),
        deny(x11.clone(), "unix-connect"),
        allow(plain.clone()),
        // What the agent listens on itself.
        allow(format!("unix-own {own}")),
    ];
    // Where `net` is absent, and where all is allowed.
    for body in [
        "file: {write: {default: allow}}\n",
        "net: {allow: ['unix:/**', 'unix:@**'], default: allow}\n",
    ] {
        let before = counts[0].settled();
        let denials = enforce(checks, "deputies", body, prepare, &closed);
        let said = denials
            .first()
            .map(|event| event.would_allow.clone().unwrap_or_default());
        checks.contains(
            "what would allow it",
            &said.unwrap_or_default(),
            "[\"unix:/run/docker.sock\"]",
        );
        checks.equal("reached", &counts[0].settled(), &before);
        observe(checks, "deputies", body, prepare, &closed);
        checks.equal("reached where it is only observed", &counts[0].settled(), &(before + 2));
    }
    let named = "net: {allow: ['unix:/run/docker.sock', 'unix:/run/user/*/bus', 'unix:/run/**'], default: allow}\n";
    enforce(
        checks,
        "named-deputies",
        named,
        || {},
        &[allow(docker), allow(bus), allow(plain), deny(tmux, "unix-connect")],
    );
    succeed("umount", &[&alias]);
}

fn binding_and_listening_need_a_rule_for_the_address(_: &Guest, checks: &mut Checks) {
    let body = "net: {allow: ['127.0.0.1:6000-6010', '[fd00::1]:6000', '0.0.0.0:6005', '[::]:6006']}\n";
    let steps = [
        allow("bind 127.0.0.1 6000"),
        allow("bind-udp 127.0.0.1 6000"),
        deny("bind 127.0.0.1 5999", "bind"),
        deny("bind 127.0.0.2 6000", "bind"),
        deny("bind-udp 127.0.0.2 6000", "bind"),
        allow("bind fd00::1 6000"),
        deny("bind fd00::2 6000", "bind"),
        // A wildcard is every interface: only a rule that names it will do.
        allow("bind 0.0.0.0 6005"),
        deny("bind 0.0.0.0 6000", "bind"),
        allow("bind :: 6006"),
        deny("bind :: 6005", "bind"),
        // What every client does.
        allow("bind 0.0.0.0 0"),
        allow("bind-udp :: 0"),
        allow("listen 127.0.0.1 6001"),
        deny("listen 127.0.0.1 6011", "bind"),
        // The kernel would choose a port on all interfaces.
        deny("listen-unbound inet", "listen"),
        deny("listen-unbound inet6", "listen"),
    ];
    judge(checks, "binding", body, || {}, &steps);
}

fn only_socket_families_that_rules_can_judge_may_be_opened(_: &Guest, checks: &mut Checks) {
    let body = "net: {allow: [0.0.0.0/0, '[::]/0', 'unix:/**', 'unix:@**']}\n";
    let good = [
        "inet stream",
        "inet6 stream tcp",
        "inet stream mptcp",
        "inet dgram",
        "inet6 dgram udp",
        "inet dgram icmp",
        "inet6 dgram icmpv6",
        "unix stream",
        "unix dgram",
        "unix seqpacket",
        "netlink raw route",
    ];
    let bad = [
        "inet raw icmp",
        "inet raw 255",
        "inet6 raw icmpv6",
        "packet raw 0x300",
        "packet dgram 0x300",
        "vsock stream",
        "alg seqpacket",
        "netlink raw 16",
        "netlink raw sock-diag",
        "inet stream sctp",
        "inet dgram udplite",
        "xdp raw",
    ];
    let steps: Vec<Step> = good
        .iter()
        .map(|kind| allow(format!("socket {kind}")))
        .chain(bad.iter().map(|kind| deny(format!("socket {kind}"), "socket")))
        .collect();
    enforce(checks, "families", body, || {}, &steps);
    let observed: Vec<Step> = ["inet raw icmp", "packet raw 0x300"]
        .map(|kind| deny(format!("socket {kind}"), "socket"))
        .into();
    observe(checks, "families", body, || {}, &observed);
}

fn without_a_net_section_the_network_is_not_governed(guest: &Guest, checks: &mut Checks) {
    let [v4, v6] = hosts(["127.0.0.2", "fd00::2"]);
    let name = guest.tree("free").join("socket").display().to_string();
    let unix = unix_stream(&name);
    let steps = [
        allow(format!("connect {}", v4.words())),
        allow(format!("sendto-udp {}", v6.words())),
        allow("socket inet raw icmp"),
        allow("bind 0.0.0.0 6100"),
        allow(format!("unix-connect {name}")),
        deny("open-read /etc/shadow", "open-read"),
    ];
    enforce(
        checks,
        "free",
        "file:\n  read: {allow: [/**], deny: [/etc/shadow]}\n",
        || {},
        &steps,
    );
    checks.equal("connections", &v4.tcp.settled(), &1);
    checks.equal("datagrams", &v6.udp.settled(), &1);
    checks.equal("unix connections", &unix.settled(), &1);
}
