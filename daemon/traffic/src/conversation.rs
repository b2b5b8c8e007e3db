use std::fmt;

use memchr::memchr;

use crate::exchange::{Direction, Opaque, Told};
use crate::http1::{FirstLine, Http1, Next, first_line, may_be_first};
use crate::limits::Limits;
use crate::live::Tell;

/// What a connection says, from the plaintext of both its directions. Its `Debug` shows none of it.
///
/// Bytes are given in the order in which they were written and read, cut anywhere. See the crate's example.
pub struct Conversation {
    limits: Limits,
    layer: Layer,
    exchanges: u64,
    /// Bytes that nobody looked at, as the connection is opaque.
    unread: u64,
}

/// What the connection speaks.
enum Layer {
    /// Not enough is there to say.
    Unknown(Beginnings),
    Http1(Box<Http1>),
    Opaque,
}

/// A first line that is longer is none.
const LINE_MAX: usize = 16 << 10;

/// The first bytes of both directions.
#[derive(Default)]
struct Beginnings {
    sent: Vec<u8>,
    received: Vec<u8>,
    /// The connection is older than us, or bytes were lost.
    torn: bool,
}

/// What whoever takes bytes works with.
pub(crate) struct Context<'a, 't> {
    pub(crate) limits: &'a Limits,
    exchanges: &'a mut u64,
    pub(crate) tell: &'a mut Tell<'t>,
}

impl Context<'_, '_> {
    /// The id of the next exchange.
    pub(crate) fn number(&mut self) -> u64 {
        *self.exchanges += 1;
        *self.exchanges
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = match &self.layer {
            Layer::Unknown(_) => "unknown",
            Layer::Http1(_) => "http/1.1",
            Layer::Opaque => "opaque",
        };
        write!(f, "Conversation({layer}, {} exchanges)", self.exchanges)
    }
}

/// What the beginnings of a connection say.
enum Verdict {
    Wait,
    Http1(Direction),
    NotHttp,
}

impl Conversation {
    /// A connection of which the first bytes come first. Where they did not come to us, [`Conversation::gap`] is called before any.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            layer: Layer::Unknown(Beginnings::default()),
            exchanges: 0,
            unread: 0,
        }
    }

    /// Takes the next bytes of a direction.
    pub fn bytes(&mut self, direction: Direction, bytes: &[u8], tell: &mut dyn FnMut(Told<'_>)) {
        let Self {
            limits,
            layer,
            exchanges,
            unread,
        } = self;
        let mut context = Context {
            limits,
            exchanges,
            tell,
        };
        match layer {
            Layer::Opaque => *unread += bytes.len() as u64,
            Layer::Unknown(beginnings) => {
                beginnings.of(direction).extend_from_slice(bytes);
                let verdict = beginnings.verdict();
                let beginnings = match verdict {
                    Verdict::Wait => return,
                    Verdict::Http1(_) | Verdict::NotHttp => std::mem::take(beginnings),
                };
                self.begin(&verdict, beginnings, tell);
            }
            Layer::Http1(http1) => {
                let (next, held, rest) = http1.bytes(direction, bytes, &mut context);
                if matches!(next, Next::Http1) {
                    return;
                }
                http1.closed(&mut context);
                self.layer = match next {
                    Next::WebSocket(mut live, _) => {
                        live.cut(crate::Doubt::Malformed, limits, context.tell);
                        (context.tell)(Told::Opaque(Opaque::Tunnel));
                        Layer::Opaque
                    }
                    _ => Layer::Unknown(Beginnings::default()),
                };
                self.bytes(direction.opposite(), &held, tell);
                self.bytes(direction, rest, tell);
            }
        }
    }

    /// Bytes of a direction were lost before the next ones: so many, or an unknown number if 0. Exchanges go on where their protocol lets us
    /// know how, and say so ([`crate::Doubt::Gap`]).
    pub fn gap(&mut self, direction: Direction, missing: u64, tell: &mut dyn FnMut(Told<'_>)) {
        let Self {
            limits,
            layer,
            exchanges,
            ..
        } = self;
        let mut context = Context {
            limits,
            exchanges,
            tell,
        };
        match layer {
            Layer::Opaque => {}
            Layer::Unknown(beginnings) => {
                beginnings.of(direction).clear();
                beginnings.torn = true;
            }
            Layer::Http1(http1) => http1.gap(direction, missing, &mut context),
        }
    }

    /// The connection is closed: what is unfinished will not be finished.
    pub fn closed(&mut self, tell: &mut dyn FnMut(Told<'_>)) {
        let Self {
            limits,
            layer,
            exchanges,
            ..
        } = self;
        let mut context = Context {
            limits,
            exchanges,
            tell,
        };
        if let Layer::Http1(http1) = layer {
            http1.closed(&mut context);
        }
        self.layer = Layer::Opaque;
    }

    /// Whether what comes is only counted.
    pub fn is_opaque(&self) -> bool {
        matches!(self.layer, Layer::Opaque)
    }

    /// Bytes that were only counted.
    pub fn unread(&self) -> u64 {
        self.unread
    }

    /// Bytes that are kept, roughly.
    pub fn memory(&self) -> usize {
        let layer = match &self.layer {
            Layer::Opaque => 0,
            Layer::Unknown(beginnings) => beginnings.sent.capacity() + beginnings.received.capacity(),
            Layer::Http1(http1) => http1.memory(),
        };
        size_of::<Self>() + layer
    }

    fn begin(&mut self, verdict: &Verdict, beginnings: Beginnings, tell: &mut Tell<'_>) {
        self.layer = match verdict {
            Verdict::Http1(asked) if beginnings.torn => Layer::Http1(Box::new(Http1::lost(*asked))),
            Verdict::Http1(asked) => Layer::Http1(Box::new(Http1::new(*asked))),
            _ => {
                tell(Told::Opaque(Opaque::NotHttp));
                Layer::Opaque
            }
        };
        let asked = match verdict {
            Verdict::Http1(asked) => *asked,
            _ => Direction::Sent,
        };
        let (first, second) = match asked {
            Direction::Sent => (beginnings.sent, beginnings.received),
            Direction::Received => (beginnings.received, beginnings.sent),
        };
        self.bytes(asked, &first, tell);
        self.bytes(asked.opposite(), &second, tell);
    }
}

impl Beginnings {
    fn of(&mut self, direction: Direction) -> &mut Vec<u8> {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }

    fn verdict(&self) -> Verdict {
        for (direction, bytes) in [(Direction::Sent, &self.sent), (Direction::Received, &self.received)] {
            // Empty lines before a request do not count (RFC 9112, 2.2).
            let from = bytes
                .iter()
                .position(|byte| !matches!(byte, b'\r' | b'\n'))
                .unwrap_or(bytes.len());
            let bytes = bytes.get(from..).unwrap_or_default();
            let end = memchr(b'\n', bytes);
            let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            let whole = end.is_some();
            match first_line(line) {
                FirstLine::Request if whole => return Verdict::Http1(direction),
                FirstLine::Answer if whole => return Verdict::Http1(direction.opposite()),
                FirstLine::Neither if whole || !may_be_first(line) || line.len() > LINE_MAX || from > LINE_MAX => {
                    return Verdict::NotHttp;
                }
                _ => {}
            }
        }
        Verdict::Wait
    }
}
