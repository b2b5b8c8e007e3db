//! `data`, and in it `redact` and `block`.

use super::{Draft, list, mapping, one_of, unknown_key};
use crate::diagnostic::{Code, Report, Span};
use crate::redact::{DATA_CLASSES, RedactedClass};
use crate::rule::{Pattern, Section};
use crate::syntax::{Entry, Node, Value};
use crate::verdict::Verdict;

const KEYS: [&str; 3] = ["redact", "block", "from"];

impl Draft {
    /// `data: {redact: [CLASS...], block: [CLASS...], from: {...}}`
    pub(super) fn data(&mut self, node: &Node, report: &mut Report<'_>) {
        for entry in mapping(node, "`data`", report).unwrap_or_default() {
            match entry.key.as_str() {
                "redact" => {
                    let classes = classes(entry, report).into_iter();
                    let redacted = classes.map(|(name, Span { line, .. })| RedactedClass { name, line });
                    self.redact = Some(redacted.collect());
                }
                "block" => {
                    for (class, span) in classes(entry, report) {
                        let pattern = Pattern::Data(class);
                        self.rule(Section::Block, Verdict::Deny, class.to_owned(), pattern, span);
                    }
                }
                "from" => self.data_from(&entry.node, report),
                _ => unknown_key(entry, &KEYS, &[], report),
            }
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
