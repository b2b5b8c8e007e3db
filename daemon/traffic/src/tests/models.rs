use std::io::Write as _;

use super::*;
use crate::testing::{BEDROCK, amazon_answer, wrapped};
use crate::{Api, ModelCall, Provider};

fn call(heard: &Heard) -> &ModelCall {
    assert!(heard.only().doubts.is_empty(), "{:?}", heard.only().doubts);
    heard.only().call.as_ref().expect("a call")
}

/// Input, output, read from the cache, written there, reasoning.
fn usage(call: &ModelCall) -> [Option<u64>; 5] {
    let usage = call.usage;
    [
        usage.input,
        usage.output,
        usage.cache_read,
        usage.cache_write,
        usage.reasoning,
    ]
}

const CHAT: &str = r#"{"model":"gpt-5","messages":[{"role":"user","content":"model \"x\""}],"tools":[{"type":"function","function":{"name":"run","parameters":{}}},{"type":"function","function":{"name":"read"}}]}"#;

#[test]
fn openai_chat() {
    let heard = hear(&vec![
        post("api.openai.com", "/v1/chat/completions", CHAT),
        answer(
            r#"{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-5-2025-08-07","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"run","arguments":"{\"model\":\"no\"}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":82,"completion_tokens":17,"total_tokens":99,"prompt_tokens_details":{"cached_tokens":64},"completion_tokens_details":{"reasoning_tokens":5}}}"#,
        ),
    ]);
    let call = call(&heard);
    assert_eq!(
        (call.api, call.provider, call.stream),
        (Api::OpenAiChat, Provider::OpenAi, false)
    );
    assert_eq!(
        (call.model_asked.as_str(), call.model_answered.as_str()),
        ("gpt-5", "gpt-5-2025-08-07")
    );
    assert_eq!(
        (call.tools_offered, call.tools_called.as_slice()),
        (2, ["run".to_owned()].as_slice())
    );
    assert_eq!(usage(call), [Some(82), Some(17), Some(64), None, Some(5)]);
    assert_eq!(call.stop_reason, "tool_calls");
}

