//! The bytes of a segment. All numbers little-endian.
//!
//! ```text
//! segment = header record*
//! header  = "AALOG002" algorithm:u8 zero:[7] first:u64 previous:[32] peak:[32]* crc:u32    crc of all before it
//! record  = length:u32 crc:u32 epoch:u32 body:[length] chain:[32] tag:[32]                 crc of all but itself
//! chain   = SHA-256(previous chain || epoch || body)
//! tag     = HMAC-SHA-256(key of the epoch, chain)
//! leaf    = SHA-256(0x00 || chain || tag)
//! ```
//!
//! `first` is the number of the first record, `previous` the chain before it: zeros for record 1, else the chain of the
//! last record of the segment before. `peak` are the peaks of the tree over all records before `first`, as many as
//! `first - 1` has ones. `algorithm` is 1 for what stands above. The body is an event as JSON and begins with
//! `{"id":<number>,`. The CRC (CRC-32/ISO-HDLC) is there to tell decay from edits; only the rest proves anything.

use std::io::{self, Read};

use aa_wire::Event;
use sha2::{Digest, Sha256};

use crate::AuditError;
use crate::keys::EpochKey;
use crate::merkle::{Hash, Tree, leaf_hash};

pub(crate) const MAGIC: &[u8; 8] = b"AALOG002";
/// Of the format before this one, in which no release wrote: it is not read.
const OLD_MAGIC: &[u8; 8] = b"AALOG001";
const ALGORITHM: [u8; 8] = [1, 0, 0, 0, 0, 0, 0, 0];
const HASH_BYTES: usize = 32;
/// All but peaks and crc.
const HEADER_BYTES: usize = 8 + 8 + 8 + HASH_BYTES;
pub(crate) const RECORD_HEAD_BYTES: usize = 12;
const SEAL_BYTES: usize = 2 * HASH_BYTES;
pub(crate) const BODY_LIMIT: usize = 1 << 20;

/// The chain before record 1.
const GENESIS: Hash = [0; HASH_BYTES];

/// The actions of records that end an epoch: the next record has the next epoch's key.
pub(crate) const EPOCH_ENDS: &str = "audit-epoch";
/// The same, and the log was closed with it.
pub(crate) const CLOSED: &str = "audit-closed";

/// What follows a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) epoch: u32,
    pub(crate) chain: Hash,
    pub(crate) tag: Hash,
}

impl Seal {
    pub(crate) fn leaf(&self) -> Hash {
        leaf_hash([&self.chain, &self.tag])
    }
}

/// How far a log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last record's number; 0 if there is none.
    pub(crate) last: u64,
    /// The last record's.
    pub(crate) epoch: u32,
    pub(crate) chain: Hash,
    pub(crate) tree: Tree,
}

impl Head {
    /// Before the first record of a segment; its epoch is not known.
    pub(crate) fn before(header: &Header) -> Self {
        Self {
            last: header.tree.size(),
            epoch: 0,
            chain: header.previous,
            tree: header.tree.clone(),
        }
    }

    /// The chain of a record that follows.
    pub(crate) fn chain_with(&self, epoch: u32, body: &[u8]) -> Hash {
        next_chain(&self.chain, epoch, body)
    }

    /// Goes on to the record that follows.
    pub(crate) fn follow(&mut self, seal: &Seal) {
        self.last = self.last.saturating_add(1);
        self.epoch = seal.epoch;
        self.chain = seal.chain;
        self.tree.push(seal.leaf());
    }
}

pub(crate) fn next_chain(previous: &Hash, epoch: u32, body: &[u8]) -> Hash {
    let chain = Sha256::new().chain_update(previous).chain_update(epoch.to_le_bytes());
    chain.chain_update(body).finalize().into()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Number of the segment's first record.
    pub(crate) first: u64,
    pub(crate) previous: Hash,
    /// Over all records before `first`.
    pub(crate) tree: Tree,
}

