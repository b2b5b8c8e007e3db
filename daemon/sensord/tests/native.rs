//! The daemon on this very machine, where its kernel refuses LSM programs: what of the network is judged at cgroups, and of
//! programs by killing them, told by `aasm`. Pins are in a mount namespace of their own and go with it; nobody who is not governed is judged.
//!
//! Machines whose kernel takes LSM programs are tested in guests (`vmtest`), and so are those where this cannot run: each
//! test says why it was skipped.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod daemon;

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use daemon::{Daemon, text, unfit};

#[test]
fn where_lsm_programs_are_refused_the_network_is_judged_at_cgroups_and_the_rest_is_named() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    let daemon = Daemon::start();
    let status = text(&daemon.aasm(&["status"]).stdout);
    for line in [
        "connect      yes     enforced via cgroup",
        "names        yes     enforced via cgroup",
        "listen       yes     enforced via cgroup",
        "inet-socket  yes     enforced via cgroup",
        "exec         yes     enforced via kill",
        "file         no      refused, missing LSM programs",
        "load         no      refused, missing LSM programs",
    ] {
        assert!(status.contains(line), "{status}");
    }

    let near = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = near.local_addr().unwrap().port();
    let _far = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let connect = |host: &str| format!("exec 3<>/dev/tcp/{host}/{port}");
    let network = "net: {allow: [127.0.0.1]}";
    assert!(daemon.run(network, &connect("127.0.0.1")).status.success());
    // In a child of a child, and by an address in another form.
    for denied in [
        connect("127.0.0.2"),
        format!("bash -c '(bash -c \"{}\")'", connect("127.0.0.2")),
        connect("::ffff:127.0.0.2"),
    ] {
        let output = daemon.run(network, &denied);
        assert!(!output.status.success(), "{denied}");
        let told = text(&output.stderr);
        assert!(told.contains("1 action denied: connect 127.0.0.2:"), "{told}");
    }
    // Nobody but the governed.
    assert!(
        Command::new("bash")
            .args(["-c", &connect("127.0.0.2")])
            .status()
            .unwrap()
            .success()
    );
    let denial = text(&daemon.aasm(&["events", "--denied", "--json", "-n", "1"]).stdout);
    let id = denial
        .split("\"id\":")
        .nth(1)
        .and_then(|rest| rest.split(',').next())
        .unwrap()
        .to_owned();
    let why = text(&daemon.aasm(&["why", &id]).stdout);
    assert!(why.contains("127.0.0.2") && why.contains("net"), "{why}");

    let unix = "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un(q(/run/x)))'";
    let told = text(&daemon.run(network, unix).stderr);
    assert!(
        told.contains("unix-connect") && told.contains("cannot be seen where the kernel takes no LSM"),
        "{told}"
    );

    asks_hold(&daemon, port);
    gaps_are_refused_or_named(&daemon);
    programs_are_killed_before_they_begin(&daemon);
    files_are_confined_under_aasm_run(&daemon);
    the_selected_are_judged_too(&daemon);
}

fn asks_hold(daemon: &Daemon, port: u16) {
    let policy = daemon.policy("net: {ask: [127.0.0.1]}");
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
    for (answer, expected) in [("approve", true), ("deny", false)] {
        let mut run = daemon.command(&["run", "--policy", &policy, "--", "bash", "-c", &script]);
        let mut held = run.stderr(Stdio::null()).spawn().unwrap();
        let waiting = || text(&daemon.aasm(&["approvals", "list", "--json"]).stdout);
        let first = |list: &str| {
            Some(
                list.split("\"id\":")
                    .nth(1)?
                    .split([',', '}'])
                    .next()?
                    .trim()
                    .to_owned(),
            )
        };
        daemon.until("it is held", || first(&waiting()).is_some());
        let id = first(&waiting()).unwrap();
        assert!(daemon.aasm(&["approvals", answer, &id]).status.success());
        assert_eq!(held.wait().unwrap().success(), expected, "{answer}");
    }
}

fn gaps_are_refused_or_named(daemon: &Daemon) {
    let sections = "net: {allow: [127.0.0.1]}\nexec: {default: allow, ask: [chmod]}";
    let gap = "exec `chmod`: denied: nobody can be asked about a program there";
    let refused = daemon.run(sections, "true");
    let told = text(&refused.stderr);
    assert!(
        !refused.status.success() && told.contains(&format!("line 4: {gap}")),
        "{told}"
    );
    let degraded = daemon.run(&format!("on_gap: degrade\n{sections}"), "true");
    let told = text(&degraded.stderr);
    assert!(
        degraded.status.success() && told.contains(&format!("not carried out on this host: line 5: {gap}")),
        "{told}"
    );
    let asked = daemon.run(&format!("on_gap: degrade\n{sections}"), "chmod 700 .; [ $? = 137 ]");
    assert!(asked.status.success(), "{}", text(&asked.stderr));
}

