//! Writes a corpus to standard output and its labels, as JSON lines, to standard error.
//!
//! `aa-redact-corpus [SEED [MEGABYTES [EVERY [WHICH]]]]`; with EVERY 0 one that is independent of the table, the first or (WHICH 2 or 3) another.

mod corpus;
mod formats;
mod grammar;
mod independent;
#[cfg(test)]
mod tests;
mod third;
mod words;
mod write;

use std::io::Write;

fn main() -> std::io::Result<()> {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let number = |at: usize, default: u64| numbers.get(at).copied().unwrap_or(default);
    let size = |value: u64| usize::try_from(value).unwrap_or(0);
    let (seed, bytes) = (number(0, 1), size(number(1, 8)) << 20);
    let corpus = match (size(number(2, 4)), number(3, 1)) {
        (0, 2) => independent::make(seed, bytes, formats::SECOND),
        (0, 3) => independent::make_third(seed, bytes),
        (0, _) => independent::make(seed, bytes, formats::FIRST),
        (every, _) => corpus::make(seed, bytes, every),
    };
    std::io::stdout().lock().write_all(&corpus.bytes)?;
    let mut labels = std::io::stderr().lock();
    for label in &corpus.labels {
        let line = serde_json::json!({"start": label.start, "end": label.end, "kind": label.kind, "class": label.class.name(), "form": label.form});
        writeln!(labels, "{line}")?;
    }
    Ok(())
}
