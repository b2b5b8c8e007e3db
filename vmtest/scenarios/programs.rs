//! Which programs run, by which names, with which arguments.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::act::Act;
use crate::guest::{Guest, file_at, script_at, tiny_at};
use crate::harness::{Checks, Test, tests};
use crate::steps::{allow, deny, enforce, gives, judge, observe};

pub(crate) const TESTS: &[Test] = tests![
    programs_are_judged_by_the_file_they_are,
    scripts_need_leave_for_themselves_and_their_interpreter,
    nameless_programs_need_a_rule_of_their_own,
    a_name_is_denied_wherever_and_however_it_is_called,
    arguments_are_judged_token_by_token,
    code_is_mapped_only_from_files_that_may_run,
    an_agent_like_workload_runs_under_an_allow_list,
];

const ACT_RULE: &str = "/usr/local/lib/aa-test/act";

fn programs_are_judged_by_the_file_they_are(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("programs");
    let t = tree.display();
    let prepare = || {
        for name in ["ok/prog", "no/prog", "ok/gone", "no/gone"] {
            tiny_at(tree.join(name));
        }
        for (to, from) in [("no/prog", "ok/to-no"), ("ok/prog", "no-link-to-ok")] {
            // Left from the first round.
            let _ = fs::remove_file(tree.join(from));
            symlink(tree.join(to), tree.join(from)).unwrap();
        }
        let _ = fs::remove_file(tree.join("no/hard"));
        let _ = fs::remove_file(tree.join("ok/hard"));
        fs::hard_link(tree.join("ok/prog"), tree.join("no/hard")).unwrap();
        fs::hard_link(tree.join("no/prog"), tree.join("ok/hard")).unwrap();
    };
    let body = format!("exec: {{allow: [{ACT_RULE}, '{t}/ok/**'], deny: ['{t}/no/**']}}\n");
    let steps = [
        allow(format!("exec {t}/ok/prog")),
        deny(format!("exec {t}/no/prog"), "exec"),
        allow(format!("exec-in {t}/ok ./prog")),
        deny(format!("exec-in {t}/no ./prog"), "exec"),
        deny(format!("exec-in {t}/ok ../no/prog"), "exec"),
        deny(format!("exec {t}/ok/to-no"), "exec"),
        allow(format!("exec {t}/no-link-to-ok")),
        deny(format!("exec {t}/no/hard"), "exec"),
        allow(format!("execveat-descriptor {t}/ok/prog")),
        deny(format!("execveat-descriptor {t}/no/prog"), "exec"),
        allow(format!("exec-proc-fd {t}/ok/prog")),
        deny(format!("exec-proc-fd {t}/no/prog"), "exec"),
        allow(format!("proc-self-root-exec {t}/ok/prog")),
        deny(format!("proc-self-root-exec {t}/no/prog"), "exec"),
        allow("proc-self-exe"),
        deny("exec /usr/bin/true", "exec"),
        deny("exec-as /usr/local/lib/aa-test/tiny act", "exec"),
        deny(format!("vfork exec {t}/no/prog"), "exec"),
        gives(format!("exec {t}/ok/none"), "errno ENOENT"),
    ];
    judge(checks, "programs", &body, prepare, &steps);
    // A copy is another file: it runs only where programs may lie.
    let body = format!("exec: {{allow: [{ACT_RULE}, '{t}/ok/**']}}\nfile:\n  write: {{allow: ['{t}/**']}}\n");
    let mut act = Act::governed("copies", &body);
    tiny_at(tree.join("copy"));
    checks.equal(
        "a copy elsewhere",
        &act.ask(&format!("exec {t}/copy")).as_str(),
        &"errno EPERM",
    );
    checks.equal(
        "moved to where programs may lie",
        &act.ask(&format!("rename {t}/copy {t}/ok/copy")).as_str(),
        &"ok",
    );
    checks.that(act.ask(&format!("exec {t}/ok/copy")).starts_with("ok"), || {
        "it should run there".to_owned()
    });
}

