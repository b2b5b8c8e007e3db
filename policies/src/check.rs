//! The document's tree to a checked [`Policy`]: every key known, every value possible, every error reported.

mod asking;
mod data;
mod header;
mod labels;
mod limits;
mod sections;
mod spending;

use crate::action::Action;
use crate::deputies;
use crate::diagnostic::{Code, Complaint, Diagnostics, Report, Span};
use crate::expect;
use crate::model;
use crate::names::Names;
use crate::policy::{Asking, Environment, Mode, OnGap, Policy, Sections};
use crate::request;
use crate::rule::{self, Pattern, Rule, RuleKind, Section};
use crate::spend::Spending;
use crate::syntax::{self, Entry, Node, Value};
use crate::tool;
use crate::verdict::{RuleId, Verdict};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::OnceLock;

const KEYS: [&str; 21] = [
    "policy",
    "version",
    "about",
    "scope",
    "governs",
    "mode",
    "on_gap",
    "let",
    "net",
    "file",
    "exec",
    "privileges",
    "data",
    "model",
    "tool",
    "spend",
    "rate",
    "hours",
    "ask",
    "default",
    "expect",
];

/// Reads a policy, checks it, and runs its `expect` lines.
pub fn parse_policy(text: &str, file_name: &str, environment: &Environment) -> Result<Policy, Diagnostics> {
    let mut report = Report::new(file_name, text);
    let Some(root) = syntax::parse(text, &mut report) else {
        return Err(report.finish());
    };
    let Some(entries) = mapping(&root, "a policy", &mut report) else {
        return Err(report.finish());
    };
    let mut draft = Draft {
        names: Names::new(environment),
        ..Draft::default()
    };
    draft.lets(entries, &mut report);
    for entry in entries {
        draft.entry(entry, &mut report);
    }
    let needed = [("policy", "begin with `policy: NAME`"), ("version", "add `version: 1`")];
    require(&root, entries, &needed, &mut report);
    draft.finish(text, file_name, report)
}

/// Reads an action as an `expect` line of the policy would name it: `read $work/x`, `exec git push`, `connect 1.2.3.4:443`.
pub fn parse_action(text: &str, policy: &Policy, environment: &Environment) -> Result<Action, Diagnostics> {
    let mut report = Report::new("action", text);
    let mut names = Names::new(environment);
    let missing = policy
        .lets
        .iter()
        .filter(|(name, _)| !Names::new(environment).is_given(name));
    let action = missing
        .map(|(name, value)| names.define(name, value))
        .collect::<Result<Vec<()>, _>>()
        .and_then(|_| expect::parse_action(text, &names))
        .and_then(|action| match labels::unknown_label(&action, &policy.labels) {
            Some(unknown) => Err(
                Complaint::new(Code::ExpectSyntax, format!("nothing carries the label `{unknown}`"))
                    .hint(labels::known(&policy.labels)),
            ),
            None => Ok(action),
        });
    action.map_err(|complaint| {
        let length = syntax::count(text.chars().count());
        complaint.report(
            &mut report,
            Span {
                line: 1,
                column: 1,
                length,
            },
        );
        report.finish()
    })
}

#[derive(Default)]
struct Draft {
    names: Names,
    name: String,
    version: u32,
    about: Option<String>,
    scope: Option<crate::policy::Scope>,
    mode: Mode,
    on_gap: OnGap,
    governs: Vec<crate::policy::Selector>,
    lets: BTreeMap<String, String>,
    asking: Asking,
    spending: Option<Spending>,
    sections: Sections,
    /// Of `file.label`.
    labels: Vec<(String, Span)>,
    /// Of `data.from`.
    from: Vec<(String, Span)>,
    rules: Vec<(Rule, Span)>,
    expects: Vec<(String, Span)>,
}

