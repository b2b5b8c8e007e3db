//! What is odd about a policy without being wrong: kinds of action it leaves ungoverned, rules that never decide anything or too much.

use crate::action::Action;
use crate::diagnostic::{Code, Diagnostic, Report, Span};
use crate::lower::{HostTable, LowerError, Lowered};
use crate::policy::Policy;
use crate::rule::{Pattern, Rule, Section};
use crate::verdict::{Decision, RuleId, Verdict};
use crate::witness;
use std::collections::HashSet;

pub(crate) fn find(policy: &Policy, lowered: Result<&Lowered, &LowerError>) -> Vec<Diagnostic> {
    let mut report = Report::new(&policy.file, &policy.text);
    let top = Span {
        line: 1,
        column: 1,
        length: 1,
    };
    absent(policy, top, &mut report);
    idle(policy, &mut report);
    nowhere(policy, &mut report);
    replaced(policy, &mut report);
    unheard(policy, &mut report);
    alone(policy, top, &mut report);
    match lowered {
        Ok(lowered) => dead(policy, lowered, &mut report),
        Err(error) => drop(
            report
                .warning(Code::TooLarge, top, &error.message)
                .cause(&error.reason)
                .hint(&error.hint),
        ),
    }
    report.finish().items
}

/// What would be replaced is not sent.
fn replaced(policy: &Policy, report: &mut Report<'_>) {
    let mut rules = policy.rules().iter().zip(&policy.spans);
    if let Some((rule, span)) = rules.find(|(rule, _)| rule.section == Section::Redact) {
        report
            .warning(
                Code::NotYet,
                *span,
                format!("`{}` is not replaced on its way, but not sent at all", rule.text),
            )
            .cause("replacing what an agent sends takes a proxy, which this version has not yet")
            .hint("`aasm redact --policy FILE` replaces it in what is piped through it");
    }
}

/// Servers of tools that are not listened to.
fn unheard(policy: &Policy, report: &mut Report<'_>) {
    let mut rules = policy.rules().iter().zip(&policy.spans);
    if let Some((_, span)) = rules.find(|(rule, _)| rule.section == Section::Tool) {
        report
            .warning(Code::NotYet, *span, "`tool` judges MCP inside TLS alone")
            .cause("servers that a client starts and speaks to over pipes, and HTTP without TLS, are not listened to by this version yet")
            .hint("say in `exec` which servers may be started; `net: {blind: deny}` denies TLS that nobody reads");
    }
}

/// A second person who is never asked.
fn alone(policy: &Policy, top: Span, report: &mut Report<'_>) {
    let asks = |rule: &&Rule| rule.verdict == Verdict::Ask;
    let risks = policy.rules().iter().filter(asks).map(|rule| rule.risk);
    if let Some(least) = policy.asking.second_person
        && risks.flatten().all(|risk| risk < least)
    {
        report
            .warning(Code::Dead, top, format!("`second_person: {least}` is about no rule"))
            .cause("no rule under `ask` says such a risk")
            .hint(format!("`ask: [{{name: \"git push ...\", risk: {least}}}]`"));
    }
}

/// Labels that are given and never looked at.
fn idle(policy: &Policy, report: &mut Report<'_>) {
    for (label, span) in &policy.idle_labels {
        report
            .warning(
                Code::Dead,
                *span,
                format!("the label `{label}` takes nothing from anybody"),
            )
            .hint(format!(
                "`data: {{from: {{{label}: {{deny: [net]}}}}}}` takes the network"
            ));
    }
}

/// Secrets that are blocked wherever they are sent: no name is vouched for by the resolver.
fn nowhere(policy: &Policy, report: &mut Report<'_>) {
    let mut rules = policy.rules().iter().zip(&policy.spans);
    let secret = rules.find(|(rule, _)| rule.pattern == Pattern::Data("secret"));
    let every_name = policy.defaults().net.verdict() < Verdict::Deny;
    let answered = |rule: &Rule| match rule.pattern {
        Pattern::Host(_) => true,
        Pattern::Dns => every_name,
        _ => false,
    };
    if let (Some((_, span)), false) = (secret, policy.rules().iter().any(answered)) {
        report
            .warning(
                Code::Absent,
                *span,
                "`net` names no host, so an agent's own key is blocked too",
            )
            .cause("a secret may go to its own provider only where the resolver vouches for the name")
            .hint("list the provider: `net: {allow: [\"api.example.com:443\"]}`");
    }
}

