//! What agents may spend on models, by the limits of their policies: room is taken in the ledger before a call is sent, and what
//! the call really used takes its place when it is over.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aa_ledger::{Account, Amount, Cap, Ledger, Refusal, ReservationId, Span};
use aa_policy::{Decision, Policy, Rule, SpendLimit, SpendWindow, Spending, Verdict};
use aa_wire::api::BudgetRow;
use aa_wire::event::Effect;
use aa_wire::problem::chain;
use aa_wire::{Event, SessionId, Timestamp, WireError};

use sha2::{Digest, Sha256};

use crate::clock::SharedClock;
use crate::gateway::Gateway;
use crate::prices::SharedPrices;

/// What a call may be answered at most where its request does not say: no model of today answers more, tokens.
const MOST_OUTPUT: u64 = 128_000;
/// Bytes of a request that are a token at least: of text in any language it is more of them.
const TOKEN_BYTES: u64 = 2;
/// After which time a ledger that could not be opened is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// How far a clock may be set ahead before what is charged goes by the one before, until that is a day old.
const AHEAD: Duration = Duration::from_secs(86_400);

/// What a request may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Estimate {
    pub(crate) input: u64,
    pub(crate) output: u64,
    /// The request says so; else nobody knows.
    pub(crate) limited: bool,
    pub(crate) micro_dollars: u64,
}

impl Estimate {
    pub(crate) fn amount(&self) -> Amount {
        Amount {
            micro_dollars: self.micro_dollars,
            tokens: self.input.saturating_add(self.output),
            calls: 1,
        }
    }
}

/// Why there is no room.
#[derive(Debug, Clone)]
pub(crate) struct NoRoom {
    pub(crate) decision: Decision,
    pub(crate) why: String,
}

/// The ledger and what it goes by, shared with the plaintext thread.
#[derive(Debug, Clone)]
pub(crate) struct Treasury(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    directory: PathBuf,
    epoch: u64,
    ledger: Mutex<Opened>,
    clock: SharedClock,
    prices: SharedPrices,
    /// What people are to be told and nobody has recorded yet.
    notices: Mutex<Vec<Event>>,
}

/// The ledger, from the first time that anybody needs one; without `spend` in any policy there is none.
#[derive(Debug, Default)]
struct Opened {
    ledger: Option<Arc<Ledger>>,
    /// When it was tried last in vain, and what was wrong.
    failed: Option<(Instant, String)>,
}

impl Treasury {
    /// By the ledger of a directory. Sessions are numbered anew in each epoch, which is a text that no other has: the ledger outlives boots.
    pub(crate) fn new(directory: PathBuf, epoch: &str, clock: SharedClock, prices: SharedPrices) -> Self {
        Self(Arc::new(Parts {
            directory,
            epoch: number_of(epoch),
            ledger: Mutex::default(),
            clock,
            prices,
            notices: Mutex::default(),
        }))
    }

    /// The ledger, or why nothing can be spent; all else goes on.
    pub(crate) fn ledger(&self) -> Result<Arc<Ledger>, String> {
        let mut opened = self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = &opened.ledger {
            return Ok(Arc::clone(ledger));
        }
        if let Some((_, why)) = opened.failed.as_ref().filter(|(tried, _)| tried.elapsed() < AGAIN) {
            return Err(why.clone());
        }
        match Ledger::open(&self.0.directory) {
            Ok((ledger, left)) => {
                if left > 0 {
                    self.note(
                        Effect::Allowed,
                        format!(
                            "{left} calls that were under way when a gateway ended are charged as they were reserved"
                        ),
                    );
                }
                let ledger = Arc::new(ledger);
                opened.ledger = Some(Arc::clone(&ledger));
                Ok(ledger)
            }
            Err(error) => {
                let why = in_words(&error);
                if opened.failed.as_ref().is_none_or(|(_, before)| *before != why) {
                    self.note(Effect::Denied, unread(&why));
                }
                opened.failed = Some((Instant::now(), why.clone()));
                Err(why)
            }
        }
    }

    /// What a request for any of these models may use, of so many bytes.
    pub(crate) fn estimate(&self, models: &[String], bytes: u64, most_output: Option<u64>) -> Estimate {
        let (input, output) = (bytes.div_ceil(TOKEN_BYTES), most_output.unwrap_or(MOST_OUTPUT));
        Estimate {
            input,
            output,
            limited: most_output.is_some(),
            micro_dollars: self.0.prices.get().at_most(models, input, output).0,
        }
    }

