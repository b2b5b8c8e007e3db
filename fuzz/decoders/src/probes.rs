//! Programs that are searched for TLS functions.

use aa_probes::{ANSWER_LIMIT, Answer, Returns, find};

/// A program: probes go into the file, a short way into a function, and onto an instruction that can be what it is
/// said to be.
pub fn elf_probes(bytes: &[u8]) -> bool {
    const NEAR: u64 = 64 * 15;
    let Ok(findings) = find(&bytes.to_vec()) else {
        return false;
    };
    let at = |offset: u64| {
        usize::try_from(offset)
            .ok()
            .and_then(|offset| bytes.get(offset))
            .copied()
    };
    for site in &findings.sites {
        assert!(site.probe >= site.entry && site.probe - site.entry < NEAR, "{site:?}");
        assert!(at(site.probe).is_some(), "{site:?}");
        let emulated = matches!(
            at(site.probe),
            Some(0x0f | 0x41 | 0x50..=0x57 | 0x70..=0x7f | 0x90 | 0xe8..=0xeb)
        );
        assert!(emulated || !site.emulated, "{site:?}");
        if let Returns::At(places) = &site.returns {
            assert!(
                places.is_sorted() && places.iter().all(|place| at(*place).is_some()),
                "{site:?}"
            );
        }
    }
    !findings.sites.is_empty()
}

/// What the worker answers the sensor: it comes back as it was.
pub fn prober_answer(bytes: &[u8]) -> bool {
    let Ok(answer) = Answer::decode(bytes) else {
        return false;
    };
    let again = answer.encode();
    assert!(again.len() <= ANSWER_LIMIT, "{answer:?}");
    assert_eq!(Answer::decode(&again), Ok(answer));
    true
}
