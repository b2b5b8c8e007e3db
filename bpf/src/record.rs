//! A kernel record from its bytes. Who takes records from here sees no bytes; whatever does not fit is [`Undecodable`].

pub mod plaintext;

use std::net::{IpAddr, Ipv6Addr};

use zerocopy::FromBytes;

use crate::abi;

/// The bytes are no record of a form this build knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record of the kernel programs")]
pub struct Undecodable;

/// Which ring a record came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RingName {
    /// Denials, identity, lifecycle.
    Decisions,
    /// Allowed actions.
    Activity,
    /// TLS plaintext.
    Plaintext,
}

/// One record of the kernel: `struct aa_event` with its data, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which ring it came through.
    pub ring: RingName,
    /// What sort.
    pub kind: RecordKind,
    /// When, boot time.
    pub ktime_ns: u64,
    /// Per processor and ring, from 1 on; a hole is a loss.
    pub sequence: u64,
    /// On which processor.
    pub cpu: u32,
    /// Whose action: the agent's number.
    pub agent: u32,
    /// The agent's session.
    pub session: u64,
    /// Cgroup of the process.
    pub cgroup: u64,
    /// Start of the process (thread group leader), boot time.
    pub start_ns: u64,
    /// Thread group, in the initial pid namespace.
    pub pid: u32,
    /// Thread, likewise.
    pub tid: u32,
    /// The parent's thread group, likewise.
    pub parent_pid: u32,
    /// User.
    pub uid: u32,
    /// Of the policy that judged; 0: none did.
    pub generation: u32,
    /// Verdict, explicit bit and rule, as in `abi/policy.h`.
    pub decision: u32,
    /// `AA_ACTION_*`.
    pub action: u16,
    /// `AA_REASON_*`.
    pub reason: u16,
    /// `AA_EFFECT_*`.
    pub effect: u16,
    /// Network object, canonical.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The socket's family.
    pub family: u16,
    /// IP protocol.
    pub protocol: u16,
    /// The socket's type.
    pub socket_type: u16,
    /// Whom a signal or ptrace would reach.
    pub other_pid: u32,
    /// `AA_OBJECT_*`.
    pub object_flags: u32,
    /// Which action exactly, of an ask and what became of it; else zeroes.
    pub digest: [u64; 2],
    /// Return addresses of the caller, innermost first.
    pub stack: Vec<u64>,
    /// The process's program.
    pub executable: Vec<u8>,
    /// A path or name the action is about.
    pub object: Vec<u8>,
    /// The other path of a rename or link, or arguments.
    pub second: Vec<u8>,
}

/// What sort of record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A judged action.
    Decision,
    /// Fork, exec, exit, or becoming governed.
    Life,
}

/// Reads one record. The bytes may be longer than the record: rings round up.
pub fn decode(ring: RingName, bytes: &[u8]) -> Result<Record, Undecodable> {
    let (event, _) = abi::aa_event::read_from_prefix(bytes).map_err(|_| Undecodable)?;
    let head = &event.head;
    let kind = match u32::from(head.kind) {
        abi::AA_EVENT_DECISION => RecordKind::Decision,
        abi::AA_EVENT_LIFE => RecordKind::Life,
        _ => return Err(Undecodable),
    };
    let size = usize::try_from(head.size).map_err(|_| Undecodable)?;
    let data = bytes.get(size_of::<abi::aa_event>()..size).ok_or(Undecodable)?;
    if u32::from(head.version) != abi::AA_EVENT_VERSION {
        return Err(Undecodable);
    }
    let (executable, data) = part(data, event.executable_bytes)?;
    let (object, data) = part(data, event.object_bytes)?;
    let (second, _) = part(data, event.second_bytes)?;
    let frames = usize::try_from(event.stack_frames).map_err(|_| Undecodable)?;
    let stack = event.stack.get(..frames).ok_or(Undecodable)?.to_vec();
    Ok(Record {
        ring,
        kind,
        ktime_ns: head.ktime_ns,
        sequence: head.sequence,
        cpu: head.cpu,
        agent: head.agent,
        session: head.session,
        cgroup: head.cgroup,
        start_ns: head.start_ns,
        pid: head.pid,
        tid: head.tid,
        parent_pid: head.parent_pid,
        uid: head.uid,
        generation: event.generation,
        decision: event.decision,
        action: event.action,
        reason: event.reason,
        effect: event.effect,
        address: Ipv6Addr::from(event.address).to_canonical(),
        port: event.port,
        family: event.family,
        protocol: event.protocol,
        socket_type: event.socket_type,
        other_pid: event.other_pid,
        object_flags: event.object_flags,
        digest: event.digest,
        stack,
        executable,
        object,
        second,
    })
}

