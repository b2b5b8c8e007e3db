//! One rule's thread: follows the log, sends what the rule is about, waits and tries again, gives up what nobody will ever take.
//!
//! | the receiver | then |
//! |---|---|
//! | is not there, does not know us, or asks to wait | the same records again, for ever: the log keeps what comes after them |
//! | fails | the same records again, ten times; then each by itself; then it is a dead letter |
//! | refuses what was sent | each record by itself; then it is a dead letter |

use std::sync::Arc;
use std::time::{Duration, Instant};

use aa_audit::{AuditError, Followed, Follower};
use aa_redact::EngineError;
use aa_wire::alerts::{AlertRow, DeadLetter, Failing};
use aa_wire::event::{Effect, Kind};
use aa_wire::{Event, Timestamp};

use crate::backoff;
use crate::board::Board;
use crate::destination::{self, Message, Refusal};
use crate::render::Cleaner;
use crate::settings::{Paths, Rule};
use crate::state::{State, StateFile};

/// Between two looks at a log that has not grown.
const POLL: Duration = Duration::from_millis(250);
/// Until what is wrong here is tried again, and how often a place without news is written down.
const RETRY: Duration = Duration::from_secs(10);
const SAVE: Duration = Duration::from_secs(1);
/// Records that are looked at before the row is told again.
const LOOKED: usize = 20_000;
/// The longest a receiver may ask for.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long and how often; tests have other figures.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// After how many failures of a receiver its message is given up.
    pub attempts: u32,
    /// How long to wait after so many failures.
    pub wait: fn(u32) -> Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            attempts: 10,
            wait: backoff::wait,
        }
    }
}

/// What takes secrets out of what is sent; made once.
#[derive(Clone, Debug)]
pub struct Outgoing(Arc<Cleaner>);

impl Outgoing {
    /// Compiles it.
    pub fn new() -> Result<Self, EngineError> {
        Ok(Self(Arc::new(Cleaner::new()?)))
    }
}

/// One rule at work.
#[derive(Debug)]
pub struct Route {
    rule: Arc<Rule>,
    paths: Arc<Paths>,
    board: Arc<Board>,
    outgoing: Outgoing,
    pace: Pace,
    file: StateFile,
    state: State,
    follower: Follower,
    saved: Instant,
}

impl Route {
    /// Goes on where it ended; a rule that is new begins at the end of the log.
    pub fn open(
        rule: Arc<Rule>,
        paths: Arc<Paths>,
        board: Arc<Board>,
        outgoing: Outgoing,
        pace: Pace,
    ) -> Result<Self, String> {
        let file = StateFile::new(&paths.state, &rule.name);
        let loaded = file.load().map_err(|error| {
            let name = &rule.name;
            format!(
                "how far it has come cannot be read: {error}; remove {}/{name}.json to begin at the end of the log",
                paths.state.display()
            )
        })?;
        let (follower, state) = if let Some(state) = loaded {
            (Follower::new(&paths.audit, state.place()), state)
        } else {
            let follower = Follower::at_end(&paths.audit).map_err(|error| told(&error))?;
            let mut state = State::default();
            state.reach(follower.place());
            (follower, state)
        };
        let route = Self {
            rule,
            paths,
            board,
            outgoing,
            pace,
            file,
            state,
            follower,
            saved: Instant::now(),
        };
        route
            .file
            .save(&route.state)
            .map_err(|error| format!("how far it has come cannot be written: {error}"))?;
        route.show(None);
        Ok(route)
    }

    /// For ever.
    pub fn run(mut self) {
        loop {
            match self.round() {
                Ok(true) => {}
                Ok(false) => std::thread::sleep(POLL),
                Err(why) => {
                    self.show(Some(Failing {
                        since: Timestamp::now(),
                        attempts: 1,
                        why,
                    }));
                    std::thread::sleep(RETRY);
                }
            }
        }
    }

    /// Takes what is there and sends it; whether there was anything to send.
    pub fn round(&mut self) -> Result<bool, String> {
        let batch = self.gather().map_err(|error| told(&error))?;
        for part in batch.chunks(self.rule.destination.batch()) {
            self.deliver(part);
        }
        let moved = self.state.place() != self.follower.place();
        if !batch.is_empty() || (moved && self.saved.elapsed() >= SAVE) {
            self.state.reach(self.follower.place());
            self.file
                .save(&self.state)
                .map_err(|error| format!("how far it has come cannot be written: {error}"))?;
            self.saved = Instant::now();
            self.show(None);
        }
        Ok(!batch.is_empty())
    }

