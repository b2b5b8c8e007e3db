//! Which four bytes of a literal the pass looks for: those that are rarest in agent traffic.

use std::collections::HashMap;

use super::heads::Sets;
use super::{Entry, GRAM, Literal, folded};
use crate::charset::Charset;

/// Shares of windows in ordinary traffic, by the window with capitals as small letters.
type Typical = HashMap<u32, f64>;

/// The windows of all literals, and the sets that entries speak of.
pub(super) fn entries(literals: &[Literal]) -> (Vec<Entry>, Sets) {
    let typical = typical();
    let mut sets = Sets::new();
    let mut entries = Vec::new();
    for (number, literal) in (0_u32..).zip(literals) {
        let mut place = |set: Option<&'static Charset>| set.map_or(0, |set| sets.number(set));
        let entry = Entry {
            literal: number,
            length: u8::try_from(literal.bytes.len()).unwrap_or(u8::MAX),
            before: place(literal.before),
            then: [0, 1].map(|at| place(literal.then.get(at).copied())),
            ..Entry::default()
        };
        for residue in [0, 1] {
            choose(literal, residue, entry, &typical, &mut entries);
        }
    }
    (entries, sets)
}

/// Puts the rarest window of a literal that falls on `residue` into the entries.
fn choose(literal: &Literal, residue: i32, entry: Entry, typical: &Typical, entries: &mut Vec<Entry>) {
    let length = i32::try_from(literal.bytes.len()).unwrap_or(i32::MAX);
    let best = (-1..length)
        .filter(|offset| offset.rem_euclid(2) == residue)
        .map(|offset| {
            let sets: Vec<Vec<u8>> = (offset..offset + 4).map(|at| choices(literal, at)).collect();
            (cost(&sets, typical), offset, sets)
        })
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((_, offset, sets)) = best else { return };
    let (mut head, mut mask) = ([0; 8], [0; 8]);
    for ((head, mask), byte) in head.iter_mut().zip(&mut mask).zip(&literal.bytes) {
        (*head, *mask) = (*byte | 0x20, 0xff);
    }
    let entry = Entry {
        head: u64::from_le_bytes(head),
        mask: u64::from_le_bytes(mask),
        offset: i8::try_from(offset).unwrap_or(i8::MAX),
        ..entry
    };
    entries.extend(combinations(&sets).into_iter().map(|gram| Entry {
        gram: folded(gram),
        ..entry
    }));
}

/// What can stand at a position relative to a literal's start.
fn choices(literal: &Literal, at: i32) -> Vec<u8> {
    let within = usize::try_from(at).ok();
    if let Some(byte) = within.and_then(|at| literal.bytes.get(at)) {
        let other = byte.to_ascii_uppercase();
        return if literal.fold && other != *byte {
            vec![*byte, other]
        } else {
            vec![*byte]
        };
    }
    let behind = within
        .and_then(|at| at.checked_sub(literal.bytes.len()))
        .and_then(|at| literal.then.get(at));
    match (behind, literal.before) {
        (Some(set), _) => set.members().collect(),
        (None, Some(set)) if at == -1 => set.members().collect(),
        _ => (0..=u8::MAX).collect(),
    }
}

/// How often a window comes up in traffic, and a little for each slot it takes.
fn cost(sets: &[Vec<u8>], typical: &Typical) -> f64 {
    let by_bytes: f64 = sets
        .iter()
        .map(|set| set.iter().map(|byte| frequency(*byte)).sum::<f64>())
        .product();
    let slots: f64 = sets
        .iter()
        .map(|set| f64::from(u32::try_from(set.len()).unwrap_or(u32::MAX)))
        .product();
    let in_text: f64 = if slots > 5000.0 {
        0.0
    } else {
        combinations(sets)
            .iter()
            .filter_map(|gram| typical.get(&folded(*gram)))
            .sum()
    };
    in_text + by_bytes * 0.1 + slots * 1e-6
}

/// All strings with one byte of each set.
fn combinations(sets: &[Vec<u8>]) -> Vec<[u8; GRAM]> {
    let mut grams = vec![[0; GRAM]];
    for (place, set) in sets.iter().enumerate() {
        grams = grams
            .iter()
            .flat_map(|gram| {
                set.iter().map(move |byte| {
                    let mut longer = *gram;
                    if let Some(to) = longer.get_mut(place) {
                        *to = *byte;
                    }
                    longer
                })
            })
            .collect();
    }
    grams
}

/// How large a share of agent traffic each window is, in whatever case.
fn typical() -> Typical {
    const TEXTS: [&str; 2] = [include_str!("typical.txt"), include_str!("../engine.rs")];
    let total: usize = TEXTS.iter().map(|text| text.len()).sum();
    let one = 1.0 / f64::from(u32::try_from(total).unwrap_or(u32::MAX));
    let mut shares = Typical::new();
    for gram in TEXTS.iter().flat_map(|text| text.as_bytes().windows(GRAM)) {
        if let Some(gram) = gram.first_chunk::<GRAM>() {
            *shares.entry(folded(*gram)).or_insert(0.0) += one;
        }
    }
    shares
}

/// Share of a byte in JSON traffic with prose and code; rounded from English letter frequencies and JSON's own characters.
fn frequency(byte: u8) -> f64 {
    const LETTERS: &[u8; 26] = b"etaoinsrhldcumfpgwybvkxjqz";
    match byte {
        b' ' => 0.14,
        b'"' => 0.04,
        b'a'..=b'z' => {
            let rank = LETTERS.iter().position(|letter| *letter == byte).unwrap_or(0);
            0.09 / (1.0 + f64::from(u32::try_from(rank).unwrap_or(0)) * 0.35)
        }
        b'0'..=b'9' | b'\\' | b',' | b':' | b'.' | b'-' | b'_' | b'/' | b'\n' => 0.012,
        0x21..=0x7e => 0.004,
        _ => 0.000_05,
    }
}
