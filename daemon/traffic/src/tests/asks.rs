//! Which models a request is for, as it can be told before it is all sent.

use super::*;
use crate::testing::{codex, handshake, message};

/// What each request is told to name, in order, once where it is told twice in a row.
fn asked(trace: &Trace) -> Vec<Vec<String>> {
    let mut asked: Vec<Vec<String>> = Vec::new();
    // The same however it is cut.
    hear(trace);
    let mut conversation = Conversation::new(Limits::default());
    for (direction, bytes) in trace {
        conversation.bytes(*direction, bytes, &mut |told| {
            if let Told::Asks(_, ask) = told
                && asked.last().is_none_or(|last| last != ask.models)
            {
                asked.push(ask.models.to_vec());
            }
        });
    }
    asked
}

fn of(path: &str, body: &str) -> Vec<Vec<String>> {
    asked(&vec![post("api.example.com", path, body)])
}

fn names(models: &[&str]) -> Vec<Vec<String>> {
    vec![models.iter().map(|model| (*model).to_owned()).collect()]
}

/// How much the last that is told lets be answered.
fn most(path: &str, body: &str) -> Option<u64> {
    let mut most = None;
    let (direction, bytes) = post("api.example.com", path, body);
    Conversation::new(Limits::default()).bytes(direction, &bytes, &mut |told| {
        if let Told::Asks(_, ask) = told {
            most = ask.most_output;
        }
    });
    most
}