    fn gather(&mut self) -> Result<Vec<Message>, AuditError> {
        let mut batch = Vec::new();
        for _ in 0..LOOKED {
            match self.follower.poll()? {
                None => break,
                Some(Followed::Missing { from, count }) => {
                    tracing::warn!(
                        rule = self.rule.name,
                        from,
                        count,
                        "the log does not hold these records any more"
                    );
                    self.state.lost = self.state.lost.saturating_add(count);
                }
                Some(Followed::Rewound { from }) => {
                    tracing::warn!(
                        rule = self.rule.name,
                        from,
                        "the log lost its end: what follows may be sent again"
                    );
                }
                Some(Followed::Event(event)) if self.rule.condition.holds(&event) => {
                    let chain = self
                        .follower
                        .place()
                        .chain
                        .and_then(|chain| chain.first_chunk().copied());
                    let event = self.outgoing.0.clean(&event);
                    batch.push(Message {
                        event,
                        chain: chain.unwrap_or_default(),
                    });
                    if batch.len() >= self.rule.destination.batch() {
                        break;
                    }
                }
                Some(Followed::Event(_)) => {}
            }
        }
        Ok(batch)
    }

    fn deliver(&mut self, batch: &[Message]) {
        let since = Timestamp::now();
        let (mut attempts, mut failures) = (0, 0);
        loop {
            let refusal = match destination::deliver(&self.rule, &self.paths, batch) {
                Ok(rejected) => return self.delivered(batch, rejected, attempts + 1),
                Err(refusal) => refusal,
            };
            attempts += 1;
            failures += u32::from(matches!(refusal, Refusal::Failed { .. }));
            if matches!(refusal, Refusal::Refused { .. }) || failures >= self.pace.attempts {
                return self.give_up(batch, attempts, refusal.why());
            }
            let why = refusal.why().to_owned();
            tracing::warn!(rule = self.rule.name, attempts, why, "records are not received");
            self.show(Some(Failing { since, attempts, why }));
            let asked = match refusal {
                Refusal::Away { after, .. } => after.unwrap_or_default().min(LONGEST),
                _ => Duration::ZERO,
            };
            std::thread::sleep((self.pace.wait)(attempts).max(asked));
        }
    }

    fn delivered(&mut self, batch: &[Message], rejected: u64, attempts: u32) {
        self.state.delivered += batch.len() as u64 - rejected;
        if rejected > 0 {
            self.bury(
                batch,
                rejected,
                attempts,
                "the receiver took the rest, and did not say why not these",
            );
        }
        std::thread::sleep(self.rule.destination.pause());
    }

    /// One that is refused does not take others with it.
    fn give_up(&mut self, batch: &[Message], attempts: u32, why: &str) {
        if batch.len() > 1 {
            for one in batch.chunks(1) {
                self.deliver(one);
            }
        } else {
            tracing::error!(rule = self.rule.name, attempts, why, "a record is given up");
            self.bury(batch, batch.len() as u64, attempts, why);
        }
    }

    fn bury(&mut self, batch: &[Message], count: u64, attempts: u32, why: &str) {
        self.state.bury(DeadLetter {
            record: batch.first().map_or(0, |message| message.event.id),
            count,
            time: Timestamp::now(),
            attempts,
            why: why.to_owned(),
        });
    }

    fn show(&self, failing: Option<Failing>) {
        self.board.put(row(&self.rule, &self.state, failing));
    }
}

/// A rule that does not run, and why.
pub fn broken(rule: &Rule, why: String) -> AlertRow {
    row(
        rule,
        &State::default(),
        Some(Failing {
            since: Timestamp::now(),
            attempts: 1,
            why,
        }),
    )
}

/// Sends one message that says it is a test, once.
pub fn test(rule: &Rule, paths: &Paths) -> Result<(), String> {
    let detail = format!("a test of the alert {}", rule.name);
    let event = Event {
        detail: Some(detail),
        ..Event::bare(Timestamp::now(), Kind::Lifecycle, Effect::Allowed, "alert-test")
    };
    let mut chain = [0; 8];
    // Two tests are two messages; if there is no randomness they are one to who looks at ids.
    let _ = getrandom::fill(&mut chain);
    match destination::deliver(rule, paths, &[Message { event, chain }]) {
        Ok(0) => Ok(()),
        Ok(_) => Err("the receiver did not take the record".to_owned()),
        Err(refusal) => Err(refusal.why().to_owned()),
    }
}

fn row(rule: &Rule, state: &State, failing: Option<Failing>) -> AlertRow {
    AlertRow {
        name: rule.name.clone(),
        kind: rule.kind().to_owned(),
        to: rule.shown(),
        after: state.after,
        delivered: state.delivered,
        dead: state.dead,
        lost: state.lost,
        failing,
        letters: state.letters.clone(),
    }
}

fn told(error: &AuditError) -> String {
    let cause = aa_wire::problem::chain(std::error::Error::source(error));
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
