//! `aasm why`: everything about one event, for the person who wonders.

use aa_sdk::Client;
use aa_wire::Event;
use aa_wire::event::Frame;

use crate::exit::Failure;
use crate::table::pairs;
use crate::{print, print_json};

pub(crate) fn why(client: &mut Client, id: u64, json: bool) -> Result<(), Failure> {
    let event = client.why(id)?;
    if json {
        return print_json(&event);
    }
    print(&explain(&event));
    Ok(())
}

pub(crate) fn is_denied(event: &Event) -> bool {
    aa_wire::api::is_denial(event)
}

/// In a few words: the rule with its place, or the reason.
pub(crate) fn short_reason(event: &Event) -> String {
    // What the rule is about was told before.
    let follows = event
        .reason
        .as_ref()
        .filter(|reason| reason.code == "blocked-connection");
    if let Some(reason) = follows {
        return reason.text.clone();
    }
    let written = event
        .rule
        .as_ref()
        .and_then(|rule| rule.text.as_ref().map(|text| (rule, text)));
    if let Some((rule, text)) = written {
        let place = match (&rule.file, rule.line) {
            (Some(file), Some(line)) => format!(", {}:{line}", short_file(file)),
            _ => String::new(),
        };
        return format!("rule `{text}`{place}");
    }
    event
        .reason
        .as_ref()
        .map_or_else(|| "no reason recorded".to_owned(), |reason| reason.text.clone())
}

