//! Stores that somebody or something wrote into.

use super::*;
use crate::record::Entry as Known;

fn filled() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let memory = Memory::default();
    let vault = memory.vault().unwrap();
    for (name, value) in [("A", "value of a"), ("B", "value of b"), ("GONE", "never mind")] {
        set(&vault, name, value.as_bytes(), Mode::New).unwrap();
    }
    set(&vault, "A", b"newer value", Mode::Rotate).unwrap();
    vault.revoke(&id("GONE"), None, doer()).unwrap();
    memory.entries().unwrap().into_iter().collect()
}

fn opened(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Vault, VaultError> {
    let disk = Disk {
        written: entries.clone(),
        ..Disk::default()
    };
    Memory(Arc::new(Mutex::new(disk))).vault()
}

fn is_found(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> bool {
    matches!(
        opened(entries),
        Err(VaultError::Damaged { .. }
            | VaultError::WrongKey { .. }
            | VaultError::Format { .. }
            | VaultError::OtherWay { .. })
    )
}

#[test]
fn every_flipped_bit_of_every_entry_is_found() {
    let entries = filled();
    assert!(opened(&entries).is_ok());
    let mut flipped = 0;
    for (key, value) in &entries {
        for at in 0..key.len() + value.len() {
            for bit in 0..8 {
                let mut changed = entries.clone();
                let (mut key, mut value) = (key.clone(), changed.remove(key).unwrap());
                let byte = match at.checked_sub(key.len()) {
                    None => &mut key[at],
                    Some(at) => &mut value[at],
                };
                *byte ^= 1 << bit;
                changed.insert(key, value);
                assert!(is_found(&changed), "byte {at}, bit {bit}");
                flipped += 1;
            }
        }
    }
    assert!(flipped > 4_000, "{flipped}");
}

#[test]
fn every_entry_that_is_missing_cut_or_longer_is_found() {
    let entries = filled();
    for key in entries.keys() {
        let mut without = entries.clone();
        let value = without.remove(key).unwrap();
        assert!(is_found(&without));
        for length in 0..value.len() {
            let mut cut = entries.clone();
            cut.insert(key.clone(), value[..length].to_vec());
            assert!(is_found(&cut), "{length}");
        }
        let mut longer = entries.clone();
        longer.insert(key.clone(), [value.as_slice(), &[0]].concat());
        assert!(is_found(&longer));
    }
    let mut more = entries.clone();
    more.insert(vec![0, b'x'], vec![1]);
    assert!(is_found(&more));
}

/// Names and versions are bound: no record is another's.
#[test]
fn entries_in_each_others_place_are_found_and_named() {
    let entries = filled();
    let versions: Vec<&Vec<u8>> = entries.keys().filter(|key| key.get(1) == Some(&b's')).collect();
    assert_eq!(versions.len(), 4);
    for one in &versions {
        for other in versions.iter().filter(|other| other > &one) {
            let mut swapped = entries.clone();
            let (first, second) = (entries[*one].clone(), entries[*other].clone());
            swapped.insert((*one).clone(), second);
            swapped.insert((*other).clone(), first);
            let error = opened(&swapped).unwrap_err().to_string();
            assert!(
                error.contains("cannot be opened") || error.contains("entries are missing"),
                "{error}"
            );
        }
    }
    let mut swapped = entries.clone();
    swapped.insert(versions[1].clone(), entries[versions[2]].clone());
    let error = opened(&swapped).unwrap_err().to_string();
    assert!(
        error.contains("1 of its secrets cannot be opened: A version 2"),
        "{error}"
    );
}

/// What is said of a secret is bound to its key, and an older entry does not fit the others.
#[test]
fn a_scope_that_was_widened_and_an_entry_that_was_put_back_are_found() {
    let memory = Memory::default();
    let vault = memory.vault().unwrap();
    let (a, narrow) = (
        id("A"),
        Scope::new(&["claude".to_owned()], &["a.example".to_owned()]).unwrap(),
    );
    let new = NewSecret {
        id: &a,
        value: Value(b"12345678"),
        scope: Some(&narrow),
        expires: None,
    };
    vault.set(&[new], Mode::New, doer()).unwrap();
    let before: BTreeMap<_, _> = memory.entries().unwrap().into_iter().collect();
    let (key, value) = before.iter().find(|(key, _)| key.get(1) == Some(&b's')).unwrap();
    let Some(Known::Version(named, mut version)) = Known::decode(key, value) else {
        panic!("a version")
    };
    version.said.scope = anybody();
    let widened = Known::Version(named, version).encode().unwrap();
    let mut changed = before.clone();
    changed.insert(widened.0, widened.1);
    let error = opened(&changed).unwrap_err().to_string();
    assert!(error.contains("A version 1"), "{error}");

    vault.revoke(&a, None, doer()).unwrap();
    let mut put_back: BTreeMap<_, _> = memory.entries().unwrap().into_iter().collect();
    put_back.insert(key.clone(), value.clone());
    let error = opened(&put_back).unwrap_err().to_string();
    assert!(error.contains("not those that were last written"), "{error}");
}

#[test]
fn an_error_says_what_to_do_and_another_format_is_told() {
    let mut entries = filled();
    let about = entries.get_mut([0, b'a'].as_slice()).unwrap();
    about[0] = 9;
    let error = opened(&entries).unwrap_err();
    assert!(matches!(error, VaultError::Format { format: 9, .. }), "{error}");
    entries.remove([0, b'a'].as_slice());
    let error = opened(&entries).unwrap_err();
    assert!(error.hint().unwrap().contains("restore its directory"));
}

/// On the disk, below the store: it is an error, or everything is there.
#[test]
fn bytes_overwritten_anywhere_never_change_or_lose_what_was_synced_silently() {
    use std::os::unix::fs::FileExt;
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::open(directory.path(), &key(), now()).unwrap();
    set(&vault, "A", b"value of a", Mode::New).unwrap();
    set(&vault, "B", b"value of b", Mode::New).unwrap();
    drop(vault);
    let written = std::fs::metadata(directory.path().join("db")).unwrap().len().min(6_000);
    let (mut errors, mut sound) = (0, 0);
    for place in (0..written).step_by(97) {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(copy.path().join("db"))
            .unwrap();
        file.write_all_at(&[0xa5; 3], place).unwrap();
        match Vault::open(copy.path(), &key(), now()) {
            Err(_) => errors += 1,
            Ok(vault) => {
                assert_eq!(reveal(&vault, "A").unwrap(), b"value of a", "{place}");
                assert_eq!(reveal(&vault, "B").unwrap(), b"value of b", "{place}");
                sound += 1;
            }
        }
    }
    assert!(errors > 3, "{errors} errors, {sound} sound");
}
