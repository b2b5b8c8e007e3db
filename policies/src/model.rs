//! Which models may be called: patterns over the names that requests have for them.

use crate::diagnostic::{Code, Complaint};
use crate::glob::wildcard;
use crate::lower::Lowered;
use crate::policy::Policy;
use crate::rule::{Pattern, Rule, RuleKind, Section};
use crate::syntax::count;
use crate::verdict::{Decision, Verdict};

/// A pattern over names of models: `*` is any characters, `?` is one, and case does not count, as servers differ in that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelPattern {
    text: String,
}

/// What no rule names.
const UNLISTED: &str = "*";

impl ModelPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        let odd = |c: &char| !(c.is_ascii_alphanumeric() || "-._:/@+*?".contains(*c));
        if text.is_empty() {
            return Err(Complaint::new(Code::Value, "a model has a name").hint("`claude-*`, or `*` for any"));
        }
        if let Some(odd) = text.chars().find(odd) {
            return Err(
                Complaint::new(Code::Value, format!("`{text}`: no model has `{odd}` in its name"))
                    .hint("letters, digits and `-._:/@+`; `*` for any characters, `?` for one"),
            );
        }
        Ok(Self {
            text: text.to_ascii_lowercase(),
        })
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        wildcard(self.text.as_bytes(), name.to_ascii_lowercase().as_bytes())
    }

    /// Longest literal prefix, then longer pattern.
    pub(crate) fn specificity(&self) -> (u32, u32) {
        let literal = self.text.bytes().take_while(|byte| !b"*?".contains(byte)).count();
        (count(literal), count(self.text.len()))
    }

    /// A name that it matches.
    pub(crate) fn example(&self) -> String {
        self.text.replace(['*', '?'], "x")
    }
}

/// The rule about models that no other names, in a policy that has the section.
pub(crate) fn unlisted(verdict: Verdict) -> Option<Rule> {
    let pattern = Pattern::Model(ModelPattern::parse(UNLISTED).ok()?);
    let kind = RuleKind::BuiltIn;
    Some(Rule::new(kind, Section::Model, verdict, UNLISTED.to_owned(), pattern))
}

impl Policy {
    /// Whether it says which models may be called.
    pub fn lists_models(&self) -> bool {
        self.sections.model.is_some()
    }

    /// The decision on a request that names these models, of which any may answer. That none can be told matches whatever denies, and
    /// nothing that allows.
    pub fn models(&self, names: &[impl AsRef<str>]) -> Decision {
        if names.is_empty() {
            let denying = |rule: &&Rule| rule.section == Section::Model && rule.verdict >= Verdict::Deny;
            let best = self.rules.iter().filter(denying).max_by_key(|rule| rule.rank);
            let allowed = Decision::new(Verdict::Allow, false, None);
            return best.map_or(allowed, decision);
        }
        let each = names.iter().map(|name| self.of_model(name.as_ref()));
        each.fold(Decision::NONE, Decision::strictest)
    }

    pub(crate) fn of_model(&self, name: &str) -> Decision {
        let matching = |rule: &&Rule| matches!(&rule.pattern, Pattern::Model(pattern) if pattern.matches(name));
        let best = self.rules.iter().filter(matching).max_by_key(|rule| rule.rank);
        best.map_or(Decision::NONE, decision)
    }
}

impl Lowered {
    /// The same by its rules: patterns of models stand there as they are.
    pub(crate) fn of_model(&self, name: &str) -> Decision {
        let of_section = self.rules.iter().filter(|rule| rule.section == Section::Model);
        let matching = of_section.filter(|rule| ModelPattern::parse(&rule.text).is_ok_and(|model| model.matches(name)));
        let best = matching.max_by_key(|rule| rule.rank);
        best.map_or(Decision::NONE, |rule| Decision::new(rule.verdict, true, Some(rule.id)))
    }
}

/// It is always a rule's, even that about what is not listed.
fn decision(rule: &Rule) -> Decision {
    Decision::new(rule.verdict, true, Some(rule.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names_in_any_case() {
        let is = |pattern: &str, name: &str| ModelPattern::parse(pattern).unwrap().matches(name);
        for (pattern, name) in [
            ("claude-*", "claude-sonnet-5"),
            ("claude-*", "Claude-"),
            ("*-preview", "google/gemini-3-preview"),
            ("gpt-?", "GPT-5"),
            ("*a*b*", "xxaxxbxx"),
            ("*ab", "aab"),
            ("*", ""),
            ("us.anthropic.*:0", "us.anthropic.claude-3-5-haiku-20241022-v1:0"),
        ] {
            assert!(is(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("claude-*", "xclaude-3"),
            ("*-preview", "gemini-3-preview-2"),
            ("gpt-?", "gpt-"),
            ("gpt-?", "gpt-55"),
            ("gpt-5", "gpt-5\0"),
            ("*a*b*", "xxbxxa"),
        ] {
            assert!(!is(pattern, name), "{pattern} {name}");
        }
        assert!(!is(&"*a".repeat(60), &"a".repeat(59)));
        for pattern in ["claude-*", "gpt-?", "*", "a*b?c"] {
            assert!(
                is(pattern, &ModelPattern::parse(pattern).unwrap().example()),
                "{pattern}"
            );
        }
    }
}