    /// Takes room for what a call may use beyond what is reserved for it already; on the disk when it returns.
    pub(crate) fn reserve(
        &self,
        policy: &Policy,
        session: SessionId,
        call: &Estimate,
        before: Option<(ReservationId, Amount)>,
    ) -> Result<ReservationId, NoRoom> {
        let more = call
            .amount()
            .minus(before.map_or(Amount::default(), |(_, amount)| amount));
        if let Some((id, _)) = before.filter(|_| more == Amount::default()) {
            return Ok(id);
        }
        let closed = |why: String| NoRoom {
            decision: Decision::new(Verdict::Deny, false, None),
            why,
        };
        let ledger = self.ledger().map_err(|why| closed(unread(&why)))?;
        let Some(spending) = policy.spending() else {
            return Err(closed("the policy has no `spend`".to_owned()));
        };
        let (_, times) = self.0.clock.read();
        let Some(now) = charged_at(&times) else {
            return Err(closed("the clock tells no time".to_owned()));
        };
        let limits: Vec<(SpendLimit, &Rule)> = policy.spend_limits().collect();
        // Each limit at each time that it may be.
        let caps = limits.iter().flat_map(|(limit, rule)| {
            let spans = times.iter().filter_map(|at| span(limit.window, *at, spending));
            spans.map(move |span| (cap(limit, span), *limit, *rule))
        });
        let caps: Vec<(Cap, SpendLimit, &Rule)> = caps.collect();
        if caps.len() < limits.len() {
            return Err(closed("the clock shows what no calendar has".to_owned()));
        }
        let only: Vec<Cap> = caps.iter().map(|(cap, ..)| *cap).collect();
        let account = Account {
            policy: policy.name(),
            session: session.0 ^ self.0.epoch,
        };
        let reserved = ledger.reserve(&account, &only, more, now, before.map(|(id, _)| id));
        reserved.map_err(|refusal| match refusal {
            Refusal::Full { cap, used } => {
                let Some((_, limit, rule)) = caps.get(cap) else {
                    return closed("a limit has no room".to_owned());
                };
                let why = no_room(limit, used, call);
                NoRoom {
                    decision: rule.decision(),
                    why,
                }
            }
            Refusal::Failing(error) => closed(unread(&in_words(&error))),
        })
    }

    /// What the call really used takes the place of what was reserved.
    pub(crate) fn settle(&self, policy: &Policy, session: SessionId, id: ReservationId, used: Amount) {
        self.charged(policy, session, |ledger, _, now| ledger.settle(id, used, now));
    }

    /// Charges what nothing was reserved for: the policy only observes.
    pub(crate) fn charge(&self, policy: &Policy, session: SessionId, used: Amount) {
        self.charged(policy, session, |ledger, account, now| {
            ledger.charge(account, used, now);
        });
    }

