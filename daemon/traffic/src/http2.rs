//! HTTP/2 (RFC 9113): streams of both directions, each of them an exchange.

mod frame;

use std::collections::BTreeMap;

use frame::{END_HEADERS, END_STREAM, Frame, HEAD, Kind, may_be_head};
pub(crate) use frame::{PREFACE, begins_server, has_head};

use crate::conversation::Context;
use crate::doubt::Doubt;
use crate::exchange::{Direction, Protocol};
use crate::hpack;
use crate::live::{Head, Live, Side};

/// WebSockets at a time in the streams of a connection (RFC 8441): each keeps what its messages may refer to. Further ones are not unpacked.
const WEBSOCKETS_MAX: usize = 16;

pub(crate) struct Http2 {
    /// Which way requests go.
    asked: Direction,
    request: Half,
    answer: Half,
    streams: Streams,
}

/// Unfinished exchanges, by their streams.
#[derive(Default)]
struct Streams {
    open: BTreeMap<u32, Live>,
    /// Of the streams that were seen.
    first: u32,
    highest: u32,
}

/// One direction.
#[derive(Default)]
struct Half {
    /// Of the preface, bytes to come.
    preface: usize,
    /// Of a frame's head, what is there.
    head: Vec<u8>,
    frame: Option<Frame>,
    block: Option<Block>,
    table: hpack::Decoder,
    /// Nobody knows where the next frame begins.
    lost: bool,
}

/// A block of fields, in one frame or several.
struct Block {
    stream: u32,
    ends_stream: bool,
    /// What is promised by a server is read for the table's sake.
    promised: bool,
    bytes: Vec<u8>,
    /// Not all of it is there, or it is longer than is kept.
    torn: Option<Doubt>,
}

impl Half {
    fn lose(&mut self) {
        self.preface = 0;
        self.head.clear();
        self.frame = None;
        self.block = None;
        self.table.lost();
        self.lost = true;
    }

    fn memory(&self) -> usize {
        let block = self.block.as_ref().map_or(0, |block| block.bytes.capacity());
        self.head.capacity() + block + self.table.memory()
    }
}

impl Http2 {
    pub(crate) fn new(asked: Direction) -> Self {
        Self {
            asked,
            request: Half {
                preface: PREFACE.len(),
                ..Half::default()
            },
            answer: Half::default(),
            streams: Streams::default(),
        }
    }

    /// A connection that is older than us. What is heard first is sought for frames.
    pub(crate) fn older(asked: Direction) -> Self {
        let mut all = Self::new(asked);
        all.request.preface = 0;
        all.request.lose();
        all.answer.lose();
        all
    }

    /// Takes the next bytes.
    pub(crate) fn bytes(&mut self, direction: Direction, mut bytes: &[u8], context: &mut Context<'_, '_>) {
        let side = self.side(direction);
        while !bytes.is_empty() {
            let (half, streams) = self.half(side);
            if half.preface > 0 {
                let here = half.preface.min(bytes.len());
                half.preface -= here;
                bytes = bytes.get(here..).unwrap_or_default();
                continue;
            }
            let Some(mut frame) = half.frame else {
                let was_lost = half.lost;
                let rest = half.head(bytes, side, streams);
                if was_lost {
                    let passed = bytes.len() - rest.len();
                    context.unread(direction, bytes.get(..passed).unwrap_or_default());
                }
                bytes = rest;
                let (half, _) = self.half(side);
                if half.frame.is_some_and(|frame| frame.is_over()) {
                    self.end_frame(side, context);
                }
                continue;
            };
            let (part, rest) = frame.take(bytes);
            bytes = rest;
            half.frame = Some(frame);
            self.part(side, frame, part, context);
            if frame.is_over() {
                self.end_frame(side, context);
            }
        }
    }

    /// So many bytes are missing, or, if none, an unknown number.
    pub(crate) fn gap(&mut self, direction: Direction, missing: u64) {
        let side = self.side(direction);
        let (half, streams) = self.half(side);
        if let Some(frame) = &mut half.frame {
            let content = u64::from(frame.content());
            let is_within = frame.skip(missing);
            match frame.kind {
                Kind::Data => {
                    if let Some(live) = streams.open.get_mut(&frame.stream) {
                        live.lost(side, missing.min(content));
                    }
                }
                Kind::Headers | Kind::Push | Kind::Continuation => {
                    if let Some(block) = &mut half.block {
                        block.torn = Some(Doubt::Gap);
                    }
                }
                Kind::Reset | Kind::Other => {}
            }
            // One that is over by that ends with the next byte.
            if is_within {
                return;
            }
        }
        half.lose();
        // Whatever was lost may have been of any of them.
        for live in streams.open.values_mut().filter(|live| !live.has_ended(side)) {
            live.lost(side, 0);
        }
    }

