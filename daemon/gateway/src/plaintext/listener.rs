//! Connections and what is said in them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aa_bpf::record::plaintext::{ConnectionId, Piece, Question, Speaker, Step};
use aa_redact::{Engine, Finding, Redactor};
use aa_traffic::{Conversation, Direction, Exchange, Limits, Protocol, Told};
use aa_wire::exchange::{self, SecretCount};

use super::judge::{Asked, Found, Judge, Judged, Retried};
use super::paying::{AskedCall, CallAccount};
use super::requests::{self, AskedRequest};
use super::summary::Teller;
use super::tools::AskedTool;
use super::unbound::Unbound;
use super::{Ended, Spoken, providers, summary};

/// Connections at a time; then the one that was silent longest goes.
const CONNECTIONS: usize = 4096;
/// Bytes that all conversations together may keep; then those that keep most go.
const MEMORY: usize = 64 << 20;
/// How often that is looked at, pieces: they add no more than 4 MiB.
const WEIGHED: u64 = 256;
/// A connection that is silent for so long is over: its process may have ended without a word.
const SILENCE: Duration = Duration::from_secs(600);
/// How often silent ones are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// All connections.
pub(super) struct Listener {
    teller: Arc<Teller>,
    judge: Judge,
    connections: HashMap<ConnectionId, Connection>,
    /// How many came.
    pieces: u64,
    unbound: Unbound,
    swept: Instant,
}

struct Connection {
    conversation: Conversation,
    heard: Heard,
    sent: Side,
    received: Side,
    retried: Retried,
    /// What was sent where nobody understands it.
    raw: Redactor,
    /// When it was heard first, boot time.
    first_ns: u64,
    last: Instant,
}

/// One direction.
#[derive(Default)]
struct Side {
    /// Bytes that came or are known to be missing.
    bytes: u64,
    ended: bool,
}

/// What is remembered of a connection's exchanges until they are over.
struct Heard {
    teller: Arc<Teller>,
    speaker: Speaker,
    id: ConnectionId,
    /// Where its socket leads, once that is known.
    to: Option<SocketAddr>,
    now_ns: u64,
    /// By exchange.
    open: BTreeMap<u64, Open>,
    /// What was sent in no exchange.
    unnamed: Redactor,
    /// The exchange that something was sent in last.
    latest: u64,
    /// A question is being asked.
    asking: bool,
    /// Found since it began.
    found: Vec<Found>,
    /// Requests for models that were told since then.
    calls: Vec<AskedCall>,
    /// Calls of tools that were told since then.
    tools: Vec<AskedTool>,
    /// Requests whose heads came since then.
    requests: Vec<AskedRequest>,
    /// Something was sent since then that is of no request, so far as can be told.
    strays: bool,
    /// From some request on others may see requests that we do not.
    hidden: bool,
}

struct Open {
    /// The request, as far as its head says.
    asked: Option<exchange::Exchange>,
    /// It was not let out: another event tells it.
    denied: bool,
    /// A person is asked about it: what came of that is an event that tells it, and if it is answered this is another.
    held: bool,
    since_ns: u64,
    scanner: Redactor,
    secrets: BTreeMap<&'static str, u64>,
    account: CallAccount,
}

impl Listener {
    pub(super) fn new(teller: Arc<Teller>, judge: Judge) -> Self {
        Self {
            teller,
            judge,
            connections: HashMap::new(),
            pieces: 0,
            unbound: Unbound::default(),
            swept: Instant::now(),
        }
    }

    /// Takes one piece.
    pub(super) fn hear(&mut self, piece: &Piece<'_>, tell: &mut impl FnMut(Spoken)) {
        if piece.step == Step::Binds {
            self.bind(piece, tell);
        } else if piece.half {
            if let Some(socket) = piece.socket {
                // That it was bound may have been lost.
                self.bind(piece, tell);
                self.hear_of(&piece.over(socket), tell);
            } else {
                self.unbound.keep(piece);
                self.answer_unbound(piece);
            }
        } else {
            self.hear_of(piece, tell);
        }
    }

