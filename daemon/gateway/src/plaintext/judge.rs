//! Data that policies do not let out: what is said of it before it is encrypted, while who sends it waits.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aa_bpf::abi;
use aa_bpf::answers::Answers;
use aa_bpf::record::plaintext::{Piece, Question};
use aa_policy::{Decision, Policy, Verdict};
use aa_redact::{Class, Finding};
use aa_wire::exchange::{Exchange, SecretCount};
use aa_wire::{AgentId, Generation};

use super::providers;
use crate::lookups::SharedLookups;

/// How long it may take until a policy is known that is in force already.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);
/// Denials whose records did not come yet; then the oldest is told without what was found.
const FOUND: usize = 1024;
/// The bytes that a caller has not said to be taken, kept to be compared when it comes again. Of a longer call none are kept.
const RETRIED_BYTES: usize = 16 << 20;

/// What policies say of what is sent, by their generations: written where they are put in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sayings(Arc<Mutex<HashMap<Generation, Arc<Saying>>>>);

/// What one says.
#[derive(Debug)]
struct Saying {
    /// The classes of data that are not sent, and what denies each.
    withheld: Vec<(Class, Decision)>,
    policy: Arc<Policy>,
}

impl Sayings {
    pub(crate) fn add(&self, generation: Generation, policy: &Arc<Policy>) {
        let withheld = policy.withheld();
        let withheld = withheld.filter_map(|(name, decision)| Some((Class::from_name(name)?, decision)));
        let saying = Saying {
            withheld: withheld.collect(),
            policy: Arc::clone(policy),
        };
        self.lock().insert(generation, Arc::new(saying));
    }

    pub(crate) fn remove(&self, generation: Generation) {
        self.lock().remove(&generation);
    }

    /// What a generation says; waits for one that is being put in force.
    fn of(&self, generation: Generation) -> Option<Arc<Saying>> {
        let begun = Instant::now();
        loop {
            let known = self.lock().get(&generation).cloned();
            if known.is_some() || begun.elapsed() >= KNOWN_WITHIN {
                return known;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Generation, Arc<Saying>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was found in what was denied, by the question's number, until the kernel's record of the denial comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Denied(Arc<Mutex<BTreeMap<u64, Exchange>>>);

impl Denied {
    fn add(&self, question: u64, exchange: Exchange) {
        let mut denied = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if denied.len() >= FOUND {
            denied.pop_first();
        }
        denied.insert(question, exchange);
    }

    pub(crate) fn take(&self, question: u64) -> Option<Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&question)
    }
}

/// Something that was found, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) finding: Finding,
    /// It stands where clients say who they are.
    pub(super) credential: bool,
}

impl Found {
    /// In what is no credential's place.
    pub(super) fn anywhere(finding: Finding) -> Self {
        Self {
            finding,
            credential: false,
        }
    }
}

/// What was asked of, when all of it is there.
pub(super) struct Asked {
    /// All of it was heard, as it will be sent.
    pub(super) heard: bool,
    pub(super) found: Vec<Found>,
    /// Of each request for a model that can be told by now: those that it names.
    pub(super) models: Vec<Vec<String>>,
}

/// Says what may be sent.
pub(crate) struct Judge {
    answers: Answers,
    pub(crate) sayings: Sayings,
    pub(crate) denied: Denied,
    pub(crate) lookups: SharedLookups,
}

impl Judge {
    pub(crate) fn new(answers: Answers, lookups: SharedLookups) -> Self {
        Self {
            answers,
            sayings: Sayings::default(),
            denied: Denied::default(),
            lookups,
        }
    }

    /// Answers, after what was found was laid where the record of a denial finds it. Whether it is a denial.
    pub(super) fn answer(
        &self,
        piece: &Piece<'_>,
        question: &Question,
        asked: &Asked,
        told: impl FnOnce() -> Exchange,
    ) -> bool {
        let (decision, secrets) = self.decide(piece, question, asked);
        let denies = decision.0 & abi::AA_DECISION_VERDICT > abi::AA_ALLOW;
        if denies {
            let exchange = Exchange { secrets, ..told() };
            self.denied.add(question.number, exchange);
        }
        self.answers.give(question.number, decision.0);
        denies
    }

    /// What was not heard, or is judged by a policy nobody knows, is denied by no rule.
    fn decide(&self, piece: &Piece<'_>, question: &Question, asked: &Asked) -> (Decision, Vec<SecretCount>) {
        let closed = (Decision(abi::AA_DENY), Vec::new());
        if !asked.heard {
            return closed;
        }
        let Some(saying) = self.sayings.of(Generation(question.generation)) else {
            return closed;
        };
        let mut decision = Decision(abi::AA_ALLOW);
        let mut secrets: BTreeMap<&'static str, u64> = BTreeMap::new();
        for found in &asked.found {
            let finding = &found.finding;
            let denial = saying.withheld.iter().find(|(class, _)| *class == finding.class);
            let Some((_, denial)) = denial.filter(|_| !finding.example && finding.reason.is_none()) else {
                continue;
            };
            if found.credential && self.goes_home(piece, finding.kind) {
                continue;
            }
            decision = *denial;
            *secrets.entry(finding.kind).or_default() += 1;
        }
        let of_models = asked.models.iter().map(|names| saying.policy.models(names));
        let decision = of_models
            .filter(|of_model| of_model.verdict() > Verdict::Allow)
            .fold(decision, Decision::strictest);
        let secrets = secrets.into_iter().map(|(kind, count)| SecretCount {
            kind: kind.to_owned(),
            count,
        });
        (decision, secrets.collect())
    }

