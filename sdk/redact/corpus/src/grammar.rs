//! The language of the third corpus's rows, and the numbers of people that it makes.

use aa_redact::{Charset, Seed};

use crate::words::{FIRST, LAST};

/// What people choose, apart from the digits and signs between them.
const CHOSEN: &[&str] = &[
    "tangerine",
    "Bicycle",
    "harbour",
    "Falcon",
    "quartz",
    "Lantern",
    "maple",
    "Orchid",
    "pebble",
    "Saturn",
    "velvet",
    "Winter",
    "copper",
    "Juniper",
    "meadow",
    "Thunder",
];

/// A text with everything between `‹` and `›` made.
pub(crate) fn written(seed: &mut Seed, text: &str) -> String {
    let mut output = String::new();
    let mut rest = text;
    while let Some((before, (made, behind))) = rest
        .split_once('‹')
        .and_then(|(before, rest)| Some((before, rest.split_once('›')?)))
    {
        output.push_str(before);
        output.push_str(&value(seed, made));
        rest = behind;
    }
    output + rest
}

fn value(seed: &mut Seed, made: &str) -> String {
    let parts: Vec<&str> = made.split(':').collect();
    let count = |text: &str| text.parse::<usize>().unwrap_or(0);
    match parts.as_slice() {
        ["luhn", head, length] => luhn(seed, head, count(length)),
        ["luhn spaced", head, length] => spaced(&luhn(seed, head, count(length))),
        ["iban", country, head, length] => iban(seed, country, head, count(length)),
        ["iban spaced", country, head, length] => spaced(&iban(seed, country, head, count(length))),
        ["pem", length] => armoured(seed, count(length)),
        [name] => named(seed, name),
        [.., length] => {
            let set = made.strip_suffix(length).and_then(|set| set.strip_suffix(':'));
            // Sets are few, and the program ends soon.
            seed.text(Box::leak(Box::new(Charset::of(set.unwrap_or_default()))), count(length))
        }
        [] => String::new(),
    }
}

fn named(seed: &mut Seed, name: &str) -> String {
    match name {
        "name" => word(seed, if seed.clone().below(2) == 0 { FIRST } else { LAST }),
        "Name" => format!("{} {}", capital(&word(seed, FIRST)), capital(&word(seed, LAST))),
        "password" => chosen(seed),
        "secret" => seed.text(&Charset::of("A-Za-z0-9_.-"), 20),
        "uuid" => {
            let mut hex = |count| seed.text(&Charset::of("0-9a-f"), count);
            format!("{}-{}-4{}-9{}-{}", hex(8), hex(4), hex(3), hex(3), hex(12))
        }
        "ssn" => format!(
            "{}-{}-{}",
            101 + seed.below(560),
            11 + seed.below(88),
            1001 + seed.below(8900)
        ),
        "sin" => luhn(seed, "5", 9),
        "aadhaar" => spaced(&verhoeff(seed)),
        _ => weighted(seed, name),
    }
}

/// As people and as generators make them.
fn chosen(seed: &mut Seed) -> String {
    match seed.below(4) {
        0 => seed.text(&Charset::of("A-HJ-NP-Za-km-z2-9"), 16),
        1 => format!("{}-{}-{}", word(seed, CHOSEN), word(seed, CHOSEN), 10 + seed.below(90)),
        2 => format!("{}{}!", capital(&word(seed, CHOSEN)), 1950 + seed.below(80)),
        _ => {
            format!(
                "{}{}",
                seed.text(&Charset::of("A-Za-z"), 1),
                seed.text(&Charset::of("A-Za-z0-9#%*+=?_-"), 13)
            ) + "7"
        }
    }
}

fn word(seed: &mut Seed, of: &[&str]) -> String {
    seed.pick(of).copied().unwrap_or_default().to_owned()
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn digits(seed: &mut Seed, count: usize) -> String {
    seed.text(&Charset::of("0-9"), count)
}

fn each(text: &str) -> impl DoubleEndedIterator<Item = usize> + '_ {
    text.bytes().map(|byte| usize::from(byte.wrapping_sub(b'0')))
}

fn spaced(text: &str) -> String {
    let groups: Vec<String> = text
        .as_bytes()
        .chunks(4)
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    groups.join(" ")
}

fn armoured(seed: &mut Seed, count: usize) -> String {
    let text = seed.text(&Charset::of("A-Za-z0-9+/"), count);
    let lines: Vec<String> = text
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    lines.join("\n")
}

