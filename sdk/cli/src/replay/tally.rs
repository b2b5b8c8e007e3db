//! Counting how a policy's verdicts differ from those of the log, in bounded memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::time::{Duration, UNIX_EPOCH};

use aa_policy::{Action, Environment, Limits, Lowered, Policy, Unrecorded, Verdict};
use aa_wire::{Event, Timestamp};
use serde::Serialize;

use super::recorded::{self, Outcome, Untold};
use crate::compare::by_name;

/// Different actions that are kept, and judgements that are remembered.
const MOST_ACTIONS: usize = 10_000;
/// Actions of each kind that are shown.
const SHOWN: usize = 20;
/// Different reasons why something cannot be told.
const MOST_REASONS: usize = 64;

/// How the policy's verdict differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Change {
    NewlyDenied,
    NewlyAllowed,
    NewlyAsked,
    /// Denied then and now, and another thing becomes of the agent.
    DeniedOtherwise,
}

const CHANGES: [(Change, &str); 4] = [
    (Change::NewlyDenied, "newly denied"),
    (Change::NewlyAllowed, "newly allowed"),
    (Change::NewlyAsked, "newly asked"),
    (Change::DeniedOtherwise, "denied otherwise"),
];

/// What the policy says of an action, as often as it comes.
#[derive(Clone, Debug)]
struct Judged {
    verdict: Verdict,
    turns_on: Vec<Unrecorded>,
}

/// How often, and an event of it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    count: u64,
    example: u64,
}

pub(super) struct Tally<'a> {
    policy: &'a Policy,
    /// Its tables, which judge a hundred times as fast; none where it is too large for the kernel.
    lowered: Option<Lowered>,
    known: HashMap<Action, Judged>,
    /// By whether the policy was closed at the time, too.
    seen: HashMap<(Change, bool, Action), Seen>,
    counts: BTreeMap<Change, Count>,
    untold: BTreeMap<Untold, u64>,
    /// Policies under which lookups went through the resolver, by digest: of these, an address without names has none.
    resolved: HashSet<String>,
    total: u64,
    same: u64,
    span: Option<(Timestamp, Timestamp)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    events: u64,
    /// Of actions that are not kept.
    beyond: u64,
}

impl<'a> Tally<'a> {
    pub(super) fn new(policy: &'a Policy) -> Self {
        Self {
            policy,
            lowered: policy.lower(&Limits::default()).ok(),
            known: HashMap::new(),
            seen: HashMap::new(),
            counts: BTreeMap::new(),
            untold: BTreeMap::new(),
            resolved: HashSet::new(),
            total: 0,
            same: 0,
            span: None,
        }
    }

    /// Replays a decision.
    pub(super) fn take(&mut self, event: &Event) {
        self.total += 1;
        let (first, last) = self.span.unwrap_or((event.time, event.time));
        self.span = Some((first.min(event.time), last.max(event.time)));
        self.note_resolver(event);
        match self.change(event) {
            Ok(None) => self.same += 1,
            Ok(Some((change, closed, action))) => self.count(change, closed, action, event.id),
            Err(reason) => {
                let reason = match self.untold.len() {
                    MOST_REASONS.. if !self.untold.contains_key(&reason) => "other reasons".to_owned(),
                    _ => reason,
                };
                *self.untold.entry(reason).or_default() += 1;
            }
        }
    }

