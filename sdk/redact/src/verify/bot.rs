//! Tokens that are known by what stands in their middle.

use super::VALUE_MAX;
use crate::charset::{DIGIT, HEX, WORD};
use crate::detector::{Confidence, Found, Hit, Verdict};
use crate::sample::{Seed, body_of};
use crate::text::Text;

/// The bot's number, `:AA`, and 33 characters.
pub(crate) fn telegram(text: &Text<'_>, hit: Hit) -> Verdict {
    let head = text.slice(hit.start.saturating_sub(12), hit.start);
    let digits = head.iter().rev().take_while(|byte| DIGIT.has(**byte)).count();
    let run = text.run(hit.end, &WORD, VALUE_MAX);
    match (digits, run.open) {
        (0..8 | 11.., _) => Verdict::Clean,
        (_, true) => Verdict::More,
        _ if run.count < 31 || !text_starts(text, hit.start - digits) => Verdict::Clean,
        _ => Verdict::Hide(Found::new(hit.start - digits, run.end, Confidence::High)),
    }
}

/// Telegram's URLs have `bot` before the number.
fn text_starts(text: &Text<'_>, at: usize) -> bool {
    text.starts(at) || text.slice(at.saturating_sub(3), at) == b"bot"
}

/// 32 hexadecimal digits, `-us`, and a data centre's number.
pub(crate) fn mailchimp(text: &Text<'_>, hit: Hit) -> Verdict {
    let head = text.slice(hit.start.saturating_sub(33), hit.start);
    let digits = head.iter().rev().take_while(|byte| HEX.has(**byte)).count();
    let run = text.run(hit.end, &DIGIT, 4);
    match (digits, run.open, run.count) {
        (32, true, _) => Verdict::More,
        (32, false, 1..=2) => Verdict::Hide(Found::new(hit.start - 32, run.end, Confidence::High)),
        _ => Verdict::Clean,
    }
}

pub(crate) fn sample_telegram(seed: &mut Seed) -> String {
    format!("1{}:AA{}", seed.text(&DIGIT, 8), body_of(seed, &WORD, 33))
}

pub(crate) fn sample_mailchimp(seed: &mut Seed) -> String {
    format!(
        "{}-us{}",
        body_of(seed, &HEX, 32).to_ascii_lowercase(),
        1 + seed.below(20)
    )
}
