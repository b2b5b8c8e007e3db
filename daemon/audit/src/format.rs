//! The bytes of a segment. All numbers little-endian.
//!
//! ```text
//! segment = header record*
//! header  = "AALOG001" first:u64 previous:[32] crc:u32          crc of the 48 bytes before it
//! record  = length:u32 crc:u32 body:[length] chain:[32]         crc of length and body
//! chain   = SHA-256(previous chain || body)
//! ```
//!
//! `first` is the number of the first record, `previous` the chain before it: zeros for record 1, else the chain of the
//! last record of the segment before. The body is an event as JSON and begins with `{"id":<number>,`. The CRC
//! (CRC-32/ISO-HDLC) is there to tell decay from edits; only the chain proves anything.

use std::io::{self, Read};

use aa_wire::Event;
use sha2::{Digest, Sha256};

use crate::AuditError;

pub(crate) const MAGIC: &[u8; 8] = b"AALOG001";
pub(crate) const HEADER_BYTES: usize = 52;
pub(crate) const RECORD_HEAD_BYTES: usize = 8;
pub(crate) const CHAIN_BYTES: usize = 32;
pub(crate) const BODY_LIMIT: usize = 1 << 20;

pub(crate) type Chain = [u8; CHAIN_BYTES];

/// The chain before record 1.
pub(crate) const GENESIS: Chain = [0; CHAIN_BYTES];

pub(crate) fn next_chain(previous: &Chain, body: &[u8]) -> Chain {
    Sha256::new()
        .chain_update(previous)
        .chain_update(body)
        .finalize()
        .into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) first: u64,
    pub(crate) previous: Chain,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.previous);
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (protected, crc) = bytes.split_last_chunk::<4>()?;
        let (magic, rest) = protected.split_first_chunk::<8>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let sound = magic == MAGIC && crc32fast::hash(protected) == u32::from_le_bytes(*crc);
        let previous = rest.try_into().ok()?;
        sound.then_some(Self {
            first: u64::from_le_bytes(*first),
            previous,
        })
    }
}

/// Appends one record's bytes to a buffer; the new chain.
pub(crate) fn encode_record(event: &Event, previous: &Chain, out: &mut Vec<u8>) -> Result<Chain, AuditError> {
    let begin = out.len();
    out.extend_from_slice(&[0; RECORD_HEAD_BYTES]);
    let result = fill_record(event, previous, begin, out);
    if result.is_err() {
        out.truncate(begin);
    }
    result
}

fn fill_record(event: &Event, previous: &Chain, begin: usize, out: &mut Vec<u8>) -> Result<Chain, AuditError> {
    serde_json::to_writer(&mut *out, event).map_err(|_| AuditError::Encode)?;
    let record = out.get_mut(begin..).ok_or(AuditError::Encode)?;
    let (head, body) = record
        .split_at_mut_checked(RECORD_HEAD_BYTES)
        .ok_or(AuditError::Encode)?;
    let too_large = AuditError::TooLarge {
        bytes: body.len(),
        limit: BODY_LIMIT,
    };
    let length = u32::try_from(body.len())
        .ok()
        .filter(|_| body.len() <= BODY_LIMIT)
        .ok_or(too_large)?;
    let length = length.to_le_bytes();
    let crc = record_crc(length, body).to_le_bytes();
    for (to, from) in head.iter_mut().zip(length.iter().chain(&crc)) {
        *to = *from;
    }
    let chain = next_chain(previous, body);
    out.extend_from_slice(&chain);
    Ok(chain)
}

fn record_crc(length: [u8; 4], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(body);
    hasher.finalize()
}

/// The number a body says it has.
pub(crate) fn body_number(body: &[u8]) -> Option<u64> {
    let digits = body.strip_prefix(b"{\"id\":")?;
    let end = digits.iter().position(|byte| *byte == b',')?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

/// Why bytes are not the next record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// The file ends within the record.
    Incomplete,
    /// The length cannot be.
    Length,
    /// The bytes decayed or were changed carelessly.
    Checksum,
}

pub(crate) enum Step {
    Record { stored_chain: Chain },
    End,
    Damaged(Damage),
}

/// Reads record after record. `offset` is where the next one begins; it stays there when the record is damaged, except
/// that a record with a bad checksum and a possible length can be stepped over by reading on.
pub(crate) struct Records<R> {
    input: R,
    pub(crate) offset: u64,
    pub(crate) body: Vec<u8>,
}

impl<R: Read> Records<R> {
    /// Reads the header; `None` if there is no valid one.
    pub(crate) fn begin(mut input: R) -> io::Result<(Option<Header>, Self)> {
        let mut bytes = [0; HEADER_BYTES];
        let got = read_full(&mut input, &mut bytes)?;
        let header = if got == HEADER_BYTES {
            Header::decode(&bytes)
        } else {
            None
        };
        let offset = HEADER_BYTES as u64;
        Ok((
            header,
            Self {
                input,
                offset,
                body: Vec::new(),
            },
        ))
    }

    /// Reads the next record's body into `self.body`.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let mut head = [0; RECORD_HEAD_BYTES];
        match read_full(&mut self.input, &mut head)? {
            0 => return Ok(Step::End),
            RECORD_HEAD_BYTES => {}
            _ => return Ok(Step::Damaged(Damage::Incomplete)),
        }
        let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
        let length_bytes = [l0, l1, l2, l3];
        let length = u32::from_le_bytes(length_bytes) as usize;
        if length == 0 || length > BODY_LIMIT {
            return Ok(Step::Damaged(Damage::Length));
        }
        self.body.resize(length, 0);
        let mut stored_chain = GENESIS;
        let got = read_full(&mut self.input, &mut self.body)? + read_full(&mut self.input, &mut stored_chain)?;
        if got != length + CHAIN_BYTES {
            return Ok(Step::Damaged(Damage::Incomplete));
        }
        let sound = record_crc(length_bytes, &self.body) == u32::from_le_bytes([c0, c1, c2, c3]);
        if !sound {
            return Ok(Step::Damaged(Damage::Checksum));
        }
        self.offset += (RECORD_HEAD_BYTES + length + CHAIN_BYTES) as u64;
        Ok(Step::Record { stored_chain })
    }
}

fn read_full(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
