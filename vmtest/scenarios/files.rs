//! Opens, and names made, changed and removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::act::Act;
use crate::guest::{Guest, file_at};
use crate::harness::{Checks, Test, tests};
use crate::steps::{allow, deny, enforce, gives, judge, observe};

pub(crate) const TESTS: &[Test] = tests![
    opens_are_judged_by_path_and_direction,
    names_are_made_and_removed_only_where_writing_is_allowed,
    renames_and_links_need_every_side,
    a_path_is_judged_after_links_and_dots_are_resolved,
    verdicts_follow_a_file_that_gets_another_name,
    a_reload_changes_what_a_running_process_may_open,
    ungoverned_processes_are_untouched,
];

/// Allowed, denied and unmentioned directories with a file `f` in each.
fn lay_out(tree: &Path) {
    // Whatever earlier steps left.
    let _ = fs::remove_dir_all(tree);
    for name in ["rw/f", "rw/sub/f", "ro/f", "no/f", "else/f", "rw/secret.env"] {
        file_at(tree.join(name), "text");
    }
    for name in ["rw/empty", "no/empty", "rw/keep/empty"] {
        fs::create_dir_all(tree.join(name)).unwrap();
    }
}

fn body(tree: &Path) -> String {
    let tree = tree.display();
    format!(
        "file:\n  read: {{allow: ['{tree}/rw/**', '{tree}/ro/**'], deny: ['{tree}/no/**', '**/*.env']}}\n  \
         write: {{allow: ['{tree}/rw/**'], deny: ['{tree}/no/**', '**/*.env']}}\n"
    )
}

fn opens_are_judged_by_path_and_direction(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("opens");
    let t = tree.display();
    let mut steps = Vec::new();
    for action in [
        "open-read",
        "openat2",
        "read-via-proc-root",
        "opath-reopen",
        "uring-openat",
    ] {
        steps.push(allow(format!("{action} {t}/rw/f")));
        steps.push(allow(format!("{action} {t}/ro/f")));
        for denied in ["no/f", "else/f", "rw/secret.env"] {
            steps.push(deny(format!("{action} {t}/{denied}"), "open-read"));
        }
    }
    for action in ["open-write", "open-both", "append", "mmap-shared-write", "o-trunc"] {
        steps.push(allow(format!("{action} {t}/rw/f")));
        for denied in ["ro/f", "no/f", "else/f", "rw/secret.env"] {
            steps.push(deny(format!("{action} {t}/{denied}"), "open-write"));
        }
    }
    steps.push(allow("open-read /dev/null"));
    steps.push(allow("open-both /dev/null"));
    steps.push(allow("open-read /dev/urandom"));
    steps.push(deny("open-read /etc/passwd", "open-read"));
    steps.push(gives(format!("open-read {t}/rw/none"), "errno ENOENT"));
    // Looking is not opening.
    steps.push(allow(format!("stat {t}/no/f")));
    let body = format!("privileges: {{allow: [io_uring]}}\n{}", body(&tree));
    judge(checks, "opens", &body, || lay_out(&tree), &steps);
}

fn names_are_made_and_removed_only_where_writing_is_allowed(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("names");
    let t = tree.display();
    let cases = [
        ("create", "new", "create"),
        ("creat", "new2", "create"),
        ("mkdir", "newdir", "mkdir"),
        ("mknod", "fifo", "mknod"),
        ("truncate", "f", "truncate"),
        ("chmod", "f", "chmod"),
        ("chown", "f", "chown"),
        ("unlink", "f", "unlink"),
        ("rmdir", "empty", "rmdir"),
    ];
    let mut steps = Vec::new();
    for (action, name, record) in cases {
        steps.push(allow(format!("{action} {t}/rw/{name}")));
        steps.push(deny(format!("{action} {t}/no/{name}"), record));
    }
    steps.push(allow(format!("symlink {t}/no/f {t}/rw/link")));
    steps.push(deny(format!("symlink {t}/rw/f {t}/no/link"), "symlink"));
    steps.push(deny(format!("unlink {t}/else/f"), "unlink"));
    steps.push(deny(format!("unlink {t}/ro/f"), "unlink"));
    steps.push(deny(format!("create {t}/rw/x.env"), "create"));
    steps.push(allow(format!("o-tmpfile {t}/rw")));
    steps.push(allow(format!("ftruncate {t}/rw/sub/f")));
    enforce(checks, "names", &body(&tree), || lay_out(&tree), &steps);
    for (name, is) in [
        ("no/f", true),
        ("no/empty", true),
        ("no/new", false),
        ("no/newdir", false),
        ("no/fifo", false),
        ("rw/f", false),
    ] {
        checks.equal(
            format!("whether {name} is there"),
            &tree.join(name).symlink_metadata().is_ok(),
            &is,
        );
    }
    checks.equal(
        "text of no/f",
        &fs::read_to_string(tree.join("no/f")).unwrap(),
        &"text".to_owned(),
    );
    observe(checks, "names", &body(&tree), || lay_out(&tree), &steps);
    checks.that(!tree.join("no/f").exists(), || {
        "observed unlink did not take place".to_owned()
    });
}

