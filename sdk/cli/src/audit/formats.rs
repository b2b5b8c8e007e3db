//! CSV (RFC 4180) and CEF (ArcSight's Common Event Format 0).

use aa_wire::Event;
use aa_wire::event::{Effect, Object};

use super::search::hosts;

const COLUMNS: [&str; 19] = [
    "id",
    "time",
    "kind",
    "effect",
    "verdict",
    "agent",
    "session",
    "pid",
    "uid",
    "executable",
    "action",
    "object",
    "second_object",
    "host",
    "policy",
    "rule",
    "reason",
    "exchange",
    "detail",
];

pub(super) fn csv_heading() -> String {
    COLUMNS.join(",") + "\r\n"
}

/// A line; what is not there is empty.
pub(super) fn csv(event: &Event) -> String {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(String::new, |value| value.to_string())
    }
    let (agent, process) = (event.agent.as_ref(), event.process.as_ref());
    let cells: [String; COLUMNS.len()] = [
        event.id.to_string(),
        event.time.to_string(),
        event.kind.to_string(),
        event.effect.to_string(),
        text(event.verdict),
        agent_name(event),
        text(agent.map(|agent| agent.session)),
        text(process.map(|process| process.pid)),
        text(process.map(|process| process.uid)),
        text(process.map(|process| &process.executable)),
        event.action.clone(),
        text(event.object.as_ref()),
        text(event.second_object.as_ref()),
        hosts(event).join(" "),
        text(event.policy.as_ref().and_then(|policy| policy.name.as_ref())),
        text(event.rule.as_ref().and_then(|rule| rule.text.as_ref())),
        text(event.reason.as_ref().map(|reason| &reason.text)),
        text(event.exchange.as_ref()),
        text(event.detail.as_ref()),
    ];
    cells.map(|cell| csv_cell(&cell)).join(",") + "\r\n"
}

/// An apostrophe before what a spreadsheet would take for a formula: names are chosen by whoever is governed.
fn csv_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

fn agent_name(event: &Event) -> String {
    event.agent.as_ref().map_or_else(String::new, |agent| {
        agent.name.clone().unwrap_or_else(|| format!("agent {}", agent.id))
    })
}

/// A line, with the standard's own keys where it has some.
pub(super) fn cef(event: &Event) -> String {
    let severity = match event.effect {
        Effect::Allowed => 1,
        Effect::WouldDeny | Effect::Held => 4,
        Effect::Denied => 6,
        Effect::Killed | Effect::Suspended => 9,
    };
    let header = [
        "aa-sensord",
        "aa-sensord",
        env!("CARGO_PKG_VERSION"),
        &event.action,
        &format!("{} {}", event.action, event.effect),
    ];
    let header = header.map(cef_header).join("|");
    let fields = cef_fields(event).into_iter().filter(|(_, value)| !value.is_empty());
    let fields: Vec<String> = fields
        .map(|(key, value)| format!("{key}={}", cef_value(&value)))
        .collect();
    format!("CEF:0|{header}|{severity}|{}\n", fields.join(" "))
}

fn cef_fields(event: &Event) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("rt", (event.time.unix_ns / 1_000_000).to_string()),
        ("externalId", event.id.to_string()),
        ("cat", event.kind.to_string()),
        ("act", event.action.clone()),
        ("outcome", event.effect.to_string()),
        ("suser", agent_name(event)),
    ];
    if let Some(process) = &event.process {
        fields.extend([
            ("spid", process.pid.to_string()),
            ("suid", process.uid.to_string()),
            ("sproc", process.executable.to_string()),
        ]);
    }
    fields.extend(cef_object(event));
    if let Some(exchange) = &event.exchange {
        fields.extend([
            ("requestMethod", exchange.method.to_string()),
            ("dhost", exchange.host.to_string()),
            ("request", exchange.path.to_string()),
            ("out", exchange.request_bytes.to_string()),
            ("in", exchange.answer_bytes.to_string()),
        ]);
    }
    let labelled = [
        (
            "cs1Label",
            "policy",
            "cs1",
            event.policy.as_ref().and_then(|policy| policy.name.clone()),
        ),
        (
            "cs2Label",
            "rule",
            "cs2",
            event.rule.as_ref().and_then(|rule| rule.text.clone()),
        ),
    ];
    for (label, name, key, value) in labelled {
        if let Some(value) = value {
            fields.extend([(label, name.to_owned()), (key, value)]);
        }
    }
    fields.push((
        "reason",
        event
            .reason
            .as_ref()
            .map_or_else(String::new, |reason| reason.text.clone()),
    ));
    fields.push(("msg", event.detail.clone().unwrap_or_default()));
    fields
}

fn cef_object(event: &Event) -> Vec<(&'static str, String)> {
    match &event.object {
        Some(Object::Path { path, .. }) => vec![("filePath", path.to_string())],
        Some(Object::Address {
            address,
            port,
            protocol,
            names,
        }) => vec![
            ("dst", address.to_string()),
            ("dpt", port.to_string()),
            ("proto", protocol.clone()),
            ("dhost", names.first().map_or_else(String::new, ToString::to_string)),
        ],
        Some(Object::Host { name }) => vec![("dhost", name.to_string())],
        Some(Object::Process { pid }) => vec![("dpid", pid.to_string())],
        Some(other) => vec![("fname", other.to_string())],
        None => Vec::new(),
    }
}

fn cef_header(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace(['\r', '\n'], " ")
}

fn cef_value(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('=', "\\=");
    text.replace('\n', "\\n").replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_csv_and_no_formula() {
        let mut event = crate::why::tests::denial();
        let line = csv(&event);
        assert_eq!(line.matches(',').count(), COLUMNS.len() - 1, "{line}");
        assert!(line.starts_with("17,1970-01-01T00:00:05"), "{line}");
        event.action = "=cmd|' /C calc'!A0".to_owned();
        event.detail = Some("a \"b\",\r\nc".to_owned());
        let line = csv(&event);
        assert!(
            line.contains(",'=cmd|") && line.ends_with("\"a \"\"b\"\",\r\nc\"\r\n"),
            "{line}"
        );
    }

    #[test]
    fn nothing_in_an_event_leaves_its_field_of_cef() {
        let mut event = crate::why::tests::denial();
        event.action = "a|b\\c".to_owned();
        event.detail = Some("x=1\nCEF:0|forged".to_owned());
        let line = cef(&event);
        assert!(line.starts_with("CEF:0|aa-sensord|aa-sensord|"), "{line}");
        assert!(
            line.contains("|a\\|b\\\\c|") && line.contains("msg=x\\=1\\nCEF:0|forged\n"),
            "{line}"
        );
        assert_eq!(line.matches('\n').count(), 1);
        assert!(
            line.contains(" spid=100 ") && line.contains(" outcome=denied "),
            "{line}"
        );
    }
}
