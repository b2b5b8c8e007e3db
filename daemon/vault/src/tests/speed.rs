//! Figures: `make bench B=vault`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::*;

const SECRETS: usize = 10_000;

fn percentile(times: &mut [Duration], part: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * part / 1000]
}

fn per_second(count: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / took.as_secs_f64()
}

fn rotate_while_serving(vault: &Vault, named: usize) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut times = Vec::new();
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let begun = Instant::now();
                reveal(vault, &format!("S{}", number % named)).unwrap();
                times.push(begun.elapsed());
            }
            times
        });
        let begun = Instant::now();
        let rotated = vault.rotate_master(now()).unwrap();
        let took = begun.elapsed();
        stop.store(true, Ordering::Relaxed);
        let mut times = reading.join().unwrap();
        assert_eq!(rotated.data_keys, SECRETS as u64);
        println!(
            "rotation of the master over {} secrets: {took:?}; meanwhile reveal {:.0}/s, p50 {:?}, p99 {:?}, p99.9 {:?}, longest {:?}",
            rotated.data_keys,
            per_second(times.len(), took),
            percentile(&mut times, 500),
            percentile(&mut times, 990),
            percentile(&mut times, 999),
            percentile(&mut times, 1000),
        );
    });
}

#[test]
#[ignore = "takes a while; prints figures"]
fn speed_of_the_vault_and_rotation_of_ten_thousand_secrets_while_serving() {
    let directory = tempfile::tempdir_in(".").unwrap();
    let vault = Vault::open(directory.path(), &key(), now()).unwrap();

    let begun = Instant::now();
    let mut times: Vec<Duration> = (0..1_000)
        .map(|number| {
            let begun = Instant::now();
            set(&vault, &format!("ONE{number}"), &[b'v'; 40], Mode::New).unwrap();
            begun.elapsed()
        })
        .collect();
    let took = begun.elapsed();
    println!(
        "set, one by one, each on the disk: {:.0}/s, p50 {:?}, p99 {:?}",
        per_second(1_000, took),
        percentile(&mut times, 500),
        percentile(&mut times, 990)
    );

    let ids: Vec<SecretId> = (0..SECRETS - 1_000).map(|number| id(&format!("S{number}"))).collect();
    let (values, scope) = (vec!["v".repeat(40); ids.len()], anybody());
    let new = many(&ids, &values, &scope);
    let begun = Instant::now();
    vault.set(&new, Mode::New, doer()).unwrap();
    println!(
        "import of {} in one change: {:.0}/s",
        new.len(),
        per_second(new.len(), begun.elapsed())
    );

    let begun = Instant::now();
    for number in 0..100_000 {
        reveal(&vault, &format!("S{}", number % ids.len())).unwrap();
    }
    println!("reveal: {:.0}/s", per_second(100_000, begun.elapsed()));

    rotate_while_serving(&vault, ids.len());
    drop(vault);
    let begun = Instant::now();
    drop(Vault::open(directory.path(), &key(), now()).unwrap());
    println!("open, every entry decrypted and tallied: {:?}", begun.elapsed());
}
