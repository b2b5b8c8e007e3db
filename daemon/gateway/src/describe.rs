//! A kernel record as an event: numbers become names, the generation a policy, the rule's number its text.

use std::time::Instant;

use aa_bpf::abi;
use aa_bpf::record::{Record, RecordKind, RingName};
use aa_policy::{Decision, Policy, Rule, RuleKind, Section};
use aa_wire::event::{AgentRef, Effect, Frame, Kind, PolicyRef, ProcessRef, Reason, Ring, RuleRef, Verdict};
use aa_wire::exchange::{Exchange, McpMessage};
use aa_wire::{AgentId, CgroupId, EscapedBytes, Event, Generation, Pid, SessionId, Timestamp};

use crate::actions;
use crate::book::Load;
use crate::explaining::Explaining;
use crate::plaintext::judge::Denial;

/// What a record cannot say itself.
pub(crate) struct Known<'a> {
    pub(crate) boottime_to_realtime_ns: i64,
    pub(crate) agent_name: Option<String>,
    pub(crate) load: Option<&'a Load>,
    /// Those whose lookup led to the record's address.
    pub(crate) names: Vec<EscapedBytes>,
    /// Of a request that was not sent.
    pub(crate) denial: Option<Denial>,
    pub(crate) explaining: &'a Explaining,
}

/// The event a record tells.
pub(crate) fn describe(record: &Record, known: &Known<'_>) -> Event {
    let at = |boot_ns| Timestamp::from_boottime(boot_ns, known.boottime_to_realtime_ns);
    let kind = match record.kind {
        RecordKind::Decision => Kind::Decision,
        RecordKind::Life => Kind::Life,
    };
    let action = name_or_number(abi::action(record.action), record.action);
    let mut event = Event::bare(at(record.ktime_ns), kind, effect(record.effect), action);
    event.agent = Some(AgentRef {
        id: AgentId(record.agent),
        name: known.agent_name.clone(),
        session: SessionId(record.session),
    });
    event.process = Some(ProcessRef {
        pid: Pid(record.pid),
        tid: record.tid,
        parent_pid: Pid(record.parent_pid),
        start: at(record.start_ns),
        start_ns: record.start_ns,
        executable: EscapedBytes::from_bytes(&record.executable),
        uid: record.uid,
        cgroup: CgroupId(record.cgroup),
    });
    event.object = actions::object(record, &known.names);
    event.second_object = actions::second_object(record);
    event.ring = Some(ring(record.ring));
    event.cpu = Some(record.cpu);
    event.sequence = Some(record.sequence);
    event.digest = actions::exact(record).then(|| digest_text(record.digest));
    if let Some(denial) = &known.denial {
        event.exchange = Some(Box::new(denial.exchange.clone()));
        event.detail.clone_from(&denial.detail);
    }
    event.stack = record.stack.iter().map(|address| bare_frame(*address)).collect();
    if record.generation != 0 {
        event.policy = Some(policy_ref(record.generation, known.load));
    }
    if kind == Kind::Decision {
        judge(&mut event, record, known);
    }
    event
}

/// Which action exactly, as text.
pub(crate) fn digest_text([one, other]: [u64; 2]) -> String {
    format!("{one:016x}{other:016x}")
}

/// The ring's name in records.
pub(crate) fn ring(name: RingName) -> Ring {
    match name {
        RingName::Decisions => Ring::Decisions,
        RingName::Activity => Ring::Activity,
        RingName::Plaintext => Ring::Plaintext,
    }
}

