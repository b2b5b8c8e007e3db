//! What is about people.

use crate::detector::Class::{BankAccount, Card, Email, IpAddress, MacAddress, NationalId, Phone};
use crate::detector::Detector;
use crate::detector::Risk::{Critical, High, Low, Medium};
use crate::person::{address, bank, card, email, national, phone, samples};

#[rustfmt::skip]
pub(super) static ROWS: &[Detector] = &[
    Detector::special("email", Email, &["%40", "\\u0040", "&#64;", "&#x40;"], email::verify, samples::email, "https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2").at_sign().risk_is(Medium),
    Detector::number("iban", BankAccount, bank::iban, samples::bank, "https://www.swift.com/standards/data-standards/iban-international-bank-account-number"),
    Detector::number("payment-card", Card, card::card, samples::card, "https://www.iso.org/standard/70484.html").after(&["card", "visa", "credit", "debit", "pan\"", "cc_"]),
    Detector::number("phone", Phone, phone::phone, samples::phone, "https://www.itu.int/rec/T-REC-E.164/").after(&["phone", "tel:", "tel.", "mobile", "call me", "fax", "whatsapp", "telefon", "cell:"]).risk_is(Medium),
    Detector::number("us-ssn", NationalId, national::us_ssn, samples::us_ssn, "https://www.ssa.gov/employer/randomization.html").after(&["ssn", "social security", "social_security"]).risk_is(Critical),
    Detector::number("in-aadhaar", NationalId, national::in_aadhaar, samples::in_aadhaar, "https://uidai.gov.in/").after(&["aadhaar", "aadhar", "uidai"]),
    Detector::number("br-cpf", NationalId, national::br_cpf, samples::br_cpf, "https://www.gov.br/receitafederal/").after(&["cpf"]),
    Detector::number("cn-resident-id", NationalId, national::cn_resident, samples::cn_resident, "https://openstd.samr.gov.cn/"),
    Detector::number("jp-individual-number", NationalId, national::jp_individual, samples::jp_individual, "https://www.kojinbango-card.go.jp/").after(&["my number", "mynumber", "my_number", "individual number", "\u{30de}\u{30a4}\u{30ca}\u{30f3}\u{30d0}\u{30fc}"]),
    Detector::number("de-tax-id", NationalId, national::de_tax, samples::de_tax, "https://www.bzst.de/").after(&["steuer", "idnr", "tax id", "tax_id", "tin:"]),
    Detector::number("fr-nir", NationalId, national::fr_nir, samples::fr_nir, "https://www.insee.fr/").risk_is(High),
    Detector::number("uk-nino", NationalId, national::uk_nino, samples::uk_nino, "https://www.gov.uk/hmrc-internal-manuals/national-insurance-manual/nim39110"),
    Detector::number("es-dni", NationalId, national::es_dni, samples::es_dni, "https://www.interior.gob.es/").after(&["dni", "nie", "nif", "documento"]),
    Detector::number("kr-rrn", NationalId, national::kr_rrn, samples::kr_rrn, "https://www.law.go.kr/"),
    Detector::number("mx-curp", NationalId, national::mx_curp, samples::mx_curp, "https://www.gob.mx/curp/"),
    Detector::number("ca-sin", NationalId, national::ca_sin, samples::ca_sin, "https://www.canada.ca/en/employment-social-development/services/sin.html").after(&["sin:", "sin\"", "sin ", "social insurance", "social_insurance"]),
    Detector::number("it-fiscal-code", NationalId, national::it_fiscal, samples::it_fiscal, "https://www.agenziaentrate.gov.it/"),
    Detector::part("ip-address", IpAddress, address::ip, samples::ip, "https://www.rfc-editor.org/rfc/rfc4291#section-2.2").risk_is(Low),
    Detector::part("mac-address", MacAddress, address::mac, samples::mac, "https://standards.ieee.org/").risk_is(Low),
];