    /// The connection is closed.
    pub(crate) fn closed(&mut self, context: &mut Context<'_, '_>) {
        for live in std::mem::take(&mut self.streams.open).values_mut() {
            live.cut(Doubt::CutShort, context.limits, context.tell);
        }
    }

    pub(crate) fn memory(&self) -> usize {
        let streams: usize = self.streams.open.values().map(|live| live.memory() + 64).sum();
        self.request.memory() + self.answer.memory() + streams
    }

    fn side(&self, direction: Direction) -> Side {
        if direction == self.asked {
            Side::Request
        } else {
            Side::Answer
        }
    }

    fn half(&mut self, side: Side) -> (&mut Half, &mut Streams) {
        match side {
            Side::Request => (&mut self.request, &mut self.streams),
            Side::Answer => (&mut self.answer, &mut self.streams),
        }
    }

    /// What a frame is about, or a part of it.
    fn part(&mut self, side: Side, frame: Frame, part: &[u8], context: &mut Context<'_, '_>) {
        let asked = self.asked;
        let (half, streams) = self.half(side);
        match frame.kind {
            Kind::Data if !part.is_empty() => streams.data(side, frame.stream, part, asked, context),
            Kind::Headers | Kind::Push | Kind::Continuation => {
                let Some(block) = &mut half.block else { return };
                if block.bytes.len() + part.len() > context.limits.head_bytes {
                    block.torn = Some(Doubt::Oversized);
                    block.bytes = Vec::new();
                }
                if block.torn.is_none() {
                    block.bytes.extend_from_slice(part);
                }
            }
            _ => {}
        }
    }

    fn end_frame(&mut self, side: Side, context: &mut Context<'_, '_>) {
        let asked = self.asked;
        let (half, streams) = self.half(side);
        let Some(frame) = half.frame.take() else { return };
        match frame.kind {
            Kind::Data if frame.has(END_STREAM) => streams.end(side, frame.stream, context),
            Kind::Reset => streams.reset(frame.stream, context),
            Kind::Headers | Kind::Push | Kind::Continuation if frame.has(END_HEADERS) => {
                let Some(block) = half.block.take() else { return };
                let fields = match block.torn {
                    None => half.table.block(&block.bytes, context.limits.head_bytes),
                    Some(doubt) => {
                        half.table.lost();
                        hpack::Block::torn(doubt)
                    }
                };
                if !block.promised {
                    streams.fields(side, block.stream, fields, asked, context);
                }
                if block.ends_stream {
                    streams.end(side, block.stream, context);
                }
            }
            _ => {}
        }
    }
}

impl Half {
    /// Takes bytes of a frame's head; what follows them.
    fn head<'a>(&mut self, mut bytes: &'a [u8], side: Side, streams: &Streams) -> &'a [u8] {
        // A server does not begin streams.
        let newer = (side == Side::Request || streams.highest == 0).then_some(streams.highest);
        while let Some((byte, rest)) = bytes.split_first() {
            bytes = rest;
            self.head.push(*byte);
            let Some(head) = self.head.first_chunk::<HEAD>() else {
                continue;
            };
            if self.lost && !may_be_head(*head, |stream| streams.open.contains_key(&stream), newer) {
                self.head.remove(0);
                continue;
            }
            self.lost = false;
            let frame = Frame::read(*head);
            self.frame = Some(frame);
            self.head.clear();
            self.begin_block(frame);
            break;
        }
        bytes
    }

    fn begin_block(&mut self, frame: Frame) {
        let torn = match (frame.kind, &self.block) {
            (Kind::Headers | Kind::Push, None) => None,
            // The block before was never ended: what follows counts on what was in it.
            (Kind::Headers | Kind::Push, Some(_)) => {
                self.table.lost();
                None
            }
            // Of a block that was not heard.
            (Kind::Continuation, None) => Some(Doubt::Gap),
            _ => return,
        };
        self.block = Some(Block {
            stream: frame.stream,
            ends_stream: frame.kind == Kind::Headers && frame.has(END_STREAM),
            promised: frame.kind == Kind::Push,
            bytes: Vec::new(),
            torn,
        });
    }
}

