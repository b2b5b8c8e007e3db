//! International bank account numbers (ISO 13616): country, two check digits, and the length that country has.

use super::Match;
use super::number::{LEAD_MAX, Number};
use crate::verify::checksum::iban as holds;

/// Lengths by country, of SWIFT's registry.
const LENGTHS: [(&[u8; 2], usize); 79] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

pub(crate) fn iban(number: &Number<'_>) -> Option<Match> {
    let anchor = number.groups().first()?.start;
    let head = number.text.slice(anchor.saturating_sub(LEAD_MAX), anchor);
    let allowed = head
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b' ')
        .count();
    // The country may stand before, with letters of the bank and spaces between.
    (0..=allowed).find_map(|back| at(number, anchor - back))
}

fn at(number: &Number<'_>, start: usize) -> Option<Match> {
    let text = number.text;
    let country = text.slice(start, start + 2).first_chunk::<2>()?;
    let length = LENGTHS.iter().find(|(name, _)| *name == country)?.1;
    let check = text.slice(start + 2, start + 4);
    if check.len() < 2 || !check.iter().all(u8::is_ascii_digit) || !text.starts(start) {
        return None;
    }
    let mut plain = Vec::with_capacity(length);
    let mut end = start;
    while plain.len() < length {
        let byte = text.byte(end)?;
        match byte {
            b' ' | b'-' if plain.len() % 4 == 0 && !plain.is_empty() => {}
            _ if byte.is_ascii_uppercase() || byte.is_ascii_digit() => plain.push(byte),
            _ => return None,
        }
        end += 1;
    }
    let whole = number.ends(end);
    (whole && holds(&plain)).then(|| Match::sure((start, end)))
}
