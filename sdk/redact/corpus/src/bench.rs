//! Speed by CPU time, recall and false positives on the generated corpus.
//!
//! `aa-redact-bench [MEGABYTES [SEED]]`; or `aa-redact-bench score [MEGABYTES]` for recall and false positives alone; or
//! `aa-redact-bench count MODE [MEGABYTES [TIMES]]` for runs of which valgrind counts the instructions or perf the time (MODE is `secrets`, `all` or
//! `full`).

mod corpus;
mod formats;
mod grammar;
mod independent;
mod score;
mod third;
mod words;
mod write;

use std::sync::Arc;

use aa_redact::{Charset, Detector, Engine, EngineError, Options, Redactor, Seed, detectors};
use nix::time::{ClockId, clock_gettime};

const RUNS: usize = 5;

fn main() -> Result<(), EngineError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, mode, rest @ ..] = arguments.as_slice()
        && first == "count"
    {
        let number = |at: usize, default| rest.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
        return count(mode, number(0, 2), number(1, 1));
    }
    if let [first, rest @ ..] = arguments.as_slice()
        && first == "score"
    {
        return score_independent(7, rest.first().and_then(|text| text.parse().ok()).unwrap_or(16));
    }
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let megabytes = numbers.first().copied().unwrap_or(128);
    let corpus = corpus::make(
        numbers.get(1).copied().unwrap_or(7),
        usize::try_from(megabytes).unwrap_or(128) << 20,
        4,
    );
    println!(
        "corpus: {} bytes, {} values planted",
        corpus.bytes.len(),
        corpus.labels.len()
    );
    references(&corpus);
    speed(&corpus)?;
    curve(&corpus)?;
    println!("peak memory of the process, corpus included: {} MB", peak_megabytes());
    score::report("generated corpus", &corpus)?;
    score_independent(numbers.get(1).copied().unwrap_or(7), 16)
}

/// Megabytes of each.
fn score_independent(seed: u64, megabytes: usize) -> Result<(), EngineError> {
    for (name, formats) in [
        ("independent corpus", formats::FIRST),
        ("second independent corpus", formats::SECOND),
    ] {
        score::report(name, &independent::make(seed, megabytes << 20, formats))?;
    }
    score::report(
        "third independent corpus",
        &independent::make_third(seed, megabytes << 20),
    )
}

/// What Linux says in /proc/self/status.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1000
}

/// What else the machine does with these bytes at this moment: to judge the other figures by.
fn references(corpus: &corpus::Corpus) {
    let mut copy = Vec::with_capacity(corpus.bytes.len());
    let copied = median(corpus, || {
        copy.clear();
        copy.extend_from_slice(&corpus.bytes);
        std::hint::black_box(copy.len());
    });
    let searched = median(corpus, || {
        std::hint::black_box(memchr::memchr(0, &corpus.bytes));
    });
    println!("reference, a copy: {copied:.3} GB/s; memchr: {searched:.3} GB/s");
}

fn secrets_only() -> Options {
    Options {
        detectors: detectors().filter(|row| !row.class().is_personal()).copied().collect(),
        encodings: false,
        ..Options::default()
    }
}

/// Runs for a tool that counts what `counted` does, and the best of their speeds.
fn count(mode: &str, megabytes: usize, times: usize) -> Result<(), EngineError> {
    let corpus = corpus::make(7, megabytes << 20, 4);
    let (options, silent) = match mode {
        "secrets" => (secrets_only(), true),
        "all" => (Options::default(), true),
        _ => (Options::default(), false),
    };
    let engine = Arc::new(Engine::new(&options)?);
    let best = (0..times).map(|_| {
        let before = cpu_seconds();
        counted(&engine, &corpus.bytes, 1 << 20, silent);
        cpu_seconds() - before
    });
    let best = best.fold(f64::INFINITY, f64::min);
    let bytes = corpus.bytes.len();
    println!("{bytes} bytes, {:.3} GB/s", to_f64(bytes) / best / 1e9);
    Ok(())
}

/// All of a text through a new stream.
#[inline(never)]
fn counted(engine: &Arc<Engine>, text: &[u8], chunk: usize, silent: bool) {
    let mut stream = if silent {
        Redactor::detector(engine)
    } else {
        Redactor::new(engine)
    };
    let mut total = 0;
    for piece in text.chunks(chunk) {
        total += stream.push(piece).len();
    }
    total += stream.finish().len();
    std::hint::black_box(total);
}

fn speed(corpus: &corpus::Corpus) -> Result<(), EngineError> {
    let plain = Arc::new(Engine::new(&secrets_only())?);
    let full = Arc::new(Engine::new(&Options::default())?);
    println!(
        "detect, secrets only ({plain:?}): {:.3} GB/s",
        rate(&plain, corpus, 1 << 20, true)
    );
    println!(
        "detect, all with encodings ({full:?}): {:.3} GB/s",
        rate(&full, corpus, 1 << 20, true)
    );
    for chunk in [1 << 20, 16 << 10, 4 << 10, 1400] {
        println!(
            "full with redacted copy, pieces of {chunk}: {:.3} GB/s",
            rate(&full, corpus, chunk, false)
        );
    }
    Ok(())
}

/// Made-up formats, so that only the number of literals changes.
fn curve(corpus: &corpus::Corpus) -> Result<(), EngineError> {
    static BODY: Charset = Charset::of("A-Za-z0-9");
    for count in [50, 250, 500, 1000, 2000] {
        let mut seed = Seed::new(9);
        let mut part = || seed.text(&Charset::of("a-z"), 3);
        let literals: Vec<&'static str> = (0..count).map(|_| &*format!("{}_{}_", part(), part()).leak()).collect();
        let rows: Vec<Detector> = literals
            .iter()
            .map(|literal| Detector::token("made-up", vec![*literal].leak(), &BODY, 20, "https://example.test/"))
            .collect();
        let options = Options {
            detectors: rows,
            encodings: false,
            ..Options::default()
        };
        let engine = Arc::new(Engine::new(&options)?);
        println!(
            "detect, {count} literals: {:.3} GB/s; aho-corasick with the same: {:.3} GB/s",
            rate(&engine, corpus, 1 << 20, true),
            automaton(&literals, corpus)
        );
    }
    Ok(())
}

/// The literals alone, found by the automaton that is usual for it.
fn automaton(literals: &[&str], corpus: &corpus::Corpus) -> f64 {
    let built = aho_corasick::AhoCorasick::builder()
        .kind(Some(aho_corasick::AhoCorasickKind::DFA))
        .build(literals);
    built.map_or(0.0, |automaton| {
        median(corpus, || {
            std::hint::black_box(automaton.find_iter(&corpus.bytes).count());
        })
    })
}

fn rate(engine: &Arc<Engine>, corpus: &corpus::Corpus, chunk: usize, silent: bool) -> f64 {
    median(corpus, || counted(engine, &corpus.bytes, chunk, silent))
}

/// Gigabytes a second of the median of some runs, by the CPU time of this thread.
fn median(corpus: &corpus::Corpus, mut run: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let before = cpu_seconds();
            run();
            cpu_seconds() - before
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(RUNS / 2).copied().unwrap_or(f64::INFINITY);
    to_f64(corpus.bytes.len()) / median / 1e9
}

fn cpu_seconds() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0.0, |time| std::time::Duration::from(time).as_secs_f64())
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn to_f64(count: usize) -> f64 {
    count as f64
}
