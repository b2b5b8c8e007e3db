//! Values that are known and must never be seen: the vault's own.
//!
//! Of a value, only keyed hashes are kept: 32 bits of a window of eight bytes, looked up at every byte of the stream, and an HMAC of the whole,
//! which decides. So nothing here is of use to somebody who reads the memory and not the vault. Every way to write a value has its own entry.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::charset::Charset;
use crate::image::{Layer, images};

/// Bytes of a window; the shortest value that is taken.
pub(crate) const WINDOW: usize = 8;
/// The longest.
const LONGEST: usize = 4096;
/// Bytes of a value's HMAC that are kept.
const TAG: usize = 16;
/// What a known value is called that was given no name.
const NAME: &str = "known-secret";
const NAMES: usize = 60_000;
/// Bits of the table that is asked at every byte, by the number of entries: one in thirty-two of it is taken at most, as long as it stays small.
const LEAST_BITS: u32 = 16;
const MOST_BITS: u32 = 24;

/// Why a value cannot be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a known secret must have {WINDOW} to {LONGEST} bytes, this has {length}")]
pub struct KnownSecretError {
    /// How many it has.
    pub length: usize,
}

/// A form of a value.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    fingerprint: u32,
    /// Where in the form the window stands.
    pub(crate) offset: usize,
    pub(crate) length: usize,
    /// Which of the names it is told by.
    pub(crate) name: u16,
    tag: [u8; TAG],
    pub(crate) layer: Layer,
    /// Characters of an encoding's group that stand before the form.
    pub(crate) lead: usize,
}

/// Values to hide wherever they are, in whatever encoding.
///
/// ```
/// use std::sync::Arc;
/// use aa_redact::{Engine, KnownSecrets, Options, Redactor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut known = KnownSecrets::new([7; 32]); // from a random source
/// known.add(b"open sesame")?;
/// let engine = Arc::new(Engine::new(&Options { known, ..Options::default() })?);
/// let mut stream = Redactor::new(&engine);
/// let mut output = stream.push(b"say open sesame, or b3BlbiBzZXNhbWU=").to_vec();
/// output.extend_from_slice(stream.finish());
/// assert!(output.starts_with(b"say [REDACTED:known-secret], or "));
/// assert!(!output.windows(6).any(|window| window == b"b3Blbi"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KnownSecrets {
    key: [u8; 32],
    entries: Vec<Entry>,
    values: usize,
    /// What findings call them.
    names: Vec<&'static str>,
}

impl Default for KnownSecrets {
    /// None.
    fn default() -> Self {
        Self::new([0; 32])
    }
}

impl std::fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KnownSecrets({})", self.values)
    }
}

impl KnownSecrets {
    /// None yet; the key should be random and belong to this process alone.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            entries: Vec::new(),
            values: 0,
            names: Vec::new(),
        }
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values == 0
    }

    /// One more value, of 8 to 4,096 bytes. It is hashed and forgotten.
    pub fn add(&mut self, value: &[u8]) -> Result<(), KnownSecretError> {
        self.add_as(NAME, value)
    }

    /// The same with a name of its own, by which findings and replacements call it. There is room for some 60,000 names; who comes later is
    /// called as others are.
    pub fn add_as(&mut self, name: &'static str, value: &[u8]) -> Result<(), KnownSecretError> {
        if !Self::takes(value.len()) {
            return Err(KnownSecretError { length: value.len() });
        }
        let name = self.number_of(name);
        let mut forms = texts(value);
        forms.sort();
        forms.dedup();
        for form in &mut forms {
            self.form(form, Layer::Plain, 0, name);
            form.zeroize();
        }
        for mut image in images(value, WINDOW) {
            self.form(&image.bytes, image.layer, usize::from(image.lead), name);
            image.bytes.zeroize();
        }
        self.values += 1;
        Ok(())
    }

    /// Whether a value of so many bytes can be looked for.
    #[must_use]
    pub fn takes(length: usize) -> bool {
        (WINDOW..=LONGEST).contains(&length)
    }

    fn number_of(&mut self, name: &'static str) -> u16 {
        let known = self.names.iter().position(|known| *known == name);
        let place = known.unwrap_or(self.names.len()).min(NAMES - 1);
        if place == self.names.len() {
            // The last one is everybody's.
            self.names.push(if place == NAMES - 1 { NAME } else { name });
        }
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    /// What findings call them, by the numbers of entries.
    pub(crate) fn names(&self) -> &[&'static str] {
        &self.names
    }

    fn form(&mut self, form: &[u8], layer: Layer, lead: usize, name: u16) {
        // A line's end may break the first window of what is wrapped, and then not the second.
        let wrapped = matches!(layer, Layer::Base64 | Layer::Hex);
        for offset in [0, WINDOW].into_iter().take(1 + usize::from(wrapped)) {
            let window = form.get(offset..).and_then(<[u8]>::first_chunk::<WINDOW>);
            let Some(window) = window else { continue };
            self.entries.push(Entry {
                fingerprint: fingerprint(self.numbers(), u64::from_le_bytes(*window)),
                offset,
                length: form.len(),
                name,
                tag: self.tag(form),
                layer,
                lead,
            });
        }
    }

    fn numbers(&self) -> [u64; 2] {
        let number = |from: usize| {
            let bytes = self.key.get(from..).and_then(<[u8]>::first_chunk::<8>);
            bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        [number(0), number(8) | 1]
    }

    fn tag(&self, bytes: &[u8]) -> [u8; TAG] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else {
            return [0; TAG];
        };
        mac.update(bytes);
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        tag.first_chunk().copied().unwrap_or_default()
    }
}

