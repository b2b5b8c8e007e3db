//! `data`, and in it `redact` and `block`.

use super::{Draft, list, mapping, one_of, unknown_key};
use crate::data::DATA_CLASSES;
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
        for (class, span) in classes(entry, report) {
            self.rule(section, Verdict::Deny, class.to_owned(), Pattern::Data(class), span);
        }
    }
}

/// Each class once, where it is named first.
fn classes(entry: &Entry, report: &mut Report<'_>) -> Vec<(&'static str, Span)> {
    let choices = DATA_CLASSES.map(|name| (name, name));
    let mut classes: Vec<(&'static str, Span)> = Vec::new();
    for item in list(&entry.node, &format!("`{}`", entry.key), report) {
        if let Value::Text(text) = &item.value
            && text.starts_with("vault/")
        {
            of_vault(text, item.span, report);
        } else if let Some(name) = one_of(item, &choices, report)
            && !classes.iter().any(|(known, _)| *known == name)
        {
            classes.push((name, item.span));
        }
    }
    classes
}

fn of_vault(text: &str, span: Span, report: &mut Report<'_>) {
    let names = DATA_CLASSES.map(|name| format!("`{name}`"));
    report
        .error(
            Code::NotYet,
            span,
            format!("`{text}`: secrets of a vault are not known by this version yet"),
        )
        .hint(format!("remove it; meanwhile one of {}", names.join(", ")));
}
