//! Plaintext of connections: HTTP, models, MCP.

use std::collections::BTreeSet;

use aa_traffic::{Conversation, Direction, Doubt, Limits, StdioMcp, Told};

/// What a connection may keep.
const MEMORY: usize = 64 << 20;

/// What was told, but bodies, which depend on how bytes are cut.
#[derive(Default)]
struct Heard {
    told: Vec<String>,
    open: BTreeSet<u64>,
    /// Whether something was told without a doubt, and whether decoders met what they could not decode: how far they came then depends on
    /// the cut.
    certain: bool,
    undecoded: bool,
}

impl Heard {
    fn take(&mut self, told: &Told<'_>) {
        match told {
            Told::Request(exchange) => self.told.push(format!("request {} {}", exchange.id, exchange.path)),
            Told::Answer(exchange) => self.told.push(format!("answer {} {:?}", exchange.id, exchange.status)),
            Told::Call(exchange) => self.told.push(format!("call {} {:?}", exchange.id, exchange.call)),
            Told::Asks(exchange, ask) => self.told.push(format!("asks {} {ask:?}", exchange.id)),
            Told::Mcp(_, message) => self.told.push(format!("{message:?}")),
            Told::Calls(exchange, call) => self
                .told
                .push(format!("calls {} {call:?} {:?}", exchange.id, call.arguments)),
            Told::Opaque(why) => self.told.push(format!("{why:?}")),
            Told::Done(exchange) => {
                assert!(
                    !self.open.contains(&exchange.id),
                    "exchange {} ended twice",
                    exchange.id
                );
                self.open.insert(exchange.id);
                self.certain |= exchange.doubts.is_empty();
                self.undecoded |= [Doubt::Undecodable, Doubt::Expansion, Doubt::Oversized]
                    .iter()
                    .any(|doubt| exchange.doubts.contains(*doubt));
                self.told.push(format!("done {} {:?}", exchange.id, exchange.call));
            }
            Told::Body(piece) => assert!(!self.open.contains(&piece.exchange), "a body behind its end"),
            Told::Trailers(_) => {}
        }
    }
}

/// A part of a connection: a byte says which way it goes, and whether bytes are missing before it; two say how long it is.
fn parts(mut bytes: &[u8]) -> Vec<(Direction, bool, &[u8])> {
    let mut parts = Vec::new();
    while let [kind, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (part, behind) = rest.split_at_checked(length).unwrap_or_default();
        let direction = if kind & 1 == 0 {
            Direction::Sent
        } else {
            Direction::Received
        };
        parts.push((direction, kind & 2 != 0, part));
        bytes = behind;
    }
    parts
}

fn hear(parts: &[(Direction, bool, &[u8])], size: usize) -> Heard {
    let limits = Limits {
        head_bytes: 4 << 10,
        exchanges: 8,
        body_bytes: 1 << 20,
        ..Limits::default()
    };
    let mut conversation = Conversation::new(limits);
    let mut heard = Heard::default();
    for (direction, gap, part) in parts {
        if *gap {
            conversation.gap(*direction, part.len() as u64 % 7, &mut |told| heard.take(&told));
        }
        for piece in part.chunks(size) {
            conversation.bytes(*direction, piece, &mut |told| heard.take(&told));
        }
        assert!(
            conversation.memory() < MEMORY,
            "{} bytes are kept",
            conversation.memory()
        );
    }
    conversation.closed(&mut |told| heard.take(&told));
    heard
}

/// The first byte says how the parts behind it are cut; the same is told for any way, unless bytes are missing.
pub fn traffic_conversation(bytes: &[u8]) -> bool {
    let Some((cut, rest)) = bytes.split_first() else {
        return false;
    };
    let parts = parts(rest);
    let whole = hear(&parts, usize::MAX);
    let cut = hear(&parts, usize::from(*cut) + 1);
    let gaps = parts.iter().any(|(_, gap, _)| *gap);
    if !gaps && !whole.undecoded && !cut.undecoded {
        assert_eq!(whole.told, cut.told);
    }
    whole.certain
}

/// Blocks of fields, each behind a byte that is its length, as requests of one connection.
pub fn traffic_hpack(mut bytes: &[u8]) -> bool {
    let mut connection = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let mut stream: u16 = 1;
    while let [length, rest @ ..] = bytes {
        let length = usize::from(*length).min(rest.len());
        let (block, behind) = rest.split_at_checked(length).unwrap_or_default();
        let [high, low] = stream.to_be_bytes();
        connection.extend([0, 0, u8::try_from(length).unwrap_or(0), 1, 5, 0, 0, high, low]);
        connection.extend_from_slice(block);
        stream = stream.wrapping_add(2);
        bytes = behind;
    }
    let part = (Direction::Sent, false, connection.as_slice());
    let (mut malformed, mut requests) = (false, 0);
    let mut conversation = Conversation::new(Limits::default());
    let mut take = |told: Told<'_>| {
        if let Told::Request(exchange) = told {
            requests += 1;
            malformed |= exchange.doubts.contains(Doubt::Malformed);
            let size: usize = exchange.fields().iter().map(|field| field.value.len()).sum();
            assert!(size < 256 << 10, "{size} bytes of fields");
        }
    };
    conversation.bytes(part.0, part.2, &mut take);
    conversation.closed(&mut take);
    requests > 0 && !malformed
}

/// Lines of a server's pipe. The first byte says how they are cut.
pub fn traffic_stdio(bytes: &[u8]) -> bool {
    let Some((cut, rest)) = bytes.split_first() else {
        return false;
    };
    let hear = |size: usize| {
        let (mut pipes, mut told) = (StdioMcp::default(), Vec::new());
        for piece in rest.chunks(size) {
            pipes.bytes(Direction::Sent, piece, &mut |message| told.push(message.clone()));
        }
        pipes.closed(&mut |message| told.push(message.clone()));
        assert!(pipes.memory() < 1 << 20);
        (told, pipes.unreadable())
    };
    let whole = hear(usize::MAX);
    assert_eq!(hear(usize::from(*cut) + 1), whole);
    !whole.0.is_empty()
}
