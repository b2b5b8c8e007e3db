//! Checksums inside tokens. They tell how sure a finding is, never whether it is hidden.

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The CRC-32 of bytes as six digits of base 62, as GitHub's blog of 2021-04-05 ("Behind GitHub's new authentication token formats") has it.
pub(crate) fn base62_crc32(bytes: &[u8]) -> String {
    let mut rest = crc32fast::hash(bytes);
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// Whether the last six characters are the checksum of those before.
pub(crate) fn base62_crc32_holds(body: &[u8]) -> bool {
    body.split_last_chunk::<6>()
        .is_some_and(|(value, sum)| base62_crc32(value).as_bytes() == sum)
}

/// The Luhn checksum (ISO/IEC 7812-1) over digits; other characters are passed over.
pub(crate) fn luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let sum: u32 = digits
        .filter(u8::is_ascii_digit)
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0');
            match (place % 2, value) {
                (1, 5..) => value * 2 - 9,
                (1, _) => value * 2,
                _ => value,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 7064 mod 97-10 as IBANs (ISO 13616) use it: letters count 10 to 35, the first four characters move to the end.
pub(crate) fn iban(characters: &[u8]) -> bool {
    let Some((head, tail)) = characters.split_at_checked(4) else {
        return false;
    };
    let rest = tail.iter().chain(head).try_fold(0_u32, |rest, character| {
        let value = char::from(*character).to_digit(36)?;
        Some(
            if value < 10 {
                rest * 10 + value
            } else {
                rest * 100 + value
            } % 97,
        )
    });
    rest == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_check_values_hold() {
        // ISO/IEC 7812-1 annex, and the example of ISO 13616 (the registry's British one).
        assert!(luhn("79927398713".bytes()));
        assert!(!luhn("79927398710".bytes()));
        assert!(iban(b"GB82WEST12345698765432"));
        assert!(!iban(b"GB83WEST12345698765432"));
        assert_eq!(base62_crc32(b"").len(), 6);
    }
}
