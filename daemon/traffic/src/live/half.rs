use crate::content::Decoder;
use crate::doubt::{Doubt, Doubts};
use crate::exchange::Content;
use crate::json::{Listen, Scanner};
use crate::limits::Limits;
use crate::live::Head;
use crate::model::TEXT_MAX;
use crate::sse::{Part, Sse};

/// One body as it comes.
#[derive(Default)]
pub(super) struct Half {
    coding: Coding,
    pub(super) reading: Reading,
    pub(super) ended: bool,
}

/// What becomes of a body's bytes.
#[derive(Default)]
enum Coding {
    /// They are taken as they are.
    #[default]
    Plain,
    Coded(Box<Decoder>),
    /// They are counted.
    Unread,
}

impl Half {
    /// What a head says of the body.
    pub(super) fn begin(&mut self, head: &Head, doubts: &mut Doubts) -> Content {
        let media_type = head.values("content-type").next().unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let codings: Vec<&str> = head.values("content-encoding").collect();
        let content = Content {
            media_type: super::kept(&media_type.to_ascii_lowercase()),
            coding: super::kept(&codings.join(", ").to_ascii_lowercase()),
            ..Content::default()
        };
        self.coding = match Decoder::new(&content.coding) {
            Some(decoder) if decoder.is_plain() => Coding::Plain,
            Some(decoder) => Coding::Coded(Box::new(decoder)),
            None => {
                doubts.add(Doubt::UnknownCoding);
                Coding::Plain
            }
        };
        self.reading = Reading::new(&content.media_type);
        content
    }

    /// Decodes, and gives on what comes of it, with a doubt about it.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        mut give: impl FnMut(&[u8], Option<Doubt>, &mut Reading),
    ) {
        let reading = &mut self.reading;
        match &mut self.coding {
            Coding::Plain => give(bytes, None, reading),
            Coding::Unread => {}
            Coding::Coded(decoder) => {
                let pushed = decoder.push(bytes, limits, |decoded| give(decoded, None, reading));
                if let Err((doubt, from)) = pushed {
                    let rest = if doubt == Doubt::Expansion {
                        None
                    } else {
                        bytes.get(from..)
                    };
                    self.coding = if rest.is_some() { Coding::Plain } else { Coding::Unread };
                    give(rest.unwrap_or_default(), Some(doubt), reading);
                }
            }
        }
    }

    pub(super) fn finish(&mut self, limits: &Limits, mut give: impl FnMut(&[u8], Option<Doubt>, &mut Reading)) {
        let reading = &mut self.reading;
        if let Coding::Coded(decoder) = &mut self.coding
            && decoder.has_begun()
            && let Err(doubt) = decoder.finish(limits, |decoded| give(decoded, None, reading))
        {
            give(&[], Some(doubt), reading);
        }
        self.coding = Coding::Plain;
    }

    /// Bytes are missing: a decoder cannot go on, and what is read begins anew where it can.
    pub(super) fn lost(&mut self) {
        if matches!(self.coding, Coding::Coded(_)) {
            self.coding = Coding::Unread;
        }
        self.reading.lost();
    }

    pub(super) fn memory(&self) -> usize {
        self.decoder_bytes() + self.reading.scanner.memory()
    }

    pub(super) fn decoder_bytes(&self) -> usize {
        match &self.coding {
            Coding::Coded(decoder) => decoder.memory(),
            _ => 0,
        }
    }
}

/// How a body's text is read.
pub(crate) struct Reading {
    form: Form,
    scanner: Scanner,
}

enum Form {
    /// By its first byte.
    Unknown,
    /// JSON, one document or many.
    Json,
    Events(Sse),
    /// Nothing to read, or not after what was lost.
    Other,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            form: Form::Unknown,
            scanner: Scanner::new(TEXT_MAX),
        }
    }
}

impl Reading {
    fn new(media_type: &str) -> Self {
        let form = match media_type {
            "text/event-stream" => Form::Events(Sse::default()),
            _ => Form::Unknown,
        };
        Self {
            form,
            ..Self::default()
        }
    }

    /// Takes decoded bytes; `false` if an event that began as JSON was none.
    pub(super) fn push(&mut self, bytes: &[u8], listen: &mut impl Listen) -> bool {
        let scanner = &mut self.scanner;
        match &mut self.form {
            Form::Other => true,
            Form::Json => {
                scanner.push(bytes, listen);
                true
            }
            Form::Events(events) => {
                let mut good = true;
                events.push(bytes, |part| match part {
                    Part::Data(data) => scanner.push(data, listen),
                    Part::End => good &= scanner.end(listen) || !scanner.began_as_object(),
                });
                good
            }
            Form::Unknown => {
                // A byte order mark may stand before it.
                let blank = |byte: &u8| byte.is_ascii_whitespace() || [0xef, 0xbb, 0xbf].contains(byte);
                let from = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
                let rest = bytes.get(from..).unwrap_or_default();
                self.form = match rest.first() {
                    None => return true,
                    Some(b'{' | b'[') => Form::Json,
                    // Events without the media type; nothing is read of what has no line that begins with `data:`.
                    Some(b'd' | b'e' | b'i' | b'r' | b':') => Form::Events(Sse::default()),
                    Some(_) => Form::Other,
                };
                self.push(rest, listen)
            }
        }
    }

    /// The end of the body; `false` if it began as JSON and is none to its end.
    pub(super) fn end(&mut self, listen: &mut impl Listen) -> bool {
        let whole = self.scanner.end(listen);
        match self.form {
            Form::Json => whole,
            _ => true,
        }
    }

    fn lost(&mut self) {
        self.scanner.reset();
        self.form = match self.form {
            Form::Events(_) => Form::Events(Sse::torn()),
            _ => Form::Other,
        };
    }
}