    /// Over which socket an object's bytes go. What a key alone had before was waiting for that.
    fn bind(&mut self, piece: &Piece<'_>, tell: &mut impl FnMut(Spoken)) {
        let Some(socket) = piece.socket else { return };
        for kept in self.unbound.take(&piece.connection) {
            self.hear_of(&kept.piece().over(socket), tell);
        }
        if let Some(connection) = self.connections.get_mut(&piece.connection) {
            connection.heard.to = far_end(piece);
        }
    }

    fn hear_of(&mut self, piece: &Piece<'_>, tell: &mut impl FnMut(Spoken)) {
        if !self.connections.contains_key(&piece.connection) {
            if piece.step == Step::Ends {
                return;
            }
            tracing::debug!(?piece, "a connection begins");
            self.make_room(tell);
        }
        let begin = || Connection::new(&self.teller, piece);
        let connection = self.connections.entry(piece.connection).or_insert_with(begin);
        let over = connection.hear(piece, tell);
        if let Some(question) = piece.question.filter(|question| question.last) {
            connection.answer(piece, &question, &self.judge);
        }
        if over {
            self.connections.remove(&piece.connection);
        }
        self.pieces += 1;
        if self.pieces.is_multiple_of(WEIGHED) {
            self.bound_memory(tell);
        }
    }

    /// A key's bytes whose socket is not known: all there are of it make a conversation for as long as the question takes.
    fn answer_unbound(&self, piece: &Piece<'_>) {
        let Some(question) = piece.question.filter(|question| question.last) else {
            return;
        };
        let mut connection = Connection::new(&self.teller, piece);
        let mut heard = 0;
        for kept in self.unbound.of(&piece.connection) {
            let kept = kept.piece();
            heard += kept.bytes.len() as u64;
            connection.hear(&kept, &mut |_| {});
        }
        // All of the key from its first byte on, or nothing can be said.
        connection
            .retried
            .set_heard(heard == piece.offset + piece.bytes.len() as u64);
        connection.answer(piece, &question, &self.judge);
    }

    fn bound_memory(&mut self, tell: &mut impl FnMut(Spoken)) {
        let kept = |(id, connection): (&ConnectionId, &Connection)| (connection.memory(), *id);
        let mut kept: Vec<(usize, ConnectionId)> = self.connections.iter().map(kept).collect();
        kept.sort_unstable();
        let mut all: usize = kept.iter().map(|(bytes, _)| bytes).sum();
        while all > MEMORY
            && let Some((bytes, id)) = kept.pop()
        {
            all -= bytes;
            if let Some(mut connection) = self.connections.remove(&id) {
                connection.close(tell);
            }
        }
    }

    /// Ends the connections that ended with a process or its program.
    pub(super) fn end_process(&mut self, end: &Ended, tell: &mut impl FnMut(Spoken)) {
        let is_its = |id: &ConnectionId| (id.pid, id.start_ns) == (end.pid, end.start_ns);
        let ended = |id: &ConnectionId, connection: &mut Connection| is_its(id) && connection.first_ns <= end.ktime_ns;
        for (_, mut connection) in self.connections.extract_if(ended) {
            connection.close(tell);
        }
        self.unbound
            .forget(|piece| is_its(&piece.connection) && piece.ktime_ns <= end.ktime_ns);
    }

    /// Ends connections that nothing was heard of for long.
    pub(super) fn forget_idle(&mut self, tell: &mut impl FnMut(Spoken)) {
        if self.swept.elapsed() < SWEEP {
            return;
        }
        self.swept = Instant::now();
        let is_silent = |connection: &mut Connection| connection.last.elapsed() >= SILENCE;
        for (_, mut connection) in self.connections.extract_if(|_, connection| is_silent(connection)) {
            connection.close(tell);
        }
    }