    /// Whether a credential goes to who gave it out, by the names that the resolver led to that address.
    fn goes_home(&self, piece: &Piece<'_>, kind: &str) -> bool {
        let Some(socket) = piece.socket else { return false };
        let names = self.lookups.lock().names(AgentId(piece.speaker.agent), socket.to.ip());
        names.iter().any(|name| providers::is_home(kind, name.as_str()))
    }
}

/// What a caller asked of, and may ask again, since no call says how much of it will be taken.
#[derive(Default)]
pub(super) struct Retried {
    number: u64,
    heard: bool,
    /// Where the next piece of the question begins.
    next: u64,
    /// Where `bytes` begin.
    from: u64,
    bytes: Vec<u8>,
}

impl Retried {
    /// Takes a piece of a question. How many of its bytes the conversation, which has so many, knows already.
    pub(super) fn take(&mut self, piece: &Piece<'_>, question: &Question, conversed: u64) -> usize {
        if question.number != self.number {
            self.begin(piece.offset);
            self.number = question.number;
            self.heard = question.first;
        } else if piece.offset != self.next {
            self.heard = false;
        }
        self.next = piece.offset + piece.bytes.len() as u64;
        let conversed = usize::try_from(conversed.saturating_sub(piece.offset)).unwrap_or(usize::MAX);
        let conversed = conversed.min(piece.bytes.len());
        let start = usize::try_from(piece.offset.saturating_sub(self.from)).unwrap_or(usize::MAX);
        let known = self.bytes.get(start..).unwrap_or_default();
        let same = known
            .iter()
            .zip(piece.bytes)
            .take_while(|(one, other)| one == other)
            .count();
        // What is said again must be what was said.
        self.heard &= same >= conversed.max(known.len().min(piece.bytes.len()));
        let fresh = piece.bytes.get(known.len()..).unwrap_or_default();
        if self.bytes.len() + fresh.len() <= RETRIED_BYTES {
            self.bytes.extend_from_slice(fresh);
        } else {
            self.bytes = Vec::new();
            self.from = u64::MAX;
        }
        conversed
    }

    /// What lies before the first byte of a new question was taken.
    fn begin(&mut self, offset: u64) {
        let gone = offset
            .checked_sub(self.from)
            .and_then(|gone| usize::try_from(gone).ok());
        match gone.filter(|gone| *gone <= self.bytes.len()) {
            Some(gone) => drop(self.bytes.drain(..gone)),
            None => self.bytes.clear(),
        }
        self.from = offset;
    }

    /// Bytes that are kept.
    pub(super) fn memory(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn set_heard(&mut self, heard: bool) {
        self.heard = heard;
    }

    /// Whether all of the question was heard so far, as it will be sent.
    pub(super) fn is_heard(&self) -> bool {
        self.heard
    }
}

#[cfg(test)]
pub(super) mod testing {
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    use aa_policy::{Environment, parse_policy};
    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::*;

    pub(crate) const GENERATION: u32 = 7;

    /// What a judge answered.
    pub(crate) struct Given(File);

    impl Given {
        pub(crate) fn decision(&self, question: u64) -> u32 {
            let entry = size_of::<abi::aa_tls_answer>() as u64;
            let place = question % u64::from(abi::AA_TLS_ANSWERS) * entry;
            let (mut number, mut decision) = ([0; 8], [0; 4]);
            self.0.read_exact_at(&mut number, place).unwrap();
            self.0.read_exact_at(&mut decision, place + 8).unwrap();
            assert_eq!(u64::from_ne_bytes(number), question, "no answer");
            u32::from_ne_bytes(decision)
        }
    }

    /// One that knows a policy of these sections.
    pub(crate) fn judge(sections: &str) -> (Judge, Given) {
        let text = format!("policy: judged\nversion: 1\n{sections}");
        let policy = parse_policy(&text, "judged.yaml", &Environment::default()).unwrap();
        let table = memfd_create("answers", MFdFlags::empty()).unwrap();
        let file = File::from(table.as_fd().try_clone_to_owned().unwrap());
        let bytes = u64::from(abi::AA_TLS_ANSWERS) * size_of::<abi::aa_tls_answer>() as u64;
        file.set_len(bytes).unwrap();
        let judge = Judge::new(Answers::new(table).unwrap(), SharedLookups::default());
        judge.sayings.add(Generation(GENERATION), &Arc::new(policy));
        (judge, Given(file))
    }
}
