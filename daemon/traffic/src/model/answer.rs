use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Api, ModelCall, RequestDraft, Usage};
use crate::exchange::{Exchange, Field, Protocol};
use crate::json::Leaf;

/// What an answer says of a call, in one document or in many.
#[derive(Default)]
pub(crate) struct AnswerDraft {
    item: Item,
    /// Hashes of ids of calls of tools, for streams that tell them again at the end.
    told: Vec<u64>,
    kind: String,
    /// What it is by its shape.
    shape: Option<Api>,
    /// What was said before it was known to be a call.
    model: String,
    stop_reason: String,
}

/// An object that is a call of a tool if its type is.
#[derive(Default)]
struct Item {
    kind: String,
    name: String,
    id: String,
}

impl Item {
    /// The tool's name: those that providers run themselves have none but their type's.
    fn tool(&self) -> Option<&str> {
        let is_call = self.kind.ends_with("_call") || self.kind.ends_with("tool_use");
        let name = if self.name.is_empty() { &self.kind } else { &self.name };
        is_call.then_some(name)
    }
}

/// Where a name is that of a tool that is called.
const TOOL_NAMES: [&str; 8] = [
    "choices[].message.tool_calls[].function.name",
    "choices[].delta.tool_calls[].function.name",
    "choices[].message.function_call.name",
    "choices[].delta.function_call.name",
    "candidates[].content.parts[].functionCall.name",
    "tool_calls[].function.name",
    "output.message.content[].toolUse.name",
    "start.toolUse.name",
];

/// Where an [`Item`] is: OpenAI's responses, whole and in pieces, and Anthropic's messages.
const ITEMS: [&str; 4] = ["output[]", "item", "content[]", "content_block"];

/// The ends of a response over a WebSocket.
const ENDS: [&str; 5] = [
    "response.completed",
    "response.done",
    "response.failed",
    "response.incomplete",
    "error",
];

fn is_model(path: &str) -> bool {
    matches!(path, "model" | "modelVersion")
}

fn is_stop_reason(path: &str) -> bool {
    matches!(
        path,
        "choices[].finish_reason"
            | "stop_reason"
            | "delta.stop_reason"
            | "candidates[].finishReason"
            | "done_reason"
            | "stopReason"
            | "incomplete_details.reason"
    )
}

/// What a count counts.
fn count_of<'a>(usage: &'a mut Usage, path: &str) -> Option<&'a mut Option<u64>> {
    let path = path.strip_prefix("amazon-bedrock-invocationMetrics.").unwrap_or(path);
    Some(match path {
        "usage.prompt_tokens"
        | "usage.input_tokens"
        | "usage.inputTokens"
        | "usageMetadata.promptTokenCount"
        | "prompt_eval_count"
        | "inputTokenCount" => &mut usage.input,
        "usage.completion_tokens"
        | "usage.output_tokens"
        | "usage.outputTokens"
        | "usageMetadata.candidatesTokenCount"
        | "eval_count"
        | "outputTokenCount" => &mut usage.output,
        "usage.prompt_tokens_details.cached_tokens"
        | "usage.input_tokens_details.cached_tokens"
        | "usage.cache_read_input_tokens"
        | "usage.cacheReadInputTokens"
        | "cacheReadInputTokenCount"
        | "usage.prompt_cache_hit_tokens"
        | "usageMetadata.cachedContentTokenCount" => &mut usage.cache_read,
        "usage.cache_creation_input_tokens" | "usage.cacheWriteInputTokens" | "cacheWriteInputTokenCount" => {
            &mut usage.cache_write
        }
        "usage.completion_tokens_details.reasoning_tokens"
        | "usage.output_tokens_details.reasoning_tokens"
        | "usageMetadata.thoughtsTokenCount" => &mut usage.reasoning,
        _ => return None,
    })
}

/// Bedrock says the counts of every model in fields of the answer too.
pub(crate) fn usage_of_fields(usage: &mut Usage, fields: &[Field]) {
    for field in fields {
        let place = match field.name.as_str() {
            "x-amzn-bedrock-input-token-count" => &mut usage.input,
            "x-amzn-bedrock-output-token-count" => &mut usage.output,
            "x-amzn-bedrock-cache-read-input-token-count" => &mut usage.cache_read,
            "x-amzn-bedrock-cache-write-input-token-count" => &mut usage.cache_write,
            _ => continue,
        };
        *place = std::str::from_utf8(&field.value)
            .ok()
            .and_then(|value| value.parse().ok());
    }
}

/// Whose answers alone have this.
fn shape(path: &str) -> Option<Api> {
    Some(match path {
        "choices[]" => Api::OpenAiChat,
        "candidates[]" => Api::Gemini,
        "output[]" => Api::OpenAiResponses,
        "stop_reason" | "delta.stop_reason" => Api::Anthropic,
        "prompt_eval_count" => Api::Ollama,
        "output.message" => Api::BedrockConverse,
        _ => return None,
    })
}

