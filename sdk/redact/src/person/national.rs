//! Numbers that countries give to people, by the length, the date and the check digits each has.
//!
//! A form of its own (hyphens where they belong, a date, two check digits) is enough; a bare number with one check digit needs the word.

use super::Match;
use super::number::Number;

const HYPHEN: &[u8] = b"-";
const SPACED: &[u8] = b" -";

/// United States: three, two and four digits in the ranges that are given out (SSA, 2011).
pub(crate) fn us_ssn(number: &Number<'_>) -> Option<Match> {
    let (place, sure) = either(number, number.shaped(&[3, 2, 4], HYPHEN), number.shaped(&[9], b""))?;
    let digits = number.digits(place);
    let value = |from: usize, to: usize| decimal(digits.get(from..to).unwrap_or_default());
    let given = !matches!(value(0, 3), 0 | 666 | 900..) && value(3, 5) != 0 && value(5, 9) != 0;
    given.then_some(judged(place, sure))
}

/// India's Aadhaar: twelve digits in fours, the last Verhoeff's.
pub(crate) fn in_aadhaar(number: &Number<'_>) -> Option<Match> {
    let (place, sure) = either(number, number.shaped(&[4, 4, 4], SPACED), number.shaped(&[12], b""))?;
    let digits = number.digits(place);
    let good = digits.first().is_some_and(|first| *first >= 2) && verhoeff(&digits);
    // In a dump, groups of four hexadecimal digits are all there is.
    let dumped = matches!(number.text.slice(place.0.saturating_sub(5), place.0), [group @ .., b' ' | b'+'] if group.len() == 4 && group.iter().all(u8::is_ascii_hexdigit));
    good.then_some(judged(place, sure && !dumped))
}

/// Brazil's CPF: `000.000.000-00`, two check digits.
pub(crate) fn br_cpf(number: &Number<'_>) -> Option<Match> {
    let groups = number.groups();
    let dotted = match groups {
        [a, b, c, d, ..] if number.text.byte(c.end) == Some(b'-') => {
            let lengths = [a, b, c, d].map(|group| group.end - group.start);
            let dots = [a, b].iter().all(|group| number.text.byte(group.end) == Some(b'.'));
            (lengths == [3, 3, 3, 2] && dots && number.ends(d.end)).then_some((a.start, d.end))
        }
        _ => None,
    };
    let (place, sure) = either(number, dotted, number.shaped(&[11], b""))?;
    let digits = number.digits(place);
    let check = |count: usize| {
        let sum = weighted(digits.get(..count).unwrap_or_default(), (2..=11).rev().skip(10 - count));
        u8::try_from(sum * 10 % 11 % 10).ok() == digits.get(count).copied()
    };
    let varied = digits.windows(2).any(|pair| matches!(pair, [a, b] if a != b));
    (varied && check(9) && check(10)).then_some(judged(place, sure))
}

/// China's resident identity number (GB 11643): region, date of birth, order, and a check character modulo 11.
pub(crate) fn cn_resident(number: &Number<'_>) -> Option<Match> {
    let first = number.groups().first()?;
    let last = number.text.byte(first.start + 17)?;
    let long = first.end - first.start >= 17;
    let end = first.start + 18;
    if !long || number.touches_before() || !number.ends(end) {
        return None;
    }
    let digits = number.digits((first.start, first.start + 17));
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum = weighted(&digits, weights.into_iter());
    let check = b"10X98765432".get((sum % 11) as usize).copied()?;
    let born = is_date(digits.get(6..14)?);
    (born && last.to_ascii_uppercase() == check).then(|| Match::sure((first.start, end)))
}

/// Japan's individual number: twelve digits, the last a check digit.
pub(crate) fn jp_individual(number: &Number<'_>) -> Option<Match> {
    let place = number
        .shaped(&[12], b"")
        .or_else(|| number.shaped(&[4, 4, 4], SPACED))?;
    let digits = number.digits(place);
    let sum = weighted(digits.get(..11)?, [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2].into_iter());
    let check = match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    let good = !number.touches_before() && digits.last().copied().map(u32::from) == Some(check);
    good.then(|| Match::named(place))
}

