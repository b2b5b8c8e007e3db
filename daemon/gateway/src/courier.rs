//! What the courier reports and is told. It always asks and is always answered at once: whether it lives is all the same to what is decided.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aa_audit::AuditLog;
use aa_policy::HostName;
use aa_vault::{Access, Consumer, SecretId};
use aa_wire::alerts::{AlertRow, CourierReport, MESSAGE_LIMIT, SignRequest, TestOrder, Tested};
use aa_wire::api::Reply;
use aa_wire::event::Effect;
use aa_wire::{Event, Timestamp, WireError};

use crate::gateway::Gateway;
use crate::vault::TENANT;

/// As which agent the courier uses secrets.
const CONSUMER: &str = "aa-courier";
/// How old what is known may be: it reports every second.
const STALE: Duration = Duration::from_secs(15);
/// How long somebody waits for a test, and how often it is looked whether it is over.
const TEST_TIME: Duration = Duration::from_secs(45);
const LOOK: Duration = Duration::from_millis(100);
/// Tests at once, and reported rules, and bytes of each of their texts.
const TESTS: usize = 16;
/// How often the use of one secret for one host is recorded: a record for each message would be one more message.
const USE_INTERVAL: Duration = Duration::from_secs(3600);
const USES: usize = 256;
/// How long a rule may wait before it is a complaint.
const PATIENCE_NS: u64 = 60_000_000_000;
const DAY_NS: u64 = 86_400_000_000_000;

/// What is known of the courier.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    report: RefCell<Option<(CourierReport, Instant)>>,
    orders: RefCell<VecDeque<TestOrder>>,
    outcomes: RefCell<BTreeMap<u64, Tested>>,
    waiting: RefCell<Vec<u64>>,
    last: RefCell<u64>,
    uses: RefCell<BTreeMap<(String, String), Instant>>,
}

impl Desk {
    /// Takes a report; what is to be tested.
    fn take(&self, mut report: CourierReport, now: Instant) -> Vec<TestOrder> {
        for tested in std::mem::take(&mut report.tested) {
            if self.waiting.borrow().contains(&tested.ticket) {
                self.outcomes.borrow_mut().insert(tested.ticket, tested);
            }
        }
        *self.report.borrow_mut() = Some((report, now));
        self.orders.borrow_mut().drain(..).collect()
    }

    /// The last report, if it is of late.
    pub(crate) fn report(&self, now: Instant) -> Option<CourierReport> {
        let report = self.report.borrow();
        let (report, at) = report.as_ref()?;
        (now.saturating_duration_since(*at) < STALE).then(|| report.clone())
    }

    fn order(&self, name: String) -> Result<u64, WireError> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= TESTS {
            return Err(WireError::new("busy", "too many tests are under way").hint("try again later"));
        }
        let mut last = self.last.borrow_mut();
        *last += 1;
        waiting.push(*last);
        self.orders.borrow_mut().push_back(TestOrder { ticket: *last, name });
        Ok(*last)
    }

    fn outcome(&self, ticket: u64) -> Option<Tested> {
        self.outcomes.borrow_mut().remove(&ticket)
    }

    fn forget(&self, ticket: u64) {
        self.waiting.borrow_mut().retain(|waiting| *waiting != ticket);
        self.orders.borrow_mut().retain(|order| order.ticket != ticket);
        self.outcomes.borrow_mut().remove(&ticket);
    }

    /// Whether this use is to be recorded.
    fn is_news(&self, used: (String, String), now: Instant) -> bool {
        let mut known = self.uses.borrow_mut();
        known.retain(|_, at| now.saturating_duration_since(*at) < USE_INTERVAL);
        if known.contains_key(&used) {
            return false;
        }
        if known.len() < USES {
            known.insert(used, now);
        }
        true
    }

    fn not_used(&self, used: &(String, String)) {
        self.uses.borrow_mut().remove(used);
    }
}

impl Gateway {
    pub(crate) fn courier_report(&self, report: CourierReport) -> Reply {
        Reply::CourierOrders(self.courier.take(report, Instant::now()))
    }

