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

#[test]
fn every_split_of_a_stream_of_events_gives_what_the_whole_gives() {
    let value = token("github-token", &mut Seed::new(32));
    for provider in 0..5 {
        let (head, rest) = value.split_at(9);
        let (middle, tail) = rest.split_at(11);
        let parts = ["here it is: ", head, middle, tail, " and that", " was it"];
        let stream: String = parts.iter().map(|part| event(provider, part)).collect();
        let expected = run(&[stream.as_bytes()]);
        assert_eq!(joined(provider, &expected.0), shown(&parts.concat()), "{provider}");
        for at in 0..stream.len() {
            let (head, tail) = stream.as_bytes().split_at(at);
            assert_eq!(run(&[head, tail]), expected, "{provider} cut at {at}");
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

fn place(position: u64) -> usize {
    usize::try_from(position).unwrap()
}

#[test]
fn a_value_spread_over_messages_is_hidden_in_place() {
    let mut seed = Seed::new(34);
    for provider in 0..5 {
        for name in ["github-token", "password", "private-key"] {
            let value = token(name, &mut seed);
            let text = format!("here it is: {value} and that was it");
            let parts = text.as_bytes().chunks(5).map(|part| std::str::from_utf8(part).unwrap());
            let events: Vec<String> = parts.map(|part| event(provider, part)).collect();
            let messages: Vec<&str> = events
                .iter()
                .map(|event| event.trim_end().rsplit("data: ").next().unwrap())
                .collect();
            let mut stream = MessageRedactor::new(&engine());
            let mut output = Vec::new();
            for message in &messages {
                output.extend(stream.push(message.as_bytes()));
            }
            output.extend(stream.finish());
            assert_eq!(output.len(), messages.len());
            let lines: Vec<String> = output
                .into_iter()
                .map(|message| format!("data: {}\n\n", String::from_utf8(message).unwrap()))
                .collect();
            let lines = lines.concat();
            assert_eq!(joined(provider, &lines), shown(&text), "{provider} {name}");
            let whole = messages.concat();
            let found = stream.take_findings();
            assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start));
            let hidden: String = found
                .iter()
                .map(|finding| whole.get(place(finding.start)..place(finding.end)).unwrap())
                .collect();
            let hidden = hidden.replace("\\n", "\n").replace("\\\"", "\"");
            assert!(value.contains(&hidden) && hidden.len() >= 16, "{provider} {name}");
        }
    }
}

#[test]
fn messages_keep_their_ends_and_what_is_in_one_alone_is_hidden_there() {
    let mut seed = Seed::new(35);
    let value = token("github-token", &mut seed);
    let mut stream = MessageRedactor::new(&engine());
    let messages = [
        format!("{{\"meta\":\"{value}\"}}"),
        String::new(),
        format!("no JSON: {value}"),
        "{\"password\":".to_owned(),
        "\"q8Zk2mPw\"}".to_owned(),
    ];
    let output: Vec<Vec<u8>> = messages
        .iter()
        .flat_map(|message| stream.push(message.as_bytes()))
        .collect();
    let expected = [
        "{\"meta\":\"[REDACTED:github-token]\"}",
        "",
        "no JSON: [REDACTED:github-token]",
        "{\"password\":",
        "\"q8Zk2mPw\"}",
    ];
    assert_eq!(output, expected.map(|message| message.as_bytes().to_vec()));
    assert!(stream.finish().is_empty());
    let found = stream.take_findings();
    assert_eq!(place(found[1].start), messages[0].len() + "no JSON: ".len());
}

#[test]
fn a_mask_stands_in_every_piece_and_a_pseudonym_in_the_first() {
    let mut seed = Seed::new(36);
    let value = token("github-token", &mut seed);
    let (head, tail) = value.split_at(9);
    let text = [event(0, &format!("a {head}")), event(0, tail), event(0, " b")].concat();
    let masked = |part: &str| "*".repeat(part.len());
    let redacted = |style| {
        let options = Options {
            style,
            ..Options::default()
        };
        let mut stream = EventRedactor::new(&Arc::new(Engine::new(&options).unwrap()));
        let output = [stream.push(text.as_bytes()).to_vec(), stream.finish().to_vec()].concat();
        String::from_utf8(output).unwrap()
    };
    let expected = [
        event(0, &format!("a {}", masked(head))),
        event(0, &masked(tail)),
        event(0, " b"),
    ];
    assert_eq!(redacted(Style::Mask), expected.concat());
    let named = redacted(Style::Pseudonym(vec![7; 32]));
    let name = named.split(['[', ']']).find(|part| part.starts_with("github-token:"));
    let name = name.unwrap_or_else(|| panic!("{named}"));
    let expected = [event(0, &format!("a [{name}]")), event(0, ""), event(0, " b")];
    assert_eq!(name.len(), "github-token:5f0c9a2e71d3".len());
    assert_eq!(named, expected.concat());
}