fn judge(event: &mut Event, record: &Record, known: &Known<'_>) {
    let load = known.load;
    let decision = Decision(record.decision);
    event.verdict = Some(match decision.verdict() {
        aa_policy::Verdict::Ungoverned => Verdict::Ungoverned,
        aa_policy::Verdict::Allow => Verdict::Allow,
        aa_policy::Verdict::Ask => Verdict::Ask,
        aa_policy::Verdict::Deny => Verdict::Deny,
        aa_policy::Verdict::Suspend => Verdict::Suspend,
        aa_policy::Verdict::Kill => Verdict::Kill,
    });
    event.rule = decision.rule().map(|id| rule_ref(id, load));
    if let Some((code, text)) = abi::reason(record.reason) {
        event.reason = Some(Reason {
            code: code.to_owned(),
            text: text.to_owned(),
        });
    } else if record.reason != 0 {
        let code = record.reason.to_string();
        event.reason = Some(Reason {
            code,
            text: "a reason this version does not know".to_owned(),
        });
    }
    if actions::is_of_data(record) {
        let rule = load.zip(decision.rule()).and_then(|(load, id)| load.policy.rule(id));
        event.would_allow = rule.map(|rule| would_be_sent(rule, known.denial.as_ref().map(|denial| &denial.exchange)));
        return;
    }
    let by_policy = matches!(
        u32::from(record.reason),
        abi::AA_REASON_RULE | abi::AA_REASON_DEFAULT | abi::AA_REASON_PRIVILEGE
    );
    if event.effect != Effect::Allowed
        && by_policy
        && let (Some(load), Some(action)) = (load, actions::policy_action(record, &known.names))
    {
        let begun = Instant::now();
        if known.explaining.has_time(begun) {
            event.would_allow = load.policy.explain(&action).allow;
            known.explaining.spend(Instant::now(), begun.elapsed());
        }
    }
}

/// What would let go what a rule does not let be sent.
fn would_be_sent(rule: &Rule, exchange: Option<&Exchange>) -> String {
    let model = exchange
        .and_then(|exchange| exchange.call.as_ref())
        .map(|call| &call.model);
    match (rule.section, rule.kind, model) {
        (Section::Blind, ..) => {
            "write `blind: allow` in net, or use a TLS library that is read: `aasm status --tls`".to_owned()
        }
        (Section::Redact, ..) => format!(
            "nothing added: remove `{}` from {}; replacing it takes a proxy, which this version has not",
            rule.text, rule.section
        ),
        (Section::Model, _, None) => {
            "nothing added: the request is for a model, and which one cannot be told from it".to_owned()
        }
        (Section::Spend, ..) => format!(
            "nothing added: wait, raise `{}` in spend, or have the request ask for less output; `aasm budget`",
            rule.text
        ),
        (Section::Tool, RuleKind::BuiltIn, _) => match exchange.and_then(called_tool) {
            Some(tool) => format!("tool: {{allow: [\"{tool}\"]}}"),
            None => "nothing added: which tool is called cannot be told from it".to_owned(),
        },
        (Section::Net, RuleKind::BuiltIn, _) => {
            match exchange.filter(|exchange| !exchange.method.as_str().is_empty()) {
                Some(Exchange { method, host, .. }) => {
                    format!("net: {{allow: [{{name: \"{host}:443\", when: 'http.method == \"{method}\"'}}]}}")
                }
                None => "nothing added: what it asks for cannot be told from it".to_owned(),
            }
        }
        (Section::Model, RuleKind::BuiltIn, Some(model)) => format!("model: {{allow: [\"{model}\"]}}"),
        (section, ..) => format!("nothing added: remove `{}` from {section}", rule.text),
    }
}

/// The last tool that a request calls.
fn called_tool(exchange: &Exchange) -> Option<&EscapedBytes> {
    let calls = |message: &&McpMessage| message.sent && message.method.as_str() == "tools/call";
    exchange.mcp.iter().rfind(calls).map(|message| &message.name)
}

pub(crate) fn rule_ref(id: aa_policy::RuleId, load: Option<&Load>) -> RuleRef {
    let rule = load.and_then(|load| load.policy.rule(id));
    RuleRef {
        id: id.0,
        text: rule.map(|rule| match rule.section {
            Section::Label => format!("label {}", rule.text),
            Section::Block => format!("block {}", rule.text),
            Section::Redact => format!("redact {}", rule.text),
            Section::Blind => format!("blind: {}", rule.text),
            _ => format!("{}: {}", rule.verdict, rule.text),
        }),
        file: load.map(|load| load.source.file_name.clone()),
        line: rule.filter(|rule| rule.kind == RuleKind::Written).map(|rule| rule.line),
        section: rule.map(|rule| rule.section.to_string()),
        risk: rule.and_then(|rule| rule.risk).map(|risk| risk.to_string()),
    }
}

