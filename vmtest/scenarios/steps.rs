//! Lists of actions with what should come of each, run under one policy that enforces and again under one that observes.

use std::fmt::Display;

use aa_wire::event::{Effect, Event};

use crate::act::Act;
use crate::harness::Checks;
use crate::records::denials_of;

/// What an action should answer.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// `ok`, with whatever follows.
    Ok,
    /// Exactly this.
    Exactly(String),
    /// Denied by us: EPERM, recorded as this action.
    Denied(&'static str),
}

/// One action and what should come of it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    line: String,
    answer: Answer,
}

/// It happens.
pub(crate) fn allow(line: impl Into<String>) -> Step {
    Step {
        line: line.into(),
        answer: Answer::Ok,
    }
}

/// Something else than a denial comes of it.
pub(crate) fn gives(line: impl Into<String>, answer: impl Into<String>) -> Step {
    Step {
        line: line.into(),
        answer: Answer::Exactly(answer.into()),
    }
}

/// It is denied and recorded as `action`.
pub(crate) fn deny(line: impl Into<String>, action: &'static str) -> Step {
    Step {
        line: line.into(),
        answer: Answer::Denied(action),
    }
}

impl Step {
    fn check(&self, checks: &mut Checks, mode: &str, answer: &str) {
        let (fine, expected): (bool, &str) = match &self.answer {
            Answer::Ok => (answer == "ok" || answer.starts_with("ok "), "ok"),
            Answer::Exactly(text) => (answer == text, text),
            Answer::Denied(_) if mode == "observe" => (answer != "errno EPERM", "anything but EPERM"),
            Answer::Denied(_) => (answer == "errno EPERM", "errno EPERM"),
        };
        checks.that(fine, || {
            format!("{mode}: `{}`: expected {expected}, got {answer}", self.line)
        });
    }
}

/// Runs the steps enforced and then observed, each after `prepare`.
pub(crate) fn judge(checks: &mut Checks, name: &str, body: &str, prepare: impl Fn(), steps: &[Step]) {
    enforce(checks, name, body, &prepare, steps);
    observe(checks, name, body, &prepare, steps);
}

/// Runs the steps under the policy; every denial has exactly one record, in order. The records.
pub(crate) fn enforce(checks: &mut Checks, name: &str, body: &str, prepare: impl Fn(), steps: &[Step]) -> Vec<Event> {
    prepare();
    let mut act = Act::governed(name, body);
    enforce_on(checks, &mut act, steps)
}

/// The same on a process that is governed already.
pub(crate) fn enforce_on(checks: &mut Checks, act: &mut Act, steps: &[Step]) -> Vec<Event> {
    for step in steps {
        let answer = act.ask(&step.line);
        step.check(checks, "enforce", &answer);
    }
    let expected: Vec<&str> = denied(steps).map(|(_, action)| action).collect();
    let records = denials_of(&act.agent, expected.len());
    let got: Vec<&str> = records.iter().map(|event| event.action.as_str()).collect();
    checks.that(got == expected, || {
        let told: Vec<String> = records.iter().map(tell).collect();
        format!("records of denials: expected {expected:?}, got {}", told.join("; "))
    });
    checks.that(records.iter().all(|event| event.effect == Effect::Denied), || {
        "a record is not of a denial".to_owned()
    });
    records
}

/// Runs the steps under the policy in observe mode: nothing is denied, and what would have been is recorded.
pub(crate) fn observe(checks: &mut Checks, name: &str, body: &str, prepare: impl Fn(), steps: &[Step]) {
    prepare();
    let mut act = Act::governed(name, &format!("mode: observe\n{body}"));
    for step in steps {
        let answer = act.ask(&step.line);
        step.check(checks, "observe", &answer);
    }
    // An action that is let go on may come by further hooks, so there may be more records than in enforce mode.
    let expected: Vec<&str> = denied(steps).map(|(_, action)| action).collect();
    let records = denials_of(&act.agent, expected.len());
    let got: Vec<&str> = records.iter().map(|event| event.action.as_str()).collect();
    let mut rest = got.iter();
    checks.that(expected.iter().all(|action| rest.any(|other| other == action)), || {
        format!("observe: expected records of {expected:?} in order, got {got:?}")
    });
    checks.that(records.iter().all(|event| event.effect == Effect::WouldDeny), || {
        "observe: a record is not of what would be denied".to_owned()
    });
}

fn denied(steps: &[Step]) -> impl Iterator<Item = (&str, &'static str)> {
    steps.iter().filter_map(|step| match step.answer {
        Answer::Denied(action) => Some((step.line.as_str(), action)),
        Answer::Ok | Answer::Exactly(_) => None,
    })
}

/// An event in a few words.
pub(crate) fn tell(event: &Event) -> String {
    let shown = |value: Option<&dyn Display>| value.map_or_else(String::new, ToString::to_string);
    let object = event.object.as_ref().map(|object| object as &dyn Display);
    let reason = event.reason.as_ref().map(|reason| &reason.code as &dyn Display);
    format!("{} {} ({})", event.action, shown(object), shown(reason))
}