/// Germany's tax identification number: eleven digits, ISO 7064 modulo 11,10.
pub(crate) fn de_tax(number: &Number<'_>) -> Option<Match> {
    let place = number
        .shaped(&[11], b"")
        .or_else(|| number.shaped(&[2, 3, 3, 3], b" "))?;
    let digits = number.digits(place);
    let product = digits.iter().take(10).fold(10_u32, |product, digit| {
        let sum = match (u32::from(*digit) + product) % 10 {
            0 => 10,
            sum => sum,
        };
        sum * 2 % 11
    });
    let good = !number.touches_before() && digits.last().copied().map(u32::from) == Some((11 - product) % 10);
    good.then(|| Match::named(place))
}

/// France's NIR: sex, year, month, place, order, and 97 less the rest as key.
pub(crate) fn fr_nir(number: &Number<'_>) -> Option<Match> {
    let place = number.shaped(&[15], b"").or_else(|| number.shaped(&[13, 2], b" "))?;
    let digits = number.digits(place);
    let value = |from: usize, to: usize| decimal(digits.get(from..to).unwrap_or_default());
    let month = matches!(value(3, 5), 1..=12 | 20 | 30..=42 | 50..=99);
    let good = matches!(value(0, 1), 1..=4 | 7 | 8) && month && 97 - value(0, 13) % 97 == value(13, 15);
    (good && !number.touches_before()).then(|| Match::sure(place))
}

/// The United Kingdom's national insurance number: two letters, six digits, a letter from A to D.
pub(crate) fn uk_nino(number: &Number<'_>) -> Option<Match> {
    let place = lettered(number, 2, 6, 1)?;
    let raw = number.text.slice(place.0, place.1);
    let (a, b, last) = (*raw.first()?, *raw.get(1)?, *raw.last()?);
    let letters = !b"DFIQUV".contains(&a)
        && !b"DFIOQUV".contains(&b)
        && !matches!(&[a, b], b"BG" | b"GB" | b"NK" | b"KN" | b"TN" | b"NT" | b"ZZ");
    (letters && matches!(last, b'A'..=b'D')).then(|| Match::sure(place))
}

/// Spain's DNI and NIE: the letter is the number modulo 23.
pub(crate) fn es_dni(number: &Number<'_>) -> Option<Match> {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let place = lettered(number, 0, 8, 1).or_else(|| lettered(number, 1, 7, 1))?;
    let raw = number.text.slice(place.0, place.1);
    let foreign = match raw.first()? {
        b'X' => 0,
        b'Y' => 10_000_000,
        b'Z' => 20_000_000,
        byte if byte.is_ascii_digit() => 0,
        _ => return None,
    };
    let letter = LETTERS.get(((foreign + decimal(&number.digits(place))) % 23) as usize);
    (letter == raw.last()).then(|| Match::named(place))
}

/// South Korea's resident registration number: date of birth, a hyphen, and seven digits of which the first tells the century.
pub(crate) fn kr_rrn(number: &Number<'_>) -> Option<Match> {
    let place = number.shaped(&[6, 7], HYPHEN)?;
    let digits = number.digits(place);
    let value = |from: usize, to: usize| decimal(digits.get(from..to).unwrap_or_default());
    let good = matches!(value(2, 4), 1..=12) && matches!(value(4, 6), 1..=31) && matches!(value(6, 7), 1..=8);
    (good && !number.touches_before()).then(|| Match::sure(place))
}

