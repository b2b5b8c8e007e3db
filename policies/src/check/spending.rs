//! `spend`.

use super::{Draft, list, mapping, one_of, text, unknown_key};
use crate::diagnostic::{Code, Report, Span};
use crate::money::Money;
use crate::rule::{Pattern, Section};
use crate::spend::{SpendLimit, SpendUnit, SpendWindow, Spending, parse_count};
use crate::syntax::{Entry, Node};
use crate::verdict::Verdict;
use jiff::tz::TimeZone;

const KEYS: [&str; 10] = [
    "session", "hour", "day", "week", "month", "tokens", "calls", "zone", "warn", "then",
];
const WINDOWS: [&str; 5] = ["session", "hour", "day", "week", "month"];

impl Draft {
    /// `{day: $20, month: $300, tokens: {hour: 2M}, calls: {day: 500}, zone: Europe/Berlin, warn: [50%, 80%], then: suspend}`
    pub(super) fn spend(&mut self, node: &Node, report: &mut Report<'_>) {
        let Some(entries) = mapping(node, "`spend`", report) else {
            return;
        };
        let mut spending = Spending {
            zone: TimeZone::UTC,
            warn: Vec::new(),
        };
        let mut verdict = Verdict::Deny;
        let mut limits: Vec<(SpendLimit, Span)> = Vec::new();
        for entry in entries {
            match entry.key.as_str() {
                "tokens" => limits.extend(counts(SpendUnit::Tokens, entry, report)),
                "calls" => limits.extend(counts(SpendUnit::Calls, entry, report)),
                "zone" => spending.zone = zone(&entry.node, report).unwrap_or(TimeZone::UTC),
                "warn" => spending.warn = marks(&entry.node, report),
                "then" => verdict = then(&entry.node, report).unwrap_or(verdict),
                _ => limits.extend(limit(SpendUnit::MicroDollars, entry, &KEYS, report)),
            }
        }
        if limits.is_empty() && report.is_clean() {
            report
                .error(Code::Missing, node.span, "`spend` says no limit")
                .hint("write `spend: {day: $20}`, or remove it");
        }
        for (limit, span) in limits {
            self.rule(Section::Spend, verdict, limit.to_string(), Pattern::Spend(limit), span);
        }
        self.spending = Some(spending);
    }
}

fn counts(unit: SpendUnit, entry: &Entry, report: &mut Report<'_>) -> Vec<(SpendLimit, Span)> {
    let entries = mapping(&entry.node, &format!("`{}`", entry.key), report).unwrap_or_default();
    let limits = entries.iter().filter_map(|entry| limit(unit, entry, &WINDOWS, report));
    limits.collect()
}

/// `day: $20`
fn limit(unit: SpendUnit, entry: &Entry, keys: &[&str], report: &mut Report<'_>) -> Option<(SpendLimit, Span)> {
    let Some(window) = SpendWindow::from_word(&entry.key) else {
        unknown_key(
            entry,
            keys,
            &[("year", "limit the `month`"), ("minute", "limit the `hour`")],
            report,
        );
        return None;
    };
    let written = text(&entry.node, &format!("`{}`", entry.key), report)?;
    let (most, what, hint) = match unit {
        SpendUnit::MicroDollars => (
            Money::parse(written).map(|money| money.0),
            "sum of dollars",
            "`$20` or `$0.50`, at most six digits behind the point; tokens and calls stand below `tokens` and `calls`",
        ),
        SpendUnit::Tokens | SpendUnit::Calls => (
            parse_count(written),
            "number",
            "`1500`, `500k` or `2M`, without a point",
        ),
    };
    if most.is_none() {
        report
            .error(Code::Value, entry.node.span, format!("`{written}` is no {what}"))
            .hint(hint);
    }
    let limit = SpendLimit {
        unit,
        window,
        most: most?,
    };
    Some((limit, entry.span))
}

fn zone(node: &Node, report: &mut Report<'_>) -> Option<TimeZone> {
    let name = text(node, "`zone`", report)?;
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        report
            .error(Code::Value, node.span, format!("there is no time zone `{name}`"))
            .hint("its IANA name: `Europe/Berlin`, `UTC`");
    }
    zone
}

/// `[50%, 80%]`
fn marks(node: &Node, report: &mut Report<'_>) -> Vec<u8> {
    let mut marks = Vec::new();
    for item in list(node, "`warn`", report) {
        let Some(written) = text(item, "a mark", report) else {
            continue;
        };
        let mark = written.strip_suffix('%').and_then(|digits| digits.parse::<u8>().ok());
        match mark.filter(|mark| (1..=100).contains(mark)) {
            Some(mark) => marks.push(mark),
            None => {
                report
                    .error(
                        Code::Value,
                        item.span,
                        format!("`{written}` is not a part of the whole"),
                    )
                    .hint("`50%`, from `1%` to `100%`");
            }
        }
    }
    marks.sort_unstable();
    marks.dedup();
    marks
}

fn then(node: &Node, report: &mut Report<'_>) -> Option<Verdict> {
    if text(node, "`then`", report)? == "ask" {
        report
            .error(Code::NotYet, node.span, "`then: ask` is not known by this version yet")
            .hint("write `then: deny`: a call is judged while it is sent, which is no time for a person");
        return None;
    }
    let choices = [Verdict::Deny, Verdict::Suspend, Verdict::Kill].map(|one| (one.word(), one));
    one_of(node, &choices, report)
}
