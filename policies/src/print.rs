//! A policy back to text: `parse(print(p)) == p`.

use crate::money::Money;
use crate::policy::{Asking, Mode, OnGap, Policy, ScopeLevel, Selector};
use crate::rule::{Pattern, Rule, Section};
use crate::spend::SpendUnit;
use crate::verdict::{Decision, Verdict};
use std::fmt::Write as _;

pub(crate) fn asking_text(asking: &Asking) -> String {
    let mut parts = vec![
        format!("within: {}s", asking.within.as_secs()),
        format!("otherwise: {}", asking.otherwise),
    ];
    if !asking.approvers.is_empty() {
        let names: Vec<String> = asking
            .approvers
            .iter()
            .map(|approver| quote(&approver.to_string()))
            .collect();
        parts.push(format!("approvers: [{}]", names.join(", ")));
    }
    parts.extend(asking.second_person.map(|risk| format!("second_person: {risk}")));
    format!("ask: {{{}}}", parts.join(", "))
}

impl Policy {
    /// The policy in its canonical form: sections in one order, every pattern quoted, comments gone.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        line(format!("policy: {}", quote(&self.name)));
        line(format!("version: {}", self.version));
        if let Some(about) = &self.about {
            line(format!("about: {}", quote(about)));
        }
        if let Some(scope) = &self.scope {
            line(format!("scope: {{{}: {}}}", level(scope.level), quote(&scope.name)));
        }
        if !self.governs.is_empty() {
            line("governs:".to_owned());
            self.governs
                .iter()
                .for_each(|selector| line(format!("  - {}", selector_text(selector))));
        }
        line(format!(
            "mode: {}",
            if self.mode == Mode::Enforce {
                "enforce"
            } else {
                "observe"
            }
        ));
        line(format!(
            "on_gap: {}",
            if self.on_gap == OnGap::Refuse {
                "refuse"
            } else {
                "degrade"
            }
        ));
        if !self.lets.is_empty() {
            line("let:".to_owned());
            self.lets
                .iter()
                .for_each(|(name, value)| line(format!("  {}: {}", quote(name), quote(value))));
        }
        if self.asking != Asking::default() {
            line(asking_text(&self.asking));
        }
        if let Some(default) = self.sections.default {
            line(format!("default: {default}"));
        }
        out.push_str(&self.section_text(Section::Net, "net", ""));
        let labels = self.labels_text();
        if self.sections.read.is_some() || self.sections.write.is_some() || !labels.is_empty() {
            out.push_str("file:\n");
            out.push_str(&self.section_text(Section::Read, "read", "  "));
            out.push_str(&self.section_text(Section::Write, "write", "  "));
            out.push_str(&labels);
        }
        out.push_str(&self.section_text(Section::Exec, "exec", ""));
        out.push_str(&self.privileges_text());
        out.push_str(&self.section_text(Section::Model, "model", ""));
        out.push_str(&self.section_text(Section::Tool, "tool", ""));
        out.push_str(&self.spend_text());
        out.push_str(&self.limits_text());
        out.push_str(&self.data_text());
        if !self.expects.is_empty() {
            out.push_str("expect:\n");
            self.expects.iter().for_each(|expect| {
                let _ = writeln!(out, "  - {}", quote(&expect.text));
            });
        }
        out
    }

    fn data_text(&self) -> String {
        let redacted = self.classes_text(Section::Redact, "redact");
        let data = redacted + &self.classes_text(Section::Block, "block") + &self.carried_text();
        if data.is_empty() {
            data
        } else {
            format!("data:\n{data}")
        }
    }

    fn classes_text(&self, section: Section, key: &str) -> String {
        let rules = self.rules.iter().filter(|rule| rule.section == section);
        let names: Vec<&str> = rules.map(|rule| rule.text.as_str()).collect();
        if names.is_empty() {
            String::new()
        } else {
            format!("  {key}: [{}]\n", names.join(", "))
        }
    }

    fn privileges_text(&self) -> String {
        let lists = self.lists_text(Section::Privileges, "");
        if lists.is_empty() {
            String::new()
        } else {
            format!("privileges:\n{}\n", lists.join("\n"))
        }
    }

    fn spend_text(&self) -> String {
        let Some(spending) = self.spending() else {
            return String::new();
        };
        let of = |unit: SpendUnit| -> Vec<String> {
            let limits = self.spend_limits().filter(|(limit, _)| limit.unit == unit);
            let each = limits.map(|(limit, _)| match unit {
                SpendUnit::MicroDollars => format!("{}: {}", limit.window.word(), Money(limit.most)),
                SpendUnit::Tokens | SpendUnit::Calls => format!("{}: {}", limit.window.word(), limit.most),
            });
            each.collect()
        };
        let mut parts = of(SpendUnit::MicroDollars);
        for (unit, word) in [(SpendUnit::Tokens, "tokens"), (SpendUnit::Calls, "calls")] {
            let limits = of(unit);
            if !limits.is_empty() {
                parts.push(format!("{word}: {{{}}}", limits.join(", ")));
            }
        }
        parts.push(format!("zone: {}", spending.zone.iana_name().unwrap_or("UTC")));
        let warn: Vec<String> = spending.warn.iter().map(|mark| format!("{mark}%")).collect();
        parts.push(format!("warn: [{}]", warn.join(", ")));
        let verdict = self
            .spend_limits()
            .next()
            .map_or(Verdict::Deny, |(_, rule)| rule.verdict);
        parts.push(format!("then: {verdict}"));
        format!("spend: {{{}}}\n", parts.join(", "))
    }

    fn limits_text(&self) -> String {
        let mut lines: Vec<String> = self
            .rates()
            .map(|(limit, rule)| {
                let class = limit.class.word();
                format!("  {class}: {{over: \"{limit}\", then: {}}}\n", rule.verdict)
            })
            .collect();
        if !lines.is_empty() {
            lines.insert(0, "rate:\n".to_owned());
        }
        if let Some((hours, _)) = self.hours() {
            let windows: Vec<String> = hours.windows.iter().map(|window| quote(&window.to_string())).collect();
            let word = if hours.opens { "allow" } else { "deny" };
            let days = hours.day_names().join(", ");
            lines.push(format!("hours: {{{word}: [{}], days: [{days}]}}\n", windows.join(", ")));
        }
        lines.concat()
    }

    fn labels_text(&self) -> String {
        let mut out = String::new();
        for label in &self.labels {
            let own = |rule: &&Rule| rule.label().is_some_and(|(its, _)| its == label);
            let _ = writeln!(out, "    {}:", quote(label));
            if !self.rules.iter().any(|rule| own(&rule)) {
                let _ = writeln!(out, "      []");
            }
            for rule in self.rules.iter().filter(own) {
                let text = rule
                    .text
                    .strip_prefix(label.as_str())
                    .and_then(|text| text.strip_prefix(": "));
                let _ = writeln!(out, "      - {}", quote(text.unwrap_or_default()));
            }
        }
        if out.is_empty() {
            out
        } else {
            format!("  label:\n{out}")
        }
    }

    fn carried_text(&self) -> String {
        let mut out = String::new();
        for label in &self.labels {
            let taken = |verdict: Verdict| -> Vec<&str> {
                let of_label = |rule: &Rule| match &rule.pattern {
                    Pattern::Carried { label: own, kind } if own == label && rule.verdict == verdict => {
                        Some(kind.word())
                    }
                    _ => None,
                };
                self.rules.iter().filter_map(of_label).collect()
            };
            let parts: Vec<String> = [Verdict::Ask, Verdict::Deny]
                .into_iter()
                .filter(|verdict| !taken(*verdict).is_empty())
                .map(|verdict| format!("{verdict}: [{}]", taken(verdict).join(", ")))
                .collect();
            if !parts.is_empty() {
                let _ = writeln!(out, "    {}: {{{}}}", quote(label), parts.join(", "));
            }
        }
        if out.is_empty() { out } else { format!("  from:\n{out}") }
    }

    fn section_text(&self, section: Section, name: &str, indent: &str) -> String {
        let Some(present) = self.sections.get(section) else {
            return String::new();
        };
        let mut lines = self.lists_text(section, indent);
        if section == Section::Net && self.blind() != Decision::NONE {
            lines.push(format!("{indent}  blind: deny"));
        }
        if let Some(default) = present.default {
            lines.push(format!("{indent}  default: {default}"));
        }
        if lines.is_empty() {
            format!("{indent}{name}: {{}}\n")
        } else {
            format!("{indent}{name}:\n{}\n", lines.join("\n"))
        }
    }

    /// The lists of a section, by verdict.
    fn lists_text(&self, section: Section, indent: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for verdict in Verdict::ALL {
            let of_list = |rule: &&Rule| rule.section == section && rule.verdict == verdict && rule.is_written();
            let items: Vec<String> = self
                .rules
                .iter()
                .filter(of_list)
                .map(|rule| format!("{indent}    - {}", item_text(rule)))
                .collect();
            if !items.is_empty() {
                lines.push(format!("{indent}  {verdict}:\n{}", items.join("\n")));
            }
        }
        lines
    }
}

