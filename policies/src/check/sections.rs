//! `net`, `file`, `exec`, `tool`: lists of patterns by verdict.

use super::{Draft, list, mapping, one_of, require, text, unknown_key};
use crate::condition::Condition;
use crate::diagnostic::{Code, Complaint, Report};
use crate::policy::Present;
use crate::request;
use crate::rule::{Pattern, Rule, RuleKind, Section, parse_conditional, parse_pattern};
use crate::syntax::{Entry, Node, Value};
use crate::tool::{Risk, ToolPattern};
use crate::verdict::Verdict;

/// The lists of a section.
const LISTS: [Verdict; 5] = [
    Verdict::Allow,
    Verdict::Ask,
    Verdict::Deny,
    Verdict::Suspend,
    Verdict::Kill,
];
const KEYS: [&str; 6] = ["allow", "ask", "deny", "suspend", "kill", "default"];
const NET_KEYS: [&str; 7] = ["allow", "ask", "deny", "suspend", "kill", "default", "blind"];
const NOT_YET: [(&str, &str); 2] = [
    ("alert", "write `allow`; allowed actions are recorded"),
    ("redact", "write `deny`"),
];

const WHEN_NOT_YET: (&str, &str) = ("when", "write the pattern alone, under the stricter verdict");
/// What is known of a request.
const OF_REQUESTS: [&str; 2] = ["http", "time"];
const PRIVILEGES_NOT_YET: [(&str, &str); 1] =
    [("ask", "ask about the programs in `exec`, as `sudo ...`, and allow here")];

const MODEL_NOT_YET: [(&str, &str); 3] = [
    (
        "ask",
        "write `deny`: a call is judged while it is sent, which is no time for a person",
    ),
    ("suspend", "write `deny`"),
    ("kill", "write `deny`"),
];

/// `allow` or `deny`, in a section also `ask`.
pub(super) fn default_verdict(node: &Node, ask: bool, report: &mut Report<'_>) -> Option<Verdict> {
    let mut choices = vec![("allow", Verdict::Allow), ("deny", Verdict::Deny)];
    if ask {
        choices.push(("ask", Verdict::Ask));
    }
    one_of(node, &choices, report)
}

/// A condition over facts that are known where the section is judged.
fn condition(section: Section, text: &str) -> Result<Condition, Complaint> {
    let condition = Condition::parse(text)?;
    let odd = condition.beyond(&OF_REQUESTS).next();
    match odd.filter(|_| section == Section::Net) {
        None => Ok(condition),
        Some(odd) => Err(
            Complaint::new(Code::Condition, format!("nothing is known of `{odd}` in a request"))
                .cause("`net` judges requests over HTTP by their heads")
                .hint(format!(
                    "the facts here are {}; `tool` knows more",
                    OF_REQUESTS.join(", ")
                )),
        ),
    }
}

impl Draft {
    pub(super) fn net(&mut self, node: &Node, report: &mut Report<'_>) {
        self.sections.net = Some(self.section(Section::Net, node, report));
    }

    pub(super) fn exec(&mut self, node: &Node, report: &mut Report<'_>) {
        self.sections.exec = Some(self.section(Section::Exec, node, report));
    }

    pub(super) fn file(&mut self, node: &Node, report: &mut Report<'_>) {
        let Some(entries) = mapping(node, "`file`", report) else {
            return;
        };
        for entry in entries {
            match entry.key.as_str() {
                "read" => self.sections.read = Some(self.section(Section::Read, &entry.node, report)),
                "write" => self.sections.write = Some(self.section(Section::Write, &entry.node, report)),
                "allow" | "ask" | "deny" | "suspend" | "kill" | "default" => {
                    report
                        .error(
                            Code::UnknownKey,
                            entry.span,
                            format!("`{}` stands below `read` or `write`", entry.key),
                        )
                        .hint(format!(
                            "write `file: {{read: {{{0}: ...}}, write: {{{0}: ...}}}}`",
                            entry.key
                        ));
                }
                "label" => self.label(&entry.node, report),
                _ => unknown_key(entry, &["read", "write", "label"], &[], report),
            }
        }
    }

    /// `{allow: ["claude-*"], deny: ["*-preview"]}`, or with `default: allow`.
    pub(super) fn model(&mut self, node: &Node, report: &mut Report<'_>) {
        let mut present = Present::default();
        for entry in mapping(node, "`model`", report).unwrap_or_default() {
            match entry.key.as_str() {
                "default" => present.default = default_verdict(&entry.node, false, report),
                "allow" => self.rules(Section::Model, Verdict::Allow, entry, report),
                "deny" => self.rules(Section::Model, Verdict::Deny, entry, report),
                _ => unknown_key(entry, &["allow", "deny", "default"], &MODEL_NOT_YET, report),
            }
        }
        self.sections.model = Some(present);
    }

    /// `{allow: ["fs.read_*"], ask: [{name: "db.query", when: 'args.sql.matches("(?i)^drop")', risk: critical}], default: deny}`
    pub(super) fn tools(&mut self, node: &Node, report: &mut Report<'_>) {
        let mut present = Present::default();
        for entry in mapping(node, "`tool`", report).unwrap_or_default() {
            let listed = LISTS.into_iter().find(|verdict| verdict.word() == entry.key);
            match (entry.key.as_str(), listed) {
                ("default", _) => present.default = default_verdict(&entry.node, true, report),
                (_, Some(verdict)) => self.rules(Section::Tool, verdict, entry, report),
                (_, None) => unknown_key(entry, &KEYS, &NOT_YET, report),
            }
        }
        self.sections.tool = Some(present);
    }