impl Header {
    pub(crate) fn after(head: &Head) -> Self {
        Self {
            first: head.last + 1,
            previous: head.chain,
            tree: head.tree.clone(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + 64 * HASH_BYTES + 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&ALGORITHM);
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend(self.tree.peaks().iter().flatten());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn read(input: &mut impl Read) -> io::Result<HeaderRead> {
        let mut bytes = vec![0; HEADER_BYTES];
        if read_full(input, &mut bytes)? != HEADER_BYTES {
            let old = bytes.starts_with(OLD_MAGIC);
            return Ok(if old { HeaderRead::Old } else { HeaderRead::Incomplete });
        }
        if bytes.starts_with(OLD_MAGIC) {
            return Ok(HeaderRead::Old);
        }
        let Some((first, previous)) = Self::fixed(&bytes) else {
            return Ok(HeaderRead::Damaged);
        };
        let peaks = (first - 1).count_ones() as usize;
        let length = HEADER_BYTES + peaks * HASH_BYTES + 4;
        bytes.resize(length, 0);
        let rest = bytes.get_mut(HEADER_BYTES..).unwrap_or_default();
        if read_full(input, rest)? != length - HEADER_BYTES {
            return Ok(HeaderRead::Incomplete);
        }
        let header = Self::checked(&bytes, first, previous);
        Ok(header.map_or(HeaderRead::Damaged, |header| HeaderRead::Header(header, length as u64)))
    }

    fn fixed(bytes: &[u8]) -> Option<(u64, Hash)> {
        let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(&ALGORITHM)?;
        let (first, previous) = rest.split_first_chunk::<8>()?;
        let first = u64::from_le_bytes(*first);
        (first > 0).then_some((first, previous.try_into().ok()?))
    }

    fn checked(bytes: &[u8], first: u64, previous: Hash) -> Option<Self> {
        let (protected, crc) = bytes.split_last_chunk::<4>()?;
        let sound = crc32fast::hash(protected) == u32::from_le_bytes(*crc);
        let (peaks, _) = protected.get(HEADER_BYTES..)?.as_chunks::<HASH_BYTES>();
        let tree = Tree::from_peaks(first - 1, peaks.to_vec()).filter(|_| sound)?;
        Some(Self { first, previous, tree })
    }
}

enum HeaderRead {
    /// And its length.
    Header(Header, u64),
    Incomplete,
    Damaged,
    Old,
}

/// Appends one record's bytes to a buffer, and goes on to it.
pub(crate) fn encode_record(
    event: &Event,
    key: &EpochKey,
    head: &mut Head,
    out: &mut Vec<u8>,
) -> Result<(), AuditError> {
    let begin = out.len();
    out.extend_from_slice(&[0; RECORD_HEAD_BYTES]);
    let result = fill_record(event, key, head, begin, out);
    match &result {
        Ok(seal) => head.follow(seal),
        Err(_) => out.truncate(begin),
    }
    result.map(|_| ())
}

fn fill_record(
    event: &Event,
    key: &EpochKey,
    head: &Head,
    begin: usize,
    out: &mut Vec<u8>,
) -> Result<Seal, AuditError> {
    serde_json::to_writer(&mut *out, event).map_err(|_| AuditError::Encode)?;
    let body = out.get(begin + RECORD_HEAD_BYTES..).ok_or(AuditError::Encode)?;
    let too_large = AuditError::TooLarge {
        bytes: body.len(),
        limit: BODY_LIMIT,
    };
    let length = u32::try_from(body.len())
        .ok()
        .filter(|_| body.len() <= BODY_LIMIT)
        .ok_or(too_large)?;
    let chain = head.chain_with(key.epoch(), body);
    let seal = Seal {
        epoch: key.epoch(),
        chain,
        tag: key.tag(&chain),
    };
    let crc = record_crc(length, body, &seal);
    let head = [length, crc, seal.epoch].map(u32::to_le_bytes);
    for (to, from) in out.iter_mut().skip(begin).zip(head.iter().flatten()) {
        *to = *from;
    }
    out.extend_from_slice(&seal.chain);
    out.extend_from_slice(&seal.tag);
    Ok(seal)
}

fn record_crc(length: u32, body: &[u8], seal: &Seal) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&seal.epoch.to_le_bytes());
    hasher.update(body);
    hasher.update(&seal.chain);
    hasher.update(&seal.tag);
    hasher.finalize()
}

