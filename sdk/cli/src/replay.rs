//! `aasm policy test --replay`: what a policy would have done with what the audit log holds.
//!
//! The log is read as it stands, without the daemon. A record holds less than the kernel judged by: where the policy looks at
//! something else, the answer is "cannot be told", with the reason.

pub(crate) mod recorded;
mod tally;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::Path;

use aa_audit::AuditError;
use aa_policy::{Environment, Mode, Policy};
use aa_wire::event::Kind;
use aa_wire::{Event, Timestamp, WireError};

use crate::cli::{Recorded, TestArgs};
use crate::events::parse_since;
use crate::exit::Failure;
use crate::policy::{find, here};
use crate::{print, print_json};
use tally::{Report, Tally};

/// The name that the daemon gives the agent of its self-test.
const SELF_TEST: &str = "self-test";

pub(crate) fn test(arguments: &TestArgs) -> Result<(), Failure> {
    let since = arguments.recorded.since()?;
    let json = arguments.output.json;
    let environment = environment(&arguments.recorded)?;
    let (policy, _) = find(&arguments.policy, &environment, json)?;
    let report = replay(&policy, &arguments.replay, since, &environment)?;
    if json {
        return print_json(&report);
    }
    print(&render(&policy, &report));
    Ok(())
}

impl Recorded {
    /// The time from which on.
    pub(crate) fn since(&self) -> Result<Option<Timestamp>, WireError> {
        let since = self.since.as_deref();
        since.map(|text| parse_since(text, Timestamp::now())).transpose()
    }
}

/// What the names of the policy stand for: as here, but where it is said otherwise.
pub(crate) fn environment(arguments: &Recorded) -> Result<Environment, WireError> {
    let mut environment = here();
    let places = [&arguments.work, &arguments.home, &arguments.run];
    if let Some(odd) = places.into_iter().flatten().find(|path| !path.starts_with('/')) {
        return Err(WireError::new("usage", format!("`{odd}` is not an absolute path"))
            .hint("records hold absolute paths: --work /srv/src --home /home/dev"));
    }
    if let Some(work) = &arguments.work {
        environment.lets.insert("work".to_owned(), work.clone());
    }
    environment.home = arguments.home.clone().or(environment.home);
    environment.run = arguments.run.clone().or(environment.run);
    Ok(environment)
}

fn replay(
    policy: &Policy,
    directory: &Path,
    since: Option<Timestamp>,
    environment: &Environment,
) -> Result<Report, WireError> {
    let mut tally = Tally::new(policy);
    for event in recorded_in(directory, since)? {
        let event = event?;
        if is_judged(&event) {
            tally.take(&event);
        }
    }
    Ok(tally.report(environment))
}

/// The events of an audit log, from a time on.
pub(crate) fn recorded_in(
    directory: &Path,
    since: Option<Timestamp>,
) -> Result<impl Iterator<Item = Result<Event, WireError>>, WireError> {
    let failed = |error: AuditError| unreadable(&error);
    if aa_audit::scan(directory, 0).map_err(failed)?.next().is_none() {
        return Err(WireError::new(
            "audit-unreadable",
            format!("{} holds no audit log", directory.display()),
        )
        .hint("give the directory of the daemon's; `aasm status` names it"));
    }
    let events = aa_audit::scan_since(directory, since.unwrap_or_default()).map_err(failed)?;
    Ok(events.map(move |event| event.map_err(failed)))
}

/// Whether a governed agent's action was judged.
pub(crate) fn is_judged(event: &Event) -> bool {
    event.kind == Kind::Decision && is_agents(event)
}

/// Whether it is about an agent, and not the daemon's own.
pub(crate) fn is_agents(event: &Event) -> bool {
    let self_test = |name: &String| name == SELF_TEST;
    let of_agent = event.agent.as_ref().map(|agent| agent.name.as_ref());
    of_agent.is_some_and(|name| !name.is_some_and(self_test))
}

fn unreadable(error: &AuditError) -> WireError {
    let problem = crate::audit::unreadable(error);
    match problem.code.as_str() {
        "not-permitted" => {
            problem.hint("the log is root's alone: with sudo, and --home and --work of who the agents ran as")
        }
        _ => problem,
    }
}

/// What is told in any case: what was replayed, and how far that goes.
fn render(policy: &Policy, report: &Report) -> String {
    let mut text = format!("{report}\n");
    if policy.mode() == Mode::Observe {
        text += "The policy only observes: nothing of this would be carried out.\n";
    }
    let beyond = [
        (policy.rates().next().is_some(), "rate"),
        (policy.spend_limits().next().is_some(), "spend"),
        (policy.withholds(), "data"),
        (policy.lists_models(), "model"),
        (policy.lists_tools(), "tool"),
        (policy.judges_requests(), "conditions in net"),
        (policy.blind() != aa_policy::Decision::NONE, "net.blind"),
    ];
    let beyond: Vec<&str> = beyond.into_iter().filter(|(has, _)| *has).map(|(_, key)| key).collect();
    if !beyond.is_empty() {
        let _ = writeln!(text, "Not replayed: {} of the policy.", beyond.join(", "));
    }
    text + "Of what an agent did often and was allowed, the log may hold the first time only.\n"
}
