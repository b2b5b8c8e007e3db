//! `file.label` and `data.from`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Draft, list, mapping, nearest, text, unknown_key};
use crate::action::Action;
use crate::diagnostic::{Code, Report, Span};
use crate::expect::Expect;
use crate::glob::PathPattern;
use crate::labels::{CarriedKind, MAX_LABELS, MAX_NAME, is_name};
use crate::rule::{Pattern, Section};
use crate::syntax::{Entry, Node, Value};
use crate::verdict::Verdict;

const FROM_KEYS: [&str; 2] = ["deny", "ask"];
const FROM_NOT_YET: [(&str, &str); 4] = [
    ("kill", "write `deny`"),
    ("suspend", "write `ask`, which holds the process"),
    ("alert", "leave it out; becoming labelled is recorded"),
    ("redact", "write `deny`"),
];

impl Draft {
    /// `label: {NAME: [PATTERN...]}`
    pub(super) fn label(&mut self, node: &Node, report: &mut Report<'_>) {
        for entry in mapping(node, "`label`", report).unwrap_or_default() {
            let label = &entry.key;
            if !is_name(label) {
                report
                    .error(Code::Value, entry.span, format!("`{label}` cannot be a label"))
                    .hint(format!("letters, digits, `-`, `_` and `.`; at most {MAX_NAME}"));
                continue;
            }
            self.labels.push((label.clone(), entry.span));
            if self.labels.len() == MAX_LABELS + 1 {
                report
                    .error(Code::TooLarge, entry.span, format!("`{label}` is one label too many"))
                    .cause(format!("a policy has at most {MAX_LABELS}"))
                    .hint("give one label to all that is treated alike");
            }
            for item in list(&entry.node, &format!("`{label}`"), report) {
                self.labelled(label, item, report);
            }
        }
    }

    fn labelled(&mut self, label: &str, item: &Node, report: &mut Report<'_>) {
        let Some(text) = text(item, "a pattern", report) else {
            return;
        };
        let pattern = self.names.pattern(text).and_then(|pattern| PathPattern::path(&pattern));
        match pattern {
            Ok(path) => {
                let label = label.to_owned();
                let text = format!("{label}: {text}");
                let pattern = Pattern::Label { label, path };
                self.rule(Section::Label, Verdict::Allow, text, pattern, item.span);
            }
            Err(complaint) => complaint.report(report, item.span),
        }
    }

    /// `from: {LABEL: {deny: [KIND...], ask: [KIND...]}}`
    pub(super) fn data_from(&mut self, node: &Node, report: &mut Report<'_>) {
        for carried in mapping(node, "`from`", report).unwrap_or_default() {
            self.from.push((carried.key.clone(), carried.span));
            self.carried(carried, report);
        }
    }

    fn carried(&mut self, entry: &Entry, report: &mut Report<'_>) {
        let label = &entry.key;
        for by_verdict in mapping(&entry.node, &format!("`{label}`"), report).unwrap_or_default() {
            let verdict = match by_verdict.key.as_str() {
                "deny" => Verdict::Deny,
                "ask" => Verdict::Ask,
                "allow" | "default" => {
                    report
                        .error(
                            Code::UnknownKey,
                            by_verdict.span,
                            format!("`{}` has no place here", by_verdict.key),
                        )
                        .cause("a label takes away; what it does not take stays as the other sections say")
                        .hint("write `deny` or `ask`");
                    continue;
                }
                _ => {
                    unknown_key(by_verdict, &FROM_KEYS, &FROM_NOT_YET, report);
                    continue;
                }
            };
            for item in list(&by_verdict.node, &format!("`{verdict}`"), report) {
                self.taken(label, verdict, item, report);
            }
        }
    }

    fn taken(&mut self, label: &str, verdict: Verdict, item: &Node, report: &mut Report<'_>) {
        let Value::Text(word) = &item.value else {
            report
                .error(
                    Code::Shape,
                    item.span,
                    format!("what is taken is one word, this is {}", item.kind()),
                )
                .hint("write `net`, `exec` or `file.write`");
            return;
        };
        let Some(kind) = CarriedKind::ALL.into_iter().find(|kind| kind.word() == word) else {
            let found = report.error(
                Code::NotYet,
                item.span,
                format!("`{word}` cannot be taken from who carries a label"),
            );
            let known = CarriedKind::ALL.into_iter().map(CarriedKind::word);
            match (nearest(word, known), word.as_str()) {
                (Some(near), _) => found.hint(format!("did you mean `{near}`?")),
                (None, "file" | "write") => found.hint("write `file.write`"),
                (None, _) => found.hint("`net`, `exec` and `file.write` can be, whole"),
            };
            return;
        };
        let label = label.to_owned();
        let text = format!("{kind} carrying {label}");
        self.rule(
            Section::Carried,
            verdict,
            text,
            Pattern::Carried { label, kind },
            item.span,
        );
    }

    /// The names of all labels, sorted; what is taken from a label that nothing gives is an error.
    pub(super) fn label_names(&self, report: &mut Report<'_>) -> Vec<String> {
        let names: BTreeSet<&String> = self.labels.iter().map(|(label, _)| label).collect();
        for (label, span) in self.from.iter().filter(|(label, _)| !names.contains(label)) {
            let found = report.error(Code::Value, *span, format!("nothing carries the label `{label}`"));
            match nearest(label, names.iter().map(|name| name.as_str())) {
                Some(near) => found.hint(format!("did you mean `{near}`?")),
                None => found.hint(format!(
                    "say which files give it: `file: {{label: {{{label}: [/path/**]}}}}`"
                )),
            };
        }
        names.into_iter().cloned().collect()
    }

    /// Labels whose carriers may do what everybody may: for a warning.
    pub(super) fn idle_labels(&self) -> Vec<(String, Span)> {
        let from: BTreeMap<&String, Span> = self.from.iter().map(|(label, span)| (label, *span)).collect();
        let idle = self.labels.iter().filter(|(label, _)| !from.contains_key(label));
        idle.cloned().collect()
    }
}

/// `expect` lines can only name labels there are.
pub(super) fn check_expects(expects: &[Expect], labels: &[String], report: &mut Report<'_>) {
    for expect in expects {
        let (action, span) = expect.place();
        if let Some(unknown) = unknown_label(action, labels) {
            report
                .error(
                    Code::ExpectSyntax,
                    span,
                    format!("nothing carries the label `{unknown}`"),
                )
                .hint(known(labels));
        }
    }
}

/// The first label of an action that the policy does not have.
pub(super) fn unknown_label<'action>(action: &'action Action, labels: &[String]) -> Option<&'action str> {
    let Action::Carrying { labels: carried, .. } = action else {
        return None;
    };
    let unknown = carried.iter().find(|label| !labels.contains(label));
    unknown.map(String::as_str)
}

/// What to say to who named one that is not there.
pub(super) fn known(labels: &[String]) -> String {
    if labels.is_empty() {
        "the policy has no labels: `file: {label: {NAME: [PATTERN]}}`".to_owned()
    } else {
        format!("the labels of the policy: {}", labels.join(", "))
    }
}
