//! What was found of what was planted, and what else was hidden.

use std::collections::BTreeMap;
use std::sync::Arc;

use aa_redact::{Engine, EngineError, Finding, Options, Redactor};

use crate::corpus::{Corpus, Label};
use crate::to_f64;

/// A value is covered when so much of it is hidden, in hundredths.
const COVERED: u64 = 95;

/// Planted, touched and covered.
#[derive(Default)]
struct Tally {
    planted: usize,
    found: usize,
    covered: usize,
}

pub(crate) fn report(name: &str, corpus: &Corpus) -> Result<(), EngineError> {
    let engine = Arc::new(Engine::new(&Options::default())?);
    let mut stream = Redactor::detector(&engine);
    stream.push(&corpus.bytes);
    stream.finish();
    let findings: Vec<Finding> = stream
        .take_findings()
        .into_iter()
        .filter(|finding| !finding.example)
        .collect();
    let megabytes = to_f64(corpus.bytes.len()) / 1e6;
    println!("\n{name}: {megabytes:.1} MB, {} values planted", corpus.labels.len());
    recall(corpus, &findings);
    wrong(corpus, &findings, megabytes);
    Ok(())
}

fn recall(corpus: &Corpus, findings: &[Finding]) {
    let mut forms: BTreeMap<String, Tally> = BTreeMap::new();
    let mut missed: BTreeMap<&str, usize> = BTreeMap::new();
    for label in &corpus.labels {
        let hidden = hidden(label, findings);
        let length = (label.end - label.start) as u64;
        let covered = hidden * 100 >= length * COVERED;
        for name in [
            format!("in form {}", label.form),
            format!("of class {}", label.class.name()),
            "all".to_owned(),
        ] {
            let tally = forms.entry(name).or_default();
            tally.planted += 1;
            tally.found += usize::from(hidden > 0);
            tally.covered += usize::from(covered);
        }
        if !covered {
            *missed.entry(label.kind).or_default() += 1;
        }
    }
    for (form, tally) in &forms {
        let share = |count| to_f64(count) / to_f64(tally.planted);
        println!(
            "  {form}: {} planted, found {:.4}, covered {:.4}",
            tally.planted,
            share(tally.found),
            share(tally.covered)
        );
    }
    println!("  not covered, by kind: {missed:?}");
}

/// Bytes of a value that are in findings.
fn hidden(label: &Label, findings: &[Finding]) -> u64 {
    let (start, end) = (label.start as u64, label.end as u64);
    let from = findings.partition_point(|finding| finding.end <= start);
    let touching = findings.iter().skip(from).take_while(|finding| finding.start < end);
    touching
        .map(|finding| finding.end.min(end) - finding.start.max(start))
        .sum()
}

fn wrong(corpus: &Corpus, findings: &[Finding], megabytes: f64) {
    let mut kinds: BTreeMap<(&str, &str), (usize, u64)> = BTreeMap::new();
    let mut first: BTreeMap<&str, String> = BTreeMap::new();
    for finding in findings {
        let from = corpus.labels.partition_point(|label| label.end as u64 <= finding.start);
        let planted = corpus
            .labels
            .get(from)
            .is_some_and(|label| (label.start as u64) < finding.end);
        if !planted {
            let entry = kinds.entry((finding.class.name(), finding.kind)).or_default();
            entry.0 += 1;
            entry.1 += finding.end - finding.start;
            first.entry(finding.kind).or_insert_with(|| around(corpus, finding));
        }
    }
    let (count, bytes) = kinds
        .values()
        .fold((0, 0), |sum, entry| (sum.0 + entry.0, sum.1 + entry.1));
    println!(
        "  false positives: {count}, {:.3} per MB; {bytes} bytes wrongly hidden",
        to_f64(count) / megabytes
    );
    let mut classes = BTreeMap::<&str, (usize, u64)>::new();
    for ((class, _), entry) in &kinds {
        let sum = classes.entry(class).or_default();
        *sum = (sum.0 + entry.0, sum.1 + entry.1);
    }
    for (class, (count, bytes)) in classes {
        println!("    of class {class}: {count}, {bytes} bytes");
    }
    for ((class, kind), (count, bytes)) in kinds {
        let first = first.get(kind).map_or("", String::as_str);
        println!("    {class} {kind}: {count}, {bytes} bytes, the first: {first}");
    }
}

/// Made-up text with what was hidden of it between marks.
fn around(corpus: &Corpus, finding: &Finding) -> String {
    let place = |at: u64| usize::try_from(at).unwrap_or(0).min(corpus.bytes.len());
    let (start, end) = (place(finding.start), place(finding.end));
    let text = |from: usize, to: usize| String::from_utf8_lossy(corpus.bytes.get(from..to).unwrap_or_default());
    let (before, behind) = (
        text(start.saturating_sub(60), start),
        text(end, place(finding.end + 20)),
    );
    format!("{before}>>{}<<{behind}", text(start, end)).replace('\n', "\\n")
}
