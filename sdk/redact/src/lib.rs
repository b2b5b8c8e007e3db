//! Finds secrets and personal data in streaming agent traffic and hides them.
//!
//! [`Engine`] is the compiled table of formats, shared; [`Redactor`] is one stream through it; [`EventRedactor`] one of server-sent events and
//! [`MessageRedactor`] one of messages, in which a value may come in pieces.
//!
//! ```
//! use std::sync::Arc;
//! use aa_redact::{Engine, Options, Redactor};
//!
//! # fn main() -> Result<(), aa_redact::EngineError> {
//! let engine = Arc::new(Engine::new(&Options::default())?);
//! let mut stream = Redactor::new(&engine);
//! let mut output = stream.push(br#"{"password": "correct-horse-9"#).to_vec();
//! output.extend_from_slice(stream.push(br#"-battery", "user": "me"}"#));
//! output.extend_from_slice(stream.finish());
//! assert_eq!(output, br#"{"password": "[REDACTED:password]", "user": "me"}"#);
//! let findings = stream.take_findings();
//! assert_eq!((findings[0].kind, findings[0].start, findings[0].end), ("password", 14, 37));
//! # Ok(())
//! # }
//! ```
//!
//! How it works: one pass over the raw bytes looks for the literals of all formats and their images in other encodings (`filter`, `image`). At a
//! hit, a verifier reads the surroundings through whatever escaping there is (`text`, `verify`), in a decoded piece of the text where the hit is
//! an image (`view`). What it finds is united (`span`) and replaced (`replace`) once nothing that may come can change it (`engine`,
//! `redactor`). There is no I/O here, no unsafe code but for one call of a function that is
//! compiled for newer processors (`filter::pass`), and no type whose `Debug` shows bytes of a stream. A verifier or decoder that panics is caught, and
//! the panic hook, which the first stream wraps, is not told: its message could hold what it looked at.

mod body;
mod charset;
mod detector;
mod engine;
mod events;
mod examples;
mod filter;
mod finding;
mod image;
mod known;
mod leaves;
mod person;
mod quiet;
mod redactor;
mod replace;
mod sample;
mod span;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod verify;
mod view;

pub use body::{BodyLimits, BodyRedactor};
pub use charset::Charset;
pub use detector::{Class, Confidence, Detector, Risk};
pub use engine::{Engine, EngineError, Options};
pub use events::{EventRedactor, FrameRedactor, MessageRedactor, Sender};
pub use finding::{Finding, Reason};
pub use known::{KnownSecretError, KnownSecrets};
pub use redactor::Redactor;
pub use replace::Style;
pub use sample::Seed;
pub use table::detectors;
