//! What is kept in tables where inodes and sockets have no storage of ours (`bpf/lib/storage.bpf.h`): it must go with them,
//! or another object would be taken for the one that was.

use std::fs;
use std::time::Duration;

use crate::act::Act;
use crate::guest::{Guest, eventually, file_at, succeed};
use crate::harness::{Checks, Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    what_is_kept_of_inodes_goes_with_them,
    what_is_kept_of_sockets_goes_with_them
];

const COUNT: usize = 50;

/// How many entries a table of the programs' has.
fn entries(table: &str) -> usize {
    let pins = succeed("find", &["/sys/fs/bpf/aa-sensord", "-name", table]);
    let dump = succeed("bpftool", &["-j", "map", "dump", "pinned", pins.trim()]);
    let entries: serde_json::Value = serde_json::from_str(&dump).unwrap();
    entries.as_array().unwrap().len()
}

fn what_is_kept_of_inodes_goes_with_them(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("kept");
    let mut act = Act::governed("kept", "file:\n  read: {allow: [/**]}\n");
    let before = entries("verdicts_by_address");
    for number in 0..COUNT {
        let file = file_at(tree.join(number.to_string()), "x");
        // It gets its cells at the second sight.
        for _ in 0..3 {
            checks.equal(
                "read",
                &act.ask(&format!("open-read {}", file.display())).as_str(),
                &"ok",
            );
        }
    }
    let with = entries("verdicts_by_address");
    checks.that(with >= before + COUNT, || {
        format!("{before} verdicts before, {with} with {COUNT} files more")
    });
    fs::remove_dir_all(&tree).unwrap();
    let gone = eventually(Duration::from_secs(10), || {
        entries("verdicts_by_address") + COUNT <= with
    });
    checks.that(gone, || "verdicts of removed files stay".to_owned());
}

fn what_is_kept_of_sockets_goes_with_them(_: &Guest, checks: &mut Checks) {
    let before = entries("owners_by_cookie");
    let mut act = Act::governed("sockets", "net: {allow: [127.0.0.1]}\n");
    for _ in 0..COUNT {
        checks.equal("socket", &act.ask("socket inet dgram udp").as_str(), &"ok");
    }
    act.end();
    let gone = eventually(Duration::from_secs(10), || {
        entries("owners_by_cookie") <= before + COUNT / 2
    });
    checks.that(gone, || "owners of closed sockets stay".to_owned());
}
