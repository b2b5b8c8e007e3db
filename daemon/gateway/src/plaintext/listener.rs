//! Connections and what is said in them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aa_bpf::record::plaintext::{ConnectionId, Piece, Speaker, Step};
use aa_redact::{Engine, Finding, Redactor};
use aa_traffic::{Conversation, Direction, Exchange, Limits, Protocol, Told};
use aa_wire::exchange::SecretCount;

use super::unbound::Unbound;
use super::{Ended, Spoken, summary};

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
    engine: Arc<Engine>,
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
    engine: Arc<Engine>,
    speaker: Speaker,
    id: ConnectionId,
    /// Where its socket leads, once that is known.
    to: Option<SocketAddr>,
    now_ns: u64,
    /// By exchange.
    open: BTreeMap<u64, Open>,
    /// What was sent in no exchange.
    unnamed: Redactor,
}

struct Open {
    since_ns: u64,
    scanner: Redactor,
    secrets: BTreeMap<&'static str, u64>,
}

impl Listener {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
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
            match piece.socket {
                Some(socket) => {
                    // That it was bound may have been lost.
                    self.bind(piece, tell);
                    self.hear_of(&piece.over(socket), tell);
                }
                None => self.unbound.keep(piece),
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
        let connection = self.connections.entry(piece.connection).or_insert_with(|| Connection {
            conversation: Conversation::new(Limits::default()),
            heard: Heard {
                engine: Arc::clone(&self.engine),
                speaker: piece.speaker,
                id: piece.connection,
                to: far_end(piece),
                now_ns: piece.ktime_ns,
                open: BTreeMap::new(),
                unnamed: Redactor::detector(&self.engine),
            },
            sent: Side::default(),
            received: Side::default(),
            first_ns: piece.ktime_ns,
            last: Instant::now(),
        });
        if connection.hear(piece, tell) {
            self.connections.remove(&piece.connection);
        }
        self.pieces += 1;
        if self.pieces.is_multiple_of(WEIGHED) {
            self.bound_memory(tell);
        }
    }

    fn bound_memory(&mut self, tell: &mut impl FnMut(Spoken)) {
        let kept = |(id, connection): (&ConnectionId, &Connection)| (connection.conversation.memory(), *id);
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
fn far_end(piece: &Piece<'_>) -> Option<SocketAddr> {
    piece.socket.map(|socket| socket.to).filter(|to| to.port() != 0)
}

impl Connection {
    /// Whether it is over.
    fn hear(&mut self, piece: &Piece<'_>, tell: &mut impl FnMut(Spoken)) -> bool {
        let (conversation, heard) = (&mut self.conversation, &mut self.heard);
        let (direction, side) = if piece.received {
            (Direction::Received, &mut self.received)
        } else {
            (Direction::Sent, &mut self.sent)
        };
        heard.now_ns = piece.ktime_ns;
        heard.to = far_end(piece).or(heard.to);
        self.last = Instant::now();
        let mut each = |told: Told<'_>| heard.note(&told, tell);
        if piece.offset > side.bytes {
            conversation.gap(direction, piece.offset - side.bytes, &mut each);
        }
        conversation.bytes(direction, piece.bytes, &mut each);
        side.bytes = piece.offset + piece.bytes.len() as u64;
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
                self.open.insert(exchange.id, Open::new(&self.engine, self.now_ns));
                self.scan_fields(exchange, Direction::Sent);
            }
            Told::Answer(exchange) => self.scan_fields(exchange, Direction::Received),
            // Of no exchange that can be named: counted for the next that is told.
            Told::Body(piece) if piece.direction == Direction::Sent => {
                let open = self.open.get_mut(&piece.exchange).map(|open| &mut open.scanner);
                open.unwrap_or(&mut self.unnamed).push(piece.bytes);
            }
            // Of many over a WebSocket each is told when it is over.
            Told::Call(exchange) if exchange.protocol == Protocol::WebSocket => self.tell(exchange, tell),
            Told::Done(exchange) => {
                if let Some(open) = self.open.get_mut(&exchange.id) {
                    open.scanner.finish();
                }
                self.tell(exchange, tell);
                self.open.remove(&exchange.id);
            }
            _ => {}
        }
    }

    /// The head that the process sent: of the request where it asks, of the answer where it serves.
    fn scan_fields(&mut self, exchange: &Exchange, of: Direction) {
        let sent = (exchange.asked == Direction::Sent) == (of == Direction::Sent);
        let Some(open) = self.open.get_mut(&exchange.id).filter(|_| sent) else {
            return;
        };
        let mut scanner = Redactor::detector(&self.engine);
        for field in exchange.fields() {
            scanner.push(field.name.as_bytes());
            scanner.push(b": ");
            scanner.push(&field.value);
            scanner.push(b"\r\n");
        }
        scanner.finish();
        open.count(scanner.take_findings());
    }

