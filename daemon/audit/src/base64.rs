//! Base64 of RFC 4648, padded, one text for each bytes: what signed notes are written in.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as text.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(digit as usize).filter(|_| place <= group.len());
            text.push(letter.map_or('=', |letter| char::from(*letter)));
        }
    }
    text
}

/// `None` for what [`encode`] does not write.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.as_bytes().chunks(4) {
        let padding = group.iter().rev().take_while(|letter| **letter == b'=').count();
        let mut word = 0_u32;
        for letter in group.iter().take(4 - padding.min(4)) {
            let digit = ALPHABET.iter().position(|known| known == letter)?;
            word = word << 6 | u32::try_from(digit).ok()?;
        }
        let [_, whole @ ..] = (word << (6 * padding.min(4))).to_be_bytes();
        bytes.extend_from_slice(whole.get(..3_usize.checked_sub(padding)?)?);
    }
    (encode(&bytes) == text).then_some(bytes)
}