    fn change(&mut self, event: &Event) -> Result<Option<(Change, bool, Action)>, Untold> {
        let (was, otherwise) = recorded::outcome(event);
        let action = match (recorded::action(event), otherwise) {
            (Ok(action), _) => action,
            (Err(_), Some(reason)) => return Err(format!("no rule about the action decided: {reason}")),
            (Err(untold), None) => return Err(untold),
        };
        let judged = self.judge(&action);
        let closed = !judged.verdict.is_denial() && self.is_closed(event.time);
        let verdict = if closed { Verdict::Deny } else { judged.verdict };
        if let (Some(missing), false) = (self.missing(event, &judged), closed) {
            return Err(missing);
        }
        let is = match verdict {
            Verdict::Ungoverned | Verdict::Allow => Outcome::Passed,
            Verdict::Ask => Outcome::Asked,
            Verdict::Deny | Verdict::Suspend | Verdict::Kill => Outcome::Refused(verdict),
        };
        let change = match (was, is, otherwise) {
            _ if was == is => return Ok(None),
            // It would be denied anyway.
            (Outcome::Refused(_), Outcome::Refused(_), Some(_)) => return Ok(None),
            (_, Outcome::Passed | Outcome::Asked, Some(reason)) => {
                return Err(format!("no rule about the action decided: {reason}"));
            }
            (Outcome::Refused(_), Outcome::Refused(_), None) => Change::DeniedOtherwise,
            (_, Outcome::Refused(_), _) => Change::NewlyDenied,
            (_, Outcome::Asked, None) => Change::NewlyAsked,
            (_, Outcome::Passed, None) => Change::NewlyAllowed,
        };
        Ok(Some((change, closed, action)))
    }

    fn judge(&mut self, action: &Action) -> Judged {
        if let Some(judged) = self.known.get(action) {
            return judged.clone();
        }
        let judge = |action: &Action| match &self.lowered {
            Some(lowered) => lowered.evaluate(action).verdict,
            None => self.policy.evaluate(action).verdict,
        };
        let judged = Judged {
            verdict: judge(action),
            turns_on: self.policy.turns_on(action, judge),
        };
        if self.known.len() < MOST_ACTIONS {
            self.known.insert(action.clone(), judged.clone());
        }
        judged
    }

    /// What the verdict turns on that this record does not hold.
    fn missing(&self, event: &Event, judged: &Judged) -> Option<Untold> {
        let by_address = event.action == "lookup" && self.policy.governs_net() && !self.policy.names_hosts();
        if by_address {
            return Some("the policy names no hosts, so lookups are judged by where they are sent".to_owned());
        }
        let resolved = digest(event).is_some_and(|digest| self.resolved.contains(digest));
        let missing = judged.turns_on.iter().find(|missing| match missing {
            Unrecorded::Arguments => recorded::arguments(event).is_none(),
            Unrecorded::Names => !resolved,
            Unrecorded::Reading => event.action == "open-write",
            Unrecorded::Content | Unrecorded::Labels => true,
        });
        missing.map(ToString::to_string)
    }

    fn note_resolver(&mut self, event: &Event) {
        let named = event
            .object
            .as_ref()
            .is_some_and(|object| recorded::names_of(object) > 0);
        if (named || event.action == "lookup")
            && self.resolved.len() < MOST_ACTIONS
            && let Some(digest) = digest(event)
            && !self.resolved.contains(digest)
        {
            self.resolved.insert(digest.to_owned());
        }
    }

    fn is_closed(&self, at: Timestamp) -> bool {
        let at = UNIX_EPOCH.checked_add(Duration::from_nanos(at.unix_ns));
        let hours = self.policy.hours();
        hours.is_some_and(|(hours, _)| at.is_some_and(|at| !hours.is_open(at)))
    }

    fn count(&mut self, change: Change, closed: bool, action: Action, id: u64) {
        let count = self.counts.entry(change).or_default();
        count.events += 1;
        let key = (change, closed, action);
        if let Some(seen) = self.seen.get_mut(&key) {
            seen.count += 1;
        } else if self.seen.len() < MOST_ACTIONS {
            self.seen.insert(key, Seen { count: 1, example: id });
        } else {
            count.beyond += 1;
        }
    }

    pub(super) fn report(self, environment: &Environment) -> Report {
        let mut changes = Vec::new();
        for (change, name) in CHANGES {
            let count = self.counts.get(&change).copied().unwrap_or_default();
            let own = self.seen.iter().filter(|((own, ..), _)| *own == change);
            let mut own: Vec<_> = own
                .map(|((_, closed, action), seen)| (*seen, *closed, action))
                .collect();
            own.sort_by_key(|(seen, ..)| (std::cmp::Reverse(seen.count), seen.example));
            let shown = own.iter().take(SHOWN);
            let shown = shown.map(|(seen, closed, action)| row(self.policy, action, *seen, *closed, environment));
            changes.push(Changed {
                change,
                name,
                events: count.events,
                different: own.len(),
                not_kept: count.beyond,
                actions: shown.collect(),
            });
        }
        Report {
            policy: self.policy.name().to_owned(),
            version: self.policy.version(),
            decisions: self.total,
            from: self.span.map(|(first, _)| first),
            to: self.span.map(|(_, last)| last),
            same: self.same,
            changes,
            untold: self.untold,
        }
    }
}

