//! Slack's incoming webhooks: the address is the secret.

use serde_json::json;

use crate::destination::{Message, Refusal, Sending, judge};
use crate::http::post;
use crate::render::{host_name, line};

/// Letters of one line: names of files can be long.
const LINE: usize = 700;

pub(crate) fn deliver(sending: &Sending<'_>, messages: &[Message]) -> Result<u64, Refusal> {
    judge(&post(sending.address, &[], text(messages).as_bytes(), sending.trust)?)?;
    Ok(0)
}

/// Plain text: what agents choose the names of becomes neither a link nor a mention.
fn text(messages: &[Message]) -> String {
    let mut text = format!("aa-sensord on {}", escape(&host_name()));
    for message in messages {
        let line: String = line(&message.event).chars().take(LINE).collect();
        text = format!("{text}\n{}", escape(&line));
    }
    json!({"text": text, "mrkdwn": false, "unfurl_links": false, "unfurl_media": false, "link_names": false})
        .to_string()
}

/// As Slack wants its control characters.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use aa_wire::event::{Effect, Kind};
    use aa_wire::{Event, Timestamp};

    use super::*;

    #[test]
    fn names_that_agents_choose_mention_nobody() {
        let mut event = Event::bare(Timestamp::default(), Kind::Lifecycle, Effect::Denied, "exec");
        event.detail = Some("<!channel> <https://evil|ok> & \n".to_owned() + &"x".repeat(5000));
        let message = Message { event, chain: [0; 8] };
        let text = text(&[message.clone(), message]);
        assert!(text.contains("&lt;!channel&gt;") && !text.contains("<!"), "{text}");
        assert!(text.len() < 2000 && text.matches("\\n").count() == 2);
    }
}
