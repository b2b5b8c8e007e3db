//! `data`, and in it `redact` and `block`.

use super::{Draft, list, mapping, one_of, unknown_key};
use crate::data::{DATA_CLASSES, VAULT};
use crate::diagnostic::{Code, Report, Span};
use crate::rule::{Pattern, Section};
use crate::syntax::{Entry, Node, Value};
use crate::verdict::Verdict;

const KEYS: [&str; 3] = ["redact", "block", "from"];

impl Draft {
    /// `data: {redact: [CLASS...], block: [CLASS...], from: {...}}`
    pub(super) fn data(&mut self, node: &Node, report: &mut Report<'_>) {
        for entry in mapping(node, "`data`", report).unwrap_or_default() {
            match entry.key.as_str() {
                "redact" => self.withhold(Section::Redact, entry, report),
                "block" => self.withhold(Section::Block, entry, report),
                "from" => self.data_from(&entry.node, report),
                _ => unknown_key(entry, &KEYS, &[], report),
            }
        }
    }

    fn withhold(&mut self, section: Section, entry: &Entry, report: &mut Report<'_>) {
        for (pattern, text, span) in withheld(entry, report) {
            self.rule(section, Verdict::Deny, text, pattern, span);
        }
    }
}

/// Each class and each pattern of secrets of the vault once, where it is named first.
fn withheld(entry: &Entry, report: &mut Report<'_>) -> Vec<(Pattern, String, Span)> {
    let choices = DATA_CLASSES.map(|name| (name, name));
    let mut withheld: Vec<(Pattern, String, Span)> = Vec::new();
    for item in list(&entry.node, &format!("`{}`", entry.key), report) {
        let named = match &item.value {
            Value::Text(text) if text.starts_with(VAULT) => of_vault(text, item.span, report),
            _ => one_of(item, &choices, report).map(|class| (Pattern::Data(class), class.to_owned())),
        };
        if let Some((pattern, text)) = named
            && !withheld.iter().any(|(known, ..)| *known == pattern)
        {
            withheld.push((pattern, text, item.span));
        }
    }
    withheld
}

/// `vault/NAME`
fn of_vault(text: &str, span: Span, report: &mut Report<'_>) -> Option<(Pattern, String)> {
    let name = text.strip_prefix(VAULT).unwrap_or_default();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.*?".contains(letter);
    if name.is_empty() || !name.chars().all(plain) {
        report
            .error(
                Code::Value,
                span,
                format!("`{text}`: no secret of the vault has such a name"),
            )
            .hint("`vault/*`, or `vault/GITHUB_*`: letters, digits, `_`, `-`, `.`, with `*` and `?`");
        return None;
    }
    Some((Pattern::Vault(name.to_owned()), text.to_owned()))
}