    /// What goes out of the machine, as far as anybody knows.
    pub(crate) fn alerts(&self) -> Option<CourierReport> {
        self.courier.report(Instant::now())
    }

    pub(crate) async fn alert_test(&self, name: String) -> Result<Reply, WireError> {
        let report = self.alerts().ok_or_else(silent)?;
        if !report.rules.iter().any(|rule| rule.name == name) {
            let none = WireError::new("no-such-alert", "there is no alert of this name");
            return Err(none.hint("aasm alerts list; after a change: systemctl restart aa-courier"));
        }
        let ticket = self.courier.order(name)?;
        let begun = Instant::now();
        let mut outcome = None;
        while outcome.is_none() && begun.elapsed() < TEST_TIME {
            tokio::time::sleep(LOOK).await;
            outcome = self.courier.outcome(ticket);
        }
        self.courier.forget(ticket);
        let tested = outcome.ok_or_else(|| WireError::new("timeout", "the courier did not say what came of it"))?;
        Ok(Reply::AlertTested { failed: tested.failed })
    }

    /// Signs with a secret of the vault, which stays in it.
    pub(crate) async fn sign(&self, request: SignRequest) -> Result<Reply, WireError> {
        let SignRequest { secret, host, message } = request;
        if message.len() > MESSAGE_LIMIT {
            return Err(WireError::new(
                "too-long",
                format!("a message has at most {MESSAGE_LIMIT} bytes"),
            ));
        }
        let id = SecretId::new(TENANT, &secret).map_err(|error| crate::vault::strongroom::told(&error))?;
        let to = HostName::parse(&host).map_err(|error| WireError::from_error("usage", &error))?;
        let used = (secret, host);
        let audit = self
            .courier
            .is_news(used.clone(), Instant::now())
            .then(|| Arc::clone(&self.audit));
        let signed = self.with_vault(move |vault| {
            let consumer = Consumer {
                agent: CONSUMER,
                policy: "",
                host: &to,
            };
            let plain = vault.reveal(&id, &consumer, SystemTime::now(), |access| {
                recorded(audit.as_deref(), access)
            })?;
            Ok(aa_audit::webhook::sign(plain.reveal(), &message))
        });
        let signed = signed.await.inspect_err(|_| self.courier.not_used(&used))?;
        let unfit = || {
            WireError::new("vault-failing", "the secret is no key for webhooks")
                .hint("24 bytes at least, or `whsec_` and base64")
        };
        signed.map(|signature| Reply::Signed { signature }).ok_or_else(unfit)
    }
}

/// On the disk before the value is used.
fn recorded(audit: Option<&AuditLog>, access: &Access) -> Result<(), String> {
    let Some(audit) = audit else { return Ok(()) };
    let detail = format!(
        "{} version {} signs what {} sends to {}",
        access.id.name, access.version, access.agent, access.host
    );
    let event = Event::lifecycle("secret-use", Effect::Allowed, detail);
    audit.append(&event).map(|_| ()).map_err(|error| error.to_string())
}

pub(crate) fn silent() -> WireError {
    let silent = WireError::new(
        "no-courier",
        "nothing goes out: there are no alerts, or aa-courier does not run",
    );
    silent.hint("[[alerts]] in /etc/aa-sensord/config.toml, then: systemctl restart aa-courier")
}