impl Streams {
    /// The exchange of a stream, which is a new one if there is none and there was none.
    fn live(&mut self, side: Side, stream: u32, asked: Direction, context: &mut Context<'_, '_>) -> Option<&mut Live> {
        if !self.open.contains_key(&stream) {
            // What comes behind an exchange's end says nothing about it.
            let was_seen = self.highest > 0 && (self.first..=self.highest).contains(&stream);
            // Even ones are a server's, which are pushed, and no client wants that any more.
            if stream.is_multiple_of(2) || was_seen {
                return None;
            }
            if self.open.len() >= context.limits.exchanges
                && let Some((_, mut oldest)) = self.open.pop_first()
            {
                oldest.cut(Doubt::Crowded, context.limits, context.tell);
            }
            let mut live = Live::new(context.number(), Protocol::Http2, asked);
            if side == Side::Answer {
                live.exchange.doubt(Doubt::OlderThanUs);
                live.end(Side::Request, context.limits, context.tell);
            }
            self.first = if self.highest == 0 {
                stream
            } else {
                self.first.min(stream)
            };
            self.highest = self.highest.max(stream);
            self.open.insert(stream, live);
        }
        self.open.get_mut(&stream)
    }

    fn fields(
        &mut self,
        side: Side,
        stream: u32,
        block: hpack::Block,
        asked: Direction,
        context: &mut Context<'_, '_>,
    ) {
        let of_websockets = self.open.values().map(|live| live.exchange.protocol);
        let websockets = of_websockets
            .filter(|protocol| *protocol == Protocol::WebSocket)
            .count();
        let Some(live) = self.live(side, stream, asked, context) else {
            return;
        };
        live.exchange.doubts.join(block.doubts);
        let head = Head::of(block.fields);
        let is_informal = head.status.is_some_and(|status| (100..200).contains(&status));
        match side {
            _ if is_informal => {}
            Side::Request if !live.has_head(side) => live.request(head, context.tell),
            Side::Answer if !live.has_head(side) => {
                let extensions: Vec<String> = head.values("sec-websocket-extensions").map(str::to_owned).collect();
                let is_websocket = live.is_websocket && head.status.is_some_and(|status| status / 100 == 2);
                live.answer(head, context.tell);
                if is_websocket && websockets < WEBSOCKETS_MAX {
                    live.upgrade(&extensions.join(", "));
                } else if is_websocket {
                    live.exchange.doubt(Doubt::Oversized);
                }
            }
            _ => live.trailers(head.fields, context.tell),
        }
    }

    fn data(&mut self, side: Side, stream: u32, bytes: &[u8], asked: Direction, context: &mut Context<'_, '_>) {
        let kept = match self.open.get(&stream) {
            Some(live) if live.decoder_bytes(side) > 0 => {
                let all: usize = self.open.values().map(decoder_bytes).sum();
                all - live.decoder_bytes(side)
            }
            _ => 0,
        };
        let Some(live) = self.live(side, stream, asked, context) else {
            return;
        };
        if !live.has_head(side) {
            // Of its beginning nothing is known.
            live.exchange.doubt(Doubt::OlderThanUs);
            live.no_head(side);
        }
        let room = context.limits.decoder_bytes.saturating_sub(kept);
        live.body(side, bytes, room, context.limits, context.tell);
    }

    fn end(&mut self, side: Side, stream: u32, context: &mut Context<'_, '_>) {
        if let Some(live) = self.open.get_mut(&stream) {
            live.end(side, context.limits, context.tell);
            if live.done {
                self.open.remove(&stream);
            }
        }
    }

    fn reset(&mut self, stream: u32, context: &mut Context<'_, '_>) {
        if let Some(mut live) = self.open.remove(&stream) {
            // A server that has answered may not want the rest of the question (RFC 9113, 8.1).
            if live.has_ended(Side::Answer) {
                live.end(Side::Request, context.limits, context.tell);
            }
            live.cut(Doubt::CutShort, context.limits, context.tell);
        }
    }
}

fn decoder_bytes(live: &Live) -> usize {
    live.decoder_bytes(Side::Request) + live.decoder_bytes(Side::Answer)
}

impl Head {
    /// Pseudo-fields (RFC 9113, 8.3) go where they belong.
    fn of(fields: Vec<crate::exchange::Field>) -> Self {
        let mut head = Self::default();
        for field in fields {
            let text = String::from_utf8_lossy(&field.value);
            match field.name.as_str() {
                ":method" => head.method = text.into_owned(),
                ":authority" => head.host = text.into_owned(),
                ":path" => head.target = text.into_owned(),
                ":status" => head.status = text.parse().ok(),
                "host" if head.host.is_empty() => {
                    head.host = text.into_owned();
                    head.fields.push(field);
                }
                _ => head.fields.push(field),
            }
        }
        head
    }
}