/// The first `length` bytes and the rest; a NUL the kernel counted at the end is not part of a name.
fn part(data: &[u8], length: u32) -> Result<(Vec<u8>, &[u8]), Undecodable> {
    let length = usize::try_from(length).map_err(|_| Undecodable)?;
    let (bytes, rest) = data.split_at_checked(length).ok_or(Undecodable)?;
    Ok((bytes.strip_suffix(&[0]).unwrap_or(bytes).to_vec(), rest))
}

/// Records for the tests of whoever takes them.
#[cfg(any(test, feature = "testing"))]
pub mod testing {
    use zerocopy::IntoBytes;

    use crate::abi;

    /// A denied exec of `/usr/bin/sudo` by `/bin/sh`, with this number.
    pub fn record_bytes(sequence: u64) -> Vec<u8> {
        let (executable, object) = (b"/bin/sh", b"/usr/bin/sudo\0");
        let mut event = abi::aa_event {
            generation: 7,
            decision: 3 | 8 | (1 << 8),
            action: 20,
            reason: 1,
            effect: 2,
            stack_frames: 2,
            executable_bytes: 7,
            object_bytes: 14,
            ..abi::aa_event::default()
        };
        for (address, frame) in event.stack.iter_mut().zip([0x1000, 0x2000]) {
            *address = frame;
        }
        event.head = abi::aa_event_head {
            version: 2,
            kind: 1,
            size: 408 + 21,
            ktime_ns: 5_000_000_000,
            sequence,
            cpu: 1,
            agent: 2,
            session: 3,
            cgroup: 4,
            start_ns: 4_000_000_000,
            pid: 100,
            tid: 101,
            parent_pid: 99,
            uid: 1000,
        };
        [event.as_bytes(), executable, object, b"pad"].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::record_bytes;
    use super::*;

    #[test]
    fn a_record_comes_out_as_it_was_written() {
        let record = decode(RingName::Decisions, &record_bytes(9)).unwrap();
        assert_eq!((record.sequence, record.pid, record.session), (9, 100, 3));
        assert_eq!(
            (record.executable.as_slice(), record.object.as_slice()),
            (&b"/bin/sh"[..], &b"/usr/bin/sudo"[..])
        );
        assert_eq!(record.stack, [0x1000, 0x2000]);
    }

    #[test]
    fn lengths_that_lead_out_of_the_record_are_refused() {
        for offset in [4, 116, 120] {
            let mut bytes = record_bytes(1);
            bytes[offset..offset + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            assert_eq!(
                decode(RingName::Decisions, &bytes),
                Err(Undecodable),
                "field at {offset}"
            );
        }
        let whole = record_bytes(1);
        for cut in 0..408 + 21 {
            assert_eq!(
                decode(RingName::Decisions, &whole[..cut]),
                Err(Undecodable),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn unknown_kinds_and_versions_are_refused() {
        for (offset, value) in [(0, 3), (2, 9)] {
            let mut bytes = record_bytes(1);
            bytes[offset] = value;
            assert_eq!(decode(RingName::Decisions, &bytes), Err(Undecodable));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..900)) {
            let _ = decode(RingName::Activity, &bytes);
        }

        #[test]
        fn any_change_of_a_record_is_a_record_or_refused(place in 0..429usize, value: u8) {
            let mut bytes = record_bytes(1);
            bytes[place] = value;
            let _ = decode(RingName::Decisions, &bytes);
        }
    }
}