/// What each does is to make this file.
const MADE: &str = "/made";

fn programs_are_killed_before_they_begin(daemon: &Daemon) {
    let at = daemon.folder.path().display().to_string();
    let made = format!("{at}{MADE}");
    for name in ["denied", "allowed"] {
        fs::create_dir(daemon.folder.path().join(name)).unwrap();
        fs::copy("/usr/bin/touch", format!("{at}/{name}/touch")).unwrap();
        script(&format!("{at}/{name}/script"), "/bin/sh", &made);
    }
    script(&format!("{at}/allowed/chain"), &format!("{at}/denied/script"), &made);
    script(&format!("{at}/allowed/by-name"), &format!("{at}/allowed/script"), &made);
    fs::copy("/usr/bin/touch", format!("{at}/touch-by-another-name")).unwrap();
    let listed = format!(
        "on_gap: degrade\nexec:\n  allow: [/usr/**, \"{at}/allowed/**\"]\n  deny: [\"{at}/denied/**\", chmod, \"touch --no-create ...\"]"
    );
    let open = format!("on_gap: degrade\nexec:\n  default: allow\n  deny: [\"{at}/denied/**\", chmod, memfd]");

    let touch = |path: &str| format!("{path} {made}");
    for allowed in [
        touch("touch"),
        touch(&format!("{at}/allowed/touch")),
        format!("{at}/allowed/script"),
        format!("{at}/allowed/by-name"),
        format!("cd {at}/allowed && ./script"),
    ] {
        let output = daemon.run(&listed, &allowed);
        assert!(output.status.success(), "{allowed}: {}", text(&output.stderr));
        assert!(fs::remove_file(&made).is_ok(), "{allowed}");
    }
    let threads = "import os,sys,threading,time\n\
        [threading.Thread(target=time.sleep,args=(60,)).start() for _ in range(4)]\n\
        os.execv(sys.argv[1],sys.argv[1:])";
    let in_memory = "import os,sys\n\
        fd=os.memfd_create('x',0)\n\
        os.write(fd,open('/usr/bin/touch','rb').read())\n\
        os.execve(fd,['touch',sys.argv[1]],{})";
    let by_descriptor = "import os,sys\n\
        fd=os.open(sys.argv[1],os.O_PATH)\n\
        os.set_inheritable(fd,True)\n\
        os.execve(fd,['x'],{})";
    let denied = [
        (&listed, touch(&format!("{at}/denied/touch")), "denied/touch"),
        (&open, touch(&format!("{at}/denied/touch")), "denied/touch"),
        (&open, touch(&format!("{at}/allowed/../denied/touch")), "denied/touch"),
        (
            &open,
            format!("ln -s {at}/denied {at}/alias; {}", touch(&format!("{at}/alias/touch"))),
            "denied/touch",
        ),
        (
            &listed,
            touch(&format!("{at}/touch-by-another-name")),
            "touch-by-another-name",
        ),
        (&listed, format!("{at}/denied/script"), "denied/script"),
        (&listed, format!("{at}/allowed/chain"), "denied/script"),
        (&open, format!("cd {at}/denied && exec ./script"), "denied/script"),
        (
            &listed,
            format!("touch --no-create {made}; touch -c x; touch {made}.after && mv {made}.after {made}x"),
            "touch",
        ),
        (
            &open,
            format!("/usr/bin/python3 -c \"{by_descriptor}\" {at}/denied/script"),
            "denied/script",
        ),
        (&open, format!("chmod 600 {at}/allowed/script"), "chmod"),
        (
            &open,
            format!("exec -a harmless chmod 600 {at}/allowed/script"),
            "chmod",
        ),
        (&open, format!("/usr/bin/python3 -c \"{in_memory}\" {made}"), "memfd"),
        (&listed, format!("/usr/bin/python3 -c \"{in_memory}\" {made}"), "/"),
        (
            &open,
            format!("/usr/bin/python3 -c \"{threads}\" {at}/denied/touch {made}"),
            "denied/touch",
        ),
    ];
    for (policy, attempt, named) in denied {
        let output = daemon.run(policy, &attempt);
        let told = text(&output.stderr);
        assert!(!fs::exists(&made).unwrap(), "{attempt}");
        let footer = told
            .lines()
            .find(|line| line.starts_with("aasm: 1 action denied: exec"));
        assert!(footer.is_some_and(|line| line.contains(named)), "{attempt}: {told}");
        let id = footer.unwrap().rsplit(' ').next().unwrap().to_owned();
        let why = text(&daemon.aasm(&["why", &id]).stdout);
        assert!(why.contains(named) && why.contains("killed"), "{why}");
    }
    // Nobody but the governed.
    assert!(
        Command::new(format!("{at}/denied/touch"))
            .arg(&made)
            .status()
            .unwrap()
            .success()
    );
    // What only observes is told.
    let observed = daemon.run(
        &format!("mode: observe\n{listed}"),
        &format!("{at}/denied/touch {made}x"),
    );
    assert!(observed.status.success() && fs::exists(format!("{made}x")).unwrap());
}

