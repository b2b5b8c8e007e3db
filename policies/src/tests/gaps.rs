use crate::{Environment, parse_policy};

fn gaps(sections: &str) -> Vec<String> {
    gaps_of(sections, false)
}

fn gaps_of(sections: &str, by_landlock: bool) -> Vec<String> {
    let text = format!("policy: p\nversion: 1\n{sections}\n");
    let policy = parse_policy(&text, "x.yaml", &Environment::default()).unwrap();
    let gaps = policy.gaps_without_lsm(by_landlock);
    gaps.iter().map(ToString::to_string).collect()
}

#[test]
fn addresses_hosts_and_how_often_they_are_connected_to_are_no_gap() {
    let network = "net: {allow: [127.0.0.1, example.com:443, dns], deny: [10.0.0.0/8, \"unix:/run/docker.sock\"]}\n\
        rate: {connect: {over: 5/s, then: deny}}";
    assert_eq!(gaps(network), Vec::<String>::new());
}

const LOAD: &str =
    "load `code that is mapped`: not judged: libraries, and programs that are given to the loader (`ld.so PROGRAM`)";

#[test]
fn programs_are_no_gap_but_where_somebody_would_be_asked_or_code_is_mapped() {
    let judged = "exec: {allow: [/usr/**], deny: [sudo, memfd, deleted, \"git push ...\"], kill: [/tmp/**]}\n\
        rate: {exec: {over: 5/s, then: deny}}";
    assert_eq!(gaps(judged), [LOAD]);
    assert_eq!(gaps("exec: {default: allow, allow: [/x]}"), Vec::<String>::new());
    let asked = "exec: {default: ask, ask: [ssh], deny: [\"interpreter:/tmp/**\"]}\n\
        rate: {exec: {over: 5/s, then: ask}}";
    assert_eq!(
        gaps(asked),
        [
            "exec `default: ask`: denied: nobody can be asked about a program there",
            LOAD,
            "line 3: exec `ssh`: denied: nobody can be asked about a program there",
            "line 3: exec `interpreter:/tmp/**`: judged for scripts alone",
            "line 4: rate `exec over 5/s`: denied: nobody can be asked about a program there",
        ]
    );
}

#[test]
fn every_other_rule_is_named_with_its_line_and_what_comes_of_it() {
    let all = "net: {allow: [\"unix:/run/x\"]}\n\
        file:\n  read: {allow: [/**]}\n  write: {}\n\
        exec:\n  ask: [sudo]\n\
        rate: {fork: {over: 5/s, then: deny}}\n\
        privileges: {allow: [userns]}";
    assert_eq!(
        gaps(all),
        [
            "file.write `default: deny`: not judged",
            LOAD,
            "line 3: net `unix:/run/x`: denied: no unix socket that has a name is reached",
            "line 5: file.read `/**`: not judged",
            "line 8: exec `sudo`: denied: nobody can be asked about a program there",
            "line 9: rate `fork over 5/s`: not judged",
            "line 10: privileges `userns`: closed by seccomp under `aasm run`, listed or not",
        ]
    );
}

#[test]
fn what_landlock_carries_out_of_files_is_no_gap() {
    let files = "file:\n  read:\n    allow: [/usr/**, \"/srv/*.txt\"]\n    ask: [/home/**]\n    deny: [/etc/shadow, \"**/.env\"]\n  \
        write: {allow: [/tmp/**], kill: [/boot/**]}";
    assert_eq!(
        gaps_of(files, true),
        [
            "file.write `default: deny`: Landlock judges names and contents, not modes, owners and attributes",
            "line 5: file.read `/srv/*.txt`: denied: Landlock allows single files and `DIRECTORY/**`",
            "line 6: file.read `/home/**`: denied: nobody can be asked about a file there",
            "line 7: file.read `**/.env`: not judged: it is within what is allowed",
            "line 8: file.write `/boot/**`: denied, and the agent goes on",
        ]
    );
    assert_eq!(gaps(files).len(), 7, "every rule");
    for not_confined in [
        "mode: observe\nfile: {read: {allow: [/usr/**]}}",
        "file: {read: {default: allow, deny: [/x]}}",
    ] {
        assert_eq!(gaps_of(not_confined, true), gaps(not_confined));
        assert_eq!(gaps(not_confined).len(), 1);
    }
}
