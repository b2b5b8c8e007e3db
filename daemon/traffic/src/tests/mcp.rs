use super::*;
use crate::testing::{TOOL_CALL as CALL, TOOL_RESULT as RESULT};
use crate::{Doubt, McpKind, McpMessage, StdioMcp};

fn messages(heard: &Heard) -> Vec<(Direction, McpKind, &str, &str, &str, bool)> {
    let of = |message: &'_ McpMessage| (message.direction, message.kind);
    let all = heard.done.iter().flat_map(|done| &done.0.mcp);
    all.map(|message| {
        let (direction, kind) = of(message);
        (
            direction,
            kind,
            message.id.as_str(),
            message.method.as_str(),
            message.name.as_str(),
            message.is_error,
        )
    })
    .collect()
}

#[test]
fn a_call_of_a_tool_is_answered_in_json_or_in_events() {
    let json = received(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{RESULT}",
        RESULT.len()
    ));
    let note = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#;
    let events = chunked(
        "text/event-stream",
        &[
            &format!("event: message\ndata: {note}\n\n"),
            &format!("id: 1\ndata: {RESULT}\n\n"),
        ],
    );
    let asked = (
        Direction::Sent,
        McpKind::Request,
        "2",
        "tools/call",
        "get_weather",
        false,
    );
    let answered = (Direction::Received, McpKind::Result, "2", "", "", true);
    let noted = (
        Direction::Received,
        McpKind::Notification,
        "",
        "notifications/progress",
        "",
        false,
    );
    assert_eq!(
        messages(&hear(&vec![post("mcp.test", "/mcp", CALL), json])),
        [asked, answered]
    );
    assert_eq!(
        messages(&hear(&vec![post("mcp.test", "/mcp", CALL), events])),
        [asked, noted, answered]
    );
}

#[test]
fn batches_are_messages() {
    let batch = format!(
        r#"[{CALL}, {{"method":"tools/list","id":"a","jsonrpc":"2.0"}}, {{"id":3,"jsonrpc":"2.0","error":{{"code":-32601,"message":"x"}}}}]"#
    );
    let heard = hear(&vec![post("mcp.test", "/mcp", &batch)]);
    let kinds: Vec<_> = messages(&heard)
        .iter()
        .map(|message| (message.1, message.2.to_owned(), message.5))
        .collect();
    let expected = [
        (McpKind::Request, "2", false),
        (McpKind::Request, "a", false),
        (McpKind::Error, "3", true),
    ];
    assert_eq!(
        kinds,
        expected.map(|(kind, id, is_error)| (kind, id.to_owned(), is_error))
    );
}

#[test]
fn of_many_the_first_are_kept_and_all_are_told() {
    let body = format!("[{}]", vec![CALL; 1000].join(","));
    let heard = hear(&vec![post("mcp.test", "/mcp", &body)]);
    assert_eq!(heard.only().mcp.len(), Limits::default().listed);
    assert_eq!(heard.told.iter().filter(|line| line.starts_with("Mcp(")).count(), 1000);
}

#[test]
fn json_that_is_not_read_to_its_end_is_doubted() {
    let heard = hear(&vec![post("mcp.test", "/mcp", CALL.split_at(50).0)]);
    assert!(heard.only().doubts.contains(Doubt::BadJson));
}

#[test]
fn pipes_carry_a_message_a_line() {
    let text = format!("{CALL}\n{CALL}\nnot json\n{CALL}\n{CALL}");
    for size in [1, 10, 1000] {
        let (mut pipes, mut count) = (StdioMcp::default(), 0);
        for piece in text.as_bytes().chunks(size) {
            pipes.bytes(Direction::Received, piece, &mut |message| {
                assert_eq!(
                    (message.name.as_str(), message.direction),
                    ("get_weather", Direction::Received)
                );
                count += 1;
            });
        }
        pipes.closed(&mut |_| ());
        assert_eq!((count, pipes.unreadable()), (4, 1));
    }
    let (mut pipes, mut count) = (StdioMcp::default(), 0);
    pipes.bytes(Direction::Sent, &CALL.as_bytes()[..30], &mut |_| count += 1);
    pipes.gap(Direction::Sent);
    pipes.bytes(
        Direction::Sent,
        format!("{}\n{CALL}\n", CALL.split_at(60).1).as_bytes(),
        &mut |_| count += 1,
    );
    assert_eq!((count, pipes.unreadable()), (1, 1));
}

