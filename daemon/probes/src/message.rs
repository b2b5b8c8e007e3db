//! Between the sensor and the worker that reads programs for it: packets of a `SOCK_SEQPACKET` pair, each one message in
//! postcard. A question comes with the file's descriptor.

use serde::{Deserialize, Serialize};

use crate::{Findings, Site};

/// The longest answer, bytes; more sites than fit are of no program that was not made for it.
pub const ANSWER_LIMIT: usize = 64 << 10;

/// A packet that is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message of the worker that reads programs")]
pub struct Unreadable;

/// Which file; the descriptor is beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Comes back in the answer.
    pub number: u64,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Of the question.
    pub number: u64,
    /// By library, function and entry; none where the file could not be read.
    pub sites: Vec<Site>,
    /// What was not clear, in words.
    pub doubt: Option<String>,
}

impl Answer {
    /// An answer that says what was found, or why nothing.
    pub fn new(number: u64, found: Result<Findings, crate::ProbeError>) -> Self {
        match found {
            Ok(findings) => Self {
                number,
                sites: findings.sites,
                doubt: findings.doubts.first().map(ToString::to_string),
            },
            Err(error) => Self {
                number,
                sites: Vec::new(),
                doubt: Some(error.to_string()),
            },
        }
    }

    /// As a packet. One that would be too long says so instead.
    pub fn encode(&self) -> Vec<u8> {
        let whole = postcard::to_stdvec(self).unwrap_or_default();
        if (1..=ANSWER_LIMIT).contains(&whole.len()) {
            return whole;
        }
        let short = Self {
            number: self.number,
            sites: Vec::new(),
            doubt: Some("too many places to probe".to_owned()),
        };
        postcard::to_stdvec(&short).unwrap_or_default()
    }

    /// From a packet.
    ///
    /// # Errors
    /// It is none.
    pub fn decode(packet: &[u8]) -> Result<Self, Unreadable> {
        postcard::from_bytes(packet).map_err(|_| Unreadable)
    }
}

impl Asked {
    /// As a packet.
    pub fn encode(self) -> Vec<u8> {
        postcard::to_stdvec(&self).unwrap_or_default()
    }

    /// From a packet.
    ///
    /// # Errors
    /// It is none.
    pub fn decode(packet: &[u8]) -> Result<Self, Unreadable> {
        postcard::from_bytes(packet).map_err(|_| Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::programs;

    #[test]
    fn what_was_found_arrives() {
        for program in programs() {
            let answer = Answer::new(7, crate::find(&program));
            assert!(!answer.sites.is_empty());
            assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }
        assert_eq!(Asked::decode(&Asked { number: 9 }.encode()), Ok(Asked { number: 9 }));
    }

    #[test]
    fn what_is_too_long_is_a_doubt_and_what_is_no_message_is_refused() {
        let program = programs().into_iter().next().unwrap();
        let mut answer = Answer::new(7, crate::find(&program));
        let site = answer.sites[0].clone();
        answer.sites = vec![site; 10_000];
        let short = Answer::decode(&answer.encode()).unwrap();
        assert_eq!((short.number, short.sites.len(), short.doubt.is_some()), (7, 0, true));
        assert_eq!(Answer::decode(&[0xff; 40]), Err(Unreadable));
    }
}