    /// `{name: "git push ...", risk: critical}`, and of tools and in `net` `{name: "db.query", when: CONDITION, risk: critical}`
    fn rule_with(&mut self, section: Section, verdict: Verdict, item: &Node, report: &mut Report<'_>) {
        let entries = mapping(item, "a rule", report).unwrap_or_default();
        require(
            item,
            entries,
            &[("name", "add `name: PATTERN`: what it is about")],
            report,
        );
        let conditional = matches!(section, Section::Tool | Section::Net);
        let (mut name, mut when, mut risk) = (None, None, None);
        for entry in entries {
            match entry.key.as_str() {
                "name" => name = text(&entry.node, "`name`", report),
                "when" if conditional => {
                    let condition = text(&entry.node, "`when`", report).map(|text| condition(section, text));
                    when = condition.and_then(|condition| {
                        let reported = condition.map_err(|complaint| complaint.report(report, entry.node.span));
                        reported.ok()
                    });
                }
                "risk" => risk = one_of(&entry.node, &Risk::ALL.map(|risk| (risk.word(), risk)), report),
                _ if conditional => unknown_key(entry, &["name", "when", "risk"], &[], report),
                _ => unknown_key(entry, &["name", "risk"], &[WHEN_NOT_YET], report),
            }
        }
        let Some(name) = name else { return };
        let pattern = self.names.pattern(name).and_then(|text| match &when {
            Some(when) if section == Section::Tool => ToolPattern::new(&text, Some(when.clone())).map(Pattern::Tool),
            Some(_) => parse_conditional(verdict, &text),
            None => parse_pattern(section, verdict, &text),
        });
        match pattern {
            Ok(pattern) => {
                let when = when.filter(|_| section == Section::Net);
                let text = match (&pattern, &when) {
                    (Pattern::Tool(tool), _) => tool.text(),
                    (_, Some(when)) => request::text(name, when),
                    (_, None) => name.to_owned(),
                };
                let rule = Rule {
                    line: item.span.line,
                    risk,
                    when,
                    ..Rule::new(RuleKind::Written, section, verdict, text, pattern)
                };
                self.rules.push((rule, item.span));
            }
            Err(complaint) => complaint.report(report, item.span),
        }
    }

    /// `{allow: [setuid, userns, io_uring], deny: [...]}`. What it does not list is denied.
    pub(super) fn privileges(&mut self, node: &Node, report: &mut Report<'_>) {
        for entry in mapping(node, "`privileges`", report).unwrap_or_default() {
            let listed = LISTS.into_iter().find(|verdict| verdict.word() == entry.key);
            match listed.filter(|verdict| *verdict != Verdict::Ask) {
                Some(verdict) => self.rules(Section::Privileges, verdict, entry, report),
                None => unknown_key(
                    entry,
                    &["allow", "deny", "suspend", "kill"],
                    &PRIVILEGES_NOT_YET,
                    report,
                ),
            }
        }
    }

    fn section(&mut self, section: Section, node: &Node, report: &mut Report<'_>) -> Present {
        let mut present = Present::default();
        let what = format!("`{section}`");
        for entry in mapping(node, &what, report).unwrap_or_default() {
            match entry.key.as_str() {
                "default" => present.default = default_verdict(&entry.node, true, report),
                "blind" if section == Section::Net => self.blind(&entry.node, report),
                word => match LISTS.into_iter().find(|verdict| verdict.word() == word) {
                    Some(verdict) => self.rules(section, verdict, entry, report),
                    None if section == Section::Net => unknown_key(entry, &NET_KEYS, &NOT_YET, report),
                    None => unknown_key(entry, &KEYS, &NOT_YET, report),
                },
            }
        }
        present
    }

    /// `blind: deny`, or `allow`, which is what is without it.
    fn blind(&mut self, node: &Node, report: &mut Report<'_>) {
        if matches!(&node.value, Value::Text(text) if text == "inspect") {
            report
                .error(
                    Code::NotYet,
                    node.span,
                    "`inspect` takes a proxy, which this version has not yet",
                )
                .hint("write `blind: deny`, or leave it out");
        } else if let Some(Verdict::Deny) = default_verdict(node, false, report) {
            self.rule(
                Section::Blind,
                Verdict::Deny,
                "deny".to_owned(),
                Pattern::Blind,
                node.span,
            );
        }
    }

    fn rules(&mut self, section: Section, verdict: Verdict, entry: &Entry, report: &mut Report<'_>) {
        for item in list(&entry.node, &format!("`{verdict}`"), report) {
            let text = match &item.value {
                Value::Text(text) => text,
                Value::Map(_) => {
                    self.rule_with(section, verdict, item, report);
                    continue;
                }
                Value::Null | Value::List(_) => {
                    report
                        .error(
                            Code::Shape,
                            item.span,
                            format!("a pattern is text, this is {}", item.kind()),
                        )
                        .hint("quote patterns that begin with `[`: \"[::1]:443\"");
                    continue;
                }
            };
            match self
                .names
                .pattern(text)
                .and_then(|pattern| parse_pattern(section, verdict, &pattern))
            {
                Ok(pattern) => self.rule(section, verdict, text.clone(), pattern, item.span),
                Err(complaint) => complaint.report(report, item.span),
            }
        }
    }
}
