//! HTTP/1.1 (RFC 9112): messages of both directions, put together to exchanges.

mod body;
mod head;
mod lines;

use std::collections::VecDeque;

use body::{Chunk, Framing, Step};
use head::Parsed;
pub(crate) use head::{FirstLine, find_first_line, first_line, may_be_first};
use lines::{Lines, gather, search};

use crate::conversation::Context;
use crate::doubt::Doubt;
use crate::exchange::{Direction, Protocol};
use crate::live::{Live, Side};

/// What the connection speaks behind the bytes that were taken.
pub(crate) enum Next {
    /// Still this.
    Http1,
    /// A WebSocket, of this exchange, with these extensions.
    WebSocket(Box<Live>, String),
    /// Whatever it begins with.
    Anything,
}

/// What a client may say in another protocol before it is agreed to.
const EARLY_MAX: usize = 4096;

pub(crate) struct Http1 {
    /// Which way requests go.
    asked: Direction,
    request: Half,
    answer: Half,
    /// Unfinished, in the order of their requests.
    waiting: VecDeque<Live>,
}

#[derive(Default)]
struct Half {
    state: State,
    /// A head, or a line of the framing, that is not all there.
    held: Vec<u8>,
    /// Whole messages were lost, so that the next may be of another exchange than it seems.
    lost: bool,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Head,
    Body(Framing),
    /// Nobody knows where the next message begins.
    Lost,
    /// The request asked for another protocol, and the answer decides what these bytes are.
    Undecided,
}

/// What an answer decided.
enum Decision {
    None,
    /// There is no other protocol.
    Refused,
    WebSocket(String),
    Tunnel,
}

/// Where in a line a message of this sort begins.
fn begins(kind: FirstLine) -> impl Fn(&[u8]) -> Option<usize> {
    move |line| {
        find_first_line(line)
            .filter(|(_, found)| *found == kind)
            .map(|(at, _)| at)
    }
}

impl Http1 {
    pub(crate) fn new(asked: Direction) -> Self {
        Self {
            asked,
            request: Half::default(),
            answer: Half::default(),
            waiting: VecDeque::new(),
        }
    }

    /// Behind a loss: whatever begins a message first.
    pub(crate) fn lost(asked: Direction) -> Self {
        let half = || Half {
            state: State::Lost,
            lost: true,
            ..Half::default()
        };
        Self {
            request: half(),
            answer: half(),
            ..Self::new(asked)
        }
    }

