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