fn digest(event: &Event) -> Option<&str> {
    event.policy.as_ref()?.digest.as_deref()
}

fn row(policy: &Policy, action: &Action, seen: Seen, closed: bool, environment: &Environment) -> Row {
    let explanation = policy.explain(action);
    let hours = policy.hours().filter(|_| closed);
    let (verdict, because, allow) = match hours {
        Some((hours, rule)) => (
            Verdict::Deny,
            format!("closed {hours} (line {})", rule.line),
            Some("nothing added: it is denied at that time, whatever the rules".to_owned()),
        ),
        None => (explanation.verdict, explanation.reason, explanation.allow),
    };
    Row {
        action: by_name(&explanation.action, environment),
        events: seen.count,
        example: seen.example,
        verdict,
        because,
        allow,
    }
}

/// What came of it, for people by `Display`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) policy: String,
    pub(super) version: u32,
    /// How many decisions were replayed.
    pub(super) decisions: u64,
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    pub(super) same: u64,
    pub(super) changes: Vec<Changed>,
    /// How many cannot be told, by reason.
    pub(super) untold: BTreeMap<Untold, u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Changed {
    pub(super) change: Change,
    #[serde(skip)]
    pub(super) name: &'static str,
    pub(super) events: u64,
    /// How many different actions these are, as far as they are kept.
    pub(super) different: usize,
    /// Events of actions beyond those.
    pub(super) not_kept: u64,
    /// The most frequent.
    pub(super) actions: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) action: String,
    pub(super) events: u64,
    /// An event of it.
    pub(super) example: u64,
    pub(super) verdict: Verdict,
    pub(super) because: String,
    pub(super) allow: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} decisions", self.decisions)?;
        if let (Some(from), Some(to)) = (self.from, self.to) {
            write!(f, " from {} to {}", second(from), second(to))?;
        }
        writeln!(f, ", by {} version {}:", self.policy, self.version)?;
        writeln!(f, "{:>8}  same", self.same)?;
        for changed in self.changes.iter().filter(|changed| is_told(changed)) {
            writeln!(f, "{:>8}  {}", changed.events, changed.name)?;
        }
        writeln!(f, "{:>8}  cannot be told", self.untold.values().sum::<u64>())?;
        let mut untold: Vec<_> = self.untold.iter().collect();
        untold.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in untold {
            writeln!(f, "{:>12}  {reason}", *count)?;
        }
        self.changes.iter().try_for_each(|changed| changed.fmt(f))
    }
}

/// The three that anybody asks for are told where there are none, too.
fn is_told(changed: &Changed) -> bool {
    changed.change != Change::DeniedOtherwise || changed.events > 0
}

fn second(at: Timestamp) -> String {
    at.to_string().chars().take(19).chain(['Z']).collect()
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.events == 0 {
            return Ok(());
        }
        writeln!(f, "\n{}:", self.name)?;
        for row in &self.actions {
            let events = if row.events == 1 { "event" } else { "events, such as" };
            let times = if row.events == 1 {
                String::new()
            } else {
                format!("{} ", row.events)
            };
            let mut text = format!("  {} ({times}{events} {})\n", row.action, row.example);
            let _ = writeln!(text, "    {}: {}", row.verdict, row.because);
            if let Some(allow) = &row.allow {
                let _ = writeln!(text, "    to allow it: {allow}");
            }
            f.write_str(&text)?;
        }
        let more = self.different.saturating_sub(self.actions.len());
        if more > 0 {
            writeln!(f, "  and {more} other actions")?;
        }
        if self.not_kept > 0 {
            writeln!(
                f,
                "  and {} events of actions beyond the first {MOST_ACTIONS}",
                self.not_kept
            )?;
        }
        Ok(())
    }
}