fn scripts_need_leave_for_themselves_and_their_interpreter(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("scripts");
    let t = tree.display();
    let interpreter = tiny_at(tree.join("bin/interp"));
    let bad_interpreter = tiny_at(tree.join("bin/bad"));
    let good = format!("#!{}\n", interpreter.display());
    script_at(tree.join("ok/script"), &good);
    script_at(tree.join("no/script"), &good);
    script_at(tree.join("ok/bad"), &format!("#!{} x\n", bad_interpreter.display()));
    script_at(tree.join("scripts/asked"), &good);
    script_at(tree.join("ok/nested"), &format!("#!{t}/ok/script\n"));
    script_at(tree.join("ok/nested-no"), &format!("#!{t}/no/script\n"));
    let body = format!(
        "exec:\n  allow: [{ACT_RULE}, '{t}/ok/**', '{t}/scripts/**', '{t}/bin/interp']\n  deny: ['{t}/no/**', '{t}/bin/bad', 'interpreter:{t}/scripts/**']\n"
    );
    let steps = [
        allow(format!("exec {t}/ok/script")),
        deny(format!("exec {t}/no/script"), "exec"),
        deny(format!("exec {t}/ok/bad"), "exec"),
        deny(format!("exec {t}/scripts/asked"), "exec"),
        allow(format!("exec {t}/ok/nested")),
        deny(format!("exec {t}/ok/nested-no"), "exec"),
    ];
    judge(checks, "scripts", &body, || {}, &steps);
}

fn nameless_programs_need_a_rule_of_their_own(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("nameless");
    let t = tree.display();
    let prepare = || {
        tiny_at(tree.join("ok/gone"));
        tiny_at(tree.join("ok/gone2"));
    };
    let steps = [
        deny("memfd-tiny git", "exec"),
        deny("memfd-exec /usr/local/lib/aa-test/act getpid", "exec"),
        deny(format!("deleted-exec {t}/ok/gone"), "exec"),
        allow("proc-self-exe"),
    ];
    let body = format!("exec: {{allow: [{ACT_RULE}, '{t}/ok/**']}}\n");
    judge(checks, "nameless", &body, prepare, &steps);
    let explicit = "exec: {allow: [/**], deny: [memfd, deleted]}\n";
    enforce(checks, "nameless", explicit, prepare, &steps);
    let allowed = format!("exec: {{allow: [{ACT_RULE}, memfd, deleted]}}\n");
    let steps = [
        allow("memfd-tiny git"),
        allow(format!("deleted-exec {t}/ok/gone")),
        deny(format!("exec {t}/ok/gone2"), "exec"),
    ];
    enforce(checks, "nameless", &allowed, prepare, &steps);
}

fn a_name_is_denied_wherever_and_however_it_is_called(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("called");
    let t = tree.display();
    for name in ["frob", "deep/er/frob", "other", "multi"] {
        tiny_at(tree.join(name));
    }
    symlink("other", tree.join("alias")).unwrap();
    fs::create_dir(tree.join("links")).unwrap();
    // As busybox does: what it is called by says what it does.
    symlink(tree.join("multi"), tree.join("links/frob")).unwrap();
    let body = "exec: {allow: [/**], deny: [frob]}\n";
    let steps = [
        deny(format!("exec {t}/frob"), "exec"),
        deny(format!("exec {t}/deep/er/frob x"), "exec"),
        deny(format!("exec-in {t} ./frob"), "exec"),
        allow(format!("exec {t}/other frob")),
        allow(format!("exec-as {t}/other frob")),
        allow(format!("exec {t}/alias")),
        deny(format!("exec {t}/links/frob"), "exec-argv"),
    ];
    judge(checks, "called", body, || {}, &steps);
}

fn arguments_are_judged_token_by_token(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("arguments");
    let t = tree.display();
    tiny_at(tree.join("bin/git"));
    tiny_at(tree.join("bin/frob"));
    tiny_at(tree.join("else/tool"));
    let body = format!(
        "exec:\n  allow: [{ACT_RULE}, '{t}/bin/**', 'tool run ...']\n  ask: ['git push ...']\n  deny: ['frob -x', 'git clean * ...']\nask: {{within: 1s}}\n"
    );
    let steps = [
        allow(format!("exec {t}/bin/git status")),
        // An empty one is one.
        allow(format!("exec {t}/bin/git %- status %-")),
        deny(format!("exec {t}/bin/git push %-"), "exec-argv"),
        deny(format!("exec {t}/bin/git push"), "exec-argv"),
        deny(format!("exec {t}/bin/git push --force origin"), "exec-argv"),
        deny(format!("exec {t}/bin/git -C /srv push"), "exec-argv"),
        deny(format!("exec {t}/bin/git -c a=b --no-pager push"), "exec-argv"),
        allow(format!("exec {t}/bin/git pushd")),
        allow(format!("exec {t}/bin/git status push%00")),
        deny(format!("exec {t}/bin/git clean -fdx"), "exec-argv"),
        allow(format!("exec {t}/bin/git clean")),
        deny(format!("exec {t}/bin/frob -x"), "exec-argv"),
        allow(format!("exec {t}/bin/frob -x -y")),
        // argv[0] is the caller's to choose: nobody looks at it.
        deny(format!("exec-as {t}/bin/git something push"), "exec-argv"),
        allow(format!("exec {t}/else/tool run it")),
        deny(format!("exec {t}/else/tool stop"), "exec"),
        deny(format!("execveat-descriptor {t}/bin/git push"), "exec-argv"),
    ];
    judge(checks, "arguments", &body, || {}, &steps);
}

