//! Compressed data in base64.

use std::cell::Cell;
use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::judge::{DEPTH_MAX, Judged};
use super::{Engine, State};
use crate::charset::BASE64_ANY;
use crate::detector::{Confidence, DetectorId, Found, Hit};
use crate::finding::Reason;
use crate::image::Layer;
use crate::span::Span;
use crate::text::Text;
use crate::view;

/// Unpacked bytes for each packed one; more is nobody's ordinary data.
const RATIO_MAX: usize = 200;
/// Unpacked bytes that count as a character looked at.
const BYTES_PER_WORK: u64 = 4;

impl Engine {
    /// Unpacks gzip in base64 and looks at what it holds. If that is to be hidden, all of it is: what is left would be no gzip. Of a longer one
    /// than a view holds, its beginning decides.
    pub(super) fn packed(&self, text: &Text<'_>, base: u64, hit: Hit, work: &Cell<u64>, depth: u8) -> Judged {
        if depth >= DEPTH_MAX || !text.starts(hit.start) {
            return Judged::Clean;
        }
        let view = view::decode(text, hit.start, Layer::Base64, usize::MAX);
        if view.open {
            return Judged::More;
        }
        let Some((start, end)) = view.raw(0, view.bytes.len()) else {
            return Judged::Clean;
        };
        let most = view.bytes.len() * RATIO_MAX;
        let mut plain = Vec::new();
        // What is cut or broken is looked at as far as it can be read.
        let _ = MultiGzDecoder::new(view.bytes.as_slice())
            .take(most as u64 + 1)
            .read_to_end(&mut plain);
        work.set(work.get().saturating_add(plain.len() as u64 / BYTES_PER_WORK));
        let whole = |span: Span| Span {
            start: base + start as u64,
            end: base + end as u64,
            layer: Layer::Base64,
            ..span
        };
        if plain.len() > most {
            return Judged::Many(vec![whole(bomb())]);
        }
        let mut inner = State::default();
        self.scan(&Text::new(&plain, true), 0, &mut inner, depth + 1);
        let Some(span) = inner.spans.as_slice().iter().find(|span| !span.example) else {
            return Judged::Clean;
        };
        if view.closed {
            return Judged::Many(vec![whole(*span)]);
        }
        let found = Found {
            rest: Some(&BASE64_ANY),
            ..Found::new(start, end, span.confidence)
        };
        Judged::Hide(span.detector, found, Layer::Base64)
    }
}

fn bomb() -> Span {
    Span {
        start: 0,
        end: 0,
        detector: DetectorId(0),
        confidence: Confidence::Medium,
        priority: 0,
        example: false,
        layer: Layer::Base64,
        reason: Some(Reason::DecodeLimit),
        oversized: false,
    }
}
