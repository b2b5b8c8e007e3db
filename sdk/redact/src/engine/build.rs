//! Which literals are looked for, and their images.

use std::collections::BTreeSet;

use super::{EngineError, Target};
use crate::charset::{Charset, DIGIT, HEX, WORD};
use crate::detector::{Detector, DetectorId, Risk, Shape};
use crate::filter::{LITERAL_MAX, Literal};
use crate::image::{Layer, images, spellings};

/// What stands behind a provider's short name in the name of a variable or header.
static NAME_GOES_ON: Charset = Charset::of("_.:='\" TKAStkas-");
/// What stands before a short name in a longer one, or before the whole one.
static NAME_BEFORE: Charset = Charset::of("_.;&?\"' \nnbrst(,{-");
static SCHEME: Charset = Charset::of("a-zA-Z0-9+.-");
static AUTHORITY: Charset = Charset::of("!-~");
static BASE64_TEXT: Charset = Charset::of("A-Za-z0-9+/=_\\-");
/// What stands behind a name that a value is assigned to, escaped or not; the line's end before `value:` among it.
static OPERATORS: Charset = Charset::of("\"'`=:\\%&>\n");

/// The shortest image that is looked for: what three bytes leave at each phase of base64.
const IMAGE_MIN: usize = 3;

#[derive(Default)]
pub(super) struct Builder {
    pub(super) literals: Vec<Literal>,
    pub(super) targets: Vec<Target>,
    seen: BTreeSet<(Vec<u8>, u16)>,
}

impl Builder {
    fn add(&mut self, bytes: Vec<u8>, fold: bool, then: Vec<&'static Charset>, target: Target) {
        let owner = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        let before = match bytes.as_slice() {
            b"://" => Some(&SCHEME),
            b":AA" => Some(&DIGIT),
            b"-us" => Some(&HEX),
            b"pwd" => Some(&NAME_BEFORE),
            _ => None,
        };
        self.targets.push(target);
        self.literals.push(Literal {
            bytes,
            fold,
            then,
            before,
            owner,
        });
    }

    pub(super) fn detector(&mut self, id: DetectorId, detector: &Detector, encodings: bool) -> Result<(), EngineError> {
        for literal in detector.literals {
            let bytes = literal.as_bytes();
            let inner = bytes.get(..bytes.len().saturating_sub(1)).unwrap_or_default();
            // What is hidden may begin with the literal, and nothing that does is given out before it is judged.
            let begins_with = matches!(detector.shape, Shape::Token { .. });
            let broken = begins_with && inner.iter().any(|byte| byte.is_ascii_whitespace() || *byte == b'"');
            if !(2..=LITERAL_MAX).contains(&bytes.len()) || broken {
                return Err(EngineError::BadLiteral {
                    detector: detector.name,
                });
            }
            let then = match detector.shape {
                Shape::Token { body, min, .. } => vec![body; 6_usize.saturating_sub(bytes.len()).min(min)],
                Shape::Special { .. } if *literal == "eyJ" => vec![&WORD; 3],
                Shape::Special { .. } if *literal == "://" => vec![&AUTHORITY; 2],
                Shape::Special { .. } if *literal == ":AA" => vec![&WORD; 3],
                Shape::Special { .. } if *literal == "-us" => vec![&DIGIT],
                Shape::Assigned(_) => vec![&OPERATORS],
                Shape::Near { .. } if bytes.len() < 6 && !literal.ends_with('=') => vec![&NAME_GOES_ON],
                _ => Vec::new(),
            };
            let folded = if detector.fold {
                literal.to_ascii_lowercase()
            } else {
                (*literal).to_owned()
            };
            if matches!(detector.shape, Shape::Assigned(_)) {
                self.spaced(folded.as_bytes(), id);
            }
            self.add(folded.into_bytes(), detector.fold, then.clone(), Target::Plain(id));
            if encodings {
                self.spellings(id, detector, literal, &then);
            }
            // A provider's name that stands encoded has a name the generic rules know behind it.
            let has_images = !matches!(detector.shape, Shape::Near { .. }) || detector.risk == Risk::Critical;
            if encodings && has_images && !detector.class.is_personal() {
                self.images(id, detector, literal);
            }
        }
        Ok(())
    }

