//! `aasm events`: a line an event.

use aa_sdk::{Client, Streamed};
use aa_wire::api::{EventFilter, EventsQuery};
use aa_wire::event::{Effect, Kind};
use aa_wire::{Event, Timestamp, WireError};

use crate::cli::EventsArgs;
use crate::exit::Failure;
use crate::{print, print_json};

const DEFAULT_LIMIT: u32 = 50;

pub(crate) fn events(client: Client, arguments: &EventsArgs) -> Result<(), Failure> {
    let since = arguments
        .since
        .as_deref()
        .map(|text| parse_since(text, Timestamp::now()))
        .transpose()?;
    let query = EventsQuery {
        follow: arguments.follow,
        since,
        after: None,
        limit: arguments
            .limit
            .or(if since.is_some() { None } else { Some(DEFAULT_LIMIT) }),
        filter: EventFilter {
            agent: arguments.agent.clone(),
            denied: arguments.denied,
            ..EventFilter::default()
        },
    };
    for streamed in client.events(query)? {
        match streamed? {
            Streamed::Event(event) if arguments.output.json => print_json(&event)?,
            Streamed::Event(event) => print(&format!("{}\n", line(&event))),
            Streamed::Skipped(count) => eprintln!("aasm: too slow for {count} events; they are in the log"),
        }
    }
    Ok(())
}

/// One event on one line: number, time, effect, who, what, on what, by which rule.
pub(crate) fn line(event: &Event) -> String {
    // To milliseconds: 2026-11-21T01:58:55.123
    let time: String = event.time.to_string().chars().take(23).collect();
    let effect = if event.effect == Effect::Allowed && event.kind != Kind::Decision {
        ""
    } else {
        event.effect.as_str()
    };
    let effect = if event.kind == Kind::Loss { "LOST" } else { effect };
    let who = event.agent.as_ref().map_or_else(
        || "-".to_owned(),
        |agent| agent.name.clone().unwrap_or_else(|| format!("agent {}", agent.id)),
    );
    let pid = event
        .process
        .as_ref()
        .map_or_else(String::new, |process| format!("[{}]", process.pid));
    let mut line = format!("{:>6}  {time}  {effect:<10}  {who}{pid}  {}", event.id, event.action);
    for object in event.object.iter().chain(&event.second_object) {
        line.push(' ');
        line.push_str(&object.to_string());
    }
    if let Some(exchange) = &event.exchange {
        line.push(' ');
        line.push_str(&exchange.to_string());
    }
    if let Some(detail) = &event.detail {
        line.push_str(": ");
        line.push_str(&aa_wire::text::escape(detail.as_bytes()));
    }
    if crate::why::is_denied(event) {
        line += "  (";
        line += &crate::why::short_reason(event);
        line.push(')');
    }
    line
}

/// `30s`, `10m`, `2h`, `1d` before now, or a time.
pub(crate) fn parse_since(text: &str, now: Timestamp) -> Result<Timestamp, WireError> {
    let usage = || {
        WireError::new("usage", format!("`{text}` is not a time"))
            .hint("write 30s, 10m, 2h, 1d or 2026-11-21T00:00:00Z")
    };
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400_u64)];
    for (unit, seconds) in units {
        if let Some(count) = text.strip_suffix(unit).and_then(|count| count.parse::<u64>().ok()) {
            let ago = count.checked_mul(seconds * 1_000_000_000).ok_or_else(usage)?;
            return Ok(Timestamp {
                unix_ns: now.unix_ns.saturating_sub(ago),
            });
        }
    }
    text.parse().map_err(|_| usage())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_while_ago_is_counted_from_now() {
        let now = Timestamp {
            unix_ns: 7_200_000_000_001,
        };
        assert_eq!(parse_since("2h", now).unwrap().unix_ns, 1);
        assert_eq!(parse_since("3h", now).unwrap().unix_ns, 0);
        assert_eq!(parse_since("1970-01-01T00:00:05Z", now).unwrap().unix_ns, 5_000_000_000);
        for text in [
            "",
            "h",
            "5x",
            "yesterday",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert_eq!(parse_since(text, now).unwrap_err().code, "usage", "{text}");
        }
    }

    #[test]
    fn an_event_is_one_line_that_says_who_what_and_why() {
        let line = line(&crate::why::tests::denial());
        assert_eq!(
            line,
            "    17  1970-01-01T00:00:05.000  denied      claude[100]  exec /usr/bin/sudo sudo -i  \
             (rule `deny: sudo`, coding-agent.yaml:31)"
        );
    }

    #[test]
    fn what_the_daemon_did_has_no_process() {
        let mut event = Event::bare(Timestamp::default(), Kind::Lifecycle, Effect::Allowed, "start");
        event.detail = Some("gateway\n0.1.0".into());
        assert_eq!(
            line(&event),
            "     0  1970-01-01T00:00:00.000              -  start: gateway\\x0a0.1.0"
        );
    }
}
