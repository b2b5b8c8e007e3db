//! What policies say that is about no single action: how often, when, for how much money, and whether at all.

use crate::policy::{Mode, OnGap, Policy};
use crate::print::{asking_text, selector_text};
use crate::rule::{Pattern, RuleKind, Section};
use crate::verdict::{Decision, Verdict};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Something of which two policies say something different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The key it stands under, or a name much like it.
    pub name: String,
    /// What the first policy says, if anything.
    pub before: Option<String>,
    /// What the second says.
    pub after: Option<String>,
}

/// What differs that is no action, by name.
pub fn settings(before: &Policy, after: &Policy) -> Vec<Setting> {
    let (before, after) = (all(before), all(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let compared = names.into_iter().map(|name| Setting {
        name: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    });
    compared.filter(|setting| setting.before != setting.after).collect()
}

fn all(policy: &Policy) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut say = |name: &str, value: String| {
        if !value.is_empty() {
            all.entry(name.to_owned())
                .and_modify(|said: &mut String| *said = format!("{said}, {value}"))
                .or_insert(value);
        }
    };
    say(
        "mode",
        if policy.mode == Mode::Enforce {
            "enforce"
        } else {
            "observe"
        }
        .to_owned(),
    );
    say(
        "on_gap",
        if policy.on_gap == OnGap::Refuse {
            "refuse"
        } else {
            "degrade"
        }
        .to_owned(),
    );
    say("ask", asking_text(&policy.asking));
    for selector in &policy.governs {
        say("governs", selector_text(selector));
    }
    for (limit, rule) in policy.rates() {
        say(
            &format!("rate.{}", limit.class.word()),
            format!("over {limit}: {}", rule.verdict),
        );
    }
    if let Some((hours, _)) = policy.hours() {
        say("hours", format!("closed {hours}"));
    }
    for (limit, rule) in policy.spend_limits() {
        let name = format!("spend.{}.{}", limit.unit.code(), limit.window.word());
        say(&name, format!("{limit}, then {}", rule.verdict));
    }
    if let Some(spending) = policy.spending() {
        let warn: Vec<String> = spending.warn.iter().map(|mark| format!("{mark}%")).collect();
        say("spend.zone", spending.zone.iana_name().unwrap_or("UTC").to_owned());
        say("spend.warn", warn.join(", "));
    }
    for rule in &policy.rules {
        match &rule.pattern {
            Pattern::Label { label, path } => say(&format!("file.label.{label}"), path.text.clone()),
            Pattern::Carried { label, kind } => {
                say(
                    &format!("data.from.{label}"),
                    format!("{}: {}", kind.word(), rule.verdict),
                );
            }
            // No action that is tried has what a condition looks at.
            _ if rule.is_conditional() => say(&format!("{}.{} when", rule.section, rule.verdict), rule.text.clone()),
            Pattern::Data(_) | Pattern::Vault(_) => say(&rule.section.to_string(), rule.text.clone()),
            _ => {}
        }
    }
    let blind = policy.blind() != Decision::NONE;
    say("net.blind", if blind { "deny" } else { "allow" }.to_owned());
    for section in [Section::Model, Section::Tool] {
        say(&format!("{section}.default"), unlisted(policy, section).to_string());
    }
    all
}

/// What becomes of what no rule of the section names.
fn unlisted(policy: &Policy, section: Section) -> Verdict {
    let rules = &mut policy.rules.iter();
    let unlisted = rules.find(|rule| rule.section == section && rule.kind == RuleKind::BuiltIn);
    unlisted.map_or(Verdict::Ungoverned, |rule| rule.verdict)
}
