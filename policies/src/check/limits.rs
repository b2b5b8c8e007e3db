//! `rate` and `hours`.

use super::{Draft, list, mapping, one_of, text, unknown_key};
use crate::diagnostic::{Code, Report, Span};
use crate::hours::{Hours, Window, days};
use crate::rate::{RateClass, RateLimit};
use crate::rule::{Pattern, Section};
use crate::syntax::{Entry, Node, Value};
use crate::verdict::Verdict;

impl Draft {
    /// `{unlink: {over: 50/10s, then: ask}, ...}`
    pub(super) fn rates(&mut self, node: &Node, report: &mut Report<'_>) {
        for entry in mapping(node, "`rate`", report).unwrap_or_default() {
            let Some(class) = RateClass::from_word(&entry.key) else {
                let bytes = [("send", "limit `connect`")];
                unknown_key(entry, &RateClass::ALL.map(RateClass::word), &bytes, report);
                continue;
            };
            if let Some((limit, verdict)) = rate(class, entry, report) {
                let text = format!("{} over {limit}", class.word());
                self.rule(Section::Rate, verdict, text, Pattern::Rate(limit), entry.span);
            }
        }
    }

    /// `{deny: "22:00-06:00 Europe/Berlin", days: [mon-fri]}`, or `allow` for when it is open.
    pub(super) fn hours(&mut self, node: &Node, report: &mut Report<'_>) {
        let Some(entries) = mapping(node, "`hours`", report) else {
            return;
        };
        let mut hours = Hours {
            opens: false,
            windows: Vec::new(),
            days: Vec::new(),
        };
        let mut written: Option<&Entry> = None;
        for entry in entries {
            match entry.key.as_str() {
                "deny" | "allow" if written.is_some() => {
                    report
                        .error(
                            Code::Value,
                            entry.span,
                            "`hours` says when it is open or when it is closed",
                        )
                        .hint("keep one of `allow` and `deny`; either may be a list");
                }
                "deny" | "allow" => {
                    written = Some(entry);
                    hours.opens = entry.key == "allow";
                    hours.windows = windows(&entry.node, report);
                }
                "days" => hours.days = weekdays(&entry.node, report),
                _ => unknown_key(entry, &["deny", "allow", "days"], &[("ask", "write `deny`")], report),
            }
        }
        let Some(entry) = written else {
            report
                .error(Code::Missing, node.span, "`hours` says no time")
                .hint("write `hours: {deny: \"22:00-06:00 Europe/Berlin\"}`");
            return;
        };
        if hours.days.is_empty() {
            hours.days = days("mon-sun").unwrap_or_default();
        }
        self.rule(
            Section::Hours,
            Verdict::Deny,
            hours.to_string(),
            Pattern::Hours(hours),
            entry.span,
        );
    }
}

fn rate(class: RateClass, entry: &Entry, report: &mut Report<'_>) -> Option<(RateLimit, Verdict)> {
    let (mut limit, mut verdict) = (None, None);
    for part in mapping(&entry.node, &format!("`{}`", entry.key), report)? {
        match part.key.as_str() {
            "over" => {
                let word = text(&part.node, "`over`", report)?;
                limit = RateLimit::parse(class, word);
                if limit.is_none() {
                    report
                        .error(Code::Value, part.node.span, format!("`{word}` is not a rate"))
                        .hint("how many in which time: `50/10s`, `100/s`, `2000/h`; at most a week");
                    return None;
                }
            }
            "then" => {
                let choices =
                    [Verdict::Ask, Verdict::Deny, Verdict::Suspend, Verdict::Kill].map(|one| (one.word(), one));
                verdict = Some(one_of(&part.node, &choices, report)?);
                if (class, verdict) == (RateClass::Fork, Some(Verdict::Ask)) {
                    report
                        .error(
                            Code::Value,
                            part.node.span,
                            "starting a process cannot wait for an answer",
                        )
                        .hint("write `then: deny`, or limit `exec`");
                    return None;
                }
            }
            _ => unknown_key(part, &["over", "then"], &[], report),
        }
    }
    if limit.is_none() || verdict.is_none() {
        report
            .error(Code::Missing, entry.span, "a rate says `over` what and `then` what")
            .hint(format!("write `{}: {{over: 50/10s, then: deny}}`", entry.key));
    }
    Some((limit?, verdict?))
}

/// One text, or a list of them.
fn texts<'node>(node: &'node Node, what: &str, report: &mut Report<'_>) -> Vec<(&'node str, Span)> {
    let nodes = match &node.value {
        Value::Text(_) => std::slice::from_ref(node),
        _ => list(node, what, report),
    };
    let texts = nodes
        .iter()
        .filter_map(|node| Some((text(node, what, report)?, node.span)));
    texts.collect()
}

fn windows(node: &Node, report: &mut Report<'_>) -> Vec<Window> {
    let mut windows = Vec::new();
    for (text, span) in texts(node, "a time", report) {
        match Window::parse(text) {
            Ok(window) => windows.push(window),
            Err(problem) => {
                report
                    .error(Code::Value, span, format!("`{text}` is not from when to when"))
                    .cause(problem)
                    .hint("FROM-TO and the IANA name of the zone: `22:00-06:00 Europe/Berlin`");
            }
        }
    }
    if windows.is_empty() && report.is_clean() {
        report
            .error(Code::Value, node.span, "there is no time in it")
            .hint("write `\"22:00-06:00 Europe/Berlin\"`, or remove it");
    }
    windows
}

fn weekdays(node: &Node, report: &mut Report<'_>) -> Vec<jiff::civil::Weekday> {
    let mut found = Vec::new();
    for (text, span) in texts(node, "a day", report) {
        match days(text) {
            Some(days) => found.extend(days),
            None => {
                report
                    .error(Code::Value, span, format!("`{text}` is not a day"))
                    .hint("`mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`, or from one to another: `mon-fri`");
            }
        }
    }
    if found.is_empty() && report.is_clean() {
        report
            .error(Code::Value, node.span, "`days` names no day")
            .hint("remove it: then it is every day");
    }
    found
}
