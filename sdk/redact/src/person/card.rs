//! Numbers of payment cards (ISO/IEC 7812): the issuer's range, the length it has there, and Luhn's checksum.

use super::Match;
use super::number::Number;
use crate::verify::checksum::luhn;

const SEPARATORS: &[u8] = b" -";

pub(crate) fn card(number: &Number<'_>) -> Option<Match> {
    if number.plus || number.touches_before() {
        return None;
    }
    let plain = (12..=19).find_map(|length| number.shaped(&[length], SEPARATORS));
    let grouped = [[4, 4, 4, 4, 3].as_slice(), &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]]
        .into_iter()
        .find_map(|lengths| number.shaped(lengths, SEPARATORS));
    let place = grouped.or(plain)?;
    let digits = number.digits(place);
    if !is_issued(&digits) {
        return None;
    }
    let holds = luhn(digits.iter().map(|digit| digit + b'0'));
    // Of thirteen digits are the numbers of articles too, and no card of today.
    if holds && digits.len() != 13 {
        return Some(Match::sure(place));
    }
    grouped.or(plain.filter(|_| holds)).map(Match::named)
}

/// The networks' ranges as their rules give them, with the lengths in use.
fn is_issued(digits: &[u8]) -> bool {
    let head = digits
        .iter()
        .take(4)
        .fold(0_u16, |value, digit| value * 10 + u16::from(*digit));
    matches!(
        (head, digits.len()),
        (4000..=4999, 13 | 16 | 19)
            | (5100..=5599 | 2221..=2720 | 2200..=2204 | 3528..=3589 | 6060..=6069 | 8100..=8299 | 5080..=5089, 16)
            | (3400..=3499 | 3700..=3799, 15)
            | (3000..=3059 | 3095 | 3600..=3699 | 3800..=3999, 14)
            | (6011 | 6440..=6599 | 6200..=6299 | 5018 | 5020 | 5038 | 5893 | 6304 | 6759..=6763, 16..=19)
    )
}