/// ISO/IEC 7812-1 annex B.
fn luhn(seed: &mut Seed, head: &str, count: usize) -> String {
    let body = format!("{head}{}", digits(seed, count - head.len() - 1));
    let sum: usize = each(&body)
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            if place % 2 == 0 {
                digit * 2 / 10 + digit * 2 % 10
            } else {
                digit
            }
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// ISO 13616: country, check digits, an account of which the head is given.
fn iban(seed: &mut Seed, country: &str, head: &str, count: usize) -> String {
    let account = format!("{head}{}", digits(seed, count));
    let remainder = format!("{account}{country}00")
        .bytes()
        .fold(0_u32, |sum, byte| match byte {
            b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
            _ => (sum * 100 + u32::from(byte - b'A') + 10) % 97,
        });
    format!("{country}{:02}{account}", 98 - remainder)
}

/// Sums of digits by weight, as each country's office describes its own.
fn weighted(seed: &mut Seed, name: &str) -> String {
    let sum = |text: &str, weights: &[usize]| -> usize {
        each(text).zip(weights).map(|(digit, weight)| digit * weight).sum()
    };
    match name {
        "cpf" => {
            let check = |text: &str, first: usize| {
                let weights: Vec<usize> = (2..=first).rev().collect();
                (sum(text, &weights) * 10 % 11) % 10
            };
            let body = digits(seed, 9);
            let body = format!("{body}{}", check(&body, 10));
            let body = format!("{body}{}", check(&body, 11));
            let part = |from: usize, to: usize| body.get(from..to).unwrap_or_default();
            format!("{}.{}.{}-{}", part(0, 3), part(3, 6), part(6, 9), part(9, 11))
        }
        "dni" => {
            let body = digits(seed, 8);
            let letter = body.parse::<usize>().unwrap_or(0) % 23;
            format!("{body}{}", "TRWAGMYFPDXBNJZSQVHLCKE".chars().nth(letter).unwrap_or('T'))
        }
        "nir" => {
            let body = format!(
                "{}{:02}{:02}75{}",
                1 + seed.below(2),
                seed.below(99),
                1 + seed.below(12),
                digits(seed, 6)
            );
            let key = 97 - body.parse::<u64>().unwrap_or(0) % 97;
            let part = |from: usize, to: usize| body.get(from..to).unwrap_or_default();
            let groups = [
                part(0, 1),
                part(1, 3),
                part(3, 5),
                part(5, 7),
                part(7, 10),
                part(10, 13),
            ];
            format!("{} {key:02}", groups.join(" "))
        }
        "steuer" => {
            // One digit twice, one not at all, the first no zero.
            let from = seed.pick(&[0, 1, 3, 4, 5, 6, 7, 8, 9]).copied().unwrap_or(0);
            let nine: String = "8603549721".chars().cycle().skip(from).take(9).collect();
            let body = format!("{nine}{}", nine.chars().nth(4).unwrap_or('8'));
            let check = each(&body).fold(10, |product, digit| {
                let sum = (product + digit) % 10;
                (if sum == 0 { 10 } else { sum }) * 2 % 11
            });
            format!("{body}{}", (11 - check) % 10)
        }
        "resident" => {
            let (year, month, day) = (1950 + seed.below(50), 1 + seed.below(12), 1 + seed.below(28));
            let body = format!("110105{year}{month:02}{day:02}{}", digits(seed, 3));
            let check = sum(&body, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11;
            format!("{body}{}", "10X98765432".chars().nth(check).unwrap_or('1'))
        }
        "fiscale" => fiscale(seed),
        _ => String::new(),
    }
}

/// Decree of 23 December 1976, the table of odd places among it.
fn fiscale(seed: &mut Seed) -> String {
    const ODD: [usize; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
    ];
    let letters = seed.text(&Charset::of("B-DF-HL-NP-TV-Z"), 6);
    let month = seed.text(&Charset::of("A-EHLMPR-T"), 1);
    let body = format!(
        "{letters}{}{month}{:02}H{}",
        10 + seed.below(89),
        1 + seed.below(28),
        100 + seed.below(800)
    );
    let sum: usize = body
        .bytes()
        .enumerate()
        .map(|(place, byte)| {
            let number = usize::from(if byte.is_ascii_digit() {
                byte - b'0'
            } else {
                byte - b'A'
            });
            if place % 2 == 0 {
                ODD.get(number).copied().unwrap_or(0)
            } else {
                number
            }
        })
        .sum();
    let letter = u8::try_from(sum % 26).map_or('A', |letter| char::from(b'A' + letter));
    format!("{body}{letter}")
}

/// Verhoeff 1969, in the dihedral group of a pentagon.
fn verhoeff(seed: &mut Seed) -> String {
    const TURN: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let product = |a: usize, b: usize| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let body = format!("{}{}", 2 + seed.below(8), digits(seed, 10));
    let turned =
        |digit: usize, times: usize| (0..times % 8).fold(digit, |digit, _| TURN.get(digit).copied().unwrap_or(0));
    let check = each(&body)
        .rev()
        .enumerate()
        .fold(0, |check, (place, digit)| product(check, turned(digit, place + 1)));
    let inverse = (0..10).find(|digit| product(check, *digit) == 0).unwrap_or(0);
    format!("{body}{inverse}")
}
