//! Frames of HTTP/2 (RFC 9113, 4 and 6).

/// What a client begins with (3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const HEAD: usize = 9;
/// The longest frame that is found again: what a receiver takes unless it says otherwise (4.2).
const LENGTH_SOUGHT: u32 = 16 << 10;
/// Streams beyond those that were seen, and, where none was seen, all that are taken for streams when frames are found again.
const AHEAD: u32 = 2000;
const ANY: u32 = 1 << 20;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Reset,
    Push,
    Continuation,
    /// SETTINGS and what says nothing about exchanges, or has not been heard of.
    Other,
}

/// A frame of which the payload is coming.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// Bytes of payload to come, with padding.
    left: u32,
    /// Fields before what the frame is about: to come.
    before: u8,
    /// The first of them is the length of the padding.
    padded: bool,
    padding: u32,
}

impl Frame {
    /// By its head.
    pub(super) fn read(head: [u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = head;
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            3 => Kind::Reset,
            5 => Kind::Push,
            9 => Kind::Continuation,
            _ => Kind::Other,
        };
        let padded = flags & PADDED != 0 && matches!(kind, Kind::Data | Kind::Headers | Kind::Push);
        let priority = kind == Kind::Headers && flags & PRIORITY != 0;
        let fields = if priority { 5 } else { 0 } + if kind == Kind::Push { 4 } else { 0 };
        Self {
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
            left: u32::from_be_bytes([0, a, b, c]),
            before: fields + u8::from(padded),
            padded,
            padding: 0,
        }
    }

    /// What of the next bytes is of the frame, and of it what it is about; then these follow.
    pub(super) fn take<'a>(&mut self, mut bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        while self.before > 0 && self.left > 0 {
            let Some((byte, rest)) = bytes.split_first() else {
                return (&[], &[]);
            };
            bytes = rest;
            self.before -= 1;
            self.left -= 1;
            if std::mem::take(&mut self.padded) {
                self.padding = u32::from(*byte);
            }
        }
        let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        let (part, rest) = bytes.split_at_checked(here).unwrap_or_default();
        let content = usize::try_from(self.content()).unwrap_or(usize::MAX).min(part.len());
        self.left -= u32::try_from(here).unwrap_or(self.left);
        (part.get(..content).unwrap_or_default(), rest)
    }

    /// Bytes to come of what it is about.
    pub(super) fn content(&self) -> u32 {
        self.left
            .saturating_sub(u32::from(self.before))
            .saturating_sub(self.padding)
    }

    /// All of it was taken.
    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Bytes of it are missing; `false` if these are not all of it.
    pub(super) fn skip(&mut self, missing: u64) -> bool {
        match u32::try_from(missing) {
            Ok(missing) if missing > 0 && missing <= self.left && self.before == 0 => {
                self.left -= missing;
                true
            }
            _ => false,
        }
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Whether a server begins with these bytes, which are its settings.
pub(crate) fn begins_server(bytes: &[u8]) -> bool {
    match bytes {
        [0, 0, length, 4, 0, 0, 0, 0, 0, ..] => length % 6 == 0,
        _ => false,
    }
}

/// Whether a frame's head is among these bytes.
pub(crate) fn has_head(bytes: &[u8]) -> bool {
    let mut heads = bytes.windows(HEAD).filter_map(<[u8]>::first_chunk::<HEAD>);
    heads.any(|head| may_be_head(*head, |_| false, Some(0)))
}

/// Whether bytes are the head of a frame, as far as can be told without what came before. `open` knows the streams there are; a block of fields
/// may begin one that is behind `newer`, or, if that is 0, any.
pub(super) fn may_be_head(head: [u8; HEAD], open: impl Fn(u32) -> bool, newer: Option<u32>) -> bool {
    let [a, b, c, kind, flags, stream @ ..] = head;
    let (length, stream) = (u32::from_be_bytes([0, a, b, c]), u32::from_be_bytes(stream));
    let is_new = newer.is_some_and(|newer| {
        let last = if newer == 0 { ANY } else { newer.saturating_add(AHEAD) };
        stream & 1 == 1 && stream > newer && stream <= last
    });
    match kind {
        0 => open(stream) && length <= LENGTH_SOUGHT && flags & !(END_STREAM | PADDED) == 0,
        1 => {
            let known = END_STREAM | END_HEADERS | PADDED | PRIORITY;
            (open(stream) || is_new) && (1..=LENGTH_SOUGHT).contains(&length) && flags & !known == 0
        }
        3 => open(stream) && length == 4 && flags == 0,
        4 => stream == 0 && flags <= 1 && (length == 0) == (flags == 1) && length % 6 == 0 && length < 100,
        6 => stream == 0 && length == 8 && flags <= 1,
        8 => (stream == 0 || open(stream)) && length == 4 && flags == 0,
        _ => false,
    }
}
