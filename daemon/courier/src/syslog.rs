//! Syslog (RFC 5424) over TLS (RFC 5425): each message with its length before it.

use std::io::Write;
use std::time::{Duration, Instant};

use aa_wire::event::Effect;

use crate::destination::{Message, Refusal, Sending};
use crate::http::HttpError;
use crate::render::host_name;
use crate::tls::connect;

/// `log audit`.
const FACILITY: u8 = 13;
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends records over a connection of their own: TLS and TCP end it in order only if the receiver's machine took all of them.
pub(crate) fn deliver(sending: &Sending<'_>, data_id: Option<&str>, messages: &[Message]) -> Result<u64, Refusal> {
    let host = host_name();
    let frames: Vec<u8> = messages
        .iter()
        .flat_map(|message| frame(message, &host, data_id))
        .collect();
    let send = || -> Result<(), HttpError> {
        let mut stream = connect(sending.address, sending.trust, Instant::now() + PATIENCE)?;
        stream.write_all(&frames)?;
        stream.flush()?;
        Ok(stream.finish()?)
    };
    send()?;
    Ok(0)
}

fn frame(message: &Message, host: &str, data_id: Option<&str>) -> Vec<u8> {
    let text = text(message, host, data_id);
    format!("{} {text}", text.len()).into_bytes()
}

/// `<PRI>1 TIME HOST APP PROCID MSGID DATA MSG`; the message is the event as JSON.
fn text(message: &Message, host: &str, data_id: Option<&str>) -> String {
    let event = &message.event;
    // Six digits of a second are the most there may be.
    let time: String = event.time.to_string().trim_end_matches('Z').chars().take(26).collect();
    let data = data_id.map_or_else(
        || "-".to_owned(),
        |id| {
            format!(
                "[{id} id=\"{}\" kind=\"{}\" effect=\"{}\"]",
                event.id, event.kind, event.effect
            )
        },
    );
    let body = serde_json::to_string(event).unwrap_or_default();
    format!(
        "<{}>1 {time}Z {} aa-sensord - {} {data} \u{feff}{body}",
        FACILITY * 8 + severity(event.effect),
        printable(host, 255),
        printable(&event.action, 32)
    )
}

/// As RFC 5424 counts: 6 informational, 5 notice, 4 warning, 2 critical.
fn severity(effect: Effect) -> u8 {
    match effect {
        Effect::Allowed => 6,
        Effect::WouldDeny | Effect::Held => 5,
        Effect::Denied => 4,
        Effect::Killed | Effect::Suspended => 2,
    }
}

fn printable(text: &str, most: usize) -> String {
    let text: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use aa_wire::event::Kind;
    use aa_wire::{Event, Timestamp};

    use super::*;

    #[test]
    fn a_message_has_the_parts_of_rfc_5424_and_its_length_in_bytes() {
        let time = Timestamp { unix_ns: 1_000_000_001 };
        let mut event = Event::bare(time, Kind::Decision, Effect::Denied, "exec and more");
        event.detail = Some("line\nbreak é".to_owned());
        let message = Message { event, chain: [0; 8] };
        let text = text(&message, "node 1", Some("aa@32473"));
        let head = "<108>1 1970-01-01T00:00:01.000000Z node1 aa-sensord - execandmore [aa@32473 id=\"0\" kind=\"decision\" effect=\"denied\"] \u{feff}{";
        assert!(text.starts_with(head), "{text}");
        assert!(!text.contains('\n'));
        let frame = frame(&message, "node 1", None);
        let at = frame.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&frame[..at]).unwrap().parse().unwrap();
        assert_eq!(length, frame.len() - at - 1);
    }
}
