use std::collections::BTreeSet;
use std::sync::Arc;

use aa_redact::{Detector, Engine, Options, Redactor, Seed, detectors};

use crate::corpus::{self, Corpus, planted_rows};
use crate::independent;
use crate::write::core;

/// Rows of which nothing is planted, and why.
const NOT_PLANTED: &[(&str, &str)] = &[
    ("ip-address", "hidden only where a policy names it, and in every log"),
    ("mac-address", "hidden only where a policy names it"),
];

/// Rows of which more than the secret is hidden at times: with its host it looks like an address; what stands before a signature like a name's.
const WIDER: &[&str] = &["url-credentials", "azure-sas-signature"];

#[test]
fn every_row_is_planted_or_has_its_reason() {
    let corpus = corpus::make(7, 4 << 20, 1);
    let planted: BTreeSet<_> = corpus.labels.iter().map(|label| label.kind).collect();
    let left_out: Vec<_> = detectors()
        .map(Detector::name)
        .filter(|name| !planted.contains(name))
        .collect();
    let reasons: Vec<_> = NOT_PLANTED.iter().map(|(name, _)| *name).collect();
    assert_eq!(left_out, reasons, "{} planted", corpus.labels.len());
}

fn position(byte: u64) -> usize {
    usize::try_from(byte).unwrap()
}

#[test]
fn what_is_labelled_is_what_the_row_hides() {
    let engine = Arc::new(Engine::new(&Options::default()).unwrap());
    let mut seed = Seed::new(21);
    let mut wrong = Vec::new();
    for row in planted_rows() {
        for _ in 0..3 {
            let sample = row.sample(&mut seed);
            let label = core(row, &sample);
            let mut stream = Redactor::detector(&engine);
            stream.push(sample.as_bytes());
            stream.finish();
            let hidden: Vec<_> = stream
                .take_findings()
                .iter()
                .map(|finding| (position(finding.start), position(finding.end)))
                .collect();
            let found = if WIDER.contains(&row.name()) {
                hidden.len() == 1 && hidden[0].0 <= label.0 && hidden[0].1 >= label.1
            } else {
                hidden == [label]
            };
            if !found {
                wrong.push((row.name(), sample, label, hidden));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} {wrong:#?}", wrong.len());
}

#[test]
fn labels_are_in_order_and_within_their_corpus() {
    let every = |corpus: Corpus| {
        assert!(!corpus.labels.is_empty());
        assert!(corpus.labels.windows(2).all(|pair| pair[0].end <= pair[1].start));
        assert!(
            corpus
                .labels
                .iter()
                .all(|label| label.start < label.end && label.end <= corpus.bytes.len())
        );
    };
    every(corpus::make(3, 1 << 20, 2));
    every(independent::make_third(3, 1 << 20));
}
