use super::{Api, Asked, ModelCall, asked, only_counts};
use crate::exchange::Exchange;
use crate::json::Leaf;

/// What a request says of a call, one document of it at a time.
#[derive(Default)]
pub(crate) struct RequestDraft {
    asked: Option<Asked>,
    /// It is no call, whatever it looks like.
    never: bool,
    document: Document,
    /// The API is a guess by the shape of the request, which the answer may correct.
    pub(super) guessed: bool,
}

#[derive(Default)]
struct Document {
    model: String,
    stream: Option<bool>,
    tools: u64,
    /// Gemini's tools are in groups.
    declared: u64,
    /// What it would be by its shape.
    shape: Option<Api>,
    /// Of messages over a WebSocket.
    kind: String,
}

impl RequestDraft {
    /// By the head of a request.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        // A WebSocket is asked for by GET, or by CONNECT (RFC 8441).
        let may_be_call = matches!(method, "POST" | "GET" | "CONNECT");
        Self {
            asked: asked(path).filter(|asked| method == "POST" || may_be_call && asked.model.is_none()),
            never: only_counts(path),
            ..Self::default()
        }
    }

    /// Takes a value of the request. `true` if a call of several that one exchange has begins with it.
    pub(crate) fn value(&mut self, path: &str, leaf: Leaf<'_>) -> bool {
        let document = &mut self.document;
        // The Gemini CLI's requests are wrapped, and those of OpenAI's realtime interface.
        let inner = path.strip_prefix("request.").or_else(|| path.strip_prefix("response."));
        match (inner.unwrap_or(path), leaf) {
            ("", Leaf::Object) => *document = Document::default(),
            ("", Leaf::End) => return document.kind == "response.create",
            ("type", Leaf::Text(kind)) if inner.is_none() => kind.clone_into(&mut document.kind),
            ("model", Leaf::Text(model)) => model.clone_into(&mut document.model),
            ("stream", Leaf::Bool(stream)) => document.stream = Some(stream),
            ("tools[]" | "functions[]" | "toolConfig.tools[]", Leaf::Object) => document.tools += 1,
            ("tools[].functionDeclarations[]" | "tools[].function_declarations[]", Leaf::Object) => {
                document.declared += 1;
            }
            ("messages", Leaf::Array) => document.shape = Some(Api::OpenAiChat),
            ("contents", Leaf::Array) => document.shape = Some(Api::Gemini),
            ("input", _) => document.shape = document.shape.or(Some(Api::OpenAiResponses)),
            ("prompt", _) => document.shape = document.shape.or(Some(Api::OpenAiCompletions)),
            _ => {}
        }
        false
    }

    /// How it would be spoken to, as far as it is known.
    pub(super) fn api(&self) -> Option<Api> {
        let by_path = self.asked.as_ref().map(|asked| asked.api);
        by_path.or(self.document.shape)
    }

    /// Whether what was said until now is a call.
    fn is_call(&self) -> bool {
        match &self.asked {
            _ if self.never => false,
            Some(asked) => asked.model.is_some() || !self.document.model.is_empty(),
            None => !self.document.model.is_empty() && self.document.shape.is_some(),
        }
    }

    /// Puts into the exchange what is known by now.
    pub(crate) fn settle(&mut self, exchange: &mut Exchange) {
        let Some(api) = self.api().filter(|_| self.is_call()) else {
            return;
        };
        self.guessed |= self.asked.is_none() && exchange.call.is_none();
        let host = &exchange.host;
        let call = exchange.call.get_or_insert_with(|| ModelCall::new(api, host));
        let document = &self.document;
        let by_path = self.asked.as_ref().and_then(|asked| asked.model.as_ref());
        let model = by_path.filter(|_| document.model.is_empty()).unwrap_or(&document.model);
        model.clone_into(&mut call.model_asked);
        call.stream = document.stream.unwrap_or(call.stream) || self.asked.as_ref().is_some_and(|asked| asked.stream);
        call.tools_offered = if api == Api::Gemini {
            document.declared
        } else {
            document.tools
        };
    }

    pub(crate) fn memory(&self) -> usize {
        self.document.model.capacity() + self.document.kind.capacity()
    }
}
