//! `ask: {approvers, within, otherwise, second_person}`.

use std::time::Duration;

use super::{list, mapping, one_of, set, text, unknown_key};
use crate::diagnostic::{Code, Report};
use crate::policy::{Approver, Asking, WITHIN_LIMITS};
use crate::syntax::Node;
use crate::tool::Risk;
use crate::verdict::Verdict;

const KEYS: [&str; 4] = ["approvers", "within", "otherwise", "second_person"];

pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Asking {
    let mut asking = Asking::default();
    let Some(entries) = mapping(node, "`ask`", report) else {
        return asking;
    };
    for entry in entries {
        match entry.key.as_str() {
            "approvers" => asking.approvers = approvers(&entry.node, report),
            "within" => set(&mut asking.within, within(&entry.node, report)),
            "otherwise" => {
                let choices = [("allow", Verdict::Allow), ("deny", Verdict::Deny)];
                set(&mut asking.otherwise, one_of(&entry.node, &choices, report));
            }
            "second_person" => {
                let choices = Risk::ALL.map(|risk| (risk.word(), risk));
                asking.second_person = one_of(&entry.node, &choices, report);
            }
            _ => unknown_key(entry, &KEYS, &[], report),
        }
    }
    asking
}

fn approvers(node: &Node, report: &mut Report<'_>) -> Vec<Approver> {
    let mut approvers = Vec::new();
    for item in list(node, "`approvers`", report) {
        let Some(word) = text(item, "an approver", report) else {
            continue;
        };
        match word.split_once(':') {
            Some(("user", name)) if !name.is_empty() => approvers.push(Approver::User(name.to_owned())),
            Some(("group", name)) if !name.is_empty() => approvers.push(Approver::Group(name.to_owned())),
            Some(("role" | "slack" | "webhook", _)) => {
                report
                    .error(
                        Code::NotYet,
                        item.span,
                        format!("`{word}` is not known by this version yet"),
                    )
                    .hint("name who answers on this machine: `user:alice`, `group:security`");
            }
            _ => {
                report
                    .error(Code::Value, item.span, format!("`{word}` is not an approver"))
                    .hint("write `user:NAME` or `group:NAME`");
            }
        }
    }
    if approvers.is_empty() && report.is_clean() {
        // An empty list would let everybody answer who controls the daemon, which is not what it says.
        report
            .error(Code::Value, node.span, "`approvers` names nobody")
            .hint("remove it: then whoever may control the daemon may answer");
    }
    approvers
}

/// A number and its unit: `30s`, `10m`, `2h`, `1d`.
fn within(node: &Node, report: &mut Report<'_>) -> Option<Duration> {
    let word = text(node, "`within`", report)?;
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400_u64)];
    let seconds = units.iter().find_map(|(unit, seconds)| {
        let count: u64 = word.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(*seconds)
    });
    let (least, most) = WITHIN_LIMITS;
    let found = seconds
        .map(Duration::from_secs)
        .filter(|found| (least..=most).contains(found));
    if found.is_none() {
        report
            .error(
                Code::Value,
                node.span,
                format!("`{word}` is not how long an ask may wait"),
            )
            .hint("from `1s` to `7d`: `30s`, `10m`, `2h`");
    }
    found
}