fn short_file(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn explain(event: &Event) -> String {
    let mut rows = vec![
        ("event", format!("{} at {}", event.id, event.time)),
        ("effect", event.effect.to_string()),
    ];
    rows.push(("what", what(event)));
    if let Some(agent) = &event.agent {
        let name = agent.name.as_deref().unwrap_or("(unnamed)");
        rows.push((
            "agent",
            format!("{name} (number {}, session {})", agent.id, agent.session),
        ));
    }
    if let Some(process) = &event.process {
        let text = format!(
            "{} (pid {}, thread {}, parent {}, user {})\nstarted {}",
            process.executable, process.pid, process.tid, process.parent_pid, process.uid, process.start
        );
        rows.push(("process", text));
    }
    if let Some(policy) = &event.policy {
        let name = policy.name.as_deref().unwrap_or("(not known any more)");
        let version = policy
            .version
            .map_or_else(String::new, |version| format!(" version {version}"));
        rows.push(("policy", format!("{name}{version}, generation {}", policy.generation)));
    }
    if let Some(rule) = &event.rule {
        let text = rule.text.as_deref().unwrap_or("(its text is not known any more)");
        let place = match (&rule.file, rule.line, &rule.section) {
            (Some(file), Some(line), Some(section)) => format!("\n{file}:{line}, section {section}"),
            (_, None, Some(section)) => format!("\nbuilt in, section {section}"),
            _ => String::new(),
        };
        rows.push(("rule", format!("{text}{place}")));
    }
    if let Some(reason) = &event.reason {
        rows.push(("reason", format!("{} ({})", reason.text, reason.code)));
    }
    if let Some(exchange) = event.exchange.as_ref().filter(|exchange| !exchange.secrets.is_empty()) {
        let counts = exchange.secrets.iter().map(ToString::to_string);
        rows.push(("found", counts.collect::<Vec<_>>().join(", ")));
    }
    if let Some(would_allow) = &event.would_allow {
        rows.push(("to allow it", would_allow.clone()));
    }
    if let Some(detail) = &event.detail {
        rows.push(("detail", aa_wire::text::escape(detail.as_bytes())));
    }
    if !event.stack.is_empty() {
        rows.push(("stack", event.stack.iter().map(frame).collect::<Vec<_>>().join("\n")));
    }
    pairs(&rows)
}

pub(crate) fn what(event: &Event) -> String {
    let objects: Vec<String> = event
        .object
        .iter()
        .chain(&event.second_object)
        .map(ToString::to_string)
        .collect();
    let request = event.exchange.iter().map(ToString::to_string).collect();
    [vec![event.action.clone()], objects, request].concat().join(" ")
}

fn frame(frame: &Frame) -> String {
    let module = frame.module.as_ref().map_or("", |module| module.as_str());
    match (&frame.symbol, frame.offset) {
        (Some(symbol), Some(offset)) => format!("{symbol}+{offset:#x}  {module}"),
        (None, Some(offset)) if !module.is_empty() => format!("{module}+{offset:#x}"),
        _ if module.is_empty() => format!("{:#x}", frame.address),
        _ => format!("{:#x}  {module}", frame.address),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use aa_wire::event::{AgentRef, Effect, Kind, Object, PolicyRef, ProcessRef, Reason, RuleRef};
    use aa_wire::{AgentId, CgroupId, EscapedBytes, Generation, Pid, SessionId, Timestamp};

    use super::*;

    /// A denied `sudo -i`.
    pub(crate) fn denial() -> Event {
        let time = Timestamp { unix_ns: 5_000_000_000 };
        let mut event = Event::bare(time, Kind::Decision, Effect::Denied, "exec");
        event.id = 17;
        event.agent = Some(AgentRef {
            id: AgentId(2),
            name: Some("claude".into()),
            session: SessionId(3),
        });
        event.process = Some(ProcessRef {
            pid: Pid(100),
            tid: 101,
            parent_pid: Pid(99),
            start: time,
            start_ns: 4,
            executable: "/bin/sh".into(),
            uid: 1000,
            cgroup: CgroupId(4),
        });
        event.object = Some(Object::Path {
            path: "/usr/bin/sudo".into(),
            flags: vec![],
        });
        event.second_object = Some(Object::Arguments {
            arguments: "sudo -i".into(),
        });
        event.policy = Some(PolicyRef {
            name: Some("coding-agent".into()),
            version: Some(3),
            digest: None,
            generation: Generation(7),
        });
        event.rule = Some(RuleRef {
            id: 4,
            text: Some("deny: sudo".into()),
            file: Some("/etc/aa-sensord/policies/coding-agent.yaml".into()),
            line: Some(31),
            section: Some("exec".into()),
            risk: None,
        });
        event.reason = Some(Reason {
            code: "rule".into(),
            text: "a rule of the policy decides this".into(),
        });
        event.would_allow = Some("remove or narrow `sudo` in exec.deny".into());
        let module = Some(EscapedBytes::from("/usr/lib/libc.so.6"));
        event.stack = vec![
            Frame {
                address: 1,
                symbol: Some("execve".into()),
                module: module.clone(),
                offset: Some(0xb),
            },
            Frame {
                address: 2,
                symbol: None,
                module,
                offset: Some(0x1234),
            },
            Frame {
                address: 0x7f00,
                symbol: None,
                module: None,
                offset: None,
            },
        ];
        event
    }

    #[test]
    fn why_tells_who_what_which_rule_why_what_would_allow_it_and_from_where() {
        let expected = "\
event:        17 at 1970-01-01T00:00:05.000000000Z
effect:       denied
what:         exec /usr/bin/sudo sudo -i
agent:        claude (number 2, session 0000000000000003)
process:      /bin/sh (pid 100, thread 101, parent 99, user 1000)
              started 1970-01-01T00:00:05.000000000Z
policy:       coding-agent version 3, generation 7
rule:         deny: sudo
              /etc/aa-sensord/policies/coding-agent.yaml:31, section exec
reason:       a rule of the policy decides this (rule)
to allow it:  remove or narrow `sudo` in exec.deny
stack:        execve+0xb  /usr/lib/libc.so.6
              /usr/lib/libc.so.6+0x1234
              0x7f00
";
        assert_eq!(explain(&denial()), expected);
    }

    #[test]
    fn without_a_rule_the_reason_is_told() {
        let mut event = denial();
        event.rule = None;
        assert_eq!(short_reason(&event), "a rule of the policy decides this");
    }
}
