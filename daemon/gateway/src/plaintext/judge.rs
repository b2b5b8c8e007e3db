//! Data that policies do not let out: what is said of it before it is encrypted, while who sends it waits.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aa_bpf::abi;
use aa_bpf::answers::Answers;
use aa_bpf::record::plaintext::{Piece, Question};
use aa_policy::{Decision, FarEnd, HostName, Policy, Verdict};
use aa_redact::{Class, Finding};
use aa_wire::exchange::{Exchange, SecretCount};
use aa_wire::{AgentId, Generation, SessionId};

use super::contents::OfContents;
use super::paying::{self, AskedCall, Taken};
use super::providers;
use super::requests::{self, AskedRequest};
use super::tools::{self, AskedTool};
use crate::clock::SharedClock;
use crate::lookups::SharedLookups;
use crate::prices::SharedPrices;
use crate::spending::Treasury;

/// How long it may take until a policy is known that is in force already.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);
/// And until the resolver has told of a name that it has answered.
const TOLD_WITHIN: Duration = Duration::from_millis(20);
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

/// What there is to say of what was denied.
#[derive(Clone, Debug)]
pub(crate) struct Denial {
    /// With what was found in it.
    pub(crate) exchange: Exchange,
    /// Why, where the rule does not say all.
    pub(crate) detail: Option<String>,
    /// What a person is told who is asked. It may hold what no log should, so it is nowhere else.
    pub(crate) words: Option<String>,
}

/// The same by the question's number, until the kernel's record of the denial comes, or of what a person answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Denied(Arc<Mutex<BTreeMap<u64, Denial>>>);

impl Denied {
    fn add(&self, question: u64, denial: Denial) {
        let mut denied = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if denied.len() >= FOUND {
            denied.pop_first();
        }
        denied.insert(question, denial);
    }

    pub(crate) fn take(&self, question: u64) -> Option<Denial> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&question)
    }

    /// Of a question that is known by the lower half of its number: of those the latest.
    pub(crate) fn of_half(&self, half: u32) -> Option<Denial> {
        let denied = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latest = denied.iter().rev();
        let found = latest.find(|(question, _)| **question & u64::from(u32::MAX) == u64::from(half));
        found.map(|(_, denial)| denial.clone())
    }
}

/// Something that was found, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) finding: Finding,
    /// It stands where clients say who they are, and by its form it is a credential of this kind.
    pub(super) credential: Option<&'static str>,
}

impl Found {
    /// In what is no credential's place.
    pub(super) fn anywhere(finding: Finding) -> Self {
        Self {
            finding,
            credential: None,
        }
    }
}

/// What was asked of, when all of it is there.
pub(super) struct Asked {
    /// All of it was heard, as it will be sent.
    pub(super) heard: bool,
    pub(super) found: Vec<Found>,
    /// The requests for models that can be told by now.
    pub(super) calls: Vec<AskedCall>,
    /// The calls of tools.
    pub(super) tools: Vec<AskedTool>,
    /// The requests whose heads are there.
    pub(super) requests: Vec<AskedRequest>,
}

/// What is said of it.
pub(super) struct Judged {
    decision: Decision,
    secrets: Vec<SecretCount>,
    detail: Option<String>,
    words: Option<String>,
    /// What calls may use, by their exchanges.
    pub(super) taken: Vec<(u64, Taken)>,
}

impl Judged {
    fn new(decision: Decision) -> Self {
        Self {
            decision,
            secrets: Vec::new(),
            detail: None,
            words: None,
            taken: Vec::new(),
        }
    }

    /// Whether it is not sent, or not yet.
    pub(super) fn denies(&self) -> bool {
        self.decision.verdict() > Verdict::Allow
    }

    /// Whether a person says.
    pub(super) fn asks(&self) -> bool {
        self.decision.verdict() == Verdict::Ask
    }
}

/// Says what may be sent.
pub(crate) struct Judge {
    answers: Answers,
    pub(crate) shared: Shared,
}

/// What the plaintext thread and the rest of the gateway both know.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) sayings: Sayings,
    pub(crate) denied: Denied,
    pub(crate) lookups: SharedLookups,
    pub(crate) prices: SharedPrices,
    pub(crate) clock: SharedClock,
    pub(crate) treasury: Treasury,
}

impl Shared {
    /// With the ledger of a directory, see [`Treasury::new`].
    pub(crate) fn new(ledger: PathBuf, epoch: &str) -> Self {
        let (prices, clock) = (SharedPrices::default(), SharedClock::default());
        Self {
            sayings: Sayings::default(),
            denied: Denied::default(),
            lookups: SharedLookups::default(),
            treasury: Treasury::new(ledger, epoch, clock.clone(), prices.clone()),
            prices,
            clock,
        }
    }
}

impl Judge {
    pub(crate) fn new(answers: Answers, shared: Shared) -> Self {
        Self { answers, shared }
    }

