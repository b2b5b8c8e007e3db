//! `policy`, `version`, `scope`, `governs`, `let`.

use super::{Draft, list, mapping, text, unknown_key};
use crate::diagnostic::{Code, Report};
use crate::glob::PathPattern;
use crate::policy::{ExecSelector, Scope, ScopeLevel, Selector};
use crate::syntax::{Entry, Node};

const LEVELS: [(&str, ScopeLevel); 4] = [
    ("org", ScopeLevel::Org),
    ("team", ScopeLevel::Team),
    ("agent", ScopeLevel::Agent),
    ("session", ScopeLevel::Session),
];

impl Draft {
    pub(super) fn policy(&mut self, node: &Node, report: &mut Report<'_>) {
        let Some(name) = text(node, "`policy`", report) else {
            return;
        };
        let plain = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
        if !plain || name.is_empty() || name.len() > 64 || name.starts_with(['-', '.']) {
            report
                .error(Code::Value, node.span, format!("`{name}` is not a name for a policy"))
                .hint("up to 64 small letters, digits, `-`, `_` and `.`, as in `coding-agent`");
        }
        name.clone_into(&mut self.name);
    }

    pub(super) fn version(&mut self, node: &Node, report: &mut Report<'_>) {
        let Some(version) = text(node, "`version`", report) else {
            return;
        };
        match version.parse() {
            Ok(number) if number > 0 => self.version = number,
            _ => {
                report
                    .error(Code::Value, node.span, format!("`{version}` is not a version"))
                    .hint("a whole number from 1 up, raised with every change");
            }
        }
    }

    pub(super) fn scope(&mut self, node: &Node, report: &mut Report<'_>) {
        let Some(entries) = mapping(node, "`scope`", report) else {
            return;
        };
        for entry in entries {
            let Some((_, level)) = LEVELS.iter().find(|(word, _)| *word == entry.key) else {
                unknown_key(entry, &LEVELS.map(|(word, _)| word), &[], report);
                continue;
            };
            let Some(name) = text(&entry.node, "the name in `scope`", report) else {
                continue;
            };
            self.scope = Some(Scope {
                level: *level,
                name: name.to_owned(),
            });
        }
        if entries.len() != 1 {
            report
                .error(Code::Value, node.span, "`scope` names one level")
                .hint("write `scope: {team: platform}`");
        }
    }

    pub(super) fn governs(&mut self, node: &Node, report: &mut Report<'_>) {
        for item in list(node, "`governs`", report) {
            let Some(entries) = mapping(item, "an entry of `governs`", report) else {
                continue;
            };
            for entry in entries {
                self.selector(entry, report);
            }
        }
    }

    fn selector(&mut self, entry: &Entry, report: &mut Report<'_>) {
        let not_yet = [
            ("pod", "select the pod's cgroup with `cgroup:`"),
            ("image", "select the program with `exec:`"),
        ];
        if !["exec", "user", "cgroup", "unit"].contains(&entry.key.as_str()) {
            unknown_key(entry, &["exec", "user", "cgroup", "unit"], &not_yet, report);
            return;
        }
        let Some(value) = text(&entry.node, &format!("`{}`", entry.key), report) else {
            return;
        };
        let written = value.to_owned();
        let value = match self.names.pattern(value) {
            Ok(value) => value,
            Err(complaint) => return complaint.report(report, entry.node.span),
        };
        let selector = match entry.key.as_str() {
            "exec" => match PathPattern::path(&value) {
                Ok(pattern) => Selector::Exec(ExecSelector { text: written, pattern }),
                Err(complaint) => return complaint.report(report, entry.node.span),
            },
            "user" => Selector::User(value),
            "cgroup" => {
                if !value.starts_with('/') {
                    report
                        .error(
                            Code::Value,
                            entry.node.span,
                            format!("`{value}` is not the path of a cgroup"),
                        )
                        .hint(format!("from the root of the hierarchy: `/{value}`"));
                }
                Selector::Cgroup(value)
            }
            _ => {
                if !value.contains('.') {
                    report
                        .error(
                            Code::Value,
                            entry.node.span,
                            format!("`{value}` is not the name of a unit"),
                        )
                        .hint(format!("with its kind: `{value}.service`"));
                }
                Selector::Unit(value)
            }
        };
        self.governs.push(selector);
    }

    /// Takes up all of `let` before anything uses it.
    pub(super) fn lets(&mut self, entries: &[Entry], report: &mut Report<'_>) {
        let Some(entry) = entries.iter().find(|entry| entry.key == "let") else {
            return;
        };
        let Some(lets) = mapping(&entry.node, "`let`", report) else {
            return;
        };
        for entry in lets {
            let name = &entry.key;
            let Some(value) = text(&entry.node, &format!("`{name}`"), report) else {
                continue;
            };
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !plain || ["home", "run"].contains(&name.as_str()) {
                report
                    .error(Code::Value, entry.span, format!("`{name}` cannot be defined"))
                    .hint("letters, digits and `_`; `home` and `run` are given by the host");
                continue;
            }
            self.lets.insert(name.clone(), value.to_owned());
            if self.names.is_given(name) {
                continue;
            }
            if let Err(complaint) = self.names.define(name, value) {
                complaint.report(report, entry.node.span);
            }
        }
    }
}