#[test]
fn what_may_be_answered_is_told_where_the_api_has_it() {
    for (path, body, tokens) in [
        (CHAT, r#"{"model":"m","messages":[],"max_tokens":100}"#, Some(100)),
        (CHAT, r#"{"model":"m","messages":[],"max_tokens":100,"n":3}"#, Some(300)),
        (
            CHAT,
            r#"{"model":"m","messages":[],"max_completion_tokens":7,"max_tokens":9}"#,
            Some(9),
        ),
        (
            CHAT,
            r#"{"model":"m","max_tokens":9,"messages":[],"max_tokens":1}"#,
            Some(9),
        ),
        (CHAT, r#"{"model":"m","messages":[],"max_output_tokens":1}"#, None),
        (
            CHAT,
            r#"{"model":"m","messages":[{"max_tokens":1}],"max_tokens":null}"#,
            None,
        ),
        ("/elsewhere", r#"{"max_tokens":5,"model":"m","messages":[]}"#, Some(5)),
        (
            "/v1/responses",
            r#"{"model":"m","input":"x","max_output_tokens":50}"#,
            Some(50),
        ),
        (
            "/v1/messages",
            r#"{"model":"m","max_tokens":18446744073709551615,"n":2}"#,
            Some(u64::MAX),
        ),
        ("/v1/messages", r#"{"model":"m","options":{"num_predict":1}}"#, None),
        ("/v1/embeddings", r#"{"model":"m","input":"x"}"#, Some(0)),
        (
            "/api/chat",
            r#"{"model":"m","messages":[],"options":{"num_predict":12}}"#,
            Some(12),
        ),
        (
            "/v1beta/models/g:generateContent",
            r#"{"contents":[],"generationConfig":{"maxOutputTokens":64,"candidateCount":2}}"#,
            Some(128),
        ),
        (
            "/v1internal:generateContent",
            r#"{"model":"g","request":{"contents":[],"generationConfig":{"maxOutputTokens":8}}}"#,
            Some(8),
        ),
        (
            "/model/m/converse",
            r#"{"messages":[],"inferenceConfig":{"maxTokens":33}}"#,
            Some(33),
        ),
    ] {
        assert_eq!(most(path, body), tokens, "{path} {body}");
    }
}

const CHAT: &str = "/v1/chat/completions";

#[test]
fn a_model_is_told_wherever_it_stands() {
    assert_eq!(of(CHAT, r#"{"messages":[],"model":"gpt-5"}"#), names(&["gpt-5"]));
    assert_eq!(
        of("/elsewhere", r#"{"messages":[],"model":"gpt-5"}"#),
        names(&["gpt-5"])
    );
    assert_eq!(of(CHAT, r#"{"mod\u0065l":"gpt\u002d5"}"#), names(&["gpt-5"]));
    let gemini = "/v1beta/models/gemini-2.5-pro:generateContent?key=k";
    assert_eq!(of(gemini, r#"{"contents":[]}"#), names(&["gemini-2.5-pro"]));
    assert_eq!(of("/elsewhere", r#"{"model":"gpt-5"}"#), Vec::<Vec<String>>::new());
    assert_eq!(
        of("/v1/messages/count_tokens", r#"{"model":"m","messages":[]}"#),
        Vec::<Vec<String>>::new()
    );
}

#[test]
fn every_model_that_may_answer_is_told() {
    let twice = r#"{"model":"gpt-5","messages":[],"model":"gpt-6"}"#;
    assert_eq!(of(CHAT, twice), names(&["gpt-5", "gpt-6"]));
    let wrapped = r#"{"model":"gpt-5","request":{"model":"gpt-6"},"messages":[]}"#;
    assert_eq!(of(CHAT, wrapped), names(&["gpt-5", "gpt-6"]));
    let in_turn = r#"{"model":"a","models":["b","c"],"messages":[]}"#;
    assert_eq!(of(CHAT, in_turn), names(&["a", "b", "c"]));
    let by_path = "/v1beta/models/gemini-2.5-pro:generateContent";
    assert_eq!(
        of(by_path, r#"{"model":"small","contents":[]}"#),
        names(&["gemini-2.5-pro", "small"])
    );
    let documents = r#"{"model":"a","messages":[]} {"model":"b","messages":[]}"#;
    assert_eq!(of(CHAT, documents).last(), names(&["a", "b"]).last());
}

#[test]
fn a_call_whose_model_cannot_be_told_names_none() {
    let many: Vec<String> = (0..17).map(|number| format!("\"m{number}\"")).collect();
    let long = "m".repeat(300);
    for body in [
        r#"{"messages":[]}"#.to_owned(),
        "model=gpt-5".to_owned(),
        r#"{"model":"gpt-5","n":nan,"model":"gpt-6"}"#.to_owned(),
        r#"{"model":"gpt-5""#.to_owned(),
        format!(r#"{{"model":"gpt-5","models":[{}]}}"#, many.join(",")),
        format!(r#"{{"model":"gpt-5","model":"{long}"}}"#),
    ] {
        assert_eq!(of(CHAT, &body).last(), Some(&Vec::new()), "{body}");
    }
    let coded = format!("POST {CHAT} HTTP/1.1\r\nHost: h\r\nContent-Encoding: lzma\r\nContent-Length: 2\r\n\r\n{{}}");
    assert_eq!(asked(&vec![sent(coded)]), [Vec::<String>::new()]);
}

#[test]
fn what_is_not_all_sent_is_not_told_to_name_none() {
    let head = format!("POST {CHAT} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{{\"messages\":[");
    assert_eq!(asked(&vec![sent(head)]), Vec::<Vec<String>>::new());
    let listed = sent(format!("GET {CHAT} HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_eq!(asked(&vec![listed]), Vec::<Vec<String>>::new());
}

#[test]
fn a_websocket_names_its_model_in_its_target_or_in_its_messages() {
    assert_eq!(asked(&codex()), names(&["gpt-5-codex"]));
    let target = "/v1/realtime?intent=x&model=gpt%2Drealtime";
    let realtime = |target: &str| -> Trace {
        let mut trace = handshake("");
        trace[0].1 = String::from_utf8_lossy(&trace[0].1)
            .replacen("/backend-api/codex/responses", target, 1)
            .into_bytes();
        trace.push(sent(message(
            0x81,
            Some([1, 2, 3, 4]),
            br#"{"type":"response.create"}"#,
        )));
        trace
    };
    assert_eq!(asked(&realtime(target)), names(&["gpt-realtime"]));
    assert_eq!(asked(&realtime("/v1/realtime")), [Vec::<String>::new()]);
}
