//! Which rule decides an action, why, where that is enforced, and the smallest rule that would allow it.

use crate::action::{Action, ProgramKind, Protocol};
use crate::glob::escape;
use crate::labels::CarriedKind;
use crate::policy::{Mode, Policy};
use crate::privileges::Privilege;
use crate::rate::RateClass;
use crate::request::HttpAction;
use crate::rule::{Rule, RuleKind, Section};
use crate::verdict::{RuleId, Verdict};
use serde::Serialize;
use std::fmt;

/// The answer to "why".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The action, as in an `expect` line.
    pub action: String,
    /// What happens.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: Option<RuleId>,
    /// Its text.
    pub rule_text: Option<String>,
    /// Its line in the policy.
    pub line: Option<u32>,
    /// Written or built-in.
    pub kind: Option<RuleKind>,
    /// Why, in a sentence.
    pub reason: String,
    /// Which hooks enforce it.
    pub enforced: String,
    /// What would allow it, where it is not allowed.
    pub allow: Option<String>,
    /// How often, for what data and when it is not so, where the policy limits that.
    pub limits: Vec<String>,
}

impl Policy {
    /// Explains the verdict on an action.
    pub fn explain(&self, action: &Action) -> Explanation {
        let judgement = self.evaluate(action);
        let rule = judgement.rule.and_then(|id| self.rule(id));
        let enforced = match (judgement.verdict, self.mode) {
            (Verdict::Ungoverned, _) => "nowhere".to_owned(),
            (_, Mode::Observe) => format!(
                "nowhere: mode is observe; it would be in the kernel ({})",
                hooks(action)
            ),
            (_, Mode::Enforce) if matches!(action, Action::Lookup { .. }) => "in the resolver".to_owned(),
            (_, Mode::Enforce) if matches!(action, Action::Model { .. } | Action::Tool(_) | Action::Http(_)) => {
                "in the kernel (socket_sendmsg), by what the gateway reads inside TLS before it is sent".to_owned()
            }
            (_, Mode::Enforce) => format!("in the kernel ({})", hooks(action)),
        };
        let allow = match (judgement.verdict, rule.filter(|rule| rule.is_written())) {
            (Verdict::Ungoverned | Verdict::Allow, _) => None,
            (verdict, Some(rule)) => Some(format!(
                "nothing added: {verdict} is stronger than allow; remove or narrow `{}` in {}.{verdict}",
                rule.text, rule.section
            )),
            (_, None) if rule.is_some_and(|rule| rule.kind == RuleKind::Implied) => {
                Some("nothing added: a policy that names hosts closes it".to_owned())
            }
            (_, None) if judgement.reason.starts_with("a rule labels") => {
                Some("nothing added: label the new name too".to_owned())
            }
            (_, None) if judgement.reason.starts_with("a rule asks") => {
                Some("nothing added: remove or narrow the rules below that directory".to_owned())
            }
            (_, None) => Some(self.smallest(action)),
        };
        Explanation {
            action: action.to_string(),
            verdict: judgement.verdict,
            rule: judgement.rule,
            rule_text: rule.map(|rule| rule.text.clone()),
            line: rule.map(|rule| rule.line).filter(|line| *line > 0),
            kind: rule.map(|rule| rule.kind),
            reason: judgement.reason,
            enforced,
            allow,
            limits: self.limits(action, judgement.verdict),
        }
    }

    /// What `rate`, `net.blind`, `data`, `model`, `spend` and `hours` add to a verdict that lets pass or asks.
    fn limits(&self, action: &Action, verdict: Verdict) -> Vec<String> {
        if verdict >= Verdict::Deny {
            return Vec::new();
        }
        let counted = |class| verdict < Verdict::Ask && RateClass::of(action) == Some(class);
        let rates = self.rates().filter(|(limit, _)| counted(limit.class));
        let rates = rates.map(|(_, rule)| format!("{}: {} (line {})", rule.text, rule.verdict, rule.line));
        let connects = RateClass::of(action) == Some(RateClass::Connect);
        let withholds = |rule: &&Rule| connects && matches!(rule.section, Section::Block | Section::Redact);
        let blocked = self.rules.iter().filter(withholds);
        let blocked = blocked.map(|rule| format!("{} sent inside TLS: deny (line {})", rule.text, rule.line));
        let models =
            (connects && self.lists_models()).then(|| "calls of models inside TLS: as `model` says".to_owned());
        let requests = (connects && self.judges_requests())
            .then(|| "requests over HTTP inside TLS: as rules of `net` with conditions say".to_owned());
        let tools =
            (connects && self.lists_tools()).then(|| "calls of tools over MCP inside TLS: as `tool` says".to_owned());
        let spent = self.spend_limits().filter(|_| connects);
        let spent =
            spent.map(|(limit, rule)| format!("calls of models beyond {limit}: {} (line {})", rule.verdict, rule.line));
        let blinds = |rule: &&Rule| connects && rule.section == Section::Blind;
        let blind = self.rules.iter().filter(blinds);
        let blind = blind.map(|rule| format!("TLS that no probe reads: deny (line {})", rule.line));
        let hours = self
            .hours()
            .map(|(_, rule)| format!("{}: deny (line {})", rule.text, rule.line));
        rates
            .chain(blind)
            .chain(blocked)
            .chain(requests)
            .chain(models)
            .chain(tools)
            .chain(spent)
            .chain(hours)
            .collect()
    }