impl Draft {
    fn entry(&mut self, entry: &Entry, report: &mut Report<'_>) {
        match entry.key.as_str() {
            "policy" => self.policy(&entry.node, report),
            "version" => self.version(&entry.node, report),
            "about" => self.about = text(&entry.node, "`about`", report).map(str::to_owned),
            "scope" => self.scope(&entry.node, report),
            "governs" => self.governs(&entry.node, report),
            "mode" => set(
                &mut self.mode,
                one_of(
                    &entry.node,
                    &[("enforce", Mode::Enforce), ("observe", Mode::Observe)],
                    report,
                ),
            ),
            "on_gap" => {
                set(
                    &mut self.on_gap,
                    one_of(
                        &entry.node,
                        &[("refuse", OnGap::Refuse), ("degrade", OnGap::Degrade)],
                        report,
                    ),
                );
            }
            "let" => {}
            "net" => self.net(&entry.node, report),
            "file" => self.file(&entry.node, report),
            "exec" => self.exec(&entry.node, report),
            "privileges" => self.privileges(&entry.node, report),
            "rate" => self.rates(&entry.node, report),
            "hours" => self.hours(&entry.node, report),
            "data" => self.data(&entry.node, report),
            "model" => self.model(&entry.node, report),
            "tool" => self.tools(&entry.node, report),
            "spend" => self.spend(&entry.node, report),
            "ask" => self.asking = asking::read(&entry.node, report),
            "default" => self.sections.default = sections::default_verdict(&entry.node, false, report),
            "expect" => self.expect(&entry.node, report),
            _ => unknown_key(entry, &KEYS, &[], report),
        }
    }

    fn expect(&mut self, node: &Node, report: &mut Report<'_>) {
        for item in list(node, "`expect`", report) {
            match &item.value {
                Value::Text(line) => self.expects.push((line.clone(), item.span)),
                _ => {
                    report
                        .error(
                            Code::Shape,
                            item.span,
                            format!("an `expect` line is text, this is {}", item.kind()),
                        )
                        .hint("quote a line with `: ` in it: 'exec git commit -m \"fix: it\" -> allow'");
                }
            }
        }
    }

    /// Adds a written rule.
    fn rule(&mut self, section: Section, verdict: Verdict, text: String, pattern: Pattern, span: Span) {
        let rule = Rule {
            line: span.line,
            ..Rule::new(RuleKind::Written, section, verdict, text, pattern)
        };
        self.rules.push((rule, span));
    }

    /// What nobody reads meets no condition.
    fn check_conditions(&self, report: &mut Report<'_>) {
        let blind = self.rules.iter().any(|(rule, _)| rule.section == Section::Blind);
        let conditional = self.rules.iter().find(|(rule, _)| rule.when.is_some());
        if let (Some((_, span)), false) = (conditional, blind) {
            report
                .error(Code::Missing, *span, "a condition in `net` takes `blind: deny` there")
                .cause("it is about requests, and what is said inside TLS that nobody reads would not be judged")
                .hint("`net: {blind: deny, ...}`");
        }
    }

