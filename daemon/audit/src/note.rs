//! Checkpoints: the size and root of the tree, signed. C2SP signed-note and tlog-checkpoint, both of version 1.0.0.
//!
//! ```text
//! aa-sensord/9d1c5b8e7f60a1b2            who signs, and which log
//! 1234                                   how many records
//! NyZ8...=                               root of the tree over them
//!
//! — aa-sensord/9d1c5b8e7f60a1b2 x08go...=  id of the key and Ed25519 signature of the lines above the empty one
//! ```

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::base64;
use crate::merkle::Hash;

/// Bytes of one note; one of ours has some 250.
pub const NOTE_LIMIT: usize = 64 << 10;
/// Ed25519, in a key's text and id.
const ED25519: u8 = 1;

/// Who signs, as the public knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl PublicKey {
    fn new(name: String, key: VerifyingKey) -> Self {
        let id = key_id(&name, ED25519, &key);
        Self { name, id, key }
    }

    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, key) = parse_key(text, ED25519)?;
        Some(Self::new(name, key))
    }

    /// Who it says it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note whose signature by this key is right. Others' signatures do not matter.
    pub fn open<'a>(&self, note: &'a str) -> Option<&'a str> {
        let (text, signatures) = split(note)?;
        let mine = signatures.lines().filter_map(|line| {
            let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
            let bytes = base64::decode(signature)?;
            let (id, signature) = bytes.split_first_chunk::<4>()?;
            (name == self.name && *id == self.id).then(|| Signature::from_slice(signature).ok())
        });
        let mut mine = mine.peekable();
        mine.peek()?;
        let right = |signature: Option<Signature>| {
            signature.is_some_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
        };
        mine.all(right).then_some(text)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(&self.name, ED25519, &self.key))
    }
}

/// Who signs.
pub(crate) struct Signatory {
    key: SigningKey,
    public: PublicKey,
}

impl Signatory {
    /// Named after the key itself: no two logs have one name.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let digest: Hash = Sha256::digest(key.verifying_key().as_bytes()).into();
        let name = hex(digest.first_chunk::<8>().map_or(&[][..], |begin| begin));
        let public = PublicKey::new(format!("aa-sensord/{name}"), key.verifying_key());
        Self { key, public }
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The note of a tree.
    pub(crate) fn sign(&self, size: u64, root: &Hash) -> String {
        let name = &self.public.name;
        self.sign_text(&format!("{name}\n{size}\n{}\n", base64::encode(root)))
    }

    /// The note of a text, which ends with a line's end.
    pub(crate) fn sign_text(&self, text: &str) -> String {
        let name = &self.public.name;
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let signature = base64::encode(&[&self.public.id[..], &signature].concat());
        format!("{text}\n— {name} {signature}\n")
    }
}

/// What a checkpoint says; who says so is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log, in words.
    pub origin: String,
    /// How many records.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// The note as it stands.
    pub note: String,
}

impl Checkpoint {
    /// Reads a note of at most [`NOTE_LIMIT`] bytes.
    pub fn parse(note: &str) -> Option<Self> {
        let (text, signatures) = split(note).filter(|_| note.len() <= NOTE_LIMIT)?;
        let mut lines = text.lines();
        let (origin, size) = (lines.next()?, lines.next()?);
        let root = base64::decode(lines.next()?)?.try_into().ok()?;
        let digits = size.bytes().all(|byte| byte.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let signed = signatures.lines().all(|line| line.starts_with("— "));
        (digits && signed && !origin.is_empty()).then_some(Self {
            origin: origin.to_owned(),
            size: size.parse().ok()?,
            root,
            note: note.to_owned(),
        })
    }

    /// Whether this key signed it, under its name.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.origin == key.name && key.open(&self.note).is_some()
    }
}

/// By which a signature line names its key; `kind`: what it signs.
pub(crate) fn key_id(name: &str, kind: u8, key: &VerifyingKey) -> [u8; 4] {
    let id = Sha256::new().chain_update(name).chain_update([b'\n', kind]);
    let [a, b, c, d, ..] = Hash::from(id.chain_update(key.as_bytes()).finalize());
    [a, b, c, d]
}

/// `name+id+key`.
pub(crate) fn key_text(name: &str, kind: u8, key: &VerifyingKey) -> String {
    let bytes = [&[kind], key.as_bytes().as_slice()].concat();
    format!("{name}+{}+{}", hex(&key_id(name, kind, key)), base64::encode(&bytes))
}

/// What [`key_text`] wrote.
pub(crate) fn parse_key(text: &str, kind: u8) -> Option<(String, VerifyingKey)> {
    let (name, rest) = text.trim_ascii_end().split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let bytes = base64::decode(key)?;
    let (found, key) = bytes.split_first()?;
    let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
    let right = *found == kind && is_name(name) && hex(&key_id(name, kind, &key)) == id;
    right.then(|| (name.to_owned(), key))
}

/// Text with the end of its last line, and at least one line of signatures.
pub(crate) fn split(note: &str) -> Option<(&str, &str)> {
    let plain = !note.bytes().any(|byte| byte < b' ' && byte != b'\n') && note.ends_with('\n');
    let (text, signatures) = note.rsplit_once("\n\n").filter(|_| plain)?;
    let text = note.get(..text.len() + 1)?;
    (!signatures.is_empty()).then_some((text, signatures))
}

pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|letter: char| letter.is_whitespace() || letter == '+')
}

/// As people and JSON have bytes.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What [`hex`] wrote.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let digits = text.as_bytes();
    let plain = digits.len() == 2 * N && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let value = |digit: &u8| {
        char::from(*digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2).filter(|_| plain)) {
        let [high, low] = pair else { return None };
        *byte = value(high)? << 4 | value(low)?;
    }
    plain.then_some(bytes)
}