    /// Takes the next bytes. What follows them is left where the protocol changes, and what had come the other way by then.
    pub(crate) fn bytes<'a>(
        &mut self,
        direction: Direction,
        bytes: &'a [u8],
        context: &mut Context<'_, '_>,
    ) -> (Next, Vec<u8>, &'a [u8]) {
        if direction == self.asked {
            self.asking(bytes, context);
            return (Next::Http1, Vec::new(), &[]);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (behind, decision) = self.answering(rest, context);
            rest = behind;
            // A refusal may come before the request has ended, and then nothing waits for it.
            let waits = matches!(self.request.state, State::Undecided);
            if matches!(decision, Decision::None) || (matches!(decision, Decision::Refused) && !waits) {
                continue;
            }
            let held = std::mem::take(&mut self.request.held);
            self.request.state = State::Head;
            match decision {
                Decision::WebSocket(extensions) => {
                    let at = self.waiting.iter().position(|live| !live.has_ended(Side::Answer));
                    if let Some(live) = at.and_then(|at| self.waiting.remove(at)) {
                        return (Next::WebSocket(Box::new(live), extensions), held, rest);
                    }
                }
                Decision::Tunnel => return (Next::Anything, held, rest),
                Decision::None | Decision::Refused => self.asking(&held, context),
            }
        }
        (Next::Http1, Vec::new(), &[])
    }

    /// So many bytes are missing, or, if none, an unknown number.
    pub(crate) fn gap(&mut self, direction: Direction, missing: u64, context: &mut Context<'_, '_>) {
        let side = if direction == self.asked {
            Side::Request
        } else {
            Side::Answer
        };
        let (half, live) = self.half(side);
        if let Some(live) = live {
            live.lost(side, missing);
        }
        if let State::Body(framing) = &mut half.state
            && half.held.is_empty()
            && framing.skip(missing)
        {
            if framing.is_over() {
                self.end(side, context);
            }
            return;
        }
        self.lose(side, context);
    }

    /// The connection is closed.
    pub(crate) fn closed(&mut self, context: &mut Context<'_, '_>) {
        if matches!(self.answer.state, State::Body(Framing::Close)) {
            self.end(Side::Answer, context);
        }
        while let Some(mut live) = self.waiting.pop_front() {
            live.cut(Doubt::CutShort, context.limits, context.tell);
        }
    }

    pub(crate) fn memory(&self) -> usize {
        let waiting: usize = self.waiting.iter().map(Live::memory).sum();
        self.request.held.capacity() + self.answer.held.capacity() + waiting
    }

    /// What the decoders of all but this half of the exchange under way keep. There are two, as bodies come one behind the other.
    fn decoder_bytes(&self, side: Side) -> usize {
        let other = if side == Side::Request {
            Side::Answer
        } else {
            Side::Request
        };
        self.waiting.iter().map(|live| live.decoder_bytes(other)).sum()
    }

    /// One direction and the exchange that its bytes are of.
    fn half(&mut self, side: Side) -> (&mut Half, Option<&mut Live>) {
        match side {
            Side::Request => {
                // Behind it there may be one of which only an answer came.
                let live = self.waiting.iter_mut().rev().find(|live| !live.has_ended(side));
                (&mut self.request, live)
            }
            Side::Answer => {
                let live = self.waiting.iter_mut().find(|live| !live.has_ended(side));
                (&mut self.answer, live)
            }
        }
    }

    /// Nobody knows where the next message begins.
    fn lose(&mut self, side: Side, context: &mut Context<'_, '_>) {
        let direction = self.direction(side);
        let (half, live) = self.half(side);
        // What the search keeps has been told.
        if !matches!(half.state, State::Lost) {
            context.unread(direction, &half.held);
        }
        *half = Half {
            state: State::Lost,
            lost: true,
            held: Vec::new(),
        };
        let Some(live) = live else { return };
        // An answer whose head was not seen may still come.
        if side == Side::Request || live.exchange.status.is_some() {
            live.end(side, context.limits, context.tell);
        }
        self.waiting.retain(|live| !live.done);
    }

    fn end(&mut self, side: Side, context: &mut Context<'_, '_>) {
        let (half, live) = self.half(side);
        half.state = match &live {
            Some(live) if side == Side::Request && live.wants_other => State::Undecided,
            _ => State::Head,
        };
        if let Some(live) = live {
            live.end(side, context.limits, context.tell);
        }
        self.waiting.retain(|live| !live.done);
    }

    fn asking(&mut self, mut bytes: &[u8], context: &mut Context<'_, '_>) {
        let most = context.limits.head_bytes;
        let is_first = |line: &[u8]| first_line(line) == FirstLine::Request;
        while !bytes.is_empty() {
            bytes = match self.request.state {
                State::Body(framing) => self.body(Side::Request, framing, bytes, context),
                State::Undecided if self.request.held.len() + bytes.len() <= EARLY_MAX => {
                    self.request.held.extend_from_slice(bytes);
                    return;
                }
                State::Undecided => {
                    // Nobody waits for the other protocol to say so much.
                    self.request.state = State::Head;
                    let held = std::mem::take(&mut self.request.held);
                    self.asking(&held, context);
                    bytes
                }
                State::Lost => self.search(Side::Request, bytes, context),
                State::Head => match gather(&mut self.request.held, bytes, most, Some(&is_first)) {
                    Lines::More => return,
                    Lines::Whole(head, rest) => {
                        self.begin_request(Parsed::head(&head), context);
                        rest
                    }
                    Lines::TooLong(rest) => {
                        self.unreadable(Side::Request, Doubt::Oversized, context);
                        rest
                    }
                    Lines::NoMessage(rest) => {
                        self.unreadable(Side::Request, Doubt::Malformed, context);
                        rest
                    }
                },
            };
        }
    }

    /// The next bytes of the answers' direction; what follows them.
    fn answering<'a>(&mut self, bytes: &'a [u8], context: &mut Context<'_, '_>) -> (&'a [u8], Decision) {
        let is_first = |line: &[u8]| first_line(line) == FirstLine::Answer;
        let rest = match self.answer.state {
            State::Body(framing) => self.body(Side::Answer, framing, bytes, context),
            State::Lost => self.search(Side::Answer, bytes, context),
            State::Head | State::Undecided => {
                match gather(&mut self.answer.held, bytes, context.limits.head_bytes, Some(&is_first)) {
                    Lines::More => &[],
                    Lines::Whole(head, rest) => return (rest, self.begin_answer(Parsed::head(&head), context)),
                    Lines::TooLong(rest) => {
                        self.unreadable(Side::Answer, Doubt::Oversized, context);
                        rest
                    }
                    Lines::NoMessage(rest) => {
                        self.unreadable(Side::Answer, Doubt::Malformed, context);
                        rest
                    }
                }
            }
        };
        (rest, Decision::None)
    }

    /// Looks for the next message; what follows its first line.
    fn search<'a>(&mut self, side: Side, bytes: &'a [u8], context: &mut Context<'_, '_>) -> &'a [u8] {
        let direction = self.direction(side);
        let (half, _) = self.half(side);
        let kind = match side {
            Side::Request => FirstLine::Request,
            Side::Answer => FirstLine::Answer,
        };
        let rest = search(&mut half.held, bytes, begins(kind));
        if rest.is_some() {
            half.state = State::Head;
        }
        let rest = rest.unwrap_or_default();
        context.unread(direction, bytes.get(..bytes.len() - rest.len()).unwrap_or_default());
        rest
    }

    fn direction(&self, side: Side) -> Direction {
        match side {
            Side::Request => self.asked,
            Side::Answer => self.asked.opposite(),
        }
    }

    /// The next bytes of a body; what follows them.
    fn body<'a>(
        &mut self,
        side: Side,
        mut framing: Framing,
        bytes: &'a [u8],
        context: &mut Context<'_, '_>,
    ) -> &'a [u8] {
        let others = self.decoder_bytes(side);
        let (half, live) = self.half(side);
        let step = match framing {
            Framing::Chunked(Chunk::Trailers) => {
                let gathered = gather(&mut half.held, bytes, context.limits.head_bytes, None);
                return match gathered {
                    Lines::More => &[],
                    Lines::TooLong(rest) | Lines::NoMessage(rest) => {
                        self.unreadable(side, Doubt::Oversized, context);
                        rest
                    }
                    Lines::Whole(lines, rest) => {
                        self.trailers(side, &lines, context);
                        self.end(side, context);
                        rest
                    }
                };
            }
            _ => framing.step(bytes, &mut half.held),
        };
        half.state = State::Body(framing);
        match step {
            Step::Framing(rest) => rest,
            Step::Malformed(rest) => {
                self.unreadable(side, Doubt::Malformed, context);
                rest
            }
            Step::Body(body, rest) => {
                let room = context.limits.decoder_bytes.saturating_sub(others);
                if let Some(live) = live {
                    live.body(side, body, room, context.limits, context.tell);
                }
                if framing.is_over() {
                    self.end(side, context);
                }
                rest
            }
        }
    }

    fn trailers(&mut self, side: Side, lines: &[u8], context: &mut Context<'_, '_>) {
        let mut parsed = Parsed::default();
        parsed.fields(lines);
        if let Some(live) = self.half(side).1.filter(|_| !parsed.head.fields.is_empty()) {
            live.exchange.doubts.join(parsed.doubts);
            live.trailers(parsed.head.fields, context.tell);
        }
    }

    /// What is not as a message is: of the exchange it belongs to, or of one that nothing else is known about.
    fn unreadable(&mut self, side: Side, doubt: Doubt, context: &mut Context<'_, '_>) {
        if let Some(live) = self.half(side).1 {
            live.exchange.doubt(doubt);
            live.end(side, context.limits, context.tell);
        } else {
            let mut live = self.new_live(context);
            live.exchange.doubt(doubt);
            live.end(side, context.limits, context.tell);
            if side == Side::Answer {
                live.cut(Doubt::OlderThanUs, context.limits, context.tell);
            }
            self.waiting.push_back(live);
        }
        self.lose(side, context);
    }

    /// An exchange to be put last, for which there is room.
    fn new_live(&mut self, context: &mut Context<'_, '_>) -> Live {
        if self.waiting.len() >= context.limits.exchanges {
            for mut live in self.waiting.drain(..) {
                live.cut(Doubt::Crowded, context.limits, context.tell);
            }
        }
        Live::new(context.number(), Protocol::Http1, self.asked)
    }

    fn begin_request(&mut self, parsed: Parsed, context: &mut Context<'_, '_>) {
        // A client that asks again has had its answers, as nobody pipelines.
        if self.answer.lost {
            for live in &mut self.waiting {
                live.cut(Doubt::Gap, context.limits, context.tell);
            }
            self.waiting.clear();
        }
        let mut live = self.new_live(context);
        live.exchange.doubts.join(parsed.doubts);
        if std::mem::take(&mut self.request.lost) {
            live.exchange.doubt(Doubt::Gap);
        }
        let is_other = parsed.head.method == "CONNECT" || !parsed.upgrade.is_empty();
        let framing = match (parsed.chunked, parsed.length) {
            (true, _) => Framing::Chunked(Chunk::Size),
            (false, length) => Framing::Length(length.unwrap_or(0)),
        };
        live.request(parsed.head, context.tell);
        live.wants_other = is_other;
        self.waiting.push_back(live);
        self.request.state = State::Body(framing);
        if framing.is_over() {
            self.end(Side::Request, context);
        }
    }

    fn begin_answer(&mut self, parsed: Parsed, context: &mut Context<'_, '_>) -> Decision {
        let status = parsed.head.status.unwrap_or(0);
        if (100..200).contains(&status) && status != 101 {
            return Decision::None;
        }
        let lost = std::mem::take(&mut self.answer.lost);
        if self.half(Side::Answer).1.is_none() {
            let mut live = self.new_live(context);
            live.exchange.doubt(if lost { Doubt::Gap } else { Doubt::OlderThanUs });
            live.end(Side::Request, context.limits, context.tell);
            self.waiting.push_back(live);
        }
        let (half, Some(live)) = self.half(Side::Answer) else {
            return Decision::None;
        };
        if lost {
            live.exchange.doubt(Doubt::Gap);
        }
        live.exchange.doubts.join(parsed.doubts);
        let wanted_other = std::mem::take(&mut live.wants_other);
        let method = live.exchange.method.as_str();
        let tunnel = status == 101 || (method == "CONNECT" && (200..300).contains(&status));
        let empty = method == "HEAD" || tunnel || matches!(status, 204 | 304);
        let framing = match parsed.length {
            _ if empty => Framing::Length(0),
            _ if parsed.chunked => Framing::Chunked(Chunk::Size),
            Some(length) if !parsed.coded => Framing::Length(length),
            _ => Framing::Close,
        };
        let extensions: Vec<String> = parsed
            .head
            .values("sec-websocket-extensions")
            .map(str::to_owned)
            .collect();
        let is_websocket = tunnel && parsed.upgrade == "websocket";
        live.answer(parsed.head, context.tell);
        if is_websocket {
            return Decision::WebSocket(extensions.join(", "));
        }
        half.state = State::Body(framing);
        if framing.is_over() {
            self.end(Side::Answer, context);
        }
        match wanted_other {
            _ if tunnel => Decision::Tunnel,
            true => Decision::Refused,
            false => Decision::None,
        }
    }
}
