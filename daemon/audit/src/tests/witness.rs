//! A witness signs what only grew, once it is on its disk, and who verifies counts on it.

use std::fs;

use super::{LARGE, Place, event};
use crate::cosign::{Shown, Witness, WitnessKey};
use crate::{AuditError, Checkpoint, Checks, PublicKey, newest_checkpoint, prove_growth, public_key};

fn log(count: u64) -> (Place, Checkpoint, PublicKey) {
    let place = Place::filled(count, LARGE);
    let newest = newest_checkpoint(&place.path()).unwrap().unwrap();
    let key = public_key(&place.path()).unwrap().unwrap();
    (place, newest, key)
}

fn grown(place: &Place) -> Checkpoint {
    drop(place.open(LARGE).unwrap().0.append(&event(90)));
    newest_checkpoint(&place.path()).unwrap().unwrap()
}

fn open(place: &Place) -> Witness {
    let at = |name: &str| place.0.path().join(name);
    Witness::open(&at("witness.key"), &at("witness.json"), "witness.example/w1").unwrap()
}

fn why(refused: Result<String, AuditError>) -> String {
    refused.unwrap_err().to_string()
}

#[test]
fn a_log_is_signed_as_far_as_it_is_proven_to_have_grown() {
    let (place, first, key) = log(5);
    let note = open(&place)
        .cosign(&key, &Shown::Checkpoint(first.clone()), 1_679_315_147)
        .unwrap();
    let witness = WitnessKey::parse(&open(&place).public().to_string()).unwrap();
    assert_eq!(witness.time_of(&note), Some(1_679_315_147));
    assert!(
        Checkpoint::parse(&note).unwrap().is_signed_by(&key),
        "the log's own signature stays"
    );
    let second = grown(&place);
    assert!(why(open(&place).cosign(&key, &Shown::Checkpoint(second.clone()), 2)).contains("it takes a proof"));
    let proof = prove_growth(&place.path(), &first, &second).unwrap();
    let note = open(&place).cosign(&key, &Shown::Growth(proof.clone()), 2).unwrap();
    assert_eq!(witness.time_of(&note), Some(2));
    // The same again; never less.
    open(&place).cosign(&key, &Shown::Growth(proof), 3).unwrap();
    assert!(why(open(&place).cosign(&key, &Shown::Checkpoint(first), 4)).contains("was signed before"));
}

#[test]
fn two_histories_of_a_log_are_not_both_signed() {
    let (place, first, key) = log(5);
    let fork = place.copy();
    let (second, other) = (grown(&place), {
        let log = fork.open(LARGE).unwrap().0;
        log.append(&event(91)).unwrap();
        drop(log);
        newest_checkpoint(&fork.path()).unwrap().unwrap()
    });
    assert_eq!(second.size, other.size);
    let mut witness = open(&place);
    witness.cosign(&key, &Shown::Checkpoint(first.clone()), 1).unwrap();
    let growth = |place: &Place, from: &Checkpoint, to: &Checkpoint| {
        Shown::Growth(prove_growth(&place.path(), from, to).unwrap())
    };
    witness.cosign(&key, &growth(&place, &first, &second), 2).unwrap();
    assert!(why(witness.cosign(&key, &growth(&fork, &first, &other), 3)).contains("TWO HISTORIES"));
    let third = grown(&fork);
    assert!(why(witness.cosign(&key, &growth(&fork, &first, &third), 3)).contains("does not begin with"));
    assert!(why(witness.cosign(&key, &growth(&fork, &other, &third), 3)).contains("does not begin with"));
    let (_, _, stranger) = log(2);
    assert!(why(witness.cosign(&stranger, &Shown::Checkpoint(second), 3)).contains("not signed by the log's key"));
}

#[test]
fn what_was_signed_is_remembered_and_a_state_that_is_none_is_not_begun_anew() {
    let (place, first, key) = log(5);
    let mut witness = open(&place);
    witness.cosign(&key, &Shown::Checkpoint(first), 1).unwrap();
    let at = |name: &str| place.0.path().join(name);
    let second = Witness::open(&at("witness.key"), &at("witness.json"), "w");
    assert!(matches!(second, Err(AuditError::InUse(_))), "one at a time");
    drop(witness);
    fs::write(at("witness.json"), "{\"logs\":").unwrap();
    assert!(Witness::open(&at("witness.key"), &at("witness.json"), "w").is_err());
    fs::write(at("witness.key"), "x").unwrap();
    fs::remove_file(at("witness.json")).unwrap();
    assert!(matches!(
        Witness::open(&at("witness.key"), &at("witness.json"), "w"),
        Err(AuditError::Key(_))
    ));
}

#[test]
fn a_signature_that_differs_in_a_byte_or_is_anothers_does_not_count() {
    let (place, first, key) = log(5);
    let mut witness = open(&place);
    let note = witness.cosign(&key, &Shown::Checkpoint(first.clone()), 7).unwrap();
    let public = witness.public().clone();
    assert_eq!(public.time_of(&first.note), None);
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else {
            continue;
        };
        // The log's own line is not the witness's matter.
        let own = first.note.rfind("\n\n").unwrap() + 2..first.note.len();
        assert!(public.time_of(&changed).is_none() || own.contains(&at), "byte {at}");
    }
    let published = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let bytes = crate::base64::decode(published.trim_end().rsplit(' ').next().unwrap()).unwrap();
    assert_eq!(
        (bytes.len(), &bytes[4..12]),
        (4 + 8 + 64, &1_679_315_147_u64.to_be_bytes()[..]),
        "the published example is laid out so"
    );
    assert_eq!(public.time_of(published), None);
}

#[test]
fn who_verifies_by_a_witness_wants_a_checkpoint_of_it_about_this_log() {
    let (place, first, key) = log(5);
    let mut witness = open(&place);
    let note = witness.cosign(&key, &Shown::Checkpoint(first.clone()), 7).unwrap();
    grown(&place);
    let checks = |note: &str| Checks {
        checkpoints: vec![("kept".into(), Checkpoint::parse(note).unwrap())],
        witness: Some(witness.public().clone()),
        ..Checks::default()
    };
    let report = place.verify(&checks(&note));
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.witnessed, Some((first.size, 7)));
    assert!(
        place.verify(&checks(&first.note)).findings[0]
            .what
            .contains("signed by witness.example/w1")
    );
    let (other, _, _) = log(9);
    assert!(!other.verify(&checks(&note)).is_intact());
}
