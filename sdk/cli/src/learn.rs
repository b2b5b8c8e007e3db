//! `aasm policy learn`: from the audit log to a policy that allows what is in there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;

use aa_policy::{Action, HostName, Learned, Learning};
use aa_wire::event::{Effect, Kind, Object};
use aa_wire::exchange::Exchange;
use aa_wire::{Event, Timestamp, WireError};
use serde::Serialize;

use crate::cli::LearnArgs;
use crate::compare::by_name;
use crate::exit::Failure;
use crate::replay::{self, recorded};
use crate::{print, print_json};

/// Actions that were left out, of which each is told.
const SHOWN: usize = 30;

/// What was read of the log.
#[derive(Debug, Default)]
struct Read {
    taken: u64,
    denied: u64,
    /// What could not be taken in, and how often.
    untold: BTreeMap<recorded::Untold, u64>,
    agents: BTreeSet<String>,
    span: Option<(Timestamp, Timestamp)>,
}

/// For programs.
#[derive(Debug, Serialize)]
struct Told<'a> {
    policy: &'a str,
    left_out: Vec<LeftOut>,
}

#[derive(Debug, Serialize)]
struct LeftOut {
    action: String,
    why: String,
}

pub(crate) fn learn(arguments: &LearnArgs) -> Result<(), Failure> {
    let since = arguments.recorded.since()?;
    let environment = replay::environment(&arguments.recorded)?;
    let mut learning = Learning::new(&environment);
    let mut read = Read::default();
    for event in replay::recorded_in(&arguments.audit, since)? {
        read.take(&event?, arguments.agent.as_deref(), &mut learning);
    }
    if read.taken == 0 {
        return Err(nothing(arguments).into());
    }
    if learning.beyond() > 0 {
        let problem = format!(
            "there are more different actions than can be learned from, by {}",
            learning.beyond()
        );
        return Err(WireError::new("too-much", problem)
            .hint("name an agent or a time: --agent NAME, --since 1h")
            .into());
    }
    let learned = learning.policy(&arguments.name, &read.heading());
    let learned = learned.map_err(|error| {
        WireError::new("usage", "no policy can be made of this").because(error.to_string().trim_end())
    })?;
    let left_out = learned.left_out.iter().map(|(action, why)| LeftOut {
        action: by_name(&action.to_string(), &environment),
        why: why.clone(),
    });
    let left_out: Vec<LeftOut> = left_out.collect();
    if arguments.output.json {
        return print_json(&Told {
            policy: &learned.text,
            left_out,
        });
    }
    print(&learned.text);
    eprint!("{}", report(&read, &learned, &left_out));
    Ok(())
}

fn nothing(arguments: &LearnArgs) -> WireError {
    let of = arguments
        .agent
        .as_ref()
        .map_or_else(String::new, |name| format!(" of an agent `{name}`"));
    let problem = format!("{} holds nothing{of} to learn from", arguments.audit.display());
    WireError::new("nothing-recorded", problem)
        .hint("let it work, and record all of it: aasm run --policy observe-all -- COMMAND")
}

impl Read {
    /// Takes in what took place.
    fn take(&mut self, event: &Event, agent: Option<&str>, learning: &mut Learning<'_>) {
        let name = event.agent.as_ref().and_then(|agent| agent.name.as_deref());
        if !replay::is_agents(event) || agent.is_some_and(|wanted| name != Some(wanted)) {
            return;
        }
        match (event.kind, event.effect) {
            (Kind::Exchange, _) => {
                if let Some(exchange) = &event.exchange {
                    said(exchange, event.object.as_ref(), learning);
                }
                return;
            }
            (Kind::Decision, Effect::Allowed | Effect::WouldDeny) => {}
            (Kind::Decision, Effect::Held) => return,
            (Kind::Decision, _) => {
                self.denied += 1;
                return;
            }
            _ => return,
        }
        match recorded::action(event) {
            // No record holds whether it was opened to read, too.
            Ok(Action::Write { path }) if event.action == "open-write" => learning.see(Action::ReadWrite { path }),
            Ok(action) => learning.see(action),
            Err(untold) => {
                *self.untold.entry(untold).or_default() += 1;
                return;
            }
        }
        self.taken += 1;
        self.agents.extend(name.map(str::to_owned));
        let (first, last) = self.span.unwrap_or((event.time, event.time));
        self.span = Some((first.min(event.time), last.max(event.time)));
    }

    /// Where it is from, for who reads the policy.
    fn heading(&self) -> String {
        let second = |time: Timestamp| time.to_string().split('.').next().unwrap_or_default().to_owned();
        let span = self.span.map_or_else(String::new, |(first, last)| {
            format!(", {}Z to {}Z", second(first), second(last))
        });
        let agents: Vec<String> = self
            .agents
            .iter()
            .map(|name| aa_wire::text::escape(name.as_bytes()))
            .collect();
        format!(
            "Learned from {} recorded actions of {}{span}.\n\
             What it lists was done then. Whether it should be is for you to say: read it, narrow it, and try it with\n\
             `aasm policy test FILE --replay` before `aasm run --policy FILE -- COMMAND`.",
            self.taken,
            if agents.is_empty() {
                "agents".to_owned()
            } else {
                agents.join(", ")
            }
        )
    }
}

/// By which name an agent calls who is at an address, and which model it calls there.
fn said(exchange: &Exchange, to: Option<&Object>, learning: &mut Learning<'_>) {
    if exchange.serves {
        return;
    }
    if let Some(Object::Address { address, port, .. }) = to {
        let host = exchange.host.as_str();
        let host = host
            .rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok())
            .map_or(host, |(host, _)| host);
        let is_address = host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[');
        if let (false, Ok(name)) = (is_address || host == "localhost", HostName::parse(host)) {
            learning.lead(name, SocketAddr::new(*address, *port));
        }
    }
    let model = exchange.call.as_ref().map(|call| call.model.as_str());
    if let Some(name) = model.filter(|name| !name.is_empty()) {
        learning.see(Action::Model { name: name.to_owned() });
    }
}

/// How far it goes; beside the policy, which may go to a file.
fn report(read: &Read, learned: &Learned, left_out: &[LeftOut]) -> String {
    let mut text = format!(
        "aasm: learned from {} actions, {} different ones, which it allows\n",
        read.taken, learned.allowed
    );
    if !left_out.is_empty() {
        let _ = writeln!(
            text,
            "aasm: {} it did are not allowed; write a rule for those that should be:",
            left_out.len()
        );
    }
    for LeftOut { action, why } in left_out.iter().take(SHOWN) {
        let _ = writeln!(text, "  {action}\n    {why}");
    }
    if left_out.len() > SHOWN {
        let _ = writeln!(text, "  and {} more: --json", left_out.len() - SHOWN);
    }
    if read.denied > 0 {
        let _ = writeln!(
            text,
            "aasm: {} actions were denied at the time, and are not learned",
            read.denied
        );
    }
    for (why, count) in &read.untold {
        let _ = writeln!(text, "aasm: {count} actions are not learned: {why}");
    }
    text
}

#[cfg(test)]
mod tests;