fn renames_and_links_need_every_side(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("renames");
    let t = tree.display();
    let steps = [
        // Out of the protected place, into it, and a protected name.
        deny(format!("rename {t}/no/f {t}/rw/g"), "rename"),
        deny(format!("rename {t}/rw/f {t}/no/g"), "rename"),
        deny(format!("rename {t}/rw/secret.env {t}/rw/plain"), "rename"),
        deny(format!("rename {t}/rw/f {t}/rw/f.env"), "rename"),
        deny(format!("rename-exchange {t}/rw/f {t}/no/f"), "rename"),
        deny(format!("rename-noreplace {t}/ro/f {t}/rw/g"), "rename"),
        deny(format!("link {t}/no/f {t}/rw/g"), "link"),
        deny(format!("link {t}/rw/f {t}/no/g"), "link"),
        deny(format!("link {t}/ro/f {t}/rw/g"), "link"),
        deny(format!("link-descriptor {t}/no/f {t}/rw/g"), "link"),
        allow(format!("link {t}/rw/f {t}/rw/hard")),
        allow(format!("rename-exchange {t}/rw/hard {t}/rw/sub/f")),
        allow(format!("rename {t}/rw/f {t}/rw/sub/g")),
        allow(format!("rename {t}/rw/keep {t}/rw/kept")),
    ];
    enforce(checks, "renames", &body(&tree), || lay_out(&tree), &steps);
    checks.that(tree.join("rw/sub/g").exists() && tree.join("no/f").exists(), || {
        "names are not where they should be".to_owned()
    });
    // Other names, since here each takes place.
    let steps = [
        deny(format!("rename {t}/no/f {t}/rw/g"), "rename"),
        deny(format!("rename {t}/rw/f {t}/no/g"), "rename"),
        deny(format!("rename-exchange {t}/rw/sub/f {t}/else/f"), "rename"),
        deny(format!("link {t}/ro/f {t}/rw/h"), "link"),
        deny(format!("rename {t}/rw/secret.env {t}/rw/plain"), "rename"),
    ];
    observe(checks, "renames", &body(&tree), || lay_out(&tree), &steps);
    checks.that(tree.join("no/g").exists() && tree.join("rw/plain").exists(), || {
        "observed renames did not take place".to_owned()
    });
}

fn a_path_is_judged_after_links_and_dots_are_resolved(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("resolved");
    let t = tree.display();
    lay_out(&tree);
    symlink(tree.join("no/f"), tree.join("rw/to-no")).unwrap();
    symlink(tree.join("no"), tree.join("rw/to-dir")).unwrap();
    symlink(tree.join("rw/f"), tree.join("no-to-rw")).unwrap();
    symlink("/proc/self/root", tree.join("rw/root")).unwrap();
    let steps = [
        deny(format!("open-read {t}/rw/to-no"), "open-read"),
        deny(format!("open-read {t}/rw/to-dir/f"), "open-read"),
        deny(format!("open-read {t}/rw/../no/f"), "open-read"),
        deny(format!("open-read {t}//rw/.//../no/./f"), "open-read"),
        deny(format!("open-read {t}/rw/root{t}/no/f"), "open-read"),
        deny(format!("read-via-proc-root {t}/rw/to-no"), "open-read"),
        deny(format!("read-relative {t}/rw ../no/f"), "open-read"),
        deny(format!("read-relative {t}/no f"), "open-read"),
        allow(format!("open-read {t}/no-to-rw")),
        allow(format!("open-read {t}/no/../rw/f")),
        allow(format!("read-relative {t}/no ../rw/f")),
    ];
    judge(checks, "resolved", &body(&tree), || {}, &steps);
}

