use crate::content::{Bounds, Decoder};
use crate::doubt::{Doubt, Doubts};
use crate::exchange::Content;
use crate::live::Head;
use crate::live::reading::Reading;

/// One body as it comes.
#[derive(Default)]
pub(super) struct Half {
    coding: Coding,
    pub(super) reading: Reading,
    /// Its head was there, or will not come.
    pub(super) has_begun: bool,
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
    /// Messages of a WebSocket.
    pub(super) fn messages() -> Self {
        Self {
            reading: Reading::messages(),
            has_begun: true,
            ..Self::default()
        }
    }

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
        self.has_begun = true;
        content
    }

    /// Decodes, and gives on what comes of it, with a doubt about it.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        bounds: Bounds<'_>,
        mut give: impl FnMut(&[u8], Option<Doubt>, &mut Reading),
    ) {
        let reading = &mut self.reading;
        match &mut self.coding {
            Coding::Plain => give(bytes, None, reading),
            Coding::Unread => {}
            Coding::Coded(decoder) => {
                let pushed = decoder.push(bytes, bounds, |decoded| give(decoded, None, reading));
                let Err((doubt, rest)) = pushed else { return };
                let is_bomb = doubt == Doubt::Expansion;
                self.coding = if is_bomb { Coding::Unread } else { Coding::Plain };
                give(if is_bomb { &[] } else { rest }, Some(doubt), reading);
            }
        }
    }

    pub(super) fn finish(&mut self, bounds: Bounds<'_>, mut give: impl FnMut(&[u8], Option<Doubt>, &mut Reading)) {
        let reading = &mut self.reading;
        if let Coding::Coded(decoder) = &mut self.coding
            && let Err(doubt) = decoder.finish(bounds, |decoded| give(decoded, None, reading))
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
        self.decoder_bytes() + self.reading.memory()
    }

    /// Bytes that decoders keep.
    pub(super) fn decoder_bytes(&self) -> usize {
        match &self.coding {
            Coding::Coded(decoder) => decoder.memory(),
            _ => 0,
        }
    }
}