    fn make_room(&mut self, tell: &mut impl FnMut(Spoken)) {
        if self.connections.len() < CONNECTIONS {
            return;
        }
        let oldest = self.connections.iter().min_by_key(|(_, connection)| connection.last);
        let oldest = oldest.map(|(id, _)| *id);
        if let Some(mut connection) = oldest.and_then(|id| self.connections.remove(&id)) {
            connection.close(tell);
        }
    }
}

/// Where a piece's socket leads; the kernel may have forgotten that.
pub(super) fn far_end(piece: &Piece<'_>) -> Option<SocketAddr> {
    piece.socket.map(|socket| socket.to).filter(|to| to.port() != 0)
}

impl Connection {
    fn new(teller: &Arc<Teller>, piece: &Piece<'_>) -> Self {
        let engine = &teller.engine();
        Self {
            conversation: Conversation::new(Limits::default()),
            heard: Heard {
                teller: Arc::clone(teller),
                speaker: piece.speaker,
                id: piece.connection,
                to: far_end(piece),
                now_ns: piece.ktime_ns,
                open: BTreeMap::new(),
                unnamed: Redactor::detector(engine),
                latest: 0,
                asking: false,
                found: Vec::new(),
                calls: Vec::new(),
                tools: Vec::new(),
                requests: Vec::new(),
                strays: false,
                hidden: false,
            },
            sent: Side::default(),
            received: Side::default(),
            retried: Retried::default(),
            raw: Redactor::detector(engine),
            first_ns: piece.ktime_ns,
            last: Instant::now(),
        }
    }

    /// Bytes that are kept, roughly.
    fn memory(&self) -> usize {
        self.conversation.memory() + self.retried.memory()
    }

    /// Answers a question of which this piece was the last.
    fn answer(&mut self, piece: &Piece<'_>, question: &Question, judge: &Judge) {
        let mut found = std::mem::take(&mut self.heard.found);
        self.heard.asking = false;
        found.extend(self.heard.unfinished());
        let raw = [self.raw.take_findings(), self.raw.unfinished()].concat();
        if self.conversation.is_unread() {
            found.extend(raw.into_iter().map(Found::anywhere));
        }
        let asked = Asked {
            heard: self.retried.is_heard(),
            found,
            calls: std::mem::take(&mut self.heard.calls),
            tools: std::mem::take(&mut self.heard.tools),
            requests: self.heard.take_requests(self.conversation.is_opaque()),
        };
        let open = self.heard.open.get_mut(&self.heard.latest);
        let request = open.as_ref().and_then(|open| open.asked.clone());
        let judged = judge.answer(piece, question, &asked, || request.unwrap_or_else(summary::of_nothing));
        if let Some(open) = open {
            open.denied |= judged.denies() && !judged.asks();
            open.held |= judged.asks();
        }
        self.heard.pay(&asked.calls, judged);
    }

    /// Whether it is over.
    fn hear(&mut self, piece: &Piece<'_>, tell: &mut impl FnMut(Spoken)) -> bool {
        let (conversation, heard) = (&mut self.conversation, &mut self.heard);
        let (direction, side) = if piece.received {
            (Direction::Received, &mut self.received)
        } else {
            (Direction::Sent, &mut self.sent)
        };
        heard.now_ns = piece.ktime_ns;
        heard.asking |= piece.question.is_some();
        heard.to = far_end(piece).or(heard.to);
        self.last = Instant::now();
        let mut each = |told: Told<'_>| heard.note(&told, tell);
        if piece.offset > side.bytes {
            conversation.gap(direction, piece.offset - side.bytes, &mut each);
        }
        let known = match &piece.question {
            Some(question) => self.retried.take(piece, question, side.bytes),
            None => 0,
        };
        let bytes = piece.bytes.get(known..).unwrap_or_default();
        if piece.question.is_some() {
            self.raw.push(bytes);
        }
        conversation.bytes(direction, bytes, &mut each);
        let end = piece.offset + piece.bytes.len() as u64;
        // What was asked of and not taken comes again.
        side.bytes = if known > 0 { end.max(side.bytes) } else { end };
        side.ended |= piece.step == Step::Ends;
        let over = self.sent.ended && self.received.ended;
        if over {
            self.close(tell);
        }
        over
    }

