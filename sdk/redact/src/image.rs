//! How a literal looks inside another encoding, so that encoded secrets are seen in the one pass over the text.

/// How bytes are written in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    /// As they are, or with single characters escaped.
    #[default]
    Plain,
    /// Letters and digits themselves are escaped: `\u0067`, `%67`.
    Escaped,
    /// Base64, in any of its alphabets.
    Base64,
    /// Two hexadecimal digits each.
    Hex,
    /// Two bytes each, one of them zero.
    Utf16,
}

/// An encoded literal.
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) layer: Layer,
    /// Raw bytes from where the first group of the encoding that touches the literal begins to the image.
    pub(crate) lead: u8,
    /// Decoded bytes in that first group that stand before the literal.
    pub(crate) skip: u8,
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The images of a literal that are at least `shortest` bytes.
pub(crate) fn images(literal: &[u8], shortest: usize) -> Vec<Image> {
    let mut images = Vec::new();
    for phase in 0..3_u8 {
        let (lead, bytes) = base64(literal, phase);
        let url: Vec<u8> = bytes.iter().map(|byte| url_variant(*byte)).collect();
        let differs = url != bytes;
        for (bytes, wanted) in [(bytes, true), (url, differs)] {
            if wanted && bytes.len() >= shortest {
                images.push(Image {
                    bytes,
                    layer: Layer::Base64,
                    lead,
                    skip: phase,
                });
            }
        }
    }
    let digits = |set: &[u8; 16]| -> Vec<u8> {
        literal
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| set.get(usize::from(digit)).copied())
            .collect()
    };
    let (lower, upper) = (digits(b"0123456789abcdef"), digits(b"0123456789ABCDEF"));
    let wide: Vec<u8> = literal
        .iter()
        .flat_map(|byte| [*byte, 0])
        .take(literal.len() * 2 - 1)
        .collect();
    let both = lower != upper;
    for (bytes, layer, wanted) in [
        (lower, Layer::Hex, true),
        (upper, Layer::Hex, both),
        (wide, Layer::Utf16, true),
    ] {
        if wanted {
            images.push(Image {
                bytes,
                layer,
                lead: 0,
                skip: 0,
            });
        }
    }
    images
}

/// A literal as forms, URLs and JSON write what is not a letter or digit of it: percent-encoded with digits of either case, a space as a plus or
/// `%20`; a slash and a quote behind a backslash. With whether it is a form's.
pub(crate) fn spellings(literal: &str) -> Vec<(String, bool)> {
    let percent = |upper: bool, plus: bool| -> String {
        let write = |byte: u8| match byte {
            b' ' if plus => "+".to_owned(),
            _ if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => char::from(byte).to_string(),
            _ if upper => format!("%{byte:02X}"),
            _ => format!("%{byte:02x}"),
        };
        literal.bytes().map(write).collect()
    };
    let mut all: Vec<(String, bool)> = [(true, true), (true, false), (false, true), (false, false)]
        .into_iter()
        .map(|(upper, plus)| (percent(upper, plus), true))
        .collect();
    all.push((literal.replace('/', "\\/"), false));
    all.push((literal.replace('"', "\\\""), false));
    all.retain(|(spelling, _)| spelling != literal);
    all.sort();
    all.dedup();
    all
}

fn url_variant(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    }
}

/// The characters of base64 that a literal alone decides when it begins `phase` bytes into a group of three, and how many characters of
/// that group stand before them.
fn base64(literal: &[u8], phase: u8) -> (u8, Vec<u8>) {
    let bit = |at: usize| -> Option<u8> {
        let byte = literal.get(at / 8)?;
        Some((byte >> (7 - at % 8)) & 1)
    };
    let offset = usize::from(phase) * 8;
    let first = offset.div_ceil(6);
    let last = (offset + literal.len() * 8) / 6;
    let characters = (first..last).filter_map(|index| {
        let value = (0..6).try_fold(0_u8, |value, place| {
            Some((value << 1) | bit(index * 6 + place - offset)?)
        })?;
        STANDARD.get(usize::from(value)).copied()
    });
    (u8::try_from(first).unwrap_or(0), characters.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_has_the_spellings_of_forms_and_of_json() {
        let all = |literal| -> Vec<String> { spellings(literal).into_iter().map(|(text, _)| text).collect() };
        assert_eq!(all("ghp_"), [""; 0]);
        assert_eq!(all("bearer "), ["bearer%20", "bearer+"]);
        assert_eq!(all("a://"), ["a%3A%2F%2F", "a%3a%2f%2f", r"a:\/\/"]);
    }

    #[test]
    fn base64_images_are_what_an_encoder_writes_at_each_phase() {
        // "ab" + "ghp_" + ... as coreutils base64 writes them: `printf ghp_x | base64`, `printf aghp_x | base64`, `printf aaghp_x | base64`.
        let found: Vec<String> = images(b"ghp_", 4)
            .into_iter()
            .filter(|image| image.layer == Layer::Base64)
            .map(|image| String::from_utf8(image.bytes).unwrap())
            .collect();
        for (text, image) in ["Z2hwX3g=", "YWdocF94", "YWFnaHBfeA=="].iter().zip(&found) {
            assert!(text.contains(image), "{image} in {text}");
        }
        assert_eq!(found.len(), 3);
    }
}
