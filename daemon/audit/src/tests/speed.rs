//! Figures: `cargo test --release -p aa-audit speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use aa_wire::event::{Effect, Kind, Object};
use aa_wire::{Event, Timestamp};

use super::{LARGE, Place};
use crate::format::{Head, encode_record};
use crate::keys::EpochKey;
use crate::{Checks, Durability, scan};

const LASTING: Duration = Duration::from_secs(5);

/// As large as most: 512 bytes of JSON.
fn typical() -> Event {
    let mut event = Event {
        object: Some(Object::Path {
            path: "/home/dev/project/node_modules/typescript/lib/typescript.js".into(),
            flags: Vec::new(),
        }),
        ..Event::bare(Timestamp::now(), Kind::Decision, Effect::Allowed, "open-read")
    };
    let length = serde_json::to_string(&event).unwrap().len();
    event.detail = Some("x".repeat(512 - length - 16));
    event
}

#[test]
#[ignore = "a measurement, half a minute on an idle machine"]
fn speed() {
    disk();
    for waiters in [1, 8, 64] {
        durable(waiters);
    }
    forgotten();
    alone();
}

/// What the disk can do for one who does nothing else.
fn disk() {
    use std::io::Write;
    let place = Place::new();
    let mut file = std::fs::File::create(place.0.path().join("file")).unwrap();
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < Duration::from_secs(2) {
        file.write_all(&[7; 600]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    let each = begun.elapsed() / count;
    println!("the disk: 600 bytes and fdatasync {:.0}/s", 1.0 / each.as_secs_f64());
}

fn durable(waiters: u32) {
    let place = Place::new();
    let log = place.open(LARGE).unwrap().0;
    let event = typical();
    let (begun, mut times) = (Instant::now(), Vec::new());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..waiters)
            .map(|_| {
                scope.spawn(|| {
                    let mut times = Vec::new();
                    while begun.elapsed() < LASTING {
                        let before = Instant::now();
                        log.append(&event).unwrap();
                        times.push(before.elapsed());
                    }
                    times
                })
            })
            .collect();
        times = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    });
    let elapsed = begun.elapsed().as_secs_f64();
    times.sort();
    let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = times.len() as f64 / elapsed;
    println!(
        "{waiters} waiting: {rate:.0} records/s on the disk, half within {:.2} ms, 99 of 100 within {:.2} ms",
        at(50),
        at(99)
    );
}

/// Nobody waits for the disk; then what was written is checked and read.
fn forgotten() {
    const RECORDS: usize = 600_000;
    const BATCH: usize = 200;
    let place = Place::new();
    let log = place.open(LARGE).unwrap().0;
    let key = log.hand_out_key("the bench".to_owned()).unwrap();
    let batch = vec![typical(); BATCH];
    let begun = Instant::now();
    let (sender, receiver) = std::sync::mpsc::channel();
    for under_way in 0..RECORDS / BATCH {
        let sender = sender.clone();
        log.submit(batch.clone(), Durability::Written, move |result| {
            sender.send(result.is_ok()).unwrap();
        });
        if under_way >= 64 {
            assert!(receiver.recv().unwrap());
        }
    }
    drop(log);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let per_second = |count: u64, begun: Instant| count as f64 / begun.elapsed().as_secs_f64();
    println!("nobody waiting: {:.0} records/s", per_second(RECORDS as u64, begun));
    for (what, hmac_key) in [("checkpoints", None), ("checkpoints and seals", Some(key))] {
        let begun = Instant::now();
        let checks = Checks {
            hmac_key,
            ..Checks::default()
        };
        let report = place.verify(&checks);
        assert!(report.is_intact());
        println!("verify, {what}: {:.0} MB/s", per_second(report.bytes, begun) / 1e6);
    }
    let begun = Instant::now();
    let read = scan(&place.path(), 0).unwrap().count() as u64;
    println!("read as events: {:.0} records/s", per_second(read, begun));
}

/// The processor's time for one record, without any file.
fn alone() {
    const RECORDS: u32 = 200_000;
    let handed = aa_wire::api::AuditKey {
        algorithm: "hmac-sha256".to_owned(),
        epoch: 0,
        from: 1,
        key: "07".repeat(32).into(),
    };
    let key = EpochKey::from_handed(&handed).unwrap();
    let (event, mut head, mut out) = (typical(), Head::default(), Vec::new());
    let begun = Instant::now();
    for _ in 0..RECORDS {
        out.clear();
        encode_record(&event, &key, &mut head, &mut out).unwrap();
    }
    let whole = begun.elapsed() / RECORDS;
    let begun = Instant::now();
    for _ in 0..RECORDS {
        out.clear();
        serde_json::to_writer(&mut out, &event).unwrap();
    }
    let json = begun.elapsed() / RECORDS;
    let begun = Instant::now();
    let body = out.clone();
    for _ in 0..RECORDS {
        std::hint::black_box(head.chain_with(0, &body));
    }
    println!(
        "a record: {whole:?}, its JSON {json:?}, its chain {:?}",
        begun.elapsed() / RECORDS
    );
}
