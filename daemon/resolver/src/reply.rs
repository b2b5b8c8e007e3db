//! Messages to agents.

use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Message, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;

use crate::decide::Refusal;
use crate::question::Question;

/// The size of datagrams that pass everywhere unfragmented (DNS flag day 2020).
pub const MAX_DATAGRAM: u16 = 1_232;
/// The option that says why (RFC 8914 2), and its value for "by the policy of who runs this" (RFC 8914 4.16).
const EXTENDED_ERROR: u16 = 15;
const BLOCKED: u16 = 15;

/// The reply to a question, still without records.
pub(crate) fn empty(question: &Question, code: ResponseCode) -> Message {
    let mut metadata = Metadata::response_from_request(&question.metadata);
    metadata.recursion_available = true;
    metadata.response_code = code;
    let mut reply = Message::response(metadata.id, metadata.op_code);
    reply.metadata = metadata;
    reply.add_query(question.query.clone());
    if question.max_payload.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(MAX_DATAGRAM);
        reply.set_edns(edns);
    }
    reply
}

/// The reply to what is refused, with the reason for clients that read extended errors; `None` where there is none.
pub(crate) fn refusal(question: &Question, refusal: &Refusal) -> Option<Message> {
    let mut reply = empty(question, refusal.code()?);
    explain(&mut reply, refusal);
    Some(reply)
}

/// Adds why to a reply.
pub(crate) fn explain(reply: &mut Message, refusal: &Refusal) {
    if matches!(refusal, Refusal::Upstream) {
        return;
    }
    if let Some(edns) = reply.edns.as_mut() {
        let mut text = BLOCKED.to_be_bytes().to_vec();
        text.extend(refusal.to_string().into_bytes());
        edns.options_mut().insert(EdnsOption::Unknown(EXTENDED_ERROR, text));
    }
}

/// A reply with a code and nothing else.
pub(crate) fn bare(id: u16, op_code: OpCode, code: ResponseCode) -> Message {
    Message::error_msg(id, op_code, code)
}

/// The bytes of a reply; if they are more than `room`, the reply without its records and marked as cut, so that the client comes
/// back by TCP.
pub(crate) fn encode(reply: &Message, room: usize) -> Result<Vec<u8>, ProtoError> {
    let bytes = reply.to_vec()?;
    if bytes.len() <= room {
        return Ok(bytes);
    }
    let mut cut = reply.clone();
    cut.answers.clear();
    cut.metadata.truncation = true;
    let bytes = cut.to_vec()?;
    if bytes.len() <= room {
        return Ok(bytes);
    }
    // The reason was too long.
    cut.edns = None;
    cut.to_vec()
}