    /// The rules to add so that an action that only a default denies is allowed.
    fn smallest(&self, action: &Action) -> String {
        let defaulted = |action: &Action| {
            let judgement = self.evaluate(action);
            judgement.verdict >= Verdict::Ask && judgement.rule.is_none()
        };
        let line = |section: Section, text: &str| {
            // What is absent is not governed, and shall not be by the line that is added.
            let default = match self.sections.get(section) {
                Some(_) => "",
                None => ", default: allow",
            };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{section}: {{allow: [\"{text}\"]{default}}}")
        };
        let shown = |path: &[u8]| escape(&String::from_utf8_lossy(path));
        let read =
            |path: &Vec<u8>| defaulted(&Action::Read { path: path.clone() }).then(|| line(Section::Read, &shown(path)));
        let write = |path: &Vec<u8>| {
            defaulted(&Action::Write { path: path.clone() }).then(|| line(Section::Write, &shown(path)))
        };
        let parts: Vec<Option<String>> = match action {
            Action::Read { path } => vec![read(path)],
            Action::Write { path } => vec![write(path)],
            Action::ReadWrite { path } => vec![read(path), write(path)],
            Action::Rename { old, new, .. } | Action::Link { old, new } => vec![write(old), read(old), write(new)],
            Action::Load { path } => vec![Some(line(Section::Exec, &format!("interpreter:{}", shown(path))))],
            Action::Exec(exec) => vec![Some(match exec.kind {
                ProgramKind::Memfd => line(Section::Exec, "memfd"),
                ProgramKind::Deleted => line(Section::Exec, "deleted"),
                ProgramKind::File | ProgramKind::Script => line(Section::Exec, &shown(&exec.program)),
            })],
            Action::Connect { address, protocol } | Action::Bind { address, protocol } => {
                vec![Some(line(Section::Net, &end(address, &address.ip(), *protocol)))]
            }
            Action::ConnectHost { host, port, protocol } => {
                vec![Some(line(
                    Section::Net,
                    &end(&format!("{host}:{port}"), host, *protocol),
                ))]
            }
            Action::ConnectBound {
                address,
                protocol,
                names,
            } => names
                .iter()
                .take(1)
                .map(|host| {
                    let with_port = format!("{host}:{}", address.port());
                    Some(line(Section::Net, &end(&with_port, host, *protocol)))
                })
                .collect(),
            Action::Lookup { host } => vec![Some(line(Section::Net, &format!("{host}:443")))],
            Action::Unix { name } => vec![Some(line(Section::Net, &format!("unix:{}", shown(name))))],
            Action::Model { name } => return format!("model: {{allow: [\"{name}\"]}}"),
            Action::Tool(call) => return format!("tool: {{allow: [\"{}\"]}}", call.name),
            Action::Http(request) => {
                let HttpAction { method, host, port, .. } = request;
                return format!("net: {{allow: [{{name: \"{host}:{port}\", when: 'http.method == \"{method}\"'}}]}}");
            }
            Action::Use { privilege } => {
                return format!("privileges: {{allow: [{privilege}]}}");
            }
            Action::Carrying { action, .. } => return self.smallest(action),
        };
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(" and ")
    }
}

/// The pattern of one end of a connection, with its port if its protocol has one.
fn end(with_port: &dyn fmt::Display, alone: &dyn fmt::Display, protocol: Protocol) -> String {
    match protocol {
        Protocol::Tcp => format!("{with_port}/tcp"),
        Protocol::Udp => format!("{with_port}/udp"),
        Protocol::Other => alone.to_string(),
    }
}

fn hooks(action: &Action) -> &'static str {
    match action {
        Action::Read { .. } | Action::ReadWrite { .. } => "file_open",
        Action::Write { .. } => {
            "file_open, path_mkdir, path_mknod, path_symlink, path_truncate, path_unlink, path_rmdir, path_chmod, path_chown"
        }
        Action::Rename { .. } => "path_rename",
        Action::Link { .. } => "path_link",
        Action::Exec(_) => "bprm_check_security",
        Action::Load { .. } => "mmap_file",
        Action::Lookup { .. } => "the resolver",
        Action::ConnectHost { .. } | Action::ConnectBound { .. } => {
            "socket_connect, socket_sendmsg, cgroup sendmsg, by what the resolver answered"
        }
        Action::Connect { .. } => "socket_connect, socket_sendmsg, cgroup sendmsg",
        Action::Bind { .. } => "socket_bind",
        Action::Unix { .. } => "unix_stream_connect, unix_may_send",
        Action::Model { .. } | Action::Tool(_) | Action::Http(_) => "socket_sendmsg",
        Action::Use { privilege } => match privilege {
            Privilege::Setuid => "bprm_creds_from_file",
            Privilege::Userns => "userns_create",
            Privilege::IoUring => "inode_init_security_anon",
        },
        Action::Carrying { action, .. } => match CarriedKind::of(action) {
            Some(CarriedKind::Net) => {
                "socket_connect, socket_sendmsg, file_permission, unix_stream_connect, unix_may_send"
            }
            _ => hooks(action),
        },
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} -> {}", self.action, self.verdict)?;
        writeln!(f, "  because: {}", self.reason)?;
        write!(f, "  enforced: {}", self.enforced)?;
        for limit in &self.limits {
            write!(f, "\n  but {limit}")?;
        }
        if let Some(allow) = &self.allow {
            write!(f, "\n  to allow it: {allow}")?;
        }
        Ok(())
    }
}