#[test]
fn openai_chat_in_events_compressed() {
    let events = [
        r#"{"model":"gpt-5","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"call_1","function":{"name":"run","arguments":""}}]},"finish_reason":null}],"usage":null}"#,
        r#"{"model":"gpt-5","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},"finish_reason":null}]}"#,
        r#"{"model":"gpt-5","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"{"model":"gpt-5","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":20}}"#,
        "[DONE]",
    ];
    let text = events.map(|event| format!("data: {event}\n\n")).concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let body = gzip.finish().unwrap();
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in body.chunks(50) {
        bytes.extend(
            format!("{:x}\r\n", piece.len())
                .bytes()
                .chain(piece.iter().copied())
                .chain(*b"\r\n"),
        );
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    let asked = CHAT.replacen('{', r#"{"stream":true,"#, 1);
    let heard = hear(&vec![
        post("llm.internal:8080", "/v1/chat/completions", &asked),
        received(bytes),
    ]);
    assert_eq!(heard.body(Direction::Received), text);
    let call = call(&heard);
    assert_eq!(
        (call.provider, call.stream, call.tool_calls),
        (Provider::Other, true, 1)
    );
    assert_eq!(usage(call), [Some(10), Some(20), None, None, None]);
    assert_eq!(call.stop_reason, "tool_calls");
}

#[test]
fn openai_responses() {
    let item = r#"{"id":"fc_1","type":"function_call","status":"completed","arguments":"{}","call_id":"call_1","name":"shell"}"#;
    let search = r#"{"id":"ws_1","type":"web_search_call","status":"completed"}"#;
    let response = format!(
        r#"{{"id":"resp_1","status":"completed","model":"gpt-5-codex","output":[{{"id":"rs_1","type":"reasoning"}},{item},{search}],"usage":{{"input_tokens":7,"input_tokens_details":{{"cached_tokens":3}},"output_tokens":11,"output_tokens_details":{{"reasoning_tokens":9}}}}}}"#
    );
    let events = [
        format!(r#"{{"type":"response.output_item.added","item":{item}}}"#),
        format!(r#"{{"type":"response.output_item.done","item":{item}}}"#),
        format!(r#"{{"type":"response.completed","response":{response}}}"#),
    ];
    let events = events.map(|event| format!("event: x\ndata: {event}\n\n")).concat();
    let asked = r#"{"input":[{"type":"message","model":"no"}],"tools":[{"type":"function","name":"shell"}],"stream":true,"model":"gpt-5-codex"}"#;
    for (got, tools) in [
        (answer(&response), ["shell", "web_search_call"]),
        (chunked("text/event-stream", &[&events]), ["shell", "web_search_call"]),
    ] {
        let heard = hear(&vec![post("chatgpt.com", "/backend-api/codex/responses", asked), got]);
        let call = call(&heard);
        assert_eq!((call.api, call.provider), (Api::OpenAiResponses, Provider::OpenAi));
        assert_eq!(
            (call.model_asked.as_str(), call.model_answered.as_str()),
            ("gpt-5-codex", "gpt-5-codex")
        );
        assert_eq!(
            (call.tools_offered, call.tools_called.as_slice()),
            (1, tools.map(str::to_owned).as_slice())
        );
        assert_eq!(usage(call), [Some(7), Some(11), Some(3), None, Some(9)]);
        assert_eq!(call.stop_reason, "completed");
    }
}

#[test]
fn anthropic() {
    let asked = r#"{"model":"claude-sonnet-4-5","max_tokens":1024,"tools":[{"name":"bash","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":[{"type":"tool_use","name":"no"}]}],"stream":true}"#;
    let whole = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[{"type":"text","text":"hi"},{"id":"toolu_1","input":{"name":"no"},"name":"bash","type":"tool_use"}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":2095,"cache_creation_input_tokens":100,"cache_read_input_tokens":200,"output_tokens":503}}"#;
    let events = [
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude-sonnet-4-5-20250929","stop_reason":null,"usage":{"input_tokens":2095,"cache_creation_input_tokens":100,"cache_read_input_tokens":200,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"bash","input":{}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"name\":\"no\"}"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":503}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let events: Vec<String> = events
        .iter()
        .map(|event| format!("event: x\r\ndata: {event}\r\n\r\n"))
        .collect();
    let pieces: Vec<&str> = events.iter().map(String::as_str).collect();
    for got in [answer(whole), chunked("text/event-stream", &pieces)] {
        let heard = hear(&vec![post("api.anthropic.com", "/v1/messages?beta=true", asked), got]);
        let call = call(&heard);
        assert_eq!(
            (call.api, call.provider, call.stream),
            (Api::Anthropic, Provider::Anthropic, true)
        );
        assert_eq!(call.model_answered, "claude-sonnet-4-5-20250929");
        assert_eq!(
            (call.tools_offered, call.tools_called.as_slice()),
            (1, ["bash".to_owned()].as_slice())
        );
        assert_eq!(usage(call), [Some(2095), Some(503), Some(200), Some(100), None]);
        assert_eq!(call.stop_reason, "tool_use");
    }
}

#[test]
fn gemini() {
    let asked = r#"{"contents":[{"role":"user","parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"ls"},{"name":"rm"}]},{"googleSearch":{}}]}"#;
    let one = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"ls","args":{"name":"no"}}}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":12,"totalTokenCount":12},"modelVersion":"gemini-2.5-pro"}"#;
    let two = r#"{"candidates":[{"content":{"parts":[{"text":"x"}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":34,"cachedContentTokenCount":5,"thoughtsTokenCount":6},"modelVersion":"gemini-2.5-pro"}"#;
    let path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent";
    let wrapped = format!(r#"{{"model":"gemini-2.5-pro","project":"p","request":{asked}}}"#);
    for (path, asked, got) in [
        (
            path,
            asked,
            chunked(
                "text/event-stream",
                &[&format!("data: {one}\r\n\r\n"), &format!("data: {two}\r\n\r\n")],
            ),
        ),
        (path, asked, chunked("application/json", &["[", one, ",\r\n", two, "]"])),
        (
            "/v1internal:streamGenerateContent",
            wrapped.as_str(),
            chunked(
                "text/event-stream",
                &[&format!(
                    "data: {{\"response\":{one}}}\n\ndata: {{\"response\":{two}}}\n\n"
                )],
            ),
        ),
    ] {
        let heard = hear(&vec![
            post(
                "generativelanguage.googleapis.com",
                &format!("{path}?alt=sse&key=AIza"),
                asked,
            ),
            got,
        ]);
        let call = call(&heard);
        assert_eq!(
            (call.api, call.provider, call.stream),
            (Api::Gemini, Provider::Google, true)
        );
        assert_eq!(
            (call.model_asked.as_str(), call.model_answered.as_str()),
            ("gemini-2.5-pro", "gemini-2.5-pro")
        );
        assert_eq!(
            (call.tools_offered, call.tools_called.as_slice()),
            (2, ["ls".to_owned()].as_slice())
        );
        assert_eq!(usage(call), [Some(12), Some(34), Some(5), None, Some(6)]);
        assert_eq!(call.stop_reason, "STOP");
    }
}

#[test]
fn ollama() {
    let one = r#"{"model":"llama3.2","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"weather","arguments":{"name":"no"}}}]},"done":false}"#;
    let last = r#"{"model":"llama3.2","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"total_duration":4883583458,"prompt_eval_count":26,"eval_count":282}"#;
    let asked = r#"{"model":"llama3.2","messages":[],"tools":[{"type":"function","function":{"name":"weather"}}]}"#;
    let heard = hear(&vec![
        post("localhost:11434", "/api/chat", asked),
        chunked("application/x-ndjson", &[&format!("{one}\n"), &format!("{last}\n")]),
    ]);
    let call = call(&heard);
    assert_eq!(
        (call.api, call.provider, call.stream),
        (Api::Ollama, Provider::Ollama, true)
    );
    assert_eq!(
        (call.tools_offered, call.tools_called.as_slice()),
        (1, ["weather".to_owned()].as_slice())
    );
    assert_eq!(usage(call), [Some(26), Some(282), None, None, None]);
    assert_eq!(
        (call.model_answered.as_str(), call.stop_reason.as_str()),
        ("llama3.2", "stop")
    );
}

#[test]
fn another_path_is_known_by_the_shape() {
    let heard = hear(&vec![
        post("gateway.corp", "/llm", CHAT),
        answer(r#"{"model":"m","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}"#),
    ]);
    assert_eq!(
        (call(&heard).api, call(&heard).model_asked.as_str()),
        (Api::Anthropic, "gpt-5")
    );
    let other = hear(&vec![
        post("gateway.corp", "/v1/messages", r#"{"to":"me"}"#),
        answer(r#"{"ok":true}"#),
    ]);
    assert_eq!(other.only().call, None);
}

#[test]
fn bedrock_converse() {
    let asked = r#"{"messages":[{"role":"user","content":[{"text":"x"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"top_song"}}]}}"#;
    let whole = r#"{"metrics":{"latencyMs":1275},"output":{"message":{"content":[{"text":"x"},{"toolUse":{"toolUseId":"t","name":"top_song","input":{"name":"no"}}}],"role":"assistant"}},"stopReason":"tool_use","usage":{"inputTokens":30,"outputTokens":628,"totalTokens":658,"cacheReadInputTokens":4,"cacheWriteInputTokens":2}}"#;
    let events = [
        r#"{"p":"abc","role":"assistant"}"#,
        r#"{"contentBlockIndex":0,"start":{"toolUse":{"name":"top_song","toolUseId":"t"}}}"#,
        r#"{"stopReason":"tool_use"}"#,
        r#"{"metrics":{"latencyMs":1},"usage":{"inputTokens":30,"outputTokens":628,"totalTokens":658,"cacheReadInputTokens":4,"cacheWriteInputTokens":2}}"#,
    ]
    .map(str::to_owned);
    for (path, got, stream) in [
        ("converse", answer(whole), false),
        ("converse-stream", amazon_answer(&events), true),
    ] {
        let path = format!("/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/{path}");
        let heard = hear(&vec![post(BEDROCK, &path, asked), got]);
        let call = call(&heard);
        assert_eq!(
            (call.api, call.provider, call.stream),
            (Api::BedrockConverse, Provider::Amazon, stream)
        );
        assert_eq!(call.model_asked, "anthropic.claude-3-5-sonnet-20241022-v2:0");
        assert_eq!(
            (call.tools_offered, call.tools_called.as_slice()),
            (1, ["top_song".to_owned()].as_slice())
        );
        assert_eq!(usage(call), [Some(30), Some(628), Some(4), Some(2), None]);
        assert_eq!(call.stop_reason, "tool_use");
    }
}

#[test]
fn bedrock_invoke_in_events() {
    let events = [
        r#"{"type":"message_start","message":{"model":"claude-sonnet-4","content":[],"usage":{"input_tokens":9,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"bash","input":{}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":21}}"#,
        r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":9,"outputTokenCount":21,"invocationLatency":1}}"#,
    ]
    .map(wrapped);
    let asked = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":10,"messages":[],"tools":[{"name":"bash"}]}"#;
    let path = "/model/us.anthropic.claude-sonnet-4/invoke-with-response-stream";
    let heard = hear(&vec![post(BEDROCK, path, asked), amazon_answer(&events)]);
    let call = call(&heard);
    assert_eq!(
        (call.api, call.stream, call.tools_offered),
        (Api::BedrockInvoke, true, 1)
    );
    assert_eq!(
        (call.tools_called.as_slice(), call.stop_reason.as_str()),
        (["bash".to_owned()].as_slice(), "tool_use")
    );
    assert_eq!(usage(call), [Some(9), Some(21), None, None, None]);
}

#[test]
fn mistral_is_openai_s_chat() {
    let heard = hear(&vec![
        post("api.mistral.ai", "/v1/chat/completions", CHAT),
        answer(
            r#"{"model":"mistral-large-latest","choices":[{"message":{"tool_calls":[{"function":{"name":"run","arguments":"{}"},"id":"a"}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"total_tokens":7,"completion_tokens":4}}"#,
        ),
    ]);
    let call = call(&heard);
    assert_eq!((call.api, call.provider), (Api::OpenAiChat, Provider::Mistral));
    assert_eq!(usage(call), [Some(3), Some(4), None, None, None]);
}

#[test]
fn a_stored_response_that_is_got_again_costs_nothing() {
    let heard = hear(&vec![
        sent("GET /v1/responses/resp_1 HTTP/1.1\r\nHost: api.openai.com\r\n\r\n"),
        answer(r#"{"id":"resp_1","model":"gpt-5","usage":{"input_tokens":3,"output_tokens":7}}"#),
    ]);
    assert_eq!(heard.only().call, None);
}

#[test]
fn a_call_whose_question_cannot_be_read_still_has_its_cost() {
    let heard = hear(&vec![
        sent(
            "POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\nContent-Encoding: secret\r\nContent-Length: 3\r\n\r\nxyz",
        ),
        answer(r#"{"model":"claude-sonnet-5","stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":7}}"#),
    ]);
    assert!(heard.only().doubts.contains(crate::Doubt::UnknownCoding));
    let call = heard.only().call.as_ref().unwrap();
    assert_eq!(
        (call.api, call.model_answered.as_str(), call.usage.output),
        (Api::Anthropic, "claude-sonnet-5", Some(7))
    );
}

#[test]
fn of_bedrock_s_other_models_the_cost_is_in_the_head() {
    let path = "/model/meta.llama3-8b-instruct-v1%3A0/invoke";
    let heard = hear(&vec![
        post(BEDROCK, path, r#"{"prompt":"x"}"#),
        received(
            "HTTP/1.1 200 OK\r\nX-Amzn-Bedrock-Input-Token-Count: 5\r\nX-Amzn-Bedrock-Output-Token-Count: 6\r\nContent-Length: 2\r\n\r\n{}",
        ),
    ]);
    assert_eq!(call(&heard).model_asked, "meta.llama3-8b-instruct-v1:0");
    assert_eq!(usage(call(&heard)), [Some(5), Some(6), None, None, None]);
}

#[test]
fn azure_names_no_model_in_the_body() {
    let path = "/openai/deployments/our-gpt/chat/completions?api-version=2024-10-21";
    let heard = hear(&vec![
        post("us.openai.azure.com", path, r#"{"messages":[],"stream":true}"#),
        chunked(
            "text/event-stream",
            &["data: {\"model\":\"gpt-4o\",\"choices\":[]}\n\n"],
        ),
    ]);
    let call = call(&heard);
    assert_eq!(
        (call.provider, call.model_asked.as_str(), call.stream),
        (Provider::Azure, "our-gpt", true)
    );
    assert_eq!((call.model_answered.as_str(), call.usage.input), ("gpt-4o", None));
}

#[test]
fn counting_tokens_is_no_call() {
    let asked = r#"{"model":"claude-sonnet-5","messages":[]}"#;
    let heard = hear(&vec![
        post("api.anthropic.com", "/v1/messages/count_tokens", asked),
        answer(r#"{"input_tokens":14}"#),
    ]);
    assert_eq!(heard.only().call, None);
}
