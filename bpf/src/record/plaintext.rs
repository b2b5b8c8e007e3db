//! A piece of what passed through TLS, from its record's bytes.

use std::net::{Ipv6Addr, SocketAddr};

use zerocopy::FromBytes;

use super::Undecodable;
use crate::abi;

/// Bytes of one direction of one connection. No `Debug`: they may be secrets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Who.
    pub speaker: Speaker,
    /// Which connection.
    pub connection: ConnectionId,
    /// When, boot time.
    pub ktime_ns: u64,
    /// Whether the process received them; else it sent them.
    pub received: bool,
    /// Bytes of this direction before these, seen or not.
    pub offset: u64,
    /// What else it says.
    pub step: Step,
    /// The object is a key's, of this direction alone; what belongs together goes over the same socket.
    pub half: bool,
    /// Over which socket; `None` if that is not known yet.
    pub socket: Option<Socket>,
    /// In which probed file the function is, as the sensor counts them.
    pub file: u32,
    /// The caller waits for what is said of these bytes.
    pub question: Option<Question>,
    /// The plaintext.
    pub bytes: &'a [u8],
}

/// Whose bytes they are, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The agent's number.
    pub agent: u32,
    /// Its session.
    pub session: u64,
    /// Cgroup of the process.
    pub cgroup: u64,
    /// The thread that called.
    pub tid: u32,
    /// The parent's thread group.
    pub parent_pid: u32,
    /// User.
    pub uid: u32,
}

/// What a piece says besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Goes,
    /// It has none: the socket is known from now on.
    Binds,
    /// It has none: the object has ended, and nothing follows in this direction.
    Ends,
}

/// What a caller waits for that is about to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The kernel's number of it, which no other has until the next boot.
    pub number: u64,
    /// These are its first bytes.
    pub first: bool,
    /// These are its last bytes.
    pub last: bool,
    /// The policy's that has data judged.
    pub generation: u32,
}

/// A socket, and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Socket {
    /// The kernel's number of it, which no other gets until the next boot.
    pub cookie: u64,
    /// The far end.
    pub to: SocketAddr,
}

/// A connection as the process has it: an object, which lives from its first byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    /// Thread group, in the initial pid namespace.
    pub pid: u32,
    /// Its start, boot time.
    pub start_ns: u64,
    /// The object's address.
    pub object: u64,
    /// When its first byte was seen, boot time.
    pub born_ns: u64,
}

impl Piece<'_> {
    /// The same as a piece of what goes over a socket, both directions.
    #[must_use]
    pub fn over(&self, socket: Socket) -> Self {
        let connection = ConnectionId {
            object: socket.cookie,
            born_ns: 0,
            ..self.connection
        };
        Self {
            connection,
            socket: Some(socket),
            ..*self
        }
    }
}

impl std::fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Piece")
            .field("connection", &self.connection)
            .field("received", &self.received)
            .field("offset", &self.offset)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Reads one record of the plaintext ring. The bytes may be longer than the record: rings round up.
///
/// # Errors
/// They are no record of a form this build knows.
pub fn decode(bytes: &[u8]) -> Result<Piece<'_>, Undecodable> {
    let (record, _) = abi::aa_plaintext::read_from_prefix(bytes).map_err(|_| Undecodable)?;
    let head = &record.head;
    let known = u32::from(head.kind) == abi::AA_EVENT_PLAINTEXT && u32::from(head.version) == abi::AA_EVENT_VERSION;
    let size = usize::try_from(head.size).map_err(|_| Undecodable)?;
    let data = bytes.get(size_of::<abi::aa_plaintext>()..size).ok_or(Undecodable)?;
    if !known || data.len() != record.bytes as usize || record.bytes > abi::AA_PLAINTEXT_BYTES {
        return Err(Undecodable);
    }
    Ok(Piece {
        speaker: Speaker {
            agent: head.agent,
            session: head.session,
            cgroup: head.cgroup,
            tid: head.tid,
            parent_pid: head.parent_pid,
            uid: head.uid,
        },
        connection: ConnectionId {
            pid: head.pid,
            start_ns: head.start_ns,
            object: record.object,
            born_ns: record.born_ns,
        },
        ktime_ns: head.ktime_ns,
        received: record.flags & abi::AA_PLAINTEXT_RECEIVED != 0,
        offset: record.offset,
        step: if record.flags & abi::AA_PLAINTEXT_ENDS != 0 {
            Step::Ends
        } else if record.flags & abi::AA_PLAINTEXT_BINDS != 0 {
            Step::Binds
        } else {
            Step::Goes
        },
        half: record.flags & abi::AA_PLAINTEXT_HALF != 0,
        socket: (record.socket != 0).then(|| Socket {
            cookie: record.socket,
            to: SocketAddr::new(Ipv6Addr::from(record.address).to_canonical(), record.port),
        }),
        file: record.file,
        question: (record.flags & abi::AA_PLAINTEXT_ASKS != 0).then_some(Question {
            number: record.question,
            first: record.flags & abi::AA_PLAINTEXT_FIRST != 0,
            last: record.flags & abi::AA_PLAINTEXT_LAST != 0,
            generation: record.generation,
        }),
        bytes: data,
    })
}

/// Records for the tests of whoever takes them.
#[cfg(any(test, feature = "testing"))]
pub mod testing {
    use zerocopy::IntoBytes;

    use crate::abi;

    /// Bytes that process 100 of agent 2 sent, or received, over connection 7.
    pub fn piece_bytes(received: bool, offset: u64, bytes: &[u8]) -> Vec<u8> {
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let head = abi::aa_event_head {
            version: 2,
            kind: 3,
            size: 152_u32.saturating_add(count),
            ktime_ns: 5_000_000_000,
            agent: 2,
            session: 3,
            start_ns: 4_000_000_000,
            pid: 100,
            tid: 101,
            ..Default::default()
        };
        let record = abi::aa_plaintext {
            head,
            object: 7,
            born_ns: 4_500_000_000,
            offset,
            bytes: count,
            flags: received.into(),
            ..Default::default()
        };
        [record.as_bytes(), bytes].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::piece_bytes;
    use super::*;

    #[test]
    fn a_piece_comes_out_as_it_was_written_and_is_never_shown() {
        let record = [piece_bytes(true, 40, b"sk-ant-secret"), b"pad".to_vec()].concat();
        let piece = decode(&record).unwrap();
        assert_eq!((piece.connection.pid, piece.connection.object), (100, 7));
        assert_eq!(
            (piece.received, piece.offset, piece.bytes),
            (true, 40, &b"sk-ant-secret"[..])
        );
        assert!(!format!("{piece:?}").contains("secret"));
    }

    #[test]
    fn what_says_another_length_than_it_has_is_refused() {
        let whole = piece_bytes(false, 0, b"hello");
        for cut in 0..whole.len() {
            assert_eq!(decode(&whole[..cut]), Err(Undecodable), "cut at {cut}");
        }
        for (offset, value) in [(0, 9), (2, 1), (4, 0xff), (104, 4)] {
            let mut bytes = whole.clone();
            bytes[offset] = value;
            assert_eq!(decode(&bytes), Err(Undecodable), "field at {offset}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_piece_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }
}
