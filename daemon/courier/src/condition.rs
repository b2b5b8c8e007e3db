//! Which records a rule is about.

use aa_wire::Event;
use aa_wire::event::{Effect, Kind, Verdict};
use serde::Deserialize;

/// How grave, as rules of policies say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Risk {
    Low,
    Medium,
    High,
    Critical,
}

/// Every condition that is written holds; one of its words is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) agents: Vec<String>,
    pub(crate) actions: Vec<String>,
    /// At least so grave.
    pub(crate) risk: Option<Risk>,
}

impl Condition {
    /// Names of a stack belong to another record: only who asks for them by kind gets them.
    pub(crate) fn holds(&self, event: &Event) -> bool {
        let kind = if self.kinds.is_empty() {
            event.kind != Kind::Stack
        } else {
            self.kinds.contains(&event.kind)
        };
        let effect = self.effects.is_empty() || self.effects.contains(&event.effect);
        let verdict = self.verdicts.is_empty() || event.verdict.is_some_and(|verdict| self.verdicts.contains(&verdict));
        let agent = self.agents.is_empty()
            || event.agent.as_ref().is_some_and(|agent| {
                let is = |wanted: &String| agent.name.as_ref() == Some(wanted) || agent.id.to_string() == *wanted;
                self.agents.iter().any(is)
            });
        let action = self.actions.is_empty() || self.actions.contains(&event.action);
        let risk = self
            .risk
            .is_none_or(|least| risk_of(event).is_some_and(|risk| risk >= least));
        kind && effect && verdict && agent && action && risk
    }
}

fn risk_of(event: &Event) -> Option<Risk> {
    match event.rule.as_ref()?.risk.as_deref()? {
        "low" => Some(Risk::Low),
        "medium" => Some(Risk::Medium),
        "high" => Some(Risk::High),
        _ => Some(Risk::Critical),
    }
}

#[cfg(test)]
mod tests {
    use aa_wire::Timestamp;
    use aa_wire::event::RuleRef;

    use super::*;

    fn event() -> Event {
        let mut event = Event::bare(Timestamp::default(), Kind::Decision, Effect::Denied, "exec");
        event.verdict = Some(Verdict::Deny);
        event.rule = serde_json::from_str::<RuleRef>(r#"{"id":1,"risk":"high"}"#).ok();
        event.agent = serde_json::from_str(r#"{"id":3,"name":"claude","session":"0000000000000001"}"#).ok();
        assert!(event.agent.is_some());
        event
    }

    #[test]
    fn what_is_not_written_holds_and_all_that_is_written_must() {
        assert!(Condition::default().holds(&event()));
        let all = Condition {
            kinds: vec![Kind::Life, Kind::Decision],
            effects: vec![Effect::Denied],
            verdicts: vec![Verdict::Deny],
            agents: vec!["claude".into()],
            actions: vec!["exec".into()],
            risk: Some(Risk::High),
        };
        assert!(all.holds(&event()));
        let others = [
            Condition {
                kinds: vec![Kind::Life],
                ..all.clone()
            },
            Condition {
                effects: vec![Effect::Killed],
                ..all.clone()
            },
            Condition {
                verdicts: vec![Verdict::Ask],
                ..all.clone()
            },
            Condition {
                agents: vec!["codex".into()],
                ..all.clone()
            },
            Condition {
                actions: vec!["open".into()],
                ..all.clone()
            },
            Condition {
                risk: Some(Risk::Critical),
                ..all.clone()
            },
        ];
        assert!(others.iter().all(|other| !other.holds(&event())));
        let mut unrated = event();
        unrated.rule = None;
        assert!(!all.holds(&unrated), "nobody has said how grave it is");
        assert!(
            Condition {
                agents: vec!["3".into()],
                ..all
            }
            .holds(&event())
        );
    }

    #[test]
    fn names_of_stacks_go_to_who_asks_for_them() {
        let stack = Event::bare(Timestamp::default(), Kind::Stack, Effect::Denied, "exec");
        assert!(!Condition::default().holds(&stack));
        assert!(
            Condition {
                kinds: vec![Kind::Stack],
                ..Condition::default()
            }
            .holds(&stack)
        );
    }
}