    fn tell(&mut self, exchange: &Exchange, tell: &mut impl FnMut(Spoken)) {
        let unnamed = self.unnamed.take_findings();
        let mut nothing = Open::new(&self.engine, self.now_ns);
        let open = self.open.get_mut(&exchange.id).unwrap_or(&mut nothing);
        open.count(unnamed);
        let (since_ns, secrets) = (open.since_ns, open.counted());
        let took_ms = self.now_ns.saturating_sub(since_ns) / 1_000_000;
        tell(Spoken {
            speaker: self.speaker,
            connection: self.id,
            to: self.to,
            ktime_ns: since_ns,
            exchange: summary::of(exchange, took_ms, secrets, &self.engine),
        });
    }
}

impl Open {
    fn new(engine: &Arc<Engine>, since_ns: u64) -> Self {
        Self {
            since_ns,
            scanner: Redactor::detector(engine),
            secrets: BTreeMap::new(),
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
mod tests {
    use aa_bpf::record::plaintext::Socket;
    use aa_redact::Options;

    use super::*;

    const KEY: &str = "AKIAQ3EGRIJ2XKF7ZB5D";
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    fn request() -> Vec<u8> {
        let body = format!("{{\"key\": \"{KEY}\"}}");
        let head = "POST /v1/x?token=1 HTTP/1.1\r\nHost: example.com";
        format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    /// Of process 100, which started at 4 s, at 5 s of boot time.
    fn piece(object: u64, received: bool, offset: u64, bytes: &[u8]) -> Piece<'_> {
        Piece {
            speaker: Speaker {
                agent: 2,
                session: 3,
                cgroup: 4,
                tid: 101,
                parent_pid: 99,
                uid: 1000,
            },
            connection: ConnectionId {
                pid: 100,
                start_ns: 4_000_000_000,
                object,
                born_ns: 4_500_000_000,
            },
            ktime_ns: 5_000_000_000,
            received,
            offset,
            step: Step::Goes,
            half: false,
            socket: None,
            file: 1,
            bytes,
        }
    }

    fn hear(listener: &mut Listener, pieces: &[Piece<'_>]) -> Vec<Spoken> {
        let mut told = Vec::new();
        for piece in pieces {
            listener.hear(piece, &mut |spoken| told.push(spoken));
        }
        told
    }

    fn listener() -> Listener {
        Listener::new(Arc::new(Engine::new(&Options::default()).unwrap()))
    }

    #[test]
    fn an_exchange_is_told_with_kinds_of_secrets_and_without_them() {
        let request = request();
        let told = hear(
            &mut listener(),
            &[piece(7, false, 0, &request), piece(7, true, 0, ANSWER)],
        );
        let [spoken] = told.as_slice() else { panic!("{told:?}") };
        let exchange = &spoken.exchange;
        assert_eq!(
            (exchange.host.as_str(), exchange.path.as_str()),
            ("example.com", "/v1/x")
        );
        assert_eq!((exchange.status, exchange.answer_bytes), (Some(200), 2));
        assert_eq!((exchange.secrets.len(), exchange.secrets[0].count), (1, 1));
        assert!(
            exchange.doubts.is_empty() && !format!("{told:?}").contains(KEY),
            "{told:?}"
        );
    }

    #[test]
    fn what_the_ring_lost_is_a_gap_of_its_connection_alone() {
        let request = request();
        let (first, second) = request.split_at(request.len() - 9);
        let lost = piece(7, false, first.len() as u64 + 4, &second[4..]);
        let other = [piece(8, false, 0, &request), piece(8, true, 0, ANSWER)];
        let mut listener = listener();
        let told = hear(
            &mut listener,
            &[piece(7, false, 0, first), lost, piece(7, true, 0, ANSWER)],
        );
        assert_eq!(told[0].exchange.doubts, ["gap"]);
        assert!(hear(&mut listener, &other)[0].exchange.doubts.is_empty());
    }

    #[test]
    fn what_two_keys_say_over_one_socket_belongs_together_also_before_it_was_known() {
        let request = request();
        let to = "192.0.2.1:443".parse().unwrap();
        let socket = Some(Socket { cookie: 55, to });
        let half = |object, received, bytes| Piece {
            half: true,
            ..piece(object, received, 0, bytes)
        };
        let sent = half(7, false, request.as_slice());
        let bound = Piece {
            step: Step::Binds,
            socket,
            bytes: &[],
            ..sent
        };
        let received = Piece {
            socket,
            ..half(9, true, ANSWER)
        };
        let told = hear(&mut listener(), &[sent, bound, received]);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].exchange.status, told[0].to), (Some(200), Some(to)));
        assert!(told[0].exchange.doubts.is_empty());
    }

    #[test]
    fn a_program_that_ends_ends_what_it_said_and_not_what_its_successor_says() {
        let request = request();
        let mut listener = listener();
        let sent = piece(7, false, 0, &request);
        assert!(hear(&mut listener, &[sent]).is_empty());
        let mut told = Vec::new();
        for ktime_ns in [4_900_000_000, 5_100_000_000] {
            let end = Ended {
                pid: 100,
                start_ns: 4_000_000_000,
                ktime_ns,
            };
            listener.end_process(&end, &mut |spoken| told.push((ktime_ns, spoken)));
        }
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].0, told[0].1.exchange.status), (5_100_000_000, None));
    }
}
