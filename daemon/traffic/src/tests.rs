//! Whole connections, of which the same must be told however their bytes are cut.

mod asks;
mod bounds;
mod gaps;
mod http1;
mod http2;
mod mcp;
mod models;
mod websocket;

pub(super) use crate::testing::{Trace, answer, chunked, post, received, sent};
use crate::{Conversation, Direction, Exchange, Limits, Told};

/// What was told, without what depends on how bytes were cut.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Every telling but bodies.
    pub(super) told: Vec<String>,
    /// Bodies, by exchange.
    pub(super) bodies: Vec<(u64, Direction, Vec<u8>)>,
    pub(super) done: Vec<Done>,
    /// The most that was kept.
    pub(super) memory: usize,
}

pub(super) struct Done(pub(super) Exchange);

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// By all that there is to see of it.
impl PartialEq for Done {
    fn eq(&self, other: &Self) -> bool {
        format!("{:?}", self.0) == format!("{:?}", other.0)
    }
}

impl Eq for Done {}

impl Heard {
    pub(super) fn take(&mut self, told: &Told<'_>) {
        match told {
            Told::Body(piece) => {
                let found = self
                    .bodies
                    .iter_mut()
                    .find(|body| (body.0, body.1) == (piece.exchange, piece.direction));
                match found {
                    Some(body) => body.2.extend_from_slice(piece.bytes),
                    None => self
                        .bodies
                        .push((piece.exchange, piece.direction, piece.bytes.to_vec())),
                }
                return;
            }
            Told::Done(exchange) => self.done.push(Done((*exchange).clone())),
            Told::Request(exchange) | Told::Answer(exchange) | Told::Trailers(exchange) => {
                for field in exchange.fields() {
                    self.told
                        .push(format!("  {}={}", field.name, String::from_utf8_lossy(&field.value)));
                }
            }
            _ => {}
        }
        // Counts of bytes before the end depend on the cut.
        let mut line = format!("{told:?}");
        if let Some(at) = line
            .find(" request: Content")
            .filter(|_| !matches!(told, Told::Done(_)))
        {
            line.truncate(at);
        }
        self.told.push(line);
    }

    pub(super) fn only(&self) -> &Exchange {
        assert_eq!(self.done.len(), 1, "{self:#?}");
        &self.done[0].0
    }

    pub(super) fn body(&self, direction: Direction) -> String {
        let body = self.bodies.iter().find(|body| body.1 == direction);
        body.map(|body| String::from_utf8_lossy(&body.2).into_owned())
            .unwrap_or_default()
    }
}

/// What is told of bytes that come in these pieces.
pub(super) fn run<'a>(limits: Limits, pieces: impl IntoIterator<Item = (Direction, &'a [u8])>) -> Heard {
    let mut conversation = Conversation::new(limits);
    let mut heard = Heard::default();
    for (direction, bytes) in pieces {
        conversation.bytes(direction, bytes, &mut |told| heard.take(&told));
        heard.memory = heard.memory.max(conversation.memory());
    }
    conversation.closed(&mut |told| heard.take(&told));
    heard
}

/// A trace whole, which is what it must be however it is cut.
pub(super) fn hear(trace: &Trace) -> Heard {
    let mut whole = run(
        Limits::default(),
        trace.iter().map(|(direction, bytes)| (*direction, bytes.as_slice())),
    );
    for size in [1, 2, 3, 7, 64, 1000] {
        let cut = trace
            .iter()
            .flat_map(|(direction, bytes)| bytes.chunks(size).map(|piece| (*direction, piece)));
        let mut cut = run(Limits::default(), cut);
        assert!(
            whole.told == cut.told,
            "cut in pieces of {size}: {:#?}\n{:#?}",
            cut.told,
            whole.told
        );
        cut.memory = whole.memory;
        assert_eq!(cut, whole, "cut in pieces of {size}");
    }
    whole.memory = 0;
    whole
}