    /// Answers, after what was found was laid where the record of a denial finds it.
    pub(super) fn answer(
        &self,
        piece: &Piece<'_>,
        question: &Question,
        asked: &Asked,
        told: impl FnOnce() -> Exchange,
    ) -> Judged {
        let mut judged = self.decide(piece, question, asked);
        if judged.denies() {
            let exchange = Exchange {
                secrets: std::mem::take(&mut judged.secrets),
                ..told()
            };
            let denial = Denial {
                exchange,
                detail: judged.detail.take(),
                words: judged.words.take(),
            };
            self.shared.denied.add(question.number, denial);
        }
        self.answers.give(question.number, judged.decision.0);
        judged
    }

    /// What was not heard, or is judged by a policy nobody knows, is denied by no rule.
    fn decide(&self, piece: &Piece<'_>, question: &Question, asked: &Asked) -> Judged {
        let closed = Judged::new(Decision(abi::AA_DENY));
        if !asked.heard {
            return closed;
        }
        let Some(saying) = self.shared.sayings.of(Generation(question.generation)) else {
            return closed;
        };
        let names = self.names(piece, &saying.policy);
        let mut decision = Decision(abi::AA_ALLOW);
        let mut secrets: BTreeMap<&'static str, u64> = BTreeMap::new();
        for found in &asked.found {
            let finding = &found.finding;
            if finding.example || finding.reason.is_some() {
                continue;
            }
            let vaulted = saying.policy.vaulted(finding.kind);
            let of_class = || saying.withheld.iter().find(|(class, _)| *class == finding.class);
            let Some(denial) = vaulted.or_else(|| of_class().map(|(_, denial)| *denial)) else {
                continue;
            };
            // Whoever names it wants it nowhere.
            if vaulted.is_none() && found.credential.is_some_and(|kind| goes_home(&names, kind)) {
                continue;
            }
            decision = denial;
            *secrets.entry(finding.kind).or_default() += 1;
        }
        let of_models = asked.calls.iter().map(|call| saying.policy.models(&call.models));
        let decision = of_models
            .filter(|of_model| of_model.verdict() > Verdict::Allow)
            .fold(decision, Decision::strictest);
        let of_contents = self.of_contents(&saying.policy, piece, asked, &names);
        let decision = decision.strictest(of_contents.decision);
        let secrets = secrets.into_iter().map(|(kind, count)| SecretCount {
            kind: kind.to_owned(),
            count,
        });
        let mut judged = Judged {
            secrets: secrets.collect(),
            words: of_contents.words(),
            detail: of_contents.detail,
            ..Judged::new(decision)
        };
        // What is not sent anyway takes no room.
        if !judged.denies() && saying.policy.spending().is_some() {
            self.take_room(&saying.policy, piece, asked, &mut judged);
        }
        judged
    }

    fn take_room(&self, policy: &Arc<Policy>, piece: &Piece<'_>, asked: &Asked, judged: &mut Judged) {
        let session = SessionId(piece.speaker.session);
        match paying::take_room(&self.shared.treasury, policy, session, &asked.calls) {
            Ok(taken) => judged.taken = taken,
            Err(no_room) => {
                judged.decision = no_room.decision;
                judged.detail = Some(no_room.why);
                judged.taken = paying::observed(policy, session, &asked.calls);
            }
        }
    }

    fn of_contents(&self, policy: &Policy, piece: &Piece<'_>, asked: &Asked, names: &[HostName]) -> OfContents {
        let (mut of_all, now) = (OfContents::default(), self.shared.clock.certain());
        if policy.lists_tools() {
            tools::judge(policy, &asked.tools, names, now, &mut of_all);
        }
        let to = super::listener::far_end(piece).map(|to| FarEnd {
            names,
            host: None,
            address: Some(to),
            port: to.port(),
        });
        if policy.judges_requests() {
            requests::judge(policy, &asked.requests, to.as_ref(), now, &mut of_all);
        }
        of_all
    }

    /// The names that the resolver led the agent by to where a piece goes. It may be told of one a moment after the agent.
    fn names(&self, piece: &Piece<'_>, policy: &Policy) -> Vec<HostName> {
        let Some(to) = super::listener::far_end(piece) else {
            return Vec::new();
        };
        let begun = Instant::now();
        loop {
            let names = self.shared.lookups.lock().names(AgentId(piece.speaker.agent), to.ip());
            if !names.is_empty() || !policy.names_hosts() || begun.elapsed() >= TOLD_WITHIN {
                return names
                    .iter()
                    .filter_map(|name| HostName::parse(name.as_str()).ok())
                    .collect();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether a credential goes to who gave it out.
fn goes_home(names: &[HostName], kind: &str) -> bool {
    names.iter().any(|name| providers::is_home(kind, name.as_str()))
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
    use tempfile::TempDir;

    use super::*;

    pub(crate) const GENERATION: u32 = 7;

    /// What a judge answered, and where its ledger is.
    pub(crate) struct Given(
        File,
        #[expect(dead_code, reason = "it is there as long as this")] TempDir,
    );

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
        let folder = tempfile::tempdir().unwrap();
        let judge = Judge::new(
            Answers::new(table).unwrap(),
            Shared::new(folder.path().join("ledger"), "test"),
        );
        judge.shared.sayings.add(Generation(GENERATION), &Arc::new(policy));
        (judge, Given(file, folder))
    }
}