fn absent(policy: &Policy, top: Span, report: &mut Report<'_>) {
    let kinds = [
        (Section::Net, "`net` is absent: network is not governed", "net: {}"),
        (
            Section::Read,
            "`file.read` is absent: reading files is not governed",
            "file: {read: {}}",
        ),
        (
            Section::Write,
            "`file.write` is absent: changing files is not governed",
            "file: {write: {}}",
        ),
        (
            Section::Exec,
            "`exec` is absent: running programs is not governed",
            "exec: {}",
        ),
    ];
    for (section, message, deny_all) in kinds {
        if policy.sections.get(section).is_none() {
            report
                .warning(Code::Absent, top, message)
                .hint(format!("`{deny_all}` denies all of it"));
        }
    }
}

/// Rules that no entry of the tables cites.
fn dead(policy: &Policy, lowered: &Lowered, report: &mut Report<'_>) {
    let mut cited: HashSet<RuleId> = HashSet::new();
    let mut cite = |decision: Decision| cited.extend(decision.rule());
    for decision in &lowered.path_decisions {
        [decision.read, decision.write, decision.exec, decision.load]
            .into_iter()
            .for_each(&mut cite);
    }
    lowered.socket_decisions.iter().copied().for_each(&mut cite);
    lowered.argv_decisions.iter().copied().for_each(&mut cite);
    for range in lowered.addresses.iter().flat_map(|entry| &entry.ranges) {
        [range.tcp, range.udp, range.other].into_iter().for_each(&mut cite);
    }
    if let Some(hosts) = &lowered.hosts {
        cite(hosts.dns);
        for range in hosts.classes.iter().flat_map(|class| &class.ranges) {
            [range.tcp, range.udp, range.other].into_iter().for_each(&mut cite);
        }
        lists_nothing(policy, hosts, report);
    }
    [lowered.memfd, lowered.deleted].into_iter().for_each(&mut cite);
    lowered.contents.values().copied().for_each(&mut cite);
    lowered.privileges.into_iter().for_each(&mut cite);
    lowered.carried.iter().flatten().copied().for_each(&mut cite);
    for rule in policy.rules() {
        if let Pattern::Model(model) = &rule.pattern {
            cite(policy.of_model(&model.example()));
        }
    }
    policy.of_unconditional_tools().for_each(&mut cite);
    let written = policy.rules().iter().filter(|rule| rule.is_written());
    // Of several that label the same one is cited, and all count.
    let always = |rule: &Rule| {
        rule.label().is_some()
            || rule.is_conditional()
            || matches!(
                rule.pattern,
                Pattern::Rate(_)
                    | Pattern::Hours(_)
                    | Pattern::Data(_)
                    | Pattern::Vault(_)
                    | Pattern::Blind
                    | Pattern::Spend(_)
            )
    };
    let uncited = |(rule, _): &(&Rule, &Span)| !always(rule) && !cited.contains(&rule.id);
    for (rule, span) in written.zip(&policy.spans).filter(uncited) {
        let winner = policy
            .evaluate(&witness::action(rule, &mut |_| 0))
            .rule
            .and_then(|id| policy.rule(id));
        let note = report.warning(Code::Dead, *span, format!("`{}` never decides anything", rule.text));
        match winner.filter(|winner| winner.id != rule.id) {
            Some(winner) => note.cause(why(rule, winner)).hint("remove it, or narrow the other"),
            None => note.cause("other rules decide everything it matches").hint("remove it"),
        };
    }
}

/// `dns` alone answers nothing: it is not a list of names.
fn lists_nothing(policy: &Policy, hosts: &HostTable, report: &mut Report<'_>) {
    let dns = policy
        .rules()
        .iter()
        .zip(&policy.spans)
        .find(|(rule, _)| rule.pattern == Pattern::Dns);
    let answers = hosts.classes.iter().any(|class| class.lookup.verdict() < Verdict::Deny);
    if let (Some((_, span)), false) = (dns, answers || hosts.dns.verdict() == Verdict::Deny) {
        report
            .warning(Code::Dead, *span, "`dns` never answers anything")
            .cause("the resolver answers the names that hosts under `allow` or `ask` list, and there is none")
            .hint("list hosts: `api.example.com:443`, `\"*.example.com:443\"`, `\"*:443\"` for any");
    }
}

fn why(rule: &Rule, winner: &Rule) -> String {
    let place = if winner.line > 0 {
        format!(" (line {})", winner.line)
    } else {
        String::new()
    };
    if winner.verdict > rule.verdict {
        return format!(
            "{} is stronger than {}, and `{}`{place} matches the same",
            winner.verdict, rule.verdict, winner.text
        );
    }
    format!("`{}`{place} says the same and is at least as specific", winner.text)
}

/// An action to try a rule with; for callers that show what a rule is about.
impl Policy {
    /// An action that the rule matches, though a stronger one may decide it.
    pub fn example(&self, id: RuleId) -> Option<Action> {
        self.rule(id).map(|rule| witness::action(rule, &mut |_| 0))
    }
}
