//! Planted values are in no byte that leaves the vault.

use std::fs;

use super::*;

const COUNT: usize = 1_000;

/// Two halves, so that the whole stands nowhere in this program.
fn value(number: usize) -> String {
    format!("{}-{number:04}-{}", "PLANTED", "x9Qm4Lw2")
}

/// Its beginning in raw, hexadecimal and base64 is looked for.
fn forms() -> Vec<Vec<u8>> {
    let plain = b"PLANTED-".to_vec();
    vec![plain, b"504c414e5445442d".to_vec(), b"UExBTlRFRC".to_vec()]
}

fn is_clean(bytes: &[u8]) -> bool {
    let forms = forms();
    !forms
        .iter()
        .any(|form| bytes.windows(form.len()).any(|window| window == form))
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn files_are_clean(folder: &Path) {
    let files = files(folder);
    assert!(files.len() >= 3, "{files:?}");
    let read = |file: &std::path::PathBuf| {
        let bytes = fs::read(file).unwrap();
        assert!(is_clean(&bytes), "{}", file.display());
        bytes.len()
    };
    let read: usize = files.iter().map(read).sum();
    assert!(read > 100_000, "{read} bytes");
}

#[test]
fn a_thousand_planted_values_are_in_no_file_and_no_message() {
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::open(directory.path(), &key(), now()).unwrap();
    let ids: Vec<SecretId> = (0..COUNT).map(|number| id(&format!("S{number}"))).collect();
    let values: Vec<String> = (0..COUNT).map(value).collect();
    let scope = anybody();
    let new = many(&ids, &values, &scope);
    assert!(!is_clean(values[7].as_bytes()), "what is looked for would be found");
    let mut said = vec![format!("{new:?}")];
    vault.set(&new, Mode::New, doer()).unwrap();
    for (number, value) in values.iter().enumerate().take(100) {
        set(
            &vault,
            &format!("S{number}"),
            format!("{value}+").as_bytes(),
            Mode::Rotate,
        )
        .unwrap();
    }
    vault.rotate_master(now()).unwrap();
    for id in ids.iter().take(50) {
        vault.revoke(id, None, doer()).unwrap();
    }
    let again = vault.set(&new, Mode::New, doer()).unwrap_err();
    said.push(format!("{again} {again:?} {vault:?}"));
    said.push(format!(
        "{:?} {:?}",
        vault.list("default", now()),
        vault.users(&ids[70])
    ));
    let plain = vault.reveal(
        &ids[70],
        &Consumer {
            agent: "a",
            policy: "p",
            host: &HostName::parse("h.example").unwrap(),
        },
        now(),
        |access| {
            said.push(format!("{access:?}"));
            Ok(())
        },
    );
    said.push(format!("{plain:?}"));
    // A name where a value was meant, a value where a name was.
    said.push(
        SecretId::new("default", &format!("{} {}", value(3), 1))
            .unwrap_err()
            .to_string(),
    );
    said.push(crate::parse_dotenv(&format!("{}\n", value(3))).unwrap_err().to_string());
    said.push(
        crate::parse_dotenv(&format!("A=\"{}", value(3)))
            .unwrap_err()
            .to_string(),
    );
    let said = said.join("\n");
    assert!(is_clean(said.as_bytes()), "{said}");

    // Its own file is written whole when it is closed.
    files_are_clean(directory.path());
    drop(vault);
    files_are_clean(directory.path());
    let vault = Vault::open(directory.path(), &key(), now()).unwrap();
    assert_eq!(reveal(&vault, "S999").unwrap(), values[999].as_bytes());
}