    fn close(&mut self, tell: &mut impl FnMut(Spoken)) {
        tracing::debug!(connection = ?self.heard.id, "a connection ends");
        let heard = &mut self.heard;
        self.conversation.closed(&mut |told: Told<'_>| heard.note(&told, tell));
    }
}

impl Heard {
    fn note(&mut self, told: &Told<'_>, tell: &mut impl FnMut(Spoken)) {
        match told {
            Told::Request(exchange) => {
                let mut open = Open::new(&self.teller.engine(), self.now_ns);
                if exchange.asked == Direction::Sent {
                    self.latest = exchange.id;
                    open.asked = Some(self.teller.of(exchange, 0, Vec::new()));
                    if self.asking {
                        self.requests.push(AskedRequest::new(exchange, self.teller.engine()));
                    }
                    self.hidden |= requests::hides_others(exchange);
                }
                self.open.insert(exchange.id, open);
                self.scan_fields(exchange, Direction::Sent);
            }
            Told::Answer(exchange) => self.scan_fields(exchange, Direction::Received),
            // Of no exchange that can be named: counted for the next that is told.
            Told::Body(piece) if piece.direction == Direction::Sent => {
                self.latest = piece.exchange;
                let open = self.open.get_mut(&piece.exchange);
                let Some(open) = open else {
                    self.strays = true;
                    self.unnamed.push(piece.bytes);
                    return;
                };
                open.scanner.push(piece.bytes);
                self.take_found(piece.exchange);
            }
            Told::Asks(exchange, ask) if exchange.asked == Direction::Sent => {
                if let Some(open) = self.open.get_mut(&exchange.id) {
                    self.latest = exchange.id;
                    open.asked = Some(self.teller.of(exchange, 0, Vec::new()));
                }
                if self.asking {
                    let none = CallAccount::default();
                    let account = self.open.get(&exchange.id).map_or(&none, |open| &open.account);
                    self.calls.push(AskedCall::new(exchange, ask, account));
                }
            }
            Told::Calls(exchange, call) if exchange.asked == Direction::Sent && self.asking => {
                if let Some(open) = self.open.get_mut(&exchange.id) {
                    self.latest = exchange.id;
                    open.asked = Some(self.teller.of(exchange, 0, Vec::new()));
                }
                self.tools.push(AskedTool::new(exchange, call, self.teller.engine()));
            }
            // Of many over a WebSocket each is told when it is over.
            Told::Call(exchange) if exchange.protocol == Protocol::WebSocket => {
                self.settle(exchange);
                self.tell(exchange, tell);
            }
            Told::Done(exchange) => {
                if let Some(open) = self.open.get_mut(&exchange.id) {
                    open.scanner.finish();
                    self.take_found(exchange.id);
                }
                self.settle(exchange);
                self.tell(exchange, tell);
                self.open.remove(&exchange.id);
            }
            _ => {}
        }
    }

    /// The requests since the question began, and one more where there may be some that nobody sees.
    fn take_requests(&mut self, opaque: bool) -> Vec<AskedRequest> {
        let mut requests = std::mem::take(&mut self.requests);
        if std::mem::take(&mut self.strays) || self.hidden || opaque {
            requests.push(AskedRequest::unread(self.teller.engine()));
        }
        requests
    }

    /// Keeps what was taken for calls; of what is not sent nothing stays taken.
    fn pay(&mut self, asked: &[AskedCall], judged: Judged) {
        let denies = judged.denies();
        for call in asked.iter().filter(|_| denies) {
            if let Some(open) = self.open.get_mut(&call.exchange) {
                open.account.release(&self.teller.treasury);
            }
        }
        for (exchange, taken) in judged.taken {
            if let Some(open) = self.open.get_mut(&exchange) {
                open.account.take(taken);
            }
        }
    }

