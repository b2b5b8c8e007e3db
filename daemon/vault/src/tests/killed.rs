//! A process that sets, rotates and revokes, and is killed, again and again.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use super::*;

const CHILD: &str = "AA_VAULT_TEST_WRITES_IN";
const NAMES: u64 = 40;

/// Writes until it is killed: a line before each change, and one behind it.
fn write_until_killed(directory: &Path) {
    let vault = Vault::open(&directory.join("vault"), &key(), now()).unwrap();
    vault.finish_rotation().unwrap();
    let mut journal = OpenOptions::new()
        .append(true)
        .create(true)
        .open(directory.join("journal"))
        .unwrap();
    let mut say = move |line: String| journal.write_all(line.as_bytes()).unwrap();
    for step in 0_u64.. {
        let name = format!("S{}", step % NAMES);
        let value = format!("value {} {step}", std::process::id());
        match step % 7 {
            3 => {
                say(format!("begin revoke {name} -\n"));
                let _ = vault.revoke(&id(&name), None, doer());
                say(format!("done revoke {name} -\n"));
            }
            6 => {
                vault.rotate_master(now()).unwrap();
            }
            _ => {
                say(format!("begin set {name} {value}\n"));
                set(&vault, &name, value.as_bytes(), Mode::Replace).unwrap();
                say(format!("done set {name} {value}\n"));
            }
        }
    }
}

/// What a name's value may be by a journal: as it was acknowledged last, and as was begun behind that.
fn expected(journal: &str) -> BTreeMap<String, Vec<Option<String>>> {
    let mut expected: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for line in journal.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let [when, what, name, value] = words[..] else { continue };
        let value = (what == "set").then(|| value.to_owned());
        let may = expected.entry(name.to_owned()).or_default();
        if when == "done" {
            may.clear();
        }
        may.push(value);
    }
    expected
}

#[test]
fn a_process_killed_at_any_point_loses_nothing_it_acknowledged_and_all_is_readable() {
    if let Some(directory) = std::env::var_os(CHILD) {
        return write_until_killed(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    let (mut changes, mut unfinished) = (0, 0);
    let mut known: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for round in 0..12_u64 {
        File::create(&journal).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "tests::killed::a_process_killed_at_any_point_loses_nothing_it_acknowledged_and_all_is_readable",
            ])
            .env(CHILD, directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let begun = std::time::Instant::now();
        while std::fs::metadata(&journal).unwrap().len() == 0 {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "round {round}: nothing was ever set"
            );
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(round * 37 % 120));
        child.kill().unwrap();
        child.wait().unwrap();

        let text = std::fs::read_to_string(&journal).unwrap();
        changes += text.lines().filter(|line| line.starts_with("done")).count();
        for (name, values) in expected(&text) {
            let before = known.remove(&name).unwrap_or_else(|| vec![None]);
            // Nothing of this name was acknowledged in this round: it may be as before.
            let acknowledged = text
                .lines()
                .any(|line| line.starts_with("done") && line.contains(&format!(" {name} ")));
            let values = if acknowledged {
                values
            } else {
                [before, values].concat()
            };
            known.insert(name, values);
        }
        let vault = Vault::open(&directory.path().join("vault"), &key(), now()).unwrap();
        unfinished += usize::from(vault.key_state().older_masters > 0);
        for (name, values) in &mut known {
            let value = reveal(&vault, name).ok().map(|value| String::from_utf8(value).unwrap());
            assert!(
                values.contains(&value),
                "round {round}: {name} is {value:?}, may be {values:?}"
            );
            *values = vec![value];
        }
    }
    eprintln!("{changes} changes, {unfinished} rotations found unfinished");
    assert!(changes > 100, "{changes} changes are too few to show anything");
}