fn code_is_mapped_only_from_files_that_may_run(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("loads");
    let t = tree.display();
    for name in ["ok/lib.so", "no/lib.so", "ok/prog", "no/prog"] {
        fs::create_dir_all(tree.join(name).parent().unwrap()).unwrap();
        fs::copy("/usr/bin/true", tree.join(name)).unwrap();
    }
    let loader = fs::canonicalize("/lib64/ld-linux-x86-64.so.2").unwrap();
    let loader = loader.display();
    let body = format!("exec: {{allow: [{ACT_RULE}, '{t}/ok/**', '{loader}'], deny: ['{t}/no/**']}}\n");
    let steps = [
        allow("mmap-anonymous-exec"),
        allow(format!("mmap-exec {t}/ok/lib.so")),
        deny(format!("mmap-exec {t}/no/lib.so"), "load"),
        allow(format!("mprotect-exec {t}/ok/lib.so")),
        deny(format!("mprotect-exec {t}/no/lib.so"), "load"),
        deny("mmap-exec /etc/passwd", "load"),
        // Built in: what programs are made of.
        allow("mmap-exec /usr/lib/x86_64-linux-gnu/libc.so.6"),
        allow(format!("exec {loader} {t}/ok/prog")),
    ];
    judge(checks, "loads", &body, || {}, &steps);
    let mut act = Act::governed("loader", &body);
    let answer = act.ask(&format!("exec {loader} {t}/no/prog"));
    checks.that(answer.starts_with("ok 127 "), || {
        format!("the loader should fail to map the program: {answer}")
    });
    let records = crate::records::denials_of(&act.agent, 1);
    checks.equal(
        "records",
        &records.first().map(|event| event.action.as_str()),
        &Some("load"),
    );
}

/// Real programs under an allow-list: what an agent does all day works, and three attacks do not.
fn an_agent_like_workload_runs_under_an_allow_list(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("workload");
    let t = tree.display();
    file_at(
        tree.join("work/main.py"),
        "import json, os, subprocess\nprint(json.dumps({'cwd': os.getcwd()}))\nsubprocess.run(['git', 'init', '-q', 'repo'], check=True)\nopen('out.txt', 'w').write('done')\n",
    );
    file_at(tree.join("home/.ssh/id_ed25519"), "key");
    let body = format!(
        "file:\n  read: {{allow: [/**], deny: ['**/.ssh/**']}}\n  write: {{allow: ['{t}/work/**', '/tmp/**']}}\n\
         exec: {{allow: [/usr/bin/**, /usr/lib/git-core/**, {ACT_RULE}], deny: [curl]}}\nnet: {{allow: ['127.0.0.1:8000']}}\n"
    );
    let work = format!("{t}/work");
    let steps = [
        gives("exec /bin/sh -c exit%203", "ok 3 "),
        allow(format!("exec-in {work} /usr/bin/python3 main.py")),
        allow(format!("read {work}/out.txt")),
        gives(format!("exec /usr/bin/git -C {work}/repo status --short"), "ok 0 "),
    ];
    enforce(checks, "workload", &body, || {}, &steps);
    let mut act = Act::governed("workload", &body);
    for (line, wanted) in [
        (
            format!("exec /bin/cat {t}/home/.ssh/id_ed25519"),
            "Operation not permitted",
        ),
        ("exec /bin/sh -c /usr/bin/curl%20http://127.0.0.1".to_owned(), "ok 126 "),
        (
            "exec /usr/bin/python3 -c import%20socket;socket.create_connection(('127.0.0.1',9))".to_owned(),
            "Traceback",
        ),
    ] {
        let answer = act.ask(&line);
        checks.contains(&line, &answer, wanted);
    }
    let actions: Vec<String> = crate::records::denials_of(&act.agent, 3)
        .into_iter()
        .map(|event| event.action)
        .collect();
    checks.equal(
        "records",
        &actions,
        &["open-read", "exec", "connect"].map(str::to_owned).to_vec(),
    );
    checks.that(Path::new(&format!("{work}/repo/.git/HEAD")).exists(), || {
        "git made no repository".to_owned()
    });
    observe(
        checks,
        "workload",
        &body,
        || {},
        &[deny(format!("open-read {t}/home/.ssh/id_ed25519"), "open-read")],
    );
}
