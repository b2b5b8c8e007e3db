//! What tells a secret from a word, a placeholder or a piece of code.

/// Words that stand where a value would in documentation and templates, in lower case.
const PLACEHOLDERS: [&str; 30] = [
    "your",
    "example",
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "redacted",
    "replace",
    "insert",
    "dummy",
    "xxxx",
    "****",
    "....",
    "todo",
    "fixme",
    "sample",
    "<",
    "${",
    "{{",
    "$(",
    "%(",
    "#{",
    "process.env",
    "os.environ",
    "getenv",
    "secrets.",
    "env.",
    "config.",
    "vault:",
    "-here",
];

/// Whole values that are no secret, in lower case.
const WORDS: [&str; 40] = [
    "true",
    "false",
    "null",
    "none",
    "nil",
    "undefined",
    "string",
    "str",
    "number",
    "integer",
    "boolean",
    "object",
    "bytes",
    "required",
    "optional",
    "password",
    "passwd",
    "pass",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "hidden",
    "masked",
    "default",
    "invalid",
    "incorrect",
    "missing",
    "empty",
    "unset",
    "hash",
    "hashed",
    "encrypted",
    "plain",
    "text",
    "value",
    "input",
    "enabled",
    "disabled",
    "bearer",
];

/// Whether it is what documentation and templates write instead of a value.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let word = |word: &str| lower == word.as_bytes();
    distinct(value) < 3
        || WORDS.iter().any(|known| word(known))
        || PLACEHOLDERS
            .iter()
            .any(|part| memchr::memmem::find(&lower, part.as_bytes()).is_some())
        || matches!(lower.first(), Some(b'$' | b'<' | b'{' | b'[' | b'%' | b'*'))
}

/// How many different bytes there are among the first 64.
pub(crate) fn distinct(value: &[u8]) -> u32 {
    let seen = value.iter().take(64).fold([0_u128; 2], |[low, high], byte| {
        let bit = 1_u128 << (byte & 127);
        if *byte < 128 {
            [low | bit, high]
        } else {
            [low, high | bit]
        }
    });
    seen.map(u128::count_ones).iter().sum()
}

/// Whether a run of token characters is varied enough not to be filler such as `xxxxxxxx`.
pub(crate) fn is_varied(body: &[u8]) -> bool {
    let wanted = match body.len() {
        0..8 => 1,
        8..16 => 4,
        _ => 6,
    };
    distinct(body) >= wanted
}

/// Shannon entropy in bits per byte, of the first 256 bytes.
pub(crate) fn entropy(value: &[u8]) -> f64 {
    let value = value.get(..256).unwrap_or(value);
    let mut counts = [0_u16; 256];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = f64::from(u16::try_from(value.len()).unwrap_or(1).max(1));
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

/// Whether a key or token could look like this: no words, no path, no address, random enough for its length.
pub(crate) fn is_random(value: &[u8]) -> bool {
    let count = |test: fn(&u8) -> bool| value.iter().filter(|byte| test(byte)).count();
    let (digits, lower, upper) = (
        count(u8::is_ascii_digit),
        count(u8::is_ascii_lowercase),
        count(u8::is_ascii_uppercase),
    );
    let kinds = [digits, lower, upper].iter().filter(|count| **count > 0).count();
    let spread = if value.len() < 16 { 2.8 } else { 3.0 };
    value.len() >= 10 && kinds >= 2 && (digits > 0 || value.len() >= 20) && !is_words(value) && entropy(value) >= spread
}

/// Whether it is words joined by separators (`my-signing-key-2`), a path or a URL.
pub(crate) fn is_words(value: &[u8]) -> bool {
    if value.starts_with(b"/")
        || value.starts_with(b"./")
        || value.starts_with(b"~/")
        || memchr::memmem::find(value, b"://").is_some()
    {
        return true;
    }
    value
        .split(|byte| matches!(byte, b'-' | b'_' | b'.' | b'/' | b':' | b' '))
        .all(|part| is_word(part) || (part.len() <= 4 && part.iter().all(u8::is_ascii_digit)))
}

/// Letters of one case, or an initial capital, or camelCase: with few changes of case for its length, and each of its words one that can be
/// spoken. A number of two digits may follow.
fn is_word(part: &[u8]) -> bool {
    let letters = part.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (word, number) = part.split_at_checked(letters).unwrap_or((part, &[]));
    let changes = word
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
        .count();
    let vowels = word.iter().filter(|byte| is_vowel(**byte)).count();
    letters <= 24
        && changes * 5 <= letters
        && vowels * 6 >= letters
        && number.len() <= 2
        && number.iter().all(u8::is_ascii_digit)
        && word
            .chunk_by(|a, b| !(a.is_ascii_lowercase() && b.is_ascii_uppercase()))
            .all(is_spoken)
}

fn is_vowel(byte: u8) -> bool {
    b"aeiouyAEIOUY".contains(&byte)
}

/// A part of camelCase: `Value`, `npm`, `HTTPRequest`, `IDs`, `URL`; not `VGrfb`.
fn is_spoken(part: &[u8]) -> bool {
    let capitals = part.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let rest = part.get(capitals..).unwrap_or_default();
    match capitals {
        0 | 1 => part.len() < 4 || part.iter().any(|byte| is_vowel(*byte)),
        _ => matches!(rest, b"" | b"s") || rest.iter().any(|byte| is_vowel(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Seed, mixed};

    #[test]
    fn letters_that_are_no_words_are_random_even_if_few_change_case() {
        assert!(is_random(b"lEaVGYrfoDFvbxn5"));
        assert!(is_random(b"qWrTzzBnmkLpsd7"));
    }

    #[test]
    fn random_values_pass_and_words_paths_and_placeholders_do_not() {
        let mut seed = Seed::new(5);
        let passed = (0..1000).filter(|_| is_random(mixed(&mut seed, 24).as_bytes())).count();
        assert!(passed >= 995, "{passed}");
        for benign in [
            "my-signing-key-2",
            "authentication",
            "accessTokenValue",
            "/etc/ssl/private/key.pem",
            "https://example.org/a1b2c3d4e5",
            "getJWTFromHTTPRequest",
            "npmPackageNames2",
            "xxlUserIDs",
        ] {
            assert!(!is_random(benign.as_bytes()), "{benign}");
        }
        for placeholder in [
            "YOUR_API_KEY",
            "${DB_PASSWORD}",
            "<token>",
            "xxxxxxxxxxxx",
            "changeme",
            "null",
            "********",
        ] {
            assert!(is_placeholder(placeholder.as_bytes()), "{placeholder}");
        }
    }
}
