//! Bytes of an agent's to a checked question.

use aa_policy::{HostName, HostNameError};
use hickory_proto::op::{Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The header, to be copied into the reply.
    pub metadata: Metadata,
    /// As it was asked: replies repeat it letter by letter.
    pub query: Query,
    /// The name in the form rules compare.
    pub name: HostName,
    /// The largest datagram the client takes, if it said so (EDNS, RFC 6891).
    pub max_payload: Option<u16>,
}

/// Why bytes are not a question that is looked at further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoQuestion {
    /// It is no message, or an answer: no reply, so that nothing answers answers.
    #[error("not a DNS question")]
    Silent,
    /// A reply that carries this code and nothing else.
    #[error("a question that is answered with {code}")]
    Reply {
        /// The id to reply with.
        id: u16,
        /// What was wanted.
        op_code: OpCode,
        /// The code.
        code: ResponseCode,
    },
}

/// The length of a header (RFC 1035 4.1.1).
const HEADER: usize = 12;

impl Question {
    /// Reads a message. What has not exactly one question of class IN and opcode QUERY, or carries records like an answer, is
    /// refused here.
    pub fn decode(bytes: &[u8], max_message: usize) -> Result<Self, NoQuestion> {
        let Some(&[high, low, flags, ..]) = bytes.get(..HEADER) else {
            return Err(NoQuestion::Silent);
        };
        if flags & 0x80 != 0 {
            return Err(NoQuestion::Silent);
        }
        let id = u16::from_be_bytes([high, low]);
        let op_code = OpCode::from_u8((flags >> 3) & 0x0f);
        let fail = |code| NoQuestion::Reply { id, op_code, code };
        if op_code != OpCode::Query {
            return Err(fail(ResponseCode::NotImp));
        }
        if bytes.len() > max_message {
            return Err(fail(ResponseCode::FormErr));
        }
        let message = Message::from_vec(bytes).map_err(|_| fail(ResponseCode::FormErr))?;
        let [query] = message.queries.as_slice() else {
            return Err(fail(ResponseCode::FormErr));
        };
        let plain = message.metadata.message_type == MessageType::Query
            && message.answers.is_empty()
            && message.authorities.is_empty();
        if !plain {
            return Err(fail(ResponseCode::FormErr));
        }
        if message.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
            return Err(fail(ResponseCode::FormErr));
        }
        if query.query_class() != DNSClass::IN {
            return Err(fail(ResponseCode::Refused));
        }
        // No rule can list what is no host name.
        let name = host_name(query.name()).map_err(|_| fail(ResponseCode::NXDomain))?;
        Ok(Self {
            metadata: message.metadata,
            name,
            query: query.clone(),
            max_payload: message.edns.as_ref().map(|edns| edns.max_payload().max(512)),
        })
    }

    /// The type of record asked for.
    pub fn record_type(&self) -> RecordType {
        self.query.query_type()
    }
}

/// The form rules compare.
pub(crate) fn host_name(name: &Name) -> Result<HostName, HostNameError> {
    HostName::from_labels(name.iter())
}