pub(crate) fn policy_ref(generation: u32, load: Option<&Load>) -> PolicyRef {
    let policy: Option<&Policy> = load.map(|load| &*load.policy);
    PolicyRef {
        name: policy.map(|policy| policy.name().to_owned()),
        version: policy.map(|policy| policy.version().into()),
        digest: load.map(|load| load.digest.clone()),
        generation: Generation(generation),
    }
}

fn effect(number: u16) -> Effect {
    match u32::from(number) {
        abi::AA_EFFECT_ALLOWED => Effect::Allowed,
        abi::AA_EFFECT_WOULD_DENY => Effect::WouldDeny,
        abi::AA_EFFECT_KILLED => Effect::Killed,
        abi::AA_EFFECT_SUSPENDED => Effect::Suspended,
        abi::AA_EFFECT_HELD => Effect::Held,
        // An effect nobody knows is shown as the worst that can have been.
        _ => Effect::Denied,
    }
}

pub(crate) fn name_or_number(known: Option<(&'static str, &'static str)>, number: u16) -> String {
    known.map_or_else(|| number.to_string(), |(name, _)| name.to_owned())
}

pub(crate) fn bare_frame(address: u64) -> Frame {
    Frame {
        address,
        symbol: None,
        module: None,
        offset: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aa_bpf::record::decode;
    use aa_bpf::record::testing::record_bytes;
    use aa_wire::Slot;

    use super::*;
    use crate::book::{Origin, Source};

    const POLICY: &str = "policy: coding-agent\nversion: 3\nexec:\n  allow: [/usr/bin/**]\n  deny: [sudo]\n";

    fn load() -> Load {
        let policy = aa_policy::parse_policy(POLICY, "coding-agent.yaml", &aa_policy::Environment::default()).unwrap();
        Load {
            policy: Arc::new(policy),
            source: Source {
                text: POLICY.into(),
                file_name: "coding-agent.yaml".into(),
                origin: Origin::Pack,
            },
            digest: "d1".into(),
            environment: None,
            slot_name: "coding-agent".into(),
            slot: Slot(1),
            retired: false,
        }
    }

    #[test]
    fn a_denial_cites_the_rule_its_line_and_its_reason() {
        let load = load();
        let sudo = load
            .policy
            .rules()
            .iter()
            .find(|rule| rule.text == "sudo")
            .unwrap()
            .id
            .0;
        let mut record = decode(RingName::Decisions, &record_bytes(1)).unwrap();
        record.decision = 3 | 8 | ((sudo + 1) << 8);
        let known = Known {
            boottime_to_realtime_ns: 1,
            agent_name: Some("claude".into()),
            load: Some(&load),
            names: Vec::new(),
            denial: None,
            explaining: &Explaining::new(Instant::now()),
        };
        let event = describe(&record, &known);
        let rule = event.rule.unwrap();
        assert_eq!((rule.text.as_deref(), rule.line), (Some("deny: sudo"), Some(5)));
        assert_eq!((event.action.as_str(), event.effect), ("exec", Effect::Denied));
        assert_eq!(event.object.unwrap().to_string(), "/usr/bin/sudo");
        assert_eq!(event.time.unix_ns, 5_000_000_001);
        assert!(event.would_allow.unwrap().contains("sudo"));
        assert_eq!(event.policy.unwrap().name.as_deref(), Some("coding-agent"));
    }

    #[test]
    fn a_generation_nobody_remembers_is_still_cited_by_number() {
        let record = decode(RingName::Decisions, &record_bytes(1)).unwrap();
        let event = describe(
            &record,
            &Known {
                boottime_to_realtime_ns: 0,
                agent_name: None,
                load: None,
                names: Vec::new(),
                denial: None,
                explaining: &Explaining::new(Instant::now()),
            },
        );
        assert_eq!(event.policy.unwrap().generation, Generation(7));
        assert_eq!(event.rule.unwrap().text, None);
        assert_eq!(event.would_allow, None);
    }
}
