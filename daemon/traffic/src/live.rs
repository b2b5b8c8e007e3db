//! An exchange while it happens: from bodies as they come to what is told of them.

mod half;
mod reading;

use half::Half;
use reading::Reading;

use crate::content::Bounds;
use crate::doubt::Doubt;
use crate::exchange::{Ask, Content, Direction, Exchange, Field, Piece, Protocol, Told};
use crate::json::{Leaf, Listen};
use crate::limits::Limits;
use crate::mcp::{self, ToolCall, modest};
use crate::model::{AnswerDraft, RequestDraft, usage_of_fields};
use crate::websocket::{Frames, Part};

/// Which half of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Answer,
}

/// What is told goes here.
pub(crate) type Tell<'a> = dyn FnMut(Told<'_>) + 'a;

/// A request or an answer, beyond its fields.
#[derive(Default)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) status: Option<u16>,
    pub(crate) fields: Vec<Field>,
}

impl Head {
    /// The values of a field, as text.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.fields.iter().filter(move |field| field.name == name);
        values.map(|field| std::str::from_utf8(&field.value).unwrap_or_default().trim())
    }
}

/// Longer ones are cut: what is kept of a head is for records.
const KEPT_MAX: usize = 1024;

fn kept(text: &str) -> String {
    let mut end = text.len().min(KEPT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

pub(crate) struct Live {
    pub(crate) exchange: Exchange,
    request: Half,
    answer: Half,
    talk: Talk,
    /// Of a WebSocket, both directions.
    frames: Option<Box<[Frames; 2]>>,
    pub(crate) done: bool,
    /// It asks to change to another protocol.
    pub(crate) wants_other: bool,
    /// It asks for a WebSocket in a stream (RFC 8441).
    pub(crate) is_websocket: bool,
}

/// What is said in the bodies.
#[derive(Default)]
struct Talk {
    asking: RequestDraft,
    answering: AnswerDraft,
    mcp: [mcp::Draft; 2],
}

impl Live {
    pub(crate) fn new(id: u64, protocol: Protocol, asked: Direction) -> Self {
        Self {
            exchange: Exchange::new(id, protocol, asked),
            request: Half::default(),
            answer: Half::default(),
            talk: Talk::default(),
            frames: None,
            done: false,
            wants_other: false,
            is_websocket: false,
        }
    }

    /// The request's head.
    pub(crate) fn request(&mut self, head: Head, tell: &mut Tell<'_>) {
        let target = head.target.split('#').next().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        self.exchange.method = kept(&head.method);
        self.exchange.host = kept(&head.host.to_ascii_lowercase());
        self.exchange.path = kept(path);
        self.talk.asking = RequestDraft::new(&head.method, target);
        self.is_websocket = head.values(":protocol").any(|protocol| protocol == "websocket");
        self.exchange.request = self.request.begin(&head, &mut self.exchange.doubts);
        self.exchange.fields = head.fields;
        self.exchange.fields.push(Field {
            name: ":path".to_owned(),
            value: head.target.into_bytes(),
        });
        tell(Told::Request(&self.exchange));
        self.exchange.fields = Vec::new();
        if self.is_websocket {
            self.asks(tell);
        }
    }

    /// The final answer's head.
    pub(crate) fn answer(&mut self, head: Head, tell: &mut Tell<'_>) {
        self.talk.asking.settle(&mut self.exchange);
        self.exchange.status = head.status;
        self.exchange.answer = self.answer.begin(&head, &mut self.exchange.doubts);
        if let Some(call) = &mut self.exchange.call {
            usage_of_fields(&mut call.usage, &head.fields);
        }
        self.exchange.fields = head.fields;
        tell(Told::Answer(&self.exchange));
        self.exchange.fields = Vec::new();
    }

    /// Whether a half's head was there.
    pub(crate) fn has_head(&self, side: Side) -> bool {
        match side {
            Side::Request => self.request.has_begun,
            Side::Answer => self.answer.has_begun,
        }
    }

    /// A half whose head was lost.
    pub(crate) fn no_head(&mut self, side: Side) {
        let (half, ..) = self.split(side);
        half.has_begun = true;
        half.lost();
    }

    /// Fields behind a body.
    pub(crate) fn trailers(&mut self, fields: Vec<Field>, tell: &mut Tell<'_>) {
        self.exchange.fields = fields;
        tell(Told::Trailers(&self.exchange));
        self.exchange.fields = Vec::new();
    }

    fn split(&mut self, side: Side) -> (&mut Half, &mut Exchange, &mut Talk) {
        let half = match side {
            Side::Request => &mut self.request,
            Side::Answer => &mut self.answer,
        };
        (half, &mut self.exchange, &mut self.talk)
    }

    /// What follows are frames of a WebSocket, with the extensions that the server agreed to.
    pub(crate) fn upgrade(&mut self, extensions: &str) {
        self.exchange.protocol = Protocol::WebSocket;
        let frames = |no_takeover| Frames::new(extensions, no_takeover);
        self.frames = Some(Box::new([
            frames("client_no_context_takeover"),
            frames("server_no_context_takeover"),
        ]));
        for half in [&mut self.request, &mut self.answer] {
            *half = Half::messages();
        }
    }

    /// Bytes of a body, without the framing. Its decoders may keep so many bytes.
    pub(crate) fn body(&mut self, side: Side, bytes: &[u8], room: usize, limits: &Limits, tell: &mut Tell<'_>) {
        let mut frames = self.frames.take();
        let (half, exchange, talk) = self.split(side);
        content(exchange, side).raw_bytes += bytes.len() as u64;
        let mut listener = Listener {
            side,
            exchange,
            talk,
            limits,
            tell,
        };
        match &mut frames {
            None => half.decode(bytes, Bounds { limits, room }, |decoded, doubt, reading| {
                take(decoded, doubt, reading, &mut listener);
            }),
            Some(frames) => {
                let [request, answer] = &mut **frames;
                let frames = if side == Side::Request { request } else { answer };
                frames.push(bytes, limits, |part| match part {
                    Part::Data(decoded) => take(decoded, None, &mut half.reading, &mut listener),
                    Part::Unread(raw) => listener.told(raw),
                    Part::Doubt(doubt) => listener.exchange.doubt(doubt),
                    Part::End if half.reading.end_message(&mut listener) => {}
                    Part::End => listener.exchange.doubt(Doubt::BadJson),
                });
            }
        }
        self.frames = frames;
    }

    /// Bytes of a body that were lost.
    pub(crate) fn lost(&mut self, side: Side, missing: u64) {
        if let Some(frames) = &mut self.frames {
            let [request, answer] = &mut **frames;
            if side == Side::Request { request } else { answer }.gap(missing);
        }
        let (half, exchange, _) = self.split(side);
        let missing_bytes = &mut content(exchange, side).missing_bytes;
        *missing_bytes = missing_bytes.saturating_add(missing);
        exchange.doubt(Doubt::Gap);
        half.lost();
    }

    /// A body ends, whole or not.
    pub(crate) fn end(&mut self, side: Side, limits: &Limits, tell: &mut Tell<'_>) {
        let (half, exchange, talk) = self.split(side);
        if std::mem::replace(&mut half.ended, true) {
            return;
        }
        let mut listener = Listener {
            side,
            exchange,
            talk,
            limits,
            tell,
        };
        let bounds = Bounds {
            limits,
            room: usize::MAX,
        };
        half.finish(bounds, |decoded, doubt, reading| {
            take(decoded, doubt, reading, &mut listener);
        });
        if !half.reading.end(&mut listener) {
            listener.exchange.doubt(Doubt::BadJson);
        }
        if side == Side::Request && self.frames.is_none() {
            self.talk.asking.settle(&mut self.exchange);
            self.asks(tell);
            self.may_call(tell);
        }
        if self.request.ended && self.answer.ended {
            self.finish(tell);
        }
    }

    /// Tells which models a request is for. A WebSocket's may be named in its messages, and who only looks at something asks for none.
    fn asks(&self, tell: &mut Tell<'_>) {
        let connects = self.wants_other || self.is_websocket;
        let ask = self.talk.asking.ask(self.exchange.doubts.is_empty());
        let calls = |ask: &Ask<'_>| self.exchange.method == "POST" || connects && !ask.models.is_empty();
        if let Some(ask) = ask.filter(calls) {
            tell(Told::Asks(&self.exchange, ask));
        }
    }

    /// Tells that a request in JSON of which not all was read may be any call.
    fn may_call(&self, tell: &mut Tell<'_>) {
        let exchange = &self.exchange;
        let is_json = exchange.request.media_type.contains("json");
        if exchange.method == "POST" && is_json && !exchange.doubts.is_empty() {
            let unknown = ToolCall {
                name: None,
                arguments: None,
            };
            tell(Told::Calls(exchange, &unknown));
        }
    }

    pub(crate) fn has_ended(&self, side: Side) -> bool {
        match side {
            Side::Request => self.request.ended,
            Side::Answer => self.answer.ended,
        }
    }

    /// Whatever is not there will not come.
    pub(crate) fn cut(&mut self, doubt: Doubt, limits: &Limits, tell: &mut Tell<'_>) {
        if !self.done {
            self.exchange.doubt(doubt);
        }
        self.end(Side::Request, limits, tell);
        self.end(Side::Answer, limits, tell);
    }

    fn finish(&mut self, tell: &mut Tell<'_>) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        if self.exchange.call.is_some() {
            tell(Told::Call(&self.exchange));
        }
        tell(Told::Done(&self.exchange));
    }

    pub(crate) fn memory(&self) -> usize {
        let mcp: usize = self.talk.mcp.iter().map(mcp::Draft::memory).sum();
        size_of::<Self>()
            + self.exchange.memory()
            + self.request.memory()
            + self.answer.memory()
            + self.talk.asking.memory()
            + self.talk.answering.memory()
            + self
                .frames
                .iter()
                .flat_map(|frames| frames.iter())
                .map(Frames::memory)
                .sum::<usize>()
            + mcp
    }

    /// What the decoders of a body keep.
    pub(crate) fn decoder_bytes(&self, side: Side) -> usize {
        match side {
            Side::Request => self.request.decoder_bytes(),
            Side::Answer => self.answer.decoder_bytes(),
        }
    }
}

fn content(exchange: &mut Exchange, side: Side) -> &mut Content {
    match side {
        Side::Request => &mut exchange.request,
        Side::Answer => &mut exchange.answer,
    }
}

/// Decoded bytes, told and read.
fn take(decoded: &[u8], doubt: Option<Doubt>, reading: &mut Reading, listener: &mut Listener<'_, '_>) {
    if let Some(doubt) = doubt {
        listener.exchange.doubt(doubt);
    }
    if decoded.is_empty() {
        return;
    }
    listener.told(decoded);
    if !reading.push(decoded, listener) {
        listener.exchange.doubt(Doubt::BadJson);
    }
}

/// Puts together what the values of a body say.
pub(crate) struct Listener<'a, 't> {
    side: Side,
    pub(crate) exchange: &'a mut Exchange,
    talk: &'a mut Talk,
    limits: &'a Limits,
    tell: &'a mut Tell<'t>,
}

impl Listener<'_, '_> {
    fn direction(&self) -> Direction {
        match self.side {
            Side::Request => self.exchange.asked,
            Side::Answer => self.exchange.asked.opposite(),
        }
    }

    /// Tells bytes of the body.
    fn told(&mut self, bytes: &[u8]) {
        content(self.exchange, self.side).decoded_bytes += bytes.len() as u64;
        let piece = Piece {
            exchange: self.exchange.id,
            direction: self.direction(),
            bytes,
        };
        (self.tell)(Told::Body(piece));
    }

    fn draft(&mut self) -> &mut mcp::Draft {
        let [request, answer] = &mut self.talk.mcp;
        if self.side == Side::Request { request } else { answer }
    }

    fn model(&mut self, path: &str, leaf: Leaf<'_>) {
        let Talk { asking, answering, .. } = &mut *self.talk;
        let many = self.exchange.protocol == Protocol::WebSocket;
        match self.side {
            Side::Request => {
                let begins = asking.value(path, leaf);
                if many && begins {
                    if self.exchange.call.is_some() {
                        (self.tell)(Told::Call(self.exchange));
                    }
                    self.exchange.call = None;
                    answering.reset();
                }
                if (path, leaf) == ("", Leaf::End) && (begins || !many) {
                    asking.settle(self.exchange);
                    if let Some(ask) = asking.ask(self.exchange.doubts.is_empty()) {
                        (self.tell)(Told::Asks(self.exchange, ask));
                    }
                }
            }
            Side::Answer => {
                let ends = answering.value(path, leaf, self.exchange, asking, self.limits.listed);
                if many && ends && self.exchange.call.is_some() {
                    (self.tell)(Told::Call(self.exchange));
                    self.exchange.call = None;
                    answering.reset();
                }
            }
        }
    }
}

impl Listen for Listener<'_, '_> {
    fn value(&mut self, path: &str, leaf: Leaf<'_>) {
        self.model(path, modest(leaf));
        let direction = self.direction();
        let Some(read) = self.draft().value(path, leaf, direction) else {
            return;
        };
        if let Some(message) = read.message {
            (self.tell)(Told::Mcp(self.exchange, &message));
            if self.exchange.mcp.len() < self.limits.listed {
                self.exchange.mcp.push(message);
            }
        }
        if let Some(call) = read.call.filter(|_| self.side == Side::Request) {
            (self.tell)(Told::Calls(self.exchange, &call));
        }
    }

    fn key(&mut self, key: Option<&str>) {
        self.draft().key(key);
    }

    fn deep(&mut self) {
        self.draft().deep();
    }
}
