//! Made-up people's numbers, for the tests and the corpus.

use crate::charset::{DIGIT, HEX};
use crate::sample::Seed;
use crate::verify::checksum::{iban, luhn};

/// Digits with the last ones such that a test holds.
fn checked(seed: &mut Seed, head: &str, count: usize, check: usize, holds: impl Fn(&str) -> bool) -> String {
    let body = seed.text(&DIGIT, count);
    let limit = 10_u32.pow(u32::try_from(check).unwrap_or(1));
    (0..limit)
        .map(|sum| format!("{head}{body}{sum:0check$}"))
        .find(|text| holds(text))
        .unwrap_or_default()
}

fn grouped(digits: &str, lengths: &[usize], separator: &str) -> String {
    let mut rest = digits;
    let mut parts = Vec::new();
    for length in lengths {
        let (part, tail) = rest.split_at_checked(*length).unwrap_or((rest, ""));
        parts.push(part);
        rest = tail;
    }
    parts.join(separator)
}

pub(crate) fn card(seed: &mut Seed) -> String {
    let plain = checked(seed, "4", 14, 1, |text| luhn(text.bytes()));
    match seed.below(3) {
        0 => plain,
        1 => grouped(&plain, &[4, 4, 4, 4], " "),
        _ => grouped(&plain, &[4, 4, 4, 4], "-"),
    }
}

pub(crate) fn phone(seed: &mut Seed) -> String {
    let mut digits = |count: usize| format!("{}{}", 2 + seed.below(8), seed.text(&DIGIT, count - 1));
    let (a, b, c) = (digits(3), digits(3), digits(4));
    match seed.below(4) {
        0 => format!("+1 ({a}) {b}-{c}"),
        1 => format!("{a}-{b}-{c}"),
        2 => format!("+44 20 {c} {a}{}", seed.below(10)),
        _ => format!("+49{a}{b}{c}"),
    }
}

pub(crate) fn bank(seed: &mut Seed) -> String {
    let body = seed.text(&DIGIT, 18);
    let plain = (0..100)
        .map(|check| format!("DE{check:02}{body}"))
        .find(|text| iban(text.as_bytes()))
        .unwrap_or_default();
    if seed.below(2) == 0 {
        return plain;
    }
    grouped(&plain, &[4, 4, 4, 4, 4, 2], " ")
}

pub(crate) fn email(seed: &mut Seed) -> String {
    let letters = crate::charset::Charset::of("a-z");
    let name = seed.text(&letters, 6);
    format!(
        "{name}.{}@{}.example.org",
        seed.text(&letters, 7),
        seed.text(&letters, 5)
    )
}

pub(crate) fn ip(seed: &mut Seed) -> String {
    if seed.below(2) == 0 {
        return format!("2001:db8::{:x}:{:x}", 1 + seed.below(65_535), 1 + seed.below(65_535));
    }
    format!("10.{}.{}.{}", seed.below(256), seed.below(256), 1 + seed.below(254))
}

pub(crate) fn mac(seed: &mut Seed) -> String {
    (0..6).map(|_| seed.text(&HEX, 2)).collect::<Vec<_>>().join(":")
}

pub(crate) fn us_ssn(seed: &mut Seed) -> String {
    format!(
        "{}-{:02}-{:04}",
        100 + seed.below(500),
        1 + seed.below(99),
        1 + seed.below(9999)
    )
}

pub(crate) fn in_aadhaar(seed: &mut Seed) -> String {
    let holds = |text: &str| super::national::verhoeff(&text.bytes().map(|byte| byte - b'0').collect::<Vec<_>>());
    let plain = checked(seed, "4", 10, 1, holds);
    grouped(&plain, &[4, 4, 4], " ")
}

/// One of which the check digits hold, by trying: `holds` is asked as the engine would see it.
pub(crate) fn tried(
    seed: &mut Seed,
    head: &str,
    count: usize,
    check: usize,
    tail: &str,
    recognise: super::Recognise,
) -> String {
    loop {
        let text = checked(seed, head, count, check, |text| {
            let text = format!(" {text}{tail} ");
            let view = crate::text::Text::new(text.as_bytes(), true);
            let super::number::Run::At(run) = super::number::next_run(&view, 0, text.len()) else {
                return false;
            };
            super::number::Number::read(&view, run).is_some_and(|number| recognise(&number).is_some())
        });
        if !text.is_empty() {
            return text + tail;
        }
    }
}

pub(crate) fn br_cpf(seed: &mut Seed) -> String {
    let plain = tried(seed, "", 9, 2, "", super::national::br_cpf);
    let (body, check) = plain.split_at_checked(9).unwrap_or_default();
    format!("{}-{check}", grouped(body, &[3, 3, 3], "."))
}

pub(crate) fn cn_resident(seed: &mut Seed) -> String {
    let head = format!(
        "11010119{}0{}1{}",
        50 + seed.below(49),
        1 + seed.below(9),
        seed.below(10)
    );
    tried(seed, &head, 3, 1, "", super::national::cn_resident)
}

pub(crate) fn jp_individual(seed: &mut Seed) -> String {
    format!(
        "my number: {}",
        tried(seed, "", 11, 1, "", super::national::jp_individual)
    )
}

pub(crate) fn de_tax(seed: &mut Seed) -> String {
    format!("Steuer-ID {}", tried(seed, "4", 9, 1, "", super::national::de_tax))
}

pub(crate) fn fr_nir(seed: &mut Seed) -> String {
    let head = format!("1{}0{}", 50 + seed.below(49), 1 + seed.below(9));
    tried(seed, &head, 8, 2, "", super::national::fr_nir)
}

pub(crate) fn uk_nino(seed: &mut Seed) -> String {
    format!("AB{}C", seed.text(&DIGIT, 6))
}

pub(crate) fn es_dni(seed: &mut Seed) -> String {
    let digits = seed.text(&DIGIT, 8);
    let value: usize = digits.parse().unwrap_or(0);
    let letter = b"TRWAGMYFPDXBNJZSQVHLCKE".get(value % 23).copied().unwrap_or(b'T');
    format!("DNI: {digits}{}", char::from(letter))
}

pub(crate) fn kr_rrn(seed: &mut Seed) -> String {
    format!(
        "{}0{}1{}-{}{}",
        50 + seed.below(49),
        1 + seed.below(9),
        seed.below(10),
        1 + seed.below(4),
        seed.text(&DIGIT, 6)
    )
}

pub(crate) fn mx_curp(seed: &mut Seed) -> String {
    format!(
        "GARC{}0{}1{}HDFRRL0{}",
        50 + seed.below(49),
        1 + seed.below(9),
        seed.below(10),
        seed.below(10)
    )
}

pub(crate) fn ca_sin(seed: &mut Seed) -> String {
    let plain = checked(seed, "4", 7, 1, |text| luhn(text.bytes()));
    format!("social insurance number {}", grouped(&plain, &[3, 3, 3], " "))
}

pub(crate) fn it_fiscal(seed: &mut Seed) -> String {
    format!(
        "RSSMRA{}A0{}H{}X",
        50 + seed.below(49),
        1 + seed.below(9),
        100 + seed.below(899)
    )
}