/// The value as text: as it is, in JSON up to three deep, in a URL, in a page.
fn texts(value: &[u8]) -> Vec<Vec<u8>> {
    static UNRESERVED: Charset = Charset::of("A-Za-z0-9._~-");
    let percent = |upper: bool, plus: bool| -> Vec<u8> {
        let write = |byte: &u8| match byte {
            b' ' if plus => vec![b'+'],
            _ if UNRESERVED.has(*byte) => vec![*byte],
            _ if upper => format!("%{byte:02X}").into_bytes(),
            _ => format!("%{byte:02x}").into_bytes(),
        };
        value.iter().flat_map(write).collect()
    };
    let page = |quote: &'static str| -> Vec<u8> {
        let write = |byte: &u8| match byte {
            b'&' => b"&amp;".to_vec(),
            b'<' => b"&lt;".to_vec(),
            b'>' => b"&gt;".to_vec(),
            b'"' => b"&quot;".to_vec(),
            b'\'' => quote.as_bytes().to_vec(),
            _ => vec![*byte],
        };
        value.iter().flat_map(write).collect()
    };
    let mut forms = vec![value.to_vec()];
    let mut deeper = value.to_vec();
    for _ in 0..3 {
        deeper = quoted(&deeper);
        forms.push(deeper.clone());
    }
    if let Ok(text) = std::str::from_utf8(value) {
        let escaped = String::from_utf8(quoted(value)).unwrap_or_default();
        forms.push(ascii(&escaped, char::is_ascii).into_bytes());
        forms.push(ascii(text, |_| false).into_bytes());
    }
    forms.extend([percent(true, false), percent(false, false), percent(true, true)]);
    forms.push(
        value
            .iter()
            .flat_map(|byte| format!("%{byte:02X}").into_bytes())
            .collect(),
    );
    forms.extend([page("&#39;"), page("&#x27;"), page("&apos;"), page("'")]);
    forms
}

/// In ASCII, with `\\u` and four digits for what is not to stay.
fn ascii(text: &str, stays: impl Fn(&char) -> bool) -> String {
    let mut output = String::new();
    for character in text.chars() {
        if stays(&character) {
            output.push(character);
            continue;
        }
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            // Writing to a string cannot fail.
            let _ = write!(output, "\\u{unit:04x}");
        }
    }
    output
}

/// What stands in a JSON string.
fn quoted(value: &[u8]) -> Vec<u8> {
    let write = |byte: &u8| match byte {
        b'"' | b'\\' => vec![b'\\', *byte],
        b'\n' => b"\\n".to_vec(),
        b'\r' => b"\\r".to_vec(),
        b'\t' => b"\\t".to_vec(),
        0..0x20 => format!("\\u{byte:04x}").into_bytes(),
        _ => vec![*byte],
    };
    value.iter().flat_map(write).collect()
}

#[inline]
fn fingerprint([a, b]: [u64; 2], window: u64) -> u32 {
    let mixed = (window ^ a).wrapping_mul(b);
    u32::try_from((mixed ^ (mixed >> 29)).wrapping_mul(b) >> 32).unwrap_or(0)
}

/// The entries, ready to be asked at every byte.
pub(crate) struct Index {
    secrets: KnownSecrets,
    numbers: [u64; 2],
    bitmap: Vec<u64>,
    /// How far a fingerprint is shifted to its slot.
    shift: u32,
}

impl Index {
    pub(crate) fn new(secrets: &KnownSecrets) -> Self {
        let mut secrets = secrets.clone();
        secrets.entries.sort_by_key(|entry| entry.fingerprint);
        let wanted = secrets.entries.len().saturating_mul(32).next_power_of_two().ilog2();
        let bits = wanted.clamp(LEAST_BITS, MOST_BITS);
        let shift = u32::BITS - bits;
        let mut bitmap = vec![0_u64; (1 << bits) / 64];
        for entry in &secrets.entries {
            let slot = slot(entry.fingerprint, shift);
            if let Some(word) = bitmap.get_mut(slot / 64) {
                *word |= 1 << (slot % 64);
            }
        }
        Self {
            numbers: secrets.numbers(),
            bitmap,
            shift,
            secrets,
        }
    }

    /// The next position whose window may belong to a form, from one up to another.
    #[inline]
    pub(crate) fn next(&self, text: &[u8], from: usize, until: usize) -> Option<(usize, u32)> {
        let windows = text.get(from..text.len().min(until + WINDOW - 1))?.windows(WINDOW);
        for (at, window) in (from..).zip(windows) {
            let Some(window) = window.first_chunk::<WINDOW>() else {
                continue;
            };
            let found = fingerprint(self.numbers, u64::from_le_bytes(*window));
            let slot = slot(found, self.shift);
            if self
                .bitmap
                .get(slot / 64)
                .is_some_and(|word| (word >> (slot % 64)) & 1 != 0)
            {
                return Some((at, found));
            }
        }
        None
    }

    pub(crate) fn entries(&self, fingerprint: u32) -> impl Iterator<Item = &Entry> {
        let entries = &self.secrets.entries;
        let from = entries.partition_point(|entry| entry.fingerprint < fingerprint);
        let entries = entries.get(from..).unwrap_or_default();
        entries.iter().take_while(move |entry| entry.fingerprint == fingerprint)
    }

    /// Whether these are the bytes of the form.
    pub(crate) fn is(&self, entry: &Entry, bytes: &[u8]) -> bool {
        let tag = self.secrets.tag(bytes);
        let differing = tag.iter().zip(&entry.tag).fold(0, |sum, (a, b)| sum | (a ^ b));
        differing == 0
    }
}

fn slot(fingerprint: u32, shift: u32) -> usize {
    (fingerprint >> shift) as usize
}