/// The number a body says it has.
pub(crate) fn body_number(body: &[u8]) -> Option<u64> {
    let digits = body.strip_prefix(b"{\"id\":")?;
    let end = digits.iter().position(|byte| *byte == b',')?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

/// The action of a body that ends an epoch.
pub(crate) fn body_end(body: &[u8]) -> Option<String> {
    let event: Event = serde_json::from_slice(body).ok()?;
    let ends = event.kind == aa_wire::event::Kind::Lifecycle && [EPOCH_ENDS, CLOSED].contains(&event.action.as_str());
    ends.then_some(event.action)
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
    Record(Seal),
    End,
    Damaged(Damage),
}

/// How a segment begins.
pub(crate) enum Begin {
    Header(Header),
    /// The file ends within the header.
    Incomplete,
    Damaged,
}

/// Reads record after record. `offset` is where the next one begins; it stays there when the record is damaged.
pub(crate) struct Records<R> {
    input: R,
    pub(crate) offset: u64,
    pub(crate) body: Vec<u8>,
}

impl<R: Read> Records<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Reading, or a segment of the format before this one: [`io::ErrorKind::Unsupported`].
    pub(crate) fn begin(mut input: R) -> io::Result<(Begin, Self)> {
        let (begin, offset) = match Header::read(&mut input)? {
            HeaderRead::Header(header, length) => (Begin::Header(header), length),
            HeaderRead::Incomplete => (Begin::Incomplete, 0),
            HeaderRead::Damaged => (Begin::Damaged, 0),
            HeaderRead::Old => {
                let what =
                    "it is of format 1, which is not read any more; move the log's directory away to begin a new one";
                return Err(io::Error::new(io::ErrorKind::Unsupported, what));
            }
        };
        let body = Vec::new();
        Ok((begin, Self { input, offset, body }))
    }

    /// Goes on where a record begins.
    pub(crate) fn from_offset(input: R, offset: u64) -> Self {
        let body = Vec::new();
        Self { input, offset, body }
    }

    /// Reads the next record's body into `self.body`.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let mut head = [0; RECORD_HEAD_BYTES];
        match read_full(&mut self.input, &mut head)? {
            0 => return Ok(Step::End),
            RECORD_HEAD_BYTES => {}
            _ => return Ok(Step::Damaged(Damage::Incomplete)),
        }
        let (words, _) = head.as_chunks::<4>();
        let [length, crc, epoch] = *words else {
            return Ok(Step::Damaged(Damage::Length));
        };
        let [length, crc, epoch] = [length, crc, epoch].map(u32::from_le_bytes);
        if length == 0 || length as usize > BODY_LIMIT {
            return Ok(Step::Damaged(Damage::Length));
        }
        self.body.resize(length as usize, 0);
        let (mut chain, mut tag) = (GENESIS, GENESIS);
        let mut got = read_full(&mut self.input, &mut self.body)?;
        got += read_full(&mut self.input, &mut chain)? + read_full(&mut self.input, &mut tag)?;
        if got != length as usize + SEAL_BYTES {
            return Ok(Step::Damaged(Damage::Incomplete));
        }
        let seal = Seal { epoch, chain, tag };
        if record_crc(length, &self.body, &seal) != crc {
            return Ok(Step::Damaged(Damage::Checksum));
        }
        self.offset += (RECORD_HEAD_BYTES + got) as u64;
        Ok(Step::Record(seal))
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
