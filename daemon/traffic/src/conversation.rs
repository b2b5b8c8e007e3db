use std::fmt;

use crate::beginning::{Beginnings, Verdict};
use crate::exchange::{Direction, Opaque, Piece, Told};
use crate::http1::{Http1, Next};
use crate::http2::Http2;
use crate::limits::Limits;
use crate::live::{Live, Side, Tell};

/// What a connection says, from the plaintext of both its directions. Its `Debug` shows none of it.
///
/// Bytes are given in the order in which they were written and read, cut anywhere. See the crate's example.
pub struct Conversation {
    limits: Limits,
    layer: Layer,
    exchanges: u64,
    /// How often the protocol has changed.
    changes: u8,
    /// Bytes that nobody looked at, as the connection is opaque.
    unread: u64,
}

/// A tunnel in so many tunnels is not looked into.
const CHANGES_MAX: u8 = 4;

/// What the connection speaks.
enum Layer {
    /// Not enough is there to say.
    Unknown(Beginnings),
    Http1(Box<Http1>),
    Http2(Box<Http2>),
    WebSocket(Box<Live>),
    Opaque,
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

    /// Tells bytes that are of no exchange, or of one that cannot be named: somebody may read what we cannot.
    pub(crate) fn unread(&mut self, direction: Direction, bytes: &[u8]) {
        if !bytes.is_empty() {
            (self.tell)(Told::Body(Piece {
                exchange: 0,
                direction,
                bytes,
            }));
        }
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = match &self.layer {
            Layer::Unknown(_) => "unknown",
            Layer::Http1(_) => "http/1.1",
            Layer::Http2(_) => "h2",
            Layer::WebSocket(_) => "websocket",
            Layer::Opaque => "opaque",
        };
        write!(f, "Conversation({layer}, {} exchanges)", self.exchanges)
    }
}

/// Which half of an exchange bytes are of.
fn side(live: &Live, direction: Direction) -> Side {
    if direction == live.exchange.asked {
        Side::Request
    } else {
        Side::Answer
    }
}

impl Conversation {
    /// A connection of which the first bytes come first. Where they did not come to us, [`Conversation::gap`] is called before any.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            layer: Layer::Unknown(Beginnings::default()),
            exchanges: 0,
            changes: 0,
            unread: 0,
        }
    }

    /// Takes the next bytes of a direction.
    pub fn bytes(&mut self, direction: Direction, bytes: &[u8], tell: &mut dyn FnMut(Told<'_>)) {
        let Self {
            limits,
            layer,
            exchanges,
            changes,
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
                let verdict = beginnings.take(direction, bytes);
                if verdict != Verdict::Wait {
                    let beginnings = std::mem::take(beginnings);
                    self.begin(verdict, beginnings, tell);
                }
            }
            Layer::Http2(http2) => http2.bytes(direction, bytes, &mut context),
            Layer::WebSocket(live) => {
                let side = side(live, direction);
                live.body(side, bytes, limits.decoder_bytes, limits, context.tell);
            }
            Layer::Http1(http1) => {
                let (next, held, rest) = http1.bytes(direction, bytes, &mut context);
                if matches!(next, Next::Http1) {
                    return;
                }
                http1.closed(&mut context);
                *changes += 1;
                self.layer = match next {
                    Next::WebSocket(mut live, extensions) => {
                        live.upgrade(&extensions);
                        Layer::WebSocket(live)
                    }
                    _ if *changes > CHANGES_MAX => {
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
                beginnings.torn = true;
                beginnings.of(direction).clear();
            }
            Layer::Http1(http1) => http1.gap(direction, missing, &mut context),
            Layer::Http2(http2) => http2.gap(direction, missing),
            Layer::WebSocket(live) => live.lost(side(live, direction), missing),
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
        match layer {
            Layer::Http1(http1) => http1.closed(&mut context),
            Layer::Http2(http2) => http2.closed(&mut context),
            Layer::WebSocket(live) => {
                live.end(Side::Request, limits, context.tell);
                live.end(Side::Answer, limits, context.tell);
            }
            Layer::Unknown(_) | Layer::Opaque => {}
        }
        self.layer = Layer::Opaque;
    }

    /// Whether what comes is only counted.
    pub fn is_opaque(&self) -> bool {
        matches!(self.layer, Layer::Opaque)
    }

    /// Whether bytes are not looked at now, or not yet.
    pub fn is_unread(&self) -> bool {
        matches!(self.layer, Layer::Opaque | Layer::Unknown(_))
    }

    /// Bytes that were only counted.
    pub fn unread(&self) -> u64 {
        self.unread
    }

    /// Bytes that are kept, roughly.
    pub fn memory(&self) -> usize {
        let layer = match &self.layer {
            Layer::Opaque => 0,
            Layer::Unknown(beginnings) => beginnings.memory(),
            Layer::Http1(http1) => http1.memory(),
            Layer::Http2(http2) => http2.memory(),
            Layer::WebSocket(live) => live.memory(),
        };
        size_of::<Self>() + layer
    }

    fn begin(&mut self, verdict: Verdict, beginnings: Beginnings, tell: &mut Tell<'_>) {
        let torn = beginnings.torn;
        let (layer, asked) = match verdict {
            Verdict::Http1(asked) if torn => (Layer::Http1(Box::new(Http1::lost(asked))), asked),
            Verdict::Http1(asked) => (Layer::Http1(Box::new(Http1::new(asked))), asked),
            Verdict::Http2(asked) if torn => (Layer::Http2(Box::new(Http2::older(asked))), asked),
            Verdict::Http2(asked) => (Layer::Http2(Box::new(Http2::new(asked))), asked),
            Verdict::NotHttp | Verdict::Wait => {
                tell(Told::Opaque(Opaque::NotHttp));
                (Layer::Opaque, Direction::Sent)
            }
        };
        self.layer = layer;
        let (first, second) = match asked {
            Direction::Sent => (beginnings.sent, beginnings.received),
            Direction::Received => (beginnings.received, beginnings.sent),
        };
        self.bytes(asked, &first, tell);
        self.bytes(asked.opposite(), &second, tell);
    }
}
