use super::*;

/// One event of each provider that carries a piece of text.
fn event(provider: usize, piece: &str) -> String {
    let piece = String::from_utf8(encodings::quoted(piece.as_bytes())).unwrap();
    match provider {
        0 => format!(
            "data: {{\"id\":\"chatcmpl-1\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{piece}}}}}]}}\n\n"
        ),
        1 => format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":{piece}}}}}\n\n"
        ),
        2 => format!(
            "data: {{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": {piece}}}],\"role\": \"model\"}}}}]}}\r\n\r\n"
        ),
        3 => format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"level\":\"info\",\"data\":{piece}}}}}\n\n"
        ),
        _ => format!(
            "data: {{\"type\":\"response.output_text.delta\",\"item_id\":\"msg_7\",\"output_index\":0,\"content_index\":0,\"delta\":{piece}}}\n\n"
        ),
    }
}

fn run(pieces: &[&[u8]]) -> (String, Vec<Finding>) {
    let mut stream = EventRedactor::new(&engine());
    let mut output = Vec::new();
    for piece in pieces {
        output.extend_from_slice(stream.push(piece));
    }
    output.extend_from_slice(stream.finish());
    (String::from_utf8(output).unwrap(), stream.take_findings())
}

#[test]
fn a_value_spread_over_events_is_hidden_in_place() {
    let mut seed = Seed::new(31);
    for provider in 0..5 {
        for name in [
            "github-token",
            "anthropic-api-key",
            "password",
            "private-key",
            "aws-access-key-id",
        ] {
            let value = token(name, &mut seed);
            let text = format!("here it is: {value} and that was it");
            for width in [1, 3, 5, 11] {
                let parts: Vec<&str> = text
                    .as_bytes()
                    .chunks(width)
                    .map(|part| std::str::from_utf8(part).unwrap())
                    .collect();
                let stream: String = parts.iter().map(|part| event(provider, part)).collect();
                let (output, findings) = run(&[stream.as_bytes()]);
                assert_eq!(joined(provider, &output), shown(&text), "{provider} {name} {width}");
                assert!(!findings.is_empty());
                let single: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
                assert_eq!(run(&single), (output, findings));
            }
        }
    }
}

/// What a client puts together from the events.
fn joined(provider: usize, stream: &str) -> String {
    let mark = event(provider, "\u{1}");
    let head = mark.split('\u{1}').next().unwrap();
    let head = head.rsplit('\n').next().unwrap().to_owned();
    let mut text = String::new();
    for line in stream
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("event:"))
    {
        let rest = line.strip_prefix(&head).unwrap();
        let value: String = rest
            .split("\"}")
            .next()
            .unwrap()
            .split("\"]")
            .next()
            .unwrap()
            .to_owned();
        text.push_str(&value.replace("\\n", "\n").replace("\\\"", "\""));
    }
    text
}

#[test]
fn parallel_answers_are_not_mixed() {
    let piece = |index: usize, text: &str| {
        format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    let mut seed = Seed::new(32);
    let value = token("github-token", &mut seed);
    let (head, tail) = value.split_at(20);
    let stream = [
        piece(0, head),
        piece(1, "and the other says nothing "),
        piece(0, tail),
        piece(1, "at all"),
        piece(0, " ."),
    ]
    .concat();
    let (output, _) = run(&[stream.as_bytes()]);
    assert_eq!(
        output,
        [
            piece(0, "[REDACTED:github-token]"),
            piece(1, "and the other says nothing "),
            piece(0, ""),
            piece(1, "at all"),
            piece(0, " .")
        ]
        .concat()
    );
}

#[test]
fn what_is_not_a_piece_of_text_is_redacted_as_everywhere() {
    let mut seed = Seed::new(33);
    let value = token("github-token", &mut seed);
    let (output, findings) =
        run(&[format!("id: {value}\ndata: {{\"meta\":\"{value}\",\"text\":\"x\"}}\n\n").as_bytes()]);
    assert_eq!(
        output,
        "id: [REDACTED:github-token]\ndata: {\"meta\":\"[REDACTED:github-token]\",\"text\":\"x\"}\n\n"
    );
    assert_eq!(findings[1].start, 4 + 40 + 1 + 15);
}