impl AnswerDraft {
    /// Takes a value of the answer. `true` if a call of several that one exchange has ends with it.
    pub(crate) fn value(
        &mut self,
        path: &str,
        leaf: Leaf<'_>,
        exchange: &mut Exchange,
        request: &mut RequestDraft,
        listed: usize,
    ) -> bool {
        // Gemini streams an array where it is not asked for events. Some answers are wrapped: Anthropic's first event, OpenAI's last, those of
        // the Gemini CLI.
        let path = path
            .strip_prefix("[]")
            .map_or(path, |path| path.trim_start_matches('.'));
        let inner = path.strip_prefix("message.").or_else(|| path.strip_prefix("response."));
        match (path, leaf) {
            ("", Leaf::Object) => self.kind.clear(),
            ("", Leaf::End) => return ENDS.contains(&self.kind.as_str()),
            ("type", Leaf::Text(kind)) => kind.clone_into(&mut self.kind),
            _ => {}
        }
        let path = inner.unwrap_or(path);
        self.item(path, leaf, exchange, listed);
        self.fact(path, leaf, exchange, request, listed);
        false
    }

    fn fact(&mut self, path: &str, leaf: Leaf<'_>, exchange: &mut Exchange, request: &mut RequestDraft, listed: usize) {
        if let Some(api) = shape(path) {
            self.shape = Some(api);
            if let Some(call) = exchange.call.as_mut().filter(|_| request.guessed) {
                call.api = api;
            }
        }
        if let Some(count) = leaf.count() {
            self.count(path, count, exchange, request);
            return;
        }
        let Leaf::Text(text) = leaf else { return };
        let Some(call) = &mut exchange.call else {
            match path {
                _ if is_model(path) => text.clone_into(&mut self.model),
                _ if is_stop_reason(path) => text.clone_into(&mut self.stop_reason),
                _ => {}
            }
            return;
        };
        match path {
            _ if is_model(path) => text.clone_into(&mut call.model_answered),
            _ if is_stop_reason(path) => text.clone_into(&mut call.stop_reason),
            "status" if call.api == Api::OpenAiResponses => text.clone_into(&mut call.stop_reason),
            _ if TOOL_NAMES.contains(&path) => add_tool(call, text, listed),
            _ => {}
        }
    }

    /// A count makes a call of an exchange of which the request could not be read.
    fn count(&mut self, path: &str, count: u64, exchange: &mut Exchange, request: &mut RequestDraft) {
        let mut usage = exchange.call.as_ref().map(|call| call.usage).unwrap_or_default();
        let Some(place) = count_of(&mut usage, path) else {
            return;
        };
        *place = Some(count);
        // What was said of an earlier call is got again, and costs nothing.
        if !matches!(exchange.method.as_str(), "" | "POST") && exchange.protocol != Protocol::WebSocket {
            return;
        }
        if exchange.call.is_none() {
            request.guessed = request.api().is_none();
            let api = request.api().or(self.shape).unwrap_or(Api::OpenAiChat);
            exchange.call = Some(ModelCall {
                model_answered: std::mem::take(&mut self.model),
                stop_reason: std::mem::take(&mut self.stop_reason),
                ..ModelCall::new(api, &exchange.host)
            });
        }
        if let Some(call) = &mut exchange.call {
            call.usage = usage;
        }
    }

    fn item(&mut self, path: &str, leaf: Leaf<'_>, exchange: &mut Exchange, listed: usize) {
        let Some((place, key)) = ITEMS.iter().find_map(|place| Some((place, path.strip_prefix(place)?))) else {
            return;
        };
        match (key, leaf) {
            ("", Leaf::Object) => self.item = Item::default(),
            (".type", Leaf::Text(kind)) => kind.clone_into(&mut self.item.kind),
            (".name", Leaf::Text(name)) => name.clone_into(&mut self.item.name),
            (".id", Leaf::Text(id)) => id.clone_into(&mut self.item.id),
            ("", Leaf::End) => {
                let item = std::mem::take(&mut self.item);
                let (Some(tool), Some(call)) = (item.tool(), &mut exchange.call) else {
                    return;
                };
                if self.is_new(&item.id, place) {
                    add_tool(call, tool, listed);
                }
            }
            _ => {}
        }
    }

    /// OpenAI tells an item when it is added, when it is done, and again with the whole response.
    fn is_new(&mut self, id: &str, place: &str) -> bool {
        if id.is_empty() || !matches!(place, "item" | "output[]") {
            return true;
        }
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let hash = hasher.finish();
        let new = !self.told.contains(&hash);
        if new && self.told.len() < TOLD_MAX {
            self.told.push(hash);
        }
        new
    }

    /// The next answer of the same exchange.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn memory(&self) -> usize {
        let item = self.item.kind.capacity() + self.item.name.capacity() + self.item.id.capacity();
        item + self.told.capacity() * 8 + self.kind.capacity() + self.model.capacity() + self.stop_reason.capacity()
    }
}

/// Ids that are remembered; linear in each look, so that there are few.
const TOLD_MAX: usize = 256;

fn add_tool(call: &mut ModelCall, name: &str, listed: usize) {
    // Some fill the name of later pieces with nothing.
    if name.is_empty() {
        return;
    }
    call.tool_calls += 1;
    if call.tools_called.len() < listed {
        call.tools_called.push(name.to_owned());
    }
}