/// Mexico's CURP: four letters, date of birth, sex, state, consonants, and a check digit.
pub(crate) fn mx_curp(number: &Number<'_>) -> Option<Match> {
    let first = number.groups().first()?;
    let start = first.start.checked_sub(4)?;
    let raw = number.text.slice(start, start + 18);
    let kinds = raw.iter().zip(b"AAAA000000AAAAAA*0").all(|(byte, kind)| match kind {
        b'A' => byte.is_ascii_uppercase(),
        b'0' => byte.is_ascii_digit(),
        _ => byte.is_ascii_alphanumeric(),
    });
    let good =
        raw.len() == 18 && first.end - first.start == 6 && kinds && matches!(raw.get(10), Some(b'H' | b'M' | b'X'));
    (good && number.text.starts(start) && number.ends(start + 18)).then(|| Match::sure((start, start + 18)))
}

/// Canada's social insurance number: nine digits in threes, the last Luhn's.
pub(crate) fn ca_sin(number: &Number<'_>) -> Option<Match> {
    let place = number.shaped(&[3, 3, 3], SPACED).or_else(|| number.shaped(&[9], b""))?;
    let good = crate::verify::checksum::luhn(number.digits(place).iter().map(|digit| digit + b'0'));
    (good && !number.touches_before()).then(|| Match::named(place))
}

/// Italy's tax code: six letters, year, month's letter, day, place and a check letter.
pub(crate) fn it_fiscal(number: &Number<'_>) -> Option<Match> {
    // Its only three digits in a row are the last ones.
    let first = number.groups().first()?;
    let start = first.start.checked_sub(12)?;
    let raw = number.text.slice(start, start + 16);
    let kinds = raw.iter().zip(b"AAAAAA00A00A000A").all(|(byte, kind)| match kind {
        b'A' => byte.is_ascii_uppercase(),
        _ => byte.is_ascii_digit(),
    });
    let month = raw.get(8).is_some_and(|byte| b"ABCDEHLMPRST".contains(byte));
    let good = raw.len() == 16 && kinds && month;
    (good && number.text.starts(start) && number.ends(start + 16)).then(|| Match::sure((start, start + 16)))
}

/// The form of its own, or the bare number.
fn either(
    number: &Number<'_>,
    own: Option<(usize, usize)>,
    bare: Option<(usize, usize)>,
) -> Option<((usize, usize), bool)> {
    if number.plus || number.touches_before() {
        return None;
    }
    own.map(|place| (place, true)).or(bare.map(|place| (place, false)))
}

fn judged(place: (usize, usize), sure: bool) -> Match {
    if sure { Match::sure(place) } else { Match::named(place) }
}

/// A run of digits between so many capitals, and nothing around them.
fn lettered(number: &Number<'_>, before: usize, digits: usize, behind: usize) -> Option<(usize, usize)> {
    let first = number.groups().first()?;
    let (start, end) = (first.start.checked_sub(before)?, first.end + behind);
    let capitals = |from: usize, to: usize, count: usize| {
        let letters = number.text.slice(from, to);
        letters.len() == count && letters.iter().all(u8::is_ascii_uppercase)
    };
    let good = first.end - first.start == digits
        && capitals(start, first.start, before)
        && capitals(first.end, end, behind)
        && number
            .text
            .before(start)
            .is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_' | b'/' | b'+' | b'.'))
        && number.ends(end);
    good.then_some((start, end))
}

fn decimal(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, digit| value * 10 + u64::from(*digit))
}

fn weighted(digits: &[u8], weights: impl Iterator<Item = u32>) -> u32 {
    digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum()
}

/// Year, month and day of somebody who may live.
fn is_date(digits: &[u8]) -> bool {
    let value = |from: usize, to: usize| decimal(digits.get(from..to).unwrap_or_default());
    matches!(value(0, 4), 1900..=2099) && matches!(value(4, 6), 1..=12) && matches!(value(6, 8), 1..=31)
}

/// Verhoeff's checksum (1969), by the dihedral group of order ten.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    let product = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b) % 5 + 5,
        (false, true) => (a - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let permuted = |digit: u8, times: usize| {
        (0..times % 8).fold(digit, |digit, _| {
            [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
                .get(usize::from(digit))
                .copied()
                .unwrap_or(0)
        })
    };
    let sum = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |sum, (place, digit)| product(sum, permuted(*digit, place)));
    sum == 0
}
