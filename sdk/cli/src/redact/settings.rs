//! What `--policy` says: `data.redact` of a policy (`.yaml`), or the section `[redaction]` of any TOML file.

use std::io::Read;
use std::path::Path;

use aa_redact::{Options, Style};
use aa_wire::WireError;
use serde::Deserialize;

use crate::policy::{here, read_policy};

/// The file; what else it says is other programs' business.
#[derive(Deserialize)]
struct File {
    redaction: Option<Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    detect: Option<Vec<String>>,
    #[serde(default)]
    replace: Replace,
    #[serde(default = "yes")]
    encodings: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Replace {
    #[default]
    Label,
    Mask,
    Pseudonym,
}

fn yes() -> bool {
    true
}

/// What a policy asks for; without one, everything but addresses of machines.
pub(super) fn options(policy: Option<&Path>) -> Result<Options, WireError> {
    let Some(path) = policy else {
        return Ok(Options::default());
    };
    let (text, name) = (read_policy(path)?, path.display().to_string());
    if path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
    {
        return of_policy(&text, &name);
    }
    parse(&text, &name)
}

/// What `data.redact` of a policy names, with the names in its place.
pub(super) fn of_policy(text: &str, name: &str) -> Result<Options, WireError> {
    let policy = aa_policy::parse_policy(text, name, &here()).map_err(|diagnostics| {
        WireError::new("bad-policy", format!("{name} is no policy"))
            .because(diagnostics.to_string().trim_end())
            .hint("a file with `[redaction]` ends in .toml")
    })?;
    let names: Vec<&str> = policy.classes(aa_policy::Section::Redact).collect();
    if names.is_empty() {
        return Err(
            WireError::new("bad-policy", format!("{name} says nothing of `data.redact`"))
                .hint("add `data: {redact: [secret]}`; without --policy everything is looked for"),
        );
    }
    Options::default()
        .only(&names)
        .map_err(|error| WireError::from_error("bad-policy", &error))
}

pub(super) fn parse(text: &str, name: &str) -> Result<Options, WireError> {
    let file: File = toml::from_str(text).map_err(|error| {
        WireError::new(
            "bad-policy",
            format!("{name}: the section `[redaction]` cannot be read"),
        )
        .because(placed(&error, text))
        .hint("`aasm redact --help` shows one")
    })?;
    let Some(section) = file.redaction else {
        return Err(
            WireError::new("bad-policy", format!("{name} has no section `[redaction]`"))
                .hint("`aasm redact --help` shows one; without --policy everything is looked for"),
        );
    };
    let mut options = Options::default();
    if let Some(names) = &section.detect {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        options = options.only(&names).map_err(|error| {
            WireError::new("bad-policy", format!("{name}: the section `[redaction]` cannot be used"))
                .because(error)
                .hint("classes are secret, private-key, connection-string, pii.email, pii.phone, pii.iban, pii.card, pii.national-id, pii.ip and pii.mac")
        })?;
    }
    options.encodings = section.encodings;
    options.style = match section.replace {
        Replace::Label => Style::Label,
        Replace::Mask => Style::Mask,
        Replace::Pseudonym => Style::Pseudonym(key()?),
    };
    Ok(options)
}

/// Where and what, without the line itself: what else the file says may be secret.
fn placed(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {}", error.message())
}

/// A key of this run: the same value has the same name throughout its output, and another in the next.
fn key() -> Result<Vec<u8>, WireError> {
    let mut key = vec![0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut key))
        .map_err(|error| WireError::new("cannot-read", "cannot read /dev/urandom").because(error))?;
    Ok(key)
}
