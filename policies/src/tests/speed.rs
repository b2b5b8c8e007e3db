//! How long lowering takes: `cargo test --release -p aa-policy -- --ignored --nocapture speed`.

use crate::generate::random_policy;
use crate::{Environment, Limits, packs, parse_policy};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

fn many_rules(count: usize, floating: usize) -> String {
    let mut text = String::from("policy: many\nversion: 1\nfile:\n  read:\n    deny:\n");
    let mut seed = 1u64;
    for number in 0..count {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let tail = if number % 3 == 0 { "/**" } else { "" };
        let _ = writeln!(
            text,
            "      - \"/srv/{:x}/{:08x}/{number:04}{tail}\"",
            seed >> 60,
            seed >> 28 & 0xffff_ffff
        );
    }
    for number in 0..floating {
        let _ = writeln!(text, "      - \"**/name{number}.key\"");
    }
    text
}

fn time(text: &str) -> (Duration, Duration, usize, usize) {
    let start = Instant::now();
    let policy = parse_policy(
        text,
        "many.yaml",
        &Environment {
            home: Some("/home/dev".into()),
            ..Environment::default()
        },
    )
    .unwrap();
    let parsed = start.elapsed();
    let lowered = policy
        .lower(&Limits {
            max_automaton_words: 64 << 20,
            ..Limits::default()
        })
        .unwrap();
    (
        parsed,
        start.elapsed().saturating_sub(parsed),
        lowered.paths.rows.len(),
        lowered.paths.words(),
    )
}

#[test]
#[ignore = "a measurement, to be run in release"]
fn speed_of_lowering() {
    for (count, floating) in [(1_000, 0), (1_000, 10), (10_000, 0), (10_000, 1), (0, 1_000)] {
        let (parse, lower, states, words) = time(&many_rules(count, floating));
        println!(
            "{count} anchored + {floating} floating: parse {parse:?}, lower {lower:?}, {states} states, {words} words"
        );
    }
    for (name, text) in packs() {
        let (parse, lower, states, words) = time(text);
        println!("{name}: parse {parse:?}, lower {lower:?}, {states} states, {words} words");
    }
    let start = Instant::now();
    (0..200).for_each(|seed| {
        time(&random_policy(seed));
    });
    println!("200 random policies: {:?}", start.elapsed());
}