    /// A name and a space before its operator, and an option of a command line. Without more than the space, prose would be full of hits.
    fn spaced(&mut self, name: &[u8], id: DetectorId) {
        static SPACE: Charset = Charset::of(" +");
        static ASSIGNS: Charset = Charset::of("=:%{");
        static HYPHEN: Charset = Charset::of("-");
        self.add(name.to_vec(), true, vec![&SPACE, &ASSIGNS], Target::Plain(id));
        self.add(name.to_vec(), true, vec![&SPACE], Target::Plain(id));
        if let Some(option) = self.literals.last_mut() {
            option.before = Some(&HYPHEN);
        }
    }

    /// The literal as forms and JSON write it.
    fn spellings(&mut self, id: DetectorId, detector: &Detector, literal: &str, then: &[&'static Charset]) {
        for (spelling, form) in spellings(literal) {
            let bytes = if detector.fold {
                spelling.to_ascii_lowercase()
            } else {
                spelling
            };
            let bytes = bytes.into_bytes();
            if bytes.len() <= LITERAL_MAX && self.seen.insert((bytes.clone(), id.0)) {
                let target = if form { Target::Form(id) } else { Target::Plain(id) };
                self.add(bytes, detector.fold, then.to_vec(), target);
            }
        }
    }

    fn images(&mut self, id: DetectorId, detector: &Detector, literal: &str) {
        // A name that is written in any case has the cases people write: as its row has it, and all small, all capitals, the first a capital.
        let mut forms = vec![literal.to_owned()];
        if detector.fold {
            let lower = literal.to_ascii_lowercase();
            forms.extend([
                lower.to_ascii_uppercase(),
                with_first(&lower, u8::to_ascii_uppercase),
                lower,
            ]);
            forms.push(with_first(literal, u8::to_ascii_lowercase));
        }
        for form in forms {
            for image in images(form.as_bytes(), IMAGE_MIN) {
                if image.bytes.len() > LITERAL_MAX || !self.seen.insert((image.bytes.clone(), id.0)) {
                    continue;
                }
                let target = Target::Image {
                    detector: id,
                    layer: image.layer,
                    lead: image.lead,
                    skip: image.skip,
                };
                let then = match image.layer {
                    Layer::Base64 => vec![&BASE64_TEXT; 6_usize.saturating_sub(image.bytes.len())],
                    _ => Vec::new(),
                };
                self.add(image.bytes, false, then, target);
            }
        }
    }

    /// Gzip (RFC 1952: 1f 8b, method 8) in base64.
    pub(super) fn packed(&mut self) {
        self.add(b"H4sI".to_vec(), false, vec![&BASE64_TEXT; 2], Target::Packed);
    }

    /// Letters as `\u00..`, `%..` and `&#..;`, of the last two several in a row: nobody escapes these but to hide them.
    pub(super) fn escapes(&mut self) {
        static LETTER: Charset = Charset::of("1-9a-fA-F");
        static HIGH: Charset = Charset::of("2-7");
        static PERCENT: Charset = Charset::of("%");
        static END: Charset = Charset::of(";");
        for high in 4..8 {
            let mut add =
                |text: String, then: Vec<&'static Charset>| self.add(text.into_bytes(), false, then, Target::Escape);
            add(format!("\\u00{high}"), vec![&HEX]);
            add(format!("%{high}"), vec![&LETTER, &PERCENT, &HIGH, &HEX]);
            add(format!("%25{high}"), vec![&LETTER, &PERCENT]);
            add(format!("&#x{high}"), vec![&LETTER, &END]);
        }
        for tens in ["7", "8", "9", "10", "11", "12"] {
            self.add(
                format!("&#{tens}").into_bytes(),
                false,
                vec![&DIGIT, &END],
                Target::Escape,
            );
        }
    }
}

fn with_first(word: &str, change: fn(&u8) -> u8) -> String {
    let mut letters = word.chars();
    let first = letters.next().and_then(|letter| u8::try_from(letter).ok());
    first
        .map(|letter| char::from(change(&letter)))
        .into_iter()
        .chain(letters)
        .collect()
}