/// An entry of a list.
fn item_text(rule: &Rule) -> String {
    let (name, when) = match &rule.pattern {
        Pattern::Tool(tool) => tool.parts(),
        _ => (rule.name(), rule.when.as_ref()),
    };
    if when.is_none() && rule.risk.is_none() {
        return quote(name);
    }
    let when = when.map(|when| format!("when: {}", quote(&when.to_string())));
    let risk = rule.risk.map(|risk| format!("risk: {risk}"));
    let parts = [Some(format!("name: {}", quote(name))), when, risk];
    format!("{{{}}}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn level(level: ScopeLevel) -> &'static str {
    match level {
        ScopeLevel::Org => "org",
        ScopeLevel::Team => "team",
        ScopeLevel::Agent => "agent",
        ScopeLevel::Session => "session",
    }
}

pub(crate) fn selector_text(selector: &Selector) -> String {
    match selector {
        Selector::Exec(exec) => format!("exec: {}", quote(&exec.text)),
        Selector::User(name) => format!("user: {}", quote(name)),
        Selector::Cgroup(path) => format!("cgroup: {}", quote(path)),
        Selector::Unit(name) => format!("unit: {}", quote(name)),
    }
}

/// A YAML double-quoted scalar.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || ['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'].contains(&c) => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