    /// A call is over.
    fn settle(&mut self, exchange: &Exchange) {
        if let Some(open) = self.open.get_mut(&exchange.id) {
            let used = self.teller.used(exchange);
            open.account.settle(exchange, used, &self.teller.treasury);
        }
    }

    /// The head that the process sent: of the request where it asks, of the answer where it serves.
    fn scan_fields(&mut self, exchange: &Exchange, of: Direction) {
        let sent = (exchange.asked == Direction::Sent) == (of == Direction::Sent);
        let Some(open) = self.open.get_mut(&exchange.id).filter(|_| sent) else {
            return;
        };
        for credential in [false, true] {
            let mut scanner = Redactor::detector(&self.teller.engine());
            let fields = exchange.fields().iter();
            for field in fields.filter(|field| providers::holds_credential(&field.name) == credential) {
                scanner.push(field.name.as_bytes());
                scanner.push(b": ");
                scanner.push(&field.value);
                scanner.push(b"\r\n");
            }
            scanner.finish();
            let found = scanner.take_findings();
            if self.asking {
                let found = found.iter().map(|finding| Found {
                    finding: *finding,
                    credential: credential.then(|| self.teller.form(finding.kind)),
                });
                self.found.extend(found);
            }
            open.count(found);
        }
    }

    /// Takes what was found in an exchange's body.
    fn take_found(&mut self, exchange: u64) {
        let Some(open) = self.open.get_mut(&exchange) else {
            return;
        };
        let found = open.scanner.take_findings();
        if self.asking {
            self.found.extend(found.iter().copied().map(Found::anywhere));
        }
        open.count(found);
    }

    /// What else would be found if all bodies ended now.
    fn unfinished(&mut self) -> Vec<Found> {
        let bodies = self.open.values().map(|open| &open.scanner);
        let bodies = bodies.flat_map(Redactor::unfinished);
        let unnamed = [self.unnamed.take_findings(), self.unnamed.unfinished()].concat();
        bodies.chain(unnamed).map(Found::anywhere).collect()
    }

    fn tell(&mut self, exchange: &Exchange, tell: &mut impl FnMut(Spoken)) {
        let unnamed = self.unnamed.take_findings();
        let mut nothing = Open::new(&self.teller.engine(), self.now_ns);
        let open = self.open.get_mut(&exchange.id).unwrap_or(&mut nothing);
        if open.denied || open.held && exchange.status.is_none() {
            return;
        }
        open.count(unnamed);
        let (since_ns, secrets) = (open.since_ns, open.counted());
        let took_ms = self.now_ns.saturating_sub(since_ns) / 1_000_000;
        tell(Spoken {
            speaker: self.speaker,
            connection: self.id,
            to: self.to,
            ktime_ns: since_ns,
            exchange: self.teller.of(exchange, took_ms, secrets),
        });
    }
}

impl Open {
    fn new(engine: &Arc<Engine>, since_ns: u64) -> Self {
        Self {
            asked: None,
            denied: false,
            held: false,
            since_ns,
            scanner: Redactor::detector(engine),
            secrets: BTreeMap::new(),
            account: CallAccount::default(),
        }
    }

    fn count(&mut self, findings: Vec<Finding>) {
        for finding in findings.into_iter().filter(|finding| !finding.example) {
            *self.secrets.entry(finding.kind).or_default() += 1;
        }
    }

    fn counted(&mut self) -> Vec<SecretCount> {
        let findings = self.scanner.take_findings();
        self.count(findings);
        let counts = self.secrets.iter().map(|(kind, count)| SecretCount {
            kind: (*kind).to_owned(),
            count: *count,
        });
        counts.collect()
    }
}

#[cfg(test)]
mod tests;