/// One line for each alert that is not as it should be. `wanted`: the configuration has some.
pub(crate) fn complaints(rules: Option<&[AlertRow]>, wanted: bool, now: Timestamp) -> Vec<String> {
    let Some(rules) = rules else {
        let silent = "alerts are configured, and aa-courier does not run: systemctl status aa-courier";
        return wanted.then(|| silent.to_owned()).into_iter().collect();
    };
    let age = |then: Timestamp| now.unix_ns.saturating_sub(then.unix_ns);
    let mut lines = Vec::new();
    for rule in rules {
        if let Some(failing) = rule.failing.as_ref().filter(|failing| age(failing.since) > PATIENCE_NS) {
            lines.push(format!(
                "alert {}: not received since {}: {}",
                rule.name, failing.since, failing.why
            ));
        }
        let given_up: u64 = rule
            .letters
            .iter()
            .filter(|letter| age(letter.time) < DAY_NS)
            .map(|letter| letter.count)
            .sum();
        if given_up > 0 {
            lines.push(format!(
                "alert {}: {given_up} records given up within a day: aasm alerts dead",
                rule.name
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use aa_wire::alerts::{DeadLetter, Failing};

    use super::*;

    fn report(tested: Vec<Tested>) -> CourierReport {
        CourierReport {
            tested,
            ..CourierReport::default()
        }
    }

    #[test]
    fn a_test_is_ordered_once_and_its_outcome_goes_to_who_waits() {
        let (desk, now) = (Desk::default(), Instant::now());
        let ticket = desk.order("soc".into()).unwrap();
        assert_eq!(
            desk.take(report(vec![]), now),
            [TestOrder {
                ticket,
                name: "soc".into()
            }]
        );
        assert_eq!(desk.take(report(vec![]), now), []);
        let stranger = Tested {
            ticket: 99,
            failed: None,
        };
        desk.take(
            report(vec![
                Tested {
                    ticket,
                    failed: Some("410".into()),
                },
                stranger,
            ]),
            now,
        );
        assert_eq!(
            desk.outcome(ticket).and_then(|tested| tested.failed),
            Some("410".to_owned())
        );
        assert_eq!(desk.outcome(99), None, "nobody waits for it");
        desk.forget(ticket);
        for _ in 0..TESTS {
            desk.order("soc".into()).unwrap();
        }
        assert_eq!(desk.order("soc".into()).unwrap_err().code, "busy");
    }

    #[test]
    fn a_courier_that_is_silent_is_not_known() {
        let (desk, now) = (Desk::default(), Instant::now());
        assert_eq!(desk.report(now), None);
        desk.take(report(vec![]), now);
        assert!(desk.report(now + Duration::from_secs(14)).is_some());
        assert_eq!(desk.report(now + STALE), None);
    }

    #[test]
    fn the_use_of_a_secret_is_news_once_an_hour() {
        let (desk, now) = (Desk::default(), Instant::now());
        let used = ("SOC".to_owned(), "soc.example".to_owned());
        assert!(desk.is_news(used.clone(), now));
        assert!(!desk.is_news(used.clone(), now + Duration::from_secs(3599)));
        assert!(desk.is_news(("SOC".to_owned(), "other.example".to_owned()), now));
        desk.not_used(&used);
        assert!(desk.is_news(used, now));
    }

    #[test]
    fn what_does_not_go_out_is_complained_about() {
        let now = Timestamp { unix_ns: 10 * DAY_NS };
        let failing = |ago: u64| {
            Some(Failing {
                since: Timestamp {
                    unix_ns: now.unix_ns - ago,
                },
                attempts: 3,
                why: "refused".into(),
            })
        };
        let letter = |ago: u64| DeadLetter {
            record: 1,
            count: 2,
            time: Timestamp {
                unix_ns: now.unix_ns - ago,
            },
            attempts: 1,
            why: String::new(),
        };
        let row = |failing, letters| AlertRow {
            name: "soc".into(),
            failing,
            letters,
            ..AlertRow::default()
        };
        assert_eq!(complaints(None, true, now).len(), 1);
        assert_eq!(complaints(None, false, now), Vec::<String>::new());
        let fine = [row(failing(1_000), vec![letter(2 * DAY_NS)]), row(None, vec![])];
        assert_eq!(complaints(Some(&fine), true, now), Vec::<String>::new());
        let lines = complaints(
            Some(&[row(failing(2 * PATIENCE_NS), vec![letter(5), letter(6)])]),
            true,
            now,
        );
        assert!(
            lines[0].contains("refused") && lines[1].contains("4 records"),
            "{lines:?}"
        );
    }
}
