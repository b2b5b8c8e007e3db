//! Newtypes for the numbers that are easily confused with one another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

number! {
    /// An agent as the kernel counts them: index into its table of agents, never 0.
    AgentId(u32)
}
number! {
    /// A process (thread group) in the initial pid namespace. Names a process for good only with its start time.
    Pid(u32)
}
number! {
    /// The id of a cgroup (cgroup v2 inode number).
    CgroupId(u64)
}
number! {
    /// One load of one policy into the kernel; never reused while the kernel runs, never 0.
    Generation(u32)
}
number! {
    /// A place in the kernel's table of policies in force.
    Slot(u32)
}
number! {
    /// The number of a record in the audit log, from 1 on. It is the id of the event the record holds.
    Sequence(u64)
}

/// One `aasm run`, or one process found by a selector, with all its descendants.
///
/// In JSON a string of 16 hexadecimal digits: JSON numbers of 64 bits do not survive every reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// The text is not a session id of up to 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session id is up to 16 hexadecimal digits")]
pub struct SessionIdError;

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<u64> for SessionId {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        let plain = !text.is_empty() && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !plain {
            return Err(SessionIdError);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| SessionIdError)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(serde::de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_hexadecimal_text_in_json_and_a_number_in_frames() {
        let session = SessionId(0xfeed_0000_0000_0001);
        assert_eq!(serde_json::to_string(&session).unwrap(), "\"feed000000000001\"");
        assert_eq!(
            serde_json::from_str::<SessionId>("\"feed000000000001\"").unwrap(),
            session
        );
        let bytes = postcard::to_stdvec(&session).unwrap();
        assert_eq!(postcard::from_bytes::<SessionId>(&bytes).unwrap(), session);
    }

    #[test]
    fn other_text_is_not_a_session() {
        for text in ["", "+1", "0x1", "feed0000000000011", "agent"] {
            assert!(text.parse::<SessionId>().is_err(), "{text}");
        }
    }
}
