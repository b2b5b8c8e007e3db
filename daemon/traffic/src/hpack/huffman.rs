//! The Huffman code of RFC 7541, Appendix B.

/// Bits of each byte's code, and last of the end's. The code is canonical: codes of one length are numbered in the order of their bytes, and
/// those of the next length follow.
#[rustfmt::skip]
const BITS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

const BITS_MAX: usize = 30;
/// What fills the last byte is the beginning of a code that has only ones.
const PADDING_MAX: usize = 7;

/// The code by lengths.
struct Lengths {
    /// The first code behind those of a length.
    limit: [u32; BITS_MAX + 1],
    /// What is added to a code to find its byte in the order.
    offset: [u32; BITS_MAX + 1],
    /// Bytes in the order of their codes.
    order: [u16; 257],
}

const LENGTHS: Lengths = lengths();

#[expect(clippy::indexing_slicing, reason = "run by the compiler")]
#[expect(clippy::cast_possible_truncation, reason = "257 of them")]
const fn lengths() -> Lengths {
    let mut all = Lengths {
        limit: [0; BITS_MAX + 1],
        offset: [0; BITS_MAX + 1],
        order: [0; 257],
    };
    let (mut bits, mut code, mut count) = (1, 0, 0);
    while bits <= BITS_MAX {
        code <<= 1;
        all.offset[bits] = (count as u32).wrapping_sub(code);
        let mut byte = 0;
        while byte < 257 {
            if BITS[byte] as usize == bits {
                all.order[count] = byte as u16;
                count += 1;
                code += 1;
            }
            byte += 1;
        }
        all.limit[bits] = code;
        bits += 1;
    }
    all
}

/// What a coded text stands for; `None` if it is none. It is at most 8/5 as long.
pub(super) fn decode(coded: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(coded.len() * 8 / 5);
    let (mut code, mut bits) = (0_u32, 0_usize);
    for byte in coded {
        for shift in (0..8).rev() {
            code = code << 1 | u32::from(byte >> shift & 1);
            bits += 1;
            if code >= *LENGTHS.limit.get(bits)? {
                continue;
            }
            let place = code.wrapping_add(*LENGTHS.offset.get(bits)?);
            let symbol = LENGTHS.order.get(usize::try_from(place).ok()?)?;
            // The end itself may not be there (5.2).
            text.push(u8::try_from(*symbol).ok()?);
            (code, bits) = (0, 0);
        }
    }
    let is_padding = bits <= PADDING_MAX && code == (1 << bits) - 1;
    is_padding.then_some(text)
}

#[cfg(any(test, feature = "testing"))]
pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
    let digits = text.iter().map(|byte| {
        let bits = BITS.get(usize::from(*byte)).copied().map_or(0, usize::from);
        let place = LENGTHS.order.iter().position(|symbol| *symbol == u16::from(*byte));
        let place = place.and_then(|place| u32::try_from(place).ok()).unwrap_or(0);
        let code = place.wrapping_sub(LENGTHS.offset.get(bits).copied().unwrap_or(0));
        format!("{code:0bits$b}")
    });
    let digits = digits.collect::<Vec<_>>().concat();
    let all = digits.as_bytes().chunks(8).map(|eight| {
        let value = eight
            .iter()
            .fold(0, |value, digit| value << 1 | u16::from(*digit == b'1'));
        let missing = 8 - eight.len();
        u8::try_from(value << missing | ((1 << missing) - 1)).unwrap_or(0)
    });
    all.collect()
}