/// Verdicts are cached with the inode; a name that changes voids them, whoever changes it.
fn verdicts_follow_a_file_that_gets_another_name(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("cached");
    let t = tree.display();
    lay_out(&tree);
    let mut act = Act::governed("cached", &body(&tree));
    let mut opens = |checks: &mut Checks, what: &str, path: &str, expected: &str| {
        for _ in 0..2 {
            checks.equal(what, &act.ask(&format!("open-read {t}/{path}")).as_str(), &expected);
        }
    };
    opens(checks, "allowed", "rw/f", "ok");
    fs::rename(tree.join("rw/f"), tree.join("no/moved")).unwrap();
    opens(checks, "moved into the denied directory", "no/moved", "errno EPERM");
    fs::rename(tree.join("no/moved"), tree.join("rw/f")).unwrap();
    opens(checks, "moved back", "rw/f", "ok");
    opens(checks, "below a directory", "rw/sub/f", "ok");
    fs::rename(tree.join("rw/sub"), tree.join("no/sub")).unwrap();
    opens(checks, "its directory moved", "no/sub/f", "errno EPERM");
    fs::rename(tree.join("no/sub"), tree.join("rw/sub")).unwrap();
    opens(checks, "its directory moved back", "rw/sub/f", "ok");
    opens(checks, "before it has a second name", "rw/f", "ok");
    fs::hard_link(tree.join("rw/f"), tree.join("no/second")).unwrap();
    opens(checks, "by its second name", "no/second", "errno EPERM");
    opens(checks, "by its first name", "rw/f", "ok");
    opens(checks, "denied", "no/f", "errno EPERM");
    fs::rename(tree.join("no/f"), tree.join("rw/freed")).unwrap();
    opens(checks, "moved out by somebody who may", "rw/freed", "ok");
}

fn a_reload_changes_what_a_running_process_may_open(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("reload");
    lay_out(&tree);
    let t = tree.display();
    let program = format!("{}/act-reload", crate::guest::PROGRAMS);
    fs::copy(crate::guest::ACT, &program).unwrap();
    let apply = |version: u32, allowed: &str| {
        let text = format!(
            "policy: reload-test\nversion: {version}\ngoverns: [{{exec: {program}}}]\nfile:\n  read: {{allow: ['{t}/{allowed}/**']}}\n"
        );
        let file = file_at(format!("/run/aa-guest-test/reload-{version}.yaml"), &text);
        crate::guest::succeed("aasm", &["policy", "apply", &file.display().to_string()]);
    };
    apply(1, "rw");
    let mut act = Act::ungoverned_as(&program);
    checks.equal(
        "version 1: rw",
        &act.ask(&format!("open-read {t}/rw/f")).as_str(),
        &"ok",
    );
    checks.equal(
        "version 1: ro",
        &act.ask(&format!("open-read {t}/ro/f")).as_str(),
        &"errno EPERM",
    );
    apply(2, "ro");
    checks.equal(
        "version 2: rw",
        &act.ask(&format!("open-read {t}/rw/f")).as_str(),
        &"errno EPERM",
    );
    checks.equal(
        "version 2: ro",
        &act.ask(&format!("open-read {t}/ro/f")).as_str(),
        &"ok",
    );
}

fn ungoverned_processes_are_untouched(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("ungoverned");
    lay_out(&tree);
    let t = tree.display();
    let mut governed = Act::governed(
        "beside",
        &format!(
            "{}net: {{allow: [127.0.0.1]}}\nexec: {{allow: [/usr/local/lib/aa-test/act]}}\n",
            body(&tree)
        ),
    );
    checks.equal(
        "governed",
        &governed.ask(&format!("open-read {t}/no/f")).as_str(),
        &"errno EPERM",
    );
    let mut act = Act::ungoverned();
    let [host] = crate::listeners::hosts(["127.0.0.2"]);
    let mount = tree.join("mount");
    fs::create_dir(&mount).unwrap();
    for line in [
        format!("open-read {t}/no/f"),
        format!("open-write {t}/no/f"),
        format!("create {t}/no/new"),
        format!("rename {t}/no/new {t}/rw/new"),
        format!("link {t}/no/f {t}/rw/link"),
        format!("unlink {t}/rw/link"),
        format!("rmdir {t}/no/empty"),
        format!("connect {}", host.words()),
        format!("sendto-udp {}", host.words()),
        "socket packet raw 0x300".to_owned(),
        "socket inet raw icmp".to_owned(),
        "bind 0.0.0.0 6200".to_owned(),
        "exec /usr/local/lib/aa-test/tiny".to_owned(),
        "memfd-tiny x".to_owned(),
        format!("mount-bind {t}/no {}", mount.display()),
        format!("unshare mnt mount-tmpfs {}", mount.display()),
        "unshare user getpid".to_owned(),
        "bpf map".to_owned(),
        "bpf program".to_owned(),
        format!("ptrace-attach {}", governed.started_pid()),
        format!("kill {} 0", governed.started_pid()),
    ] {
        let answer = act.ask(&line);
        checks.that(answer.starts_with("ok"), || {
            format!("`{line}` by an ungoverned process: {answer}")
        });
    }
}
