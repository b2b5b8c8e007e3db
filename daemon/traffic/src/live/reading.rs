//! How the text of a body is read, as it comes.

use crate::eventstream::{self, EventStream, base64};
use crate::json::{Leaf, Listen, Scanner};
use crate::sse::{self, Sse};

/// The longest text that is told: what a tool is called with, or an Amazon event in which a whole event is.
const LONGEST: usize = 64 << 10;

pub(super) struct Reading {
    form: Form,
    scanner: Scanner,
    /// The head says that it is JSON.
    claims_json: bool,
}

enum Form {
    /// By its first byte.
    Unknown,
    /// JSON, one document or many.
    Json,
    Events(Sse),
    /// Amazon's, and what reads the event in an event.
    Amazon(EventStream, Box<Scanner>),
    /// Messages of a WebSocket, each a document.
    Messages,
    /// Nothing to read, or not after what was lost.
    Other,
}

impl Default for Reading {
    fn default() -> Self {
        Self::of(Form::Unknown)
    }
}

impl Reading {
    fn of(form: Form) -> Self {
        Self {
            form,
            scanner: Scanner::new(LONGEST),
            claims_json: false,
        }
    }

    pub(super) fn new(media_type: &str) -> Self {
        let form = match media_type {
            "text/event-stream" => Form::Events(Sse::default()),
            "application/vnd.amazon.eventstream" => {
                Form::Amazon(EventStream::default(), Box::new(Scanner::new(LONGEST)))
            }
            _ => Form::Unknown,
        };
        Self {
            claims_json: media_type.contains("json"),
            ..Self::of(form)
        }
    }

    pub(super) fn messages() -> Self {
        Self::of(Form::Messages)
    }

    /// Takes decoded bytes; `false` if what began as JSON, or is said to be, was none.
    pub(super) fn push(&mut self, bytes: &[u8], listen: &mut impl Listen) -> bool {
        let scanner = &mut self.scanner;
        let mut good = true;
        match &mut self.form {
            Form::Other => {}
            Form::Json | Form::Messages => scanner.push(bytes, listen),
            Form::Events(events) => events.push(bytes, |part| match part {
                sse::Part::Data(data) => scanner.push(data, listen),
                sse::Part::End => good &= scanner.end(listen) || !scanner.began_as_object(),
            }),
            Form::Amazon(events, inner) => {
                let listen = &mut Unwrapped { inner, listen };
                events.push(bytes, |part| match part {
                    eventstream::Part::Payload(payload) => scanner.push(payload, listen),
                    eventstream::Part::End => good &= scanner.end(listen) || !scanner.began_as_object(),
                    eventstream::Part::Malformed => good = false,
                });
            }
            Form::Unknown => {
                // A byte order mark may stand before it.
                let blank = |byte: &u8| byte.is_ascii_whitespace() || [0xef, 0xbb, 0xbf].contains(byte);
                let from = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
                let rest = bytes.get(from..).unwrap_or_default();
                self.form = match rest.first() {
                    None => return true,
                    Some(b'{' | b'[') => Form::Json,
                    Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') if self.claims_json => Form::Other,
                    Some(_) if self.claims_json => {
                        self.form = Form::Other;
                        return false;
                    }
                    // Events without the media type; nothing is read of what has no line that begins with `data:`.
                    Some(b'd' | b'e' | b'i' | b'r' | b':') => Form::Events(Sse::default()),
                    Some(_) => Form::Other,
                };
                return self.push(rest, listen);
            }
        }
        good
    }

    /// A message of a WebSocket ends; `false` as above.
    pub(super) fn end_message(&mut self, listen: &mut impl Listen) -> bool {
        self.scanner.end(listen) || !self.scanner.began_as_object()
    }

    /// The end of the body; `false` if it began as JSON and is none to its end.
    pub(super) fn end(&mut self, listen: &mut impl Listen) -> bool {
        let whole = self.scanner.end(listen);
        whole || !matches!(self.form, Form::Json)
    }

    /// What comes next is somewhere in the body. Events are found again, and what has no lines of data in it does no harm.
    pub(super) fn lost(&mut self) {
        self.scanner.reset();
        self.form = match self.form {
            Form::Events(_) | Form::Unknown => Form::Events(Sse::torn()),
            Form::Messages => Form::Messages,
            Form::Json | Form::Amazon(..) | Form::Other => Form::Other,
        };
    }

    pub(super) fn memory(&self) -> usize {
        let inner = match &self.form {
            Form::Amazon(_, inner) => inner.memory(),
            _ => 0,
        };
        self.scanner.memory() + inner
    }
}

/// What `InvokeModelWithResponseStream` tells is an event in base64 in an event.
struct Unwrapped<'a, L> {
    inner: &'a mut Scanner,
    listen: &'a mut L,
}

impl<L: Listen> Listen for Unwrapped<'_, L> {
    fn value(&mut self, path: &str, leaf: Leaf<'_>) {
        match (path, leaf) {
            ("bytes", Leaf::Text(text)) => {
                self.inner.push(&base64(text), self.listen);
                self.inner.end(self.listen);
            }
            _ => self.listen.value(path, leaf),
        }
    }
}