    /// Charges something, and notes which marks that passed.
    fn charged(&self, policy: &Policy, session: SessionId, charge: impl FnOnce(&Ledger, &Account<'_>, SystemTime)) {
        let Ok(ledger) = self.ledger() else { return };
        let (_, times) = self.0.clock.read();
        // A clock that tells no time is no reason to charge nothing.
        let now = charged_at(&times).unwrap_or(SystemTime::UNIX_EPOCH);
        let account = Account {
            policy: policy.name(),
            session: session.0 ^ self.0.epoch,
        };
        let spent = |limit: &SpendLimit| {
            let span = policy.spending().and_then(|spending| span(limit.window, now, spending));
            span.map_or(0, |span| ledger.used(&account, &cap(limit, span)).spent)
        };
        let limits: Vec<SpendLimit> = policy.spend_limits().map(|(limit, _)| limit).collect();
        let before: Vec<u64> = limits.iter().map(spent).collect();
        charge(&ledger, &account, now);
        let marks = policy.spending().map_or(&[][..], |spending| &spending.warn);
        for (limit, before) in limits.iter().zip(before) {
            let after = spent(limit);
            let passed = |mark: &&u8| {
                let at = u128::from(limit.most) * u128::from(**mark);
                u128::from(before) * 100 < at && u128::from(after) * 100 >= at
            };
            if let Some(mark) = marks.iter().rev().find(passed) {
                let shown = limit.unit.show(after);
                let notice = format!("{} has spent {mark}% of {limit}: {shown}", policy.name());
                self.note(Effect::Allowed, notice);
            }
        }
    }

    fn note(&self, effect: Effect, notice: String) {
        let mut notices = self.0.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.push(Event::lifecycle("budget", effect, notice));
    }

    pub(crate) fn take_notices(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How much of each limit is used, but for those of single sessions.
    fn rows(&self, policy: &Policy) -> Result<Vec<BudgetRow>, String> {
        let ledger = self.ledger()?;
        let (_, times) = self.0.clock.read();
        let account = Account {
            policy: policy.name(),
            session: 0,
        };
        let (Some(now), Some(spending)) = (times.last().copied(), policy.spending()) else {
            return Ok(Vec::new());
        };
        let row = |(limit, rule): (SpendLimit, &Rule)| {
            let used = span(limit.window, now, spending)
                .filter(|span| *span != Span::Session)
                .map(|span| ledger.used(&account, &cap(&limit, span)));
            let unix = |time: SystemTime| Timestamp::from(time);
            BudgetRow {
                policy: policy.name().to_owned(),
                limit: limit.to_string(),
                unit: limit.unit.code().to_owned(),
                most: limit.most,
                spent: used.map(|used| used.spent),
                reserved: used.map(|used| used.reserved),
                renewed: limit.window.ends(now, &spending.zone).map(unix),
                then: rule.verdict.to_string(),
            }
        };
        Ok(policy.spend_limits().map(row).collect())
    }
}

/// The first bytes of its SHA-256.
fn number_of(epoch: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(epoch).into();
    digest.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

fn in_words(error: &aa_ledger::LedgerError) -> String {
    let text = error.to_string();
    chain(std::error::Error::source(error)).map_or(text.clone(), |cause| format!("{text}: {cause}"))
}

fn unread(why: &str) -> String {
    format!("what was spent is not known: {why}")
}

/// When what is charged now is charged: as the clock shows, but that no clock set ahead has the ledger forget.
fn charged_at(times: &[SystemTime]) -> Option<SystemTime> {
    let earliest = times.iter().min()?.checked_add(AHEAD)?;
    times.last().map(|last| earliest.min(*last))
}

fn span(window: SpendWindow, at: SystemTime, spending: &Spending) -> Option<Span> {
    match window {
        SpendWindow::Session => Some(Span::Session),
        _ => window.begins(at, &spending.zone).map(Span::Since),
    }
}

fn cap(limit: &SpendLimit, span: Span) -> Cap {
    Cap {
        span,
        unit: limit.unit,
        most: limit.most,
    }
}

fn no_room(limit: &SpendLimit, used: aa_ledger::Use, call: &Estimate) -> String {
    let unit = limit.unit;
    let said = if call.limited {
        ""
    } else {
        ", since the request names no limit"
    };
    format!(
        "{limit}: {} spent, {} reserved by calls under way; this one may take {} ({} tokens in, {} out{said})",
        unit.show(used.spent),
        unit.show(used.reserved),
        unit.show(call.amount().of(unit)),
        call.input,
        call.output,
    )
}

impl Gateway {
    /// Records what people are to be told of budgets.
    pub(crate) fn record_notices(&self) {
        for notice in self.treasury.take_notices() {
            self.record(notice);
        }
    }

    /// How much of each limit of the policies in force is used.
    pub(crate) fn budgets(&self) -> Result<Vec<BudgetRow>, WireError> {
        let mut rows: Vec<BudgetRow> = Vec::new();
        let in_force = self.book.borrow().all_in_force();
        for (_, load) in in_force.iter().filter(|(_, load)| load.policy.spending().is_some()) {
            let of_policy = self.treasury.rows(&load.policy).map_err(|why| {
                WireError::new("ledger", "what was spent is not known")
                    .because(why)
                    .hint("nothing is spent under policies with `spend` meanwhile; restore the ledger's directory or move it away")
            })?;
            rows.extend(of_policy);
        }
        rows.sort_by(|one, other| one.policy.cmp(&other.policy));
        rows.dedup();
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_another_boot_has_a_budget_of_its_own_and_the_day_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let boot = |epoch: &str| {
            let (clock, prices) = (SharedClock::default(), SharedPrices::default());
            Treasury::new(folder.path().join("ledger"), epoch, clock, prices)
        };
        let policy = |spend: &str| {
            let text = format!("policy: p\nversion: 1\nspend: {spend}\n");
            aa_policy::parse_policy(&text, "p.yaml", &aa_policy::Environment::default()).unwrap()
        };
        let (session, month) = (policy("{calls: {session: 1}}"), policy("{calls: {month: 1}}"));
        let reserve = |treasury: &Treasury, policy: &Policy| {
            let call = treasury.estimate(&[], 10, Some(10));
            treasury.reserve(policy, SessionId(1), &call, None).is_ok()
        };
        let first = boot("one");
        assert!(reserve(&first, &session) && !reserve(&first, &session));
        drop(first);
        let second = boot("two");
        assert!(reserve(&second, &session) && !reserve(&second, &month));
    }
}