/// The calls of tools in a request of this body: name and arguments, `?` where they are not known.
fn calls(body: &str) -> Vec<String> {
    let mut conversation = Conversation::new(Limits::default());
    let mut calls = Vec::new();
    let mut tell = |told: Told<'_>| {
        if let Told::Calls(_, call) = told {
            let name = call.name.as_deref().unwrap_or("?");
            let arguments = call.arguments.as_ref().map_or("?".to_owned(), ToString::to_string);
            calls.push(format!("{name} {arguments}"));
        }
    };
    for piece in post("mcp.test", "/mcp", body).1.chunks(7) {
        conversation.bytes(Direction::Sent, piece, &mut tell);
    }
    calls
}

#[test]
fn what_a_tool_is_called_with_is_told_as_a_parser_of_whole_documents_reads_it() {
    let arguments = serde_json::json!({
        "path": "/srv/a b\"\\\u{1f600}\u{7}", "a.b": {"?": [1, -2.5, true, null, [], {}, [{"x": "y"}]]},
        "": "", "text": "x".repeat(60_000), "n": 18_446_744_073_709_551_615_u64,
    });
    let call = |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    let params = format!(r#"{{"name":"fs.read","arguments":{arguments},"_meta":{{"a/b.c":1}}}}"#);
    let expected = format!("fs.read {arguments}");
    assert_eq!(calls(&call(&params)), std::slice::from_ref(&expected));
    let reversed = format!(r#"{{"params":{params},"method":"tools/call"}}"#);
    assert_eq!(
        calls(&reversed),
        std::slice::from_ref(&expected),
        "servers that want no version"
    );
    assert_eq!(
        calls(&format!("[{},{}]", call(&params), call(r#"{"name":"x"}"#))),
        [expected, "x {}".to_owned()]
    );
    assert!(calls(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).is_empty());
}

#[test]
fn where_readers_could_differ_nothing_is_said_of_a_call() {
    for message in [
        r#"{"method":"tools/call","params":{"name":"a","name":"b","arguments":{}}}"#,
        r#"{"method":"tools/call","params":{"name":"a","Name":"b"}}"#,
        r#"{"method":"tools/call","Params":{"name":"b"},"params":{"name":"a"}}"#,
        r#"{"METHOD":"tools/call","params":{"name":"a"}}"#,
        r#"{"method":"tools/list","method":"tools/call","params":{"name":"a"}}"#,
        r#"{"method":"tools/call","method":"tools/list","params":{"name":"a"}}"#,
        r#"{"method":"tools/call","param\u017f":{"name":"b"},"params":{"name":"a"}}"#,
        r#"{"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}"#,
        r#"{"method":"tools/call","params":["a",{}]}"#,
        r#"{"method":"tools/call","params":{"name":7}}"#,
        r#"{"method":"tools/call","params":{"name":["a"]}}"#,
        r#"{"method":"tools/call"}"#,
    ] {
        assert_eq!(calls(message), ["? ?"], "{message}");
    }
    let long = format!(r#"{{"method":"tools/call","params":{{"name":"{}"}}}}"#, "a".repeat(300));
    assert_eq!(calls(&long), ["? ?"]);
}

#[test]
fn arguments_that_are_not_all_known_are_not_told() {
    let deep = format!("{}1{}", "[".repeat(20), "]".repeat(20));
    for arguments in [
        r#"{"sql":"select 1","sql":"drop"}"#.to_owned(),
        r#"{"a":{"b":1,"b":2}}"#.to_owned(),
        format!(r#"{{"a":{deep}}}"#),
        format!(r#"{{"a":"{}"}}"#, "x".repeat(70_000)),
        format!(r#"{{"{}":1}}"#, "k".repeat(65)),
        format!(r#"{{"a":[{}1]}}"#, "1,".repeat(5000)),
        r#"{"a":1e999}"#.to_owned(),
        r#"{"a":1},"arguments":{"a":2}"#.to_owned(),
        r#"{"a":1},"Arguments":{"a":2}"#.to_owned(),
    ] {
        let message = format!(r#"{{"method":"tools/call","params":{{"name":"x","arguments":{arguments}}}}}"#);
        let told = calls(&message);
        assert!(told == ["x ?"] || told == ["? ?"], "{told:?}");
    }
    assert_eq!(
        calls(r#"{"method":"tools/call","params":{"name":"x","arguments":7}}"#),
        ["x 7"]
    );
}

#[test]
fn json_that_is_not_all_readable_may_be_any_call() {
    let half = r#"{"method":"tools/call","params":{"name":"x""#;
    assert_eq!(calls(half), ["? ?"]);
    // Some servers read UTF-16.
    let wide: String = r#"{"method":"tools/call"}"#.chars().flat_map(|c| [c, '\0']).collect();
    assert_eq!(calls(&wide), ["? ?"]);
    assert_eq!(calls(&format!("\u{feff}{half}")), ["? ?"]);
    assert_eq!(calls("\0{}"), ["? ?"]);
}
