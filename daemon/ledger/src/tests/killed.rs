//! A process that spends and is killed, again and again.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::threads::Random;
use super::*;

const CHILD: &str = "AA_LEDGER_TEST_SPENDS_IN";
const THREADS: u64 = 8;
const MOST_OF_A_CALL: u64 = 100;
const MOST: u64 = 100_000;

fn all() -> Cap {
    cap(Span::Since(noon()), MOST)
}

/// Spends until it is killed. `reserved` lines are written when a reservation was acknowledged, `settled` lines before
/// one is settled: what was acknowledged is charged in full, or as it was to be settled.
fn spend_until_killed(directory: &Path) {
    let (ledger, _) = Ledger::open(&directory.join("ledger")).unwrap();
    let journal = OpenOptions::new()
        .append(true)
        .create(true)
        .open(directory.join("journal"))
        .unwrap();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (ledger, mut journal) = (&ledger, &journal);
            scope.spawn(move || {
                let mut random = Random(u64::from(std::process::id()) * 977 + number + 1);
                let mut say = move |line: String| journal.write_all(line.as_bytes()).unwrap();
                loop {
                    let amount = 1 + random.below(MOST_OF_A_CALL);
                    let Ok(id) = ledger.reserve(&ACCOUNT, &[all()], dollars(amount), noon(), None) else {
                        thread::sleep(Duration::from_millis(1));
                        continue;
                    };
                    say(format!("reserved {id} {amount}\n"));
                    if random.below(4) > 0 {
                        let used = random.below(amount + 1);
                        say(format!("settled {id} {used}\n"));
                        ledger.settle(id, dollars(used), noon());
                    }
                }
            });
        }
    });
}

/// The least and the most that a journal's calls come to, and how many there are.
fn bounds(journal: &Path) -> (u64, u64, usize) {
    let mut least = BTreeMap::new();
    let mut most = 0;
    for line in std::fs::read_to_string(journal).unwrap_or_default().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let amount: u64 = words[2].parse().unwrap();
        if words[0] == "reserved" {
            most += amount;
        }
        least.insert(words[1].to_owned(), amount);
    }
    (least.values().sum(), most, least.len())
}

#[test]
fn a_process_killed_at_any_point_loses_nothing_it_acknowledged_and_exceeds_no_cap() {
    if let Some(directory) = std::env::var_os(CHILD) {
        return spend_until_killed(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    let mut random = Random(u64::from(std::process::id()) + 1);
    let (mut before, mut calls) = (0, 0);
    let killed_open = AtomicU64::new(0);
    for round in 0..12 {
        File::create(&journal).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "tests::killed::a_process_killed_at_any_point_loses_nothing_it_acknowledged_and_exceeds_no_cap",
            ])
            .env(CHILD, directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let begun = std::time::Instant::now();
        while std::fs::metadata(&journal).unwrap().len() == 0 && before < MOST - MOST_OF_A_CALL {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "round {round}: nothing was ever reserved"
            );
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(random.below(120)));
        child.kill().unwrap();
        child.wait().unwrap();

        let (least, most, count) = bounds(&journal);
        let (ledger, charged) = Ledger::open(&directory.path().join("ledger")).unwrap();
        let used = ledger.used(&ACCOUNT, &all());
        let unacknowledged = THREADS * MOST_OF_A_CALL;
        assert!(
            used.spent >= before + least,
            "round {round}: {used:?}, was {before}, acknowledged {least}"
        );
        assert!(
            used.spent <= before + most + unacknowledged,
            "round {round}: {used:?}, was {before}, at most {most}"
        );
        assert!(used.spent <= MOST, "round {round}: {used:?}");
        assert_eq!(used.reserved, 0);
        killed_open.fetch_add(charged as u64, Ordering::Relaxed);
        (before, calls) = (used.spent, calls + count);
    }
    assert!(
        killed_open.into_inner() > 12 && calls > 100,
        "{calls} calls are too few to show anything"
    );
}
