//! How far a stream has been looked at.

use crate::charset::Charset;
use crate::span::{Span, Spans};

/// A run that is hidden and not at its end yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Swallow {
    pub(super) span: Span,
    pub(super) rest: &'static Charset,
}

/// How far a stream has been looked at. Positions without a name that says otherwise are in the text at hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(super) probe: usize,
    /// How far each of the other passes is: for `@`, numbers, parts of addresses, and known values.
    pub(super) passes: [usize; 4],
    pub(crate) spans: Spans,
    pub(super) swallow: Option<Swallow>,
    /// Stream position: hits before it belong to what was swallowed.
    pub(super) floor: u64,
    /// Stream position up to which fields with escaped letters have been read.
    pub(super) escaped_until: u64,
    pub(super) work: u64,
}

impl State {
    /// The text at hand lost so many bytes at its front.
    pub(crate) fn forget(&mut self, bytes: usize) {
        self.probe = self.probe.saturating_sub(bytes);
        for at in &mut self.passes {
            *at = at.saturating_sub(bytes);
        }
    }

    /// The start of what must stay in the text.
    pub(crate) fn needed(&self) -> usize {
        self.probe
    }

    /// Where an unfinished hidden run begins, as a stream position.
    pub(crate) fn open_from(&self) -> Option<u64> {
        self.swallow.map(|swallow| swallow.span.start)
    }
}