/// Who is selected by running a program is judged from the next one on.
fn the_selected_are_judged_too(daemon: &Daemon) {
    let agent = daemon.folder.path().join("agent");
    fs::copy("/bin/bash", &agent).unwrap();
    let governs = format!("governs: [exec: \"{}\"]", agent.display());
    let policy = daemon.policy(&format!(
        "on_gap: degrade\n{governs}\nexec: {{default: allow, deny: [chmod]}}"
    ));
    let applied = daemon.aasm(&["policy", "apply", &policy]);
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    let run = |script: &str| Command::new(&agent).args(["-c", script]).status().unwrap();
    assert!(run("true; touch --version > /dev/null").success());
    assert_eq!(run("chmod --version; exit $?").code(), Some(137));
    assert!(
        Command::new("chmod")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
}

fn script(path: &str, interpreter: &str, made: &str) {
    fs::write(path, format!("#!{interpreter}\n: > {made}\n")).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(path, executable).unwrap();
}

fn files_are_confined_under_aasm_run(daemon: &Daemon) {
    let at = daemon.folder.path().join("files");
    for name in ["open", "closed"] {
        fs::create_dir_all(at.join(name)).unwrap();
        fs::write(at.join(name).join("file"), "content").unwrap();
    }
    std::os::unix::fs::symlink(at.join("closed/file"), at.join("open/link")).unwrap();
    let at = at.display().to_string();
    let files = format!(
        "file:\n  read: {{allow: [/usr/**, /etc/**, \"{at}/open/**\"]}}\n  write: {{allow: [\"{at}/open/**\"]}}"
    );
    let attributes = "file.write `default: deny`: Landlock judges names and contents, not modes, owners and attributes";
    let refused = daemon.run(&files, "true");
    assert!(!refused.status.success() && text(&refused.stderr).contains(attributes));
    let files = format!("on_gap: degrade\n{files}");

    // Children inherit it, as the second of each shows.
    for allowed in [
        format!("cat {at}/open/file"),
        format!("bash -c '(cat {at}/open/file)'"),
        format!("echo x > {at}/open/new && mv {at}/open/new {at}/open/newer && rm {at}/open/newer"),
        format!("bash -c '(echo x > {at}/open/new)' 2>/dev/null > /dev/null"),
    ] {
        let output = daemon.run(&files, &allowed);
        assert!(output.status.success(), "{allowed}: {}", text(&output.stderr));
    }
    for denied in [
        format!("cat {at}/closed/file"),
        format!("bash -c '(cat {at}/closed/file)'"),
        format!("cat {at}/open/link"),
        format!("cat {at}/open/../closed/file"),
        format!("ls {at}/closed"),
        format!("echo x > {at}/closed/new"),
        format!("bash -c '(echo x > {at}/closed/file)'"),
        format!("mv {at}/closed/file {at}/open/taken"),
        format!("ln {at}/closed/file {at}/open/taken"),
        format!("rm {at}/closed/file"),
    ] {
        let output = daemon.run(&files, &denied);
        let told = text(&output.stderr);
        assert!(
            !output.status.success()
                && ["Permission denied", "Invalid cross-device link"]
                    .iter()
                    .any(|errno| told.contains(errno)),
            "{denied}: {told}"
        );
        assert!(!text(&output.stdout).contains("content"), "{denied}");
    }
    assert_eq!(fs::read_to_string(format!("{at}/closed/file")).unwrap(), "content");

    // Whom the policy selects does not confine itself: then its rules stay gaps for all.
    let selecting = format!("{files}\ngoverns: [exec: /nowhere]");
    let told = text(&daemon.run(&selecting, "true").stderr);
    assert!(told.contains("file.read `/usr/**`: not judged"), "{told}");
}
