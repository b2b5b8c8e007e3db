//! The tree, its proofs and signed notes: against published vectors, and on logs.

use serde::Deserialize;

use super::{Place, SMALL};
use crate::merkle::{Hash, Trace, Tree, extends, includes, leaf_hash};
use crate::note::{Checkpoint, PublicKey, Signatory, hex, unhex};
use crate::{Proof, base64, find, newest_checkpoint, prove, prove_growth, public_key};

fn hash(text: &str) -> Option<Hash> {
    base64::decode(text)?.try_into().ok()
}

fn path(proof: Option<&Vec<String>>) -> Option<Vec<Hash>> {
    proof.into_iter().flatten().map(|text| hash(text)).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    name: String,
    leaf_idx: u64,
    tree_size: u64,
    root: Option<String>,
    leaf_hash: Option<String>,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    name: String,
    size1: u64,
    size2: u64,
    root1: Option<String>,
    root2: Option<String>,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[test]
fn published_inclusion_proofs_are_judged_as_they_should_be() {
    let cases: Vec<Inclusion> = serde_json::from_str(include_str!("../../testdata/inclusion.json")).unwrap();
    assert_eq!(cases.len(), 98);
    for case in cases {
        let judged = || {
            let (leaf, root) = (hash(case.leaf_hash.as_ref()?)?, hash(case.root.as_ref()?)?);
            let path = path(case.proof.as_ref())?;
            Some(includes(leaf, case.leaf_idx, case.tree_size, &path, &root))
        };
        assert_eq!(judged().unwrap_or(false), !case.want_err, "{}", case.name);
    }
}

#[test]
fn published_consistency_proofs_are_judged_as_they_should_be() {
    let cases: Vec<Consistency> = serde_json::from_str(include_str!("../../testdata/consistency.json")).unwrap();
    assert_eq!(cases.len(), 98);
    for case in cases {
        let judged = || {
            let (old, new) = (hash(case.root1.as_ref()?)?, hash(case.root2.as_ref()?)?);
            let path = path(case.proof.as_ref())?;
            Some(extends((case.size1, &old), (case.size2, &new), &path))
        };
        // One case has two equal texts for roots, which are no hashes.
        let hashes = case.name != "additional/sizes-are-equal-one-and-proof-is-empty";
        assert_eq!(judged().unwrap_or(!hashes), !case.want_err, "{}", case.name);
    }
}

#[test]
fn roots_are_those_of_the_reference_implementation() {
    // The eight leaves and roots of certificate-transparency's tests.
    let leaves: [&[u8]; 8] = [
        b"",
        b"\0",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"PQRSTUVW",
        b"`abcdefghijklmno",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Tree::default();
    assert_eq!(hex(&tree.root()), roots[0]);
    for (leaf, root) in leaves.iter().zip(&roots[1..]) {
        tree.push(leaf_hash([leaf]));
        assert_eq!(hex(&tree.root()), *root);
    }
}

#[test]
fn every_proof_of_every_small_tree_holds_and_no_other() {
    let leaf = |index: u64| leaf_hash([&index.to_le_bytes()]);
    let tree = |size| {
        let mut tree = Tree::default();
        (0..size).for_each(|index| tree.push(leaf(index)));
        tree
    };
    for size in 1..=40 {
        let root = tree(size).root();
        for place in 0..size {
            let mut inclusion = Trace::of_next_leaf(tree(place));
            let mut growth = Trace::of_end(tree(place));
            for index in place..size {
                inclusion.push(leaf(index));
                growth.push(leaf(index));
            }
            let (inclusion, growth) = (inclusion.path(), growth.path());
            assert!(
                includes(leaf(place), place, size, &inclusion, &root),
                "{place} in {size}"
            );
            assert!(!includes(leaf(place + 1), place, size, &inclusion, &root));
            assert!(!includes(leaf(place), place + 1, size, &inclusion, &root));
            if place > 0 {
                let old = tree(place).root();
                assert!(extends((place, &old), (size, &root), &growth), "{place} to {size}");
                assert!(!extends((place, &root), (size, &old), &growth));
                assert!(!extends((place, &leaf(place)), (size, &root), &growth));
            }
        }
    }
}

/// The example of Go's `golang.org/x/mod/sumdb/note`.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
";

#[test]
fn the_published_note_opens_and_none_that_differs_in_a_byte() {
    let key = PublicKey::parse(GO_KEY).unwrap();
    assert_eq!((key.name(), key.to_string().as_str()), ("PeterNeumann", GO_KEY));
    assert_eq!(key.open(GO_NOTE), Some(GO_TEXT));
    for at in 0..GO_NOTE.len() {
        let mut bytes = GO_NOTE.as_bytes().to_vec();
        bytes[at] ^= 1;
        if let Ok(note) = String::from_utf8(bytes) {
            assert_eq!(key.open(&note), None, "byte {at}");
        }
    }
    for at in 0..GO_KEY.len() {
        let mut bytes = GO_KEY.as_bytes().to_vec();
        bytes[at] ^= 1;
        assert_eq!(PublicKey::parse(&String::from_utf8(bytes).unwrap()), None, "byte {at}");
    }
    let signed_by_others = GO_NOTE.to_owned() + "— somebody AAAAAAAA\n";
    assert_eq!(key.open(&signed_by_others), Some(GO_TEXT));
    assert_eq!(
        PublicKey::parse(&Signatory::new(&[7; 32]).public().to_string())
            .unwrap()
            .open(GO_NOTE),
        None
    );
}

#[test]
fn a_checkpoint_is_read_as_it_was_signed() {
    let signatory = Signatory::new(&[7; 32]);
    let note = signatory.sign(1234, &[9; 32]);
    let checkpoint = Checkpoint::parse(&note).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (1234, [9; 32]));
    assert!(checkpoint.is_signed_by(signatory.public()));
    assert!(!checkpoint.is_signed_by(Signatory::new(&[8; 32]).public()));
    for odd in [
        note.replace("1234", "01234"),
        note.replace("1234", "+1234"),
        note.replace("1234", "18446744073709551616"),
        note.replace("\n\n", "\n"),
        note.trim_end().to_owned(),
        note.replace("1234\n", "1234\r\n"),
    ] {
        assert_eq!(Checkpoint::parse(&odd), None, "{odd}");
    }
}

#[test]
fn base64_and_hexadecimal_are_read_back_and_have_one_form() {
    for (bytes, text) in [
        (&b""[..], ""),
        (b"f", "Zg=="),
        (b"fo", "Zm8="),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg=="),
        (b"fooba", "Zm9vYmE="),
        (b"foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64::encode(bytes), text);
        assert_eq!(base64::decode(text).as_deref(), Some(bytes));
    }
    for odd in ["Zg", "Zg=", "Zh==", "====", "Z===", "Zm9v====", "Zg==Zg==", "Zm 9", "é"] {
        assert_eq!(base64::decode(odd), None, "{odd}");
    }
    assert_eq!(unhex::<2>(&hex(&[0, 0xfe])), Some([0, 0xfe]));
    for odd in ["0fe", "0Ffe", "00fe00", "0xfe"] {
        assert_eq!(unhex::<2>(odd), None, "{odd}");
    }
}

#[test]
fn every_record_is_shown_and_proven_and_no_proof_bends() {
    let place = Place::filled(12, SMALL);
    let directory = place.path();
    let checkpoint = newest_checkpoint(&directory).unwrap().unwrap();
    let key = public_key(&directory).unwrap().unwrap();
    for number in 1..=13 {
        let entry = find(&directory, number).unwrap().unwrap();
        assert_eq!(entry.event.id, number);
        let proof = prove(&directory, number, &checkpoint).unwrap();
        assert_eq!(proof.check(&key).unwrap().1, Some(entry.event));
    }
    assert!(find(&directory, 14).unwrap().is_none());
    assert!(prove(&directory, 14, &checkpoint).is_err() && prove(&directory, 0, &checkpoint).is_err());

    let text = serde_json::to_string(&prove(&directory, 5, &checkpoint).unwrap()).unwrap();
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1;
        let changed = serde_json::from_slice::<Proof>(&bytes);
        assert!(!changed.is_ok_and(|proof| proof.check(&key).is_ok()), "byte {at}");
    }
    let other = Signatory::new(&[7; 32]);
    assert!(
        prove(&directory, 5, &checkpoint)
            .unwrap()
            .check(other.public())
            .is_err()
    );
}

#[test]
fn a_log_proves_that_it_only_grew() {
    let place = Place::filled(5, SMALL);
    let directory = place.path();
    let first = newest_checkpoint(&directory).unwrap().unwrap();
    for number in 7..11 {
        let (log, _) = place.open(SMALL).unwrap();
        log.append(&super::event(number)).unwrap();
    }
    let second = newest_checkpoint(&directory).unwrap().unwrap();
    let key = public_key(&directory).unwrap().unwrap();
    assert!(first.size < second.size);
    assert!(prove_growth(&directory, &first, &second).unwrap().check(&key).is_ok());
    assert!(prove_growth(&directory, &first, &first).unwrap().check(&key).is_ok());
    assert!(prove_growth(&directory, &second, &first).is_err());
    let Ok(Proof::Consistency { path, .. }) = prove_growth(&directory, &first, &second) else {
        panic!("no proof")
    };
    let turned = Proof::Consistency {
        from: second.note.clone(),
        path,
        checkpoint: first.note.clone(),
    };
    assert!(turned.check(&key).is_err());
}
