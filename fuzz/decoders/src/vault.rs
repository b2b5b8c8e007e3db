//! What the vault reads: entries of its store, and the files that people import.

use aa_vault::{Unlock, is_entry, parse_dotenv};

/// An entry of the store: the length of its key in one byte, the key, the value. What is taken is written again as the same bytes, which the
/// decoder itself holds.
pub fn vault_entry(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first() else {
        return false;
    };
    let key = rest.get(..usize::from(*length)).unwrap_or(rest);
    let value = rest.get(usize::from(*length)..).unwrap_or_default();
    let known = is_entry(key, value);
    if known {
        // A key of one entry is none of another.
        let longer = [value, &[0]].concat();
        assert!(!is_entry(key, &longer), "what is behind an entry is not looked at");
    }
    known
}

/// A dotenv file; and what unlocks a vault.
pub fn vault_dotenv(bytes: &[u8]) -> bool {
    let key = Unlock::parse_key(bytes).is_ok();
    assert!(!key || bytes.len() == 32 || bytes.trim_ascii_end().len() == 64);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(pairs) = parse_dotenv(text) else {
        return false;
    };
    for (place, (name, value)) in pairs.iter().enumerate() {
        assert!(!value.is_empty() && value.len() <= aa_vault::VALUE_LIMIT);
        assert!(!pairs.iter().skip(place + 1).any(|(other, _)| other == name));
        // In single quotes a value is what it is.
        if !value.contains(&b'\'') {
            let again = [name.as_str().as_bytes(), b"='", value, b"'\n"].concat();
            let again = std::str::from_utf8(&again).map(parse_dotenv);
            assert!(matches!(again, Ok(Ok(again)) if again.first().is_some_and(|(_, read)| read == value)));
        }
    }
    !pairs.is_empty()
}