    fn finish(mut self, text: &str, file_name: &str, mut report: Report<'_>) -> Result<Policy, Diagnostics> {
        let expects = expect::parse_all(&self.expects, &self.names, &mut report);
        let label_names = self.label_names(&mut report);
        let idle_labels = self.idle_labels();
        labels::check_expects(&expects, &label_names, &mut report);
        self.check_conditions(&mut report);
        // Sections in one order whatever their order in the file, so that ids do not depend on it.
        self.rules
            .sort_by_cached_key(|(rule, _)| (rule.section, rule.verdict, rule.of_label()));
        let (mut rules, spans): (Vec<Rule>, Vec<Span>) = self.rules.into_iter().unzip();
        rules.extend(rule::built_in(|section| self.sections.get(section).is_some()));
        if rules.iter().any(Rule::needs_resolver) {
            let unlisted = self.sections.decision(Section::Net).verdict();
            rules.extend(rule::closed_by_names(unlisted));
        }
        rules.extend(deputies::rules());
        if rules.iter().any(|rule| rule.when.is_some()) {
            rules.push(request::unlisted(self.sections.decision(Section::Net).verdict()));
        }
        if self.sections.model.is_some() {
            rules.extend(model::unlisted(self.sections.decision(Section::Model).verdict()));
        }
        if self.sections.tool.is_some() {
            rules.extend(tool::unlisted(self.sections.decision(Section::Tool).verdict()));
        }
        if rules.len() >= RuleId::LIMIT as usize {
            report.error(
                Code::TooLarge,
                Span {
                    line: 1,
                    column: 1,
                    length: 1,
                },
                "the policy has too many rules",
            );
        }
        if !report.is_clean() {
            return Err(report.finish());
        }
        rule::rank(&mut rules);
        let policy = Policy {
            name: self.name,
            version: self.version,
            about: self.about,
            scope: self.scope,
            mode: self.mode,
            on_gap: self.on_gap,
            governs: self.governs,
            lets: self.lets,
            asking: self.asking,
            spending: self.spending,
            sections: self.sections,
            labels: label_names,
            idle_labels,
            rules,
            expects,
            digest: Sha256::digest(text.as_bytes()).into(),
            file: file_name.to_owned(),
            text: text.to_owned(),
            spans,
            warnings: OnceLock::new(),
        };
        expect::run(&policy, &mut report);
        if report.is_clean() {
            Ok(policy)
        } else {
            Err(report.finish())
        }
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// Keys that must be there, each with what to write if it is not.
pub(crate) fn require(node: &Node, entries: &[Entry], keys: &[(&str, &str)], report: &mut Report<'_>) {
    for (key, hint) in keys {
        if !entries.iter().any(|entry| entry.key == *key) {
            report
                .error(Code::Missing, node.span, format!("`{key}` is missing"))
                .hint(*hint);
        }
    }
}

pub(crate) fn mapping<'node>(node: &'node Node, what: &str, report: &mut Report<'_>) -> Option<&'node [Entry]> {
    if let Value::Map(entries) = &node.value {
        return Some(entries);
    }
    let found = report.error(
        Code::Shape,
        node.span,
        format!("{what} is a mapping, this is {}", node.kind()),
    );
    if matches!(node.value, Value::Null) {
        found.hint("write `{}` for a section that lists nothing, or remove the key to leave it ungoverned");
    } else {
        found.hint("write `key: value` lines");
    }
    None
}

fn list<'node>(node: &'node Node, what: &str, report: &mut Report<'_>) -> &'node [Node] {
    if let Value::List(items) = &node.value {
        return items;
    }
    let found = report.error(
        Code::Shape,
        node.span,
        format!("{what} is a list, this is {}", node.kind()),
    );
    match &node.value {
        Value::Text(text) => found.hint(format!("write `[\"{text}\"]`")),
        _ => found.hint("write `[\"one\", \"two\"]` or a line `- one` for each"),
    };
    &[]
}

pub(crate) fn text<'node>(node: &'node Node, what: &str, report: &mut Report<'_>) -> Option<&'node str> {
    if let Value::Text(text) = &node.value {
        return Some(text);
    }
    report
        .error(
            Code::Shape,
            node.span,
            format!("{what} is text, this is {}", node.kind()),
        )
        .hint("write one value, quoted if need be");
    None
}

fn one_of<T: Copy>(node: &Node, choices: &[(&str, T)], report: &mut Report<'_>) -> Option<T> {
    let word = text(node, "this", report)?;
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word) {
        return Some(*value);
    }
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
    let found = report.error(Code::Value, node.span, format!("`{word}` is not a value here"));
    match nearest(word, choices.iter().map(|(name, _)| *name)) {
        Some(near) => found.hint(format!("did you mean `{near}`?")),
        None => found.hint(format!("one of {}", names.join(", "))),
    };
    None
}

pub(crate) fn unknown_key(entry: &Entry, known: &[&str], not_yet: &[(&str, &str)], report: &mut Report<'_>) {
    let key = &entry.key;
    if let Some((_, instead)) = not_yet.iter().find(|(name, _)| name == key) {
        report
            .error(
                Code::NotYet,
                entry.span,
                format!("`{key}` is not known by this version yet"),
            )
            .hint(format!("remove it; meanwhile: {instead}"));
        return;
    }
    let note = report.error(
        Code::UnknownKey,
        entry.span,
        format!("no policy has a key `{key}` here"),
    );
    match nearest(key, known.iter().copied()) {
        Some(near) => note.hint(format!("did you mean `{near}`?")),
        None => note.hint(format!("the keys here are {}", known.join(", "))),
    };
}

/// The known word a misspelt one is closest to.
pub(crate) fn nearest<'word>(word: &str, known: impl Iterator<Item = &'word str>) -> Option<&'word str> {
    known
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters are inserted, removed or changed between two words.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (number, a) in one.chars().enumerate() {
        let mut diagonal = number;
        let mut left = number + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(other.chars()) {
            let cost = (*cell + 1).min(left + 1).min(diagonal + usize::from(a != b));
            diagonal = *cell;
            *cell = cost;
            left = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = number + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
