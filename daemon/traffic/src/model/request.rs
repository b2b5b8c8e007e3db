use super::api::unescaped;
use super::output::OutputDraft;
use super::{Api, Asked, ModelCall, asked, only_counts};
use crate::exchange::{Ask, Exchange};
use crate::json::Leaf;

/// Different models that one request may name.
const NAMED_MAX: usize = 16;

/// What a request says of a call, one document of it at a time.
#[derive(Default)]
pub(crate) struct RequestDraft {
    asked: Option<Asked>,
    /// It is no call, whatever it looks like.
    never: bool,
    document: Document,
    /// The models of all documents, each once.
    named: Vec<String>,
    /// Of all documents.
    output: OutputDraft,
    /// A model is named that is not among them.
    obscure: bool,
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
    /// By the head of a request: its method and its whole target.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        // A WebSocket is asked for by GET, or by CONNECT (RFC 8441).
        let may_be_call = matches!(method, "POST" | "GET" | "CONNECT");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let asked = asked(path).filter(|asked| method == "POST" || may_be_call && asked.model.is_none());
        let by_path = asked.as_ref().and_then(|asked| asked.model.clone());
        let by_query = queried(query).filter(|_| asked.is_some()).collect::<Vec<_>>();
        let mut draft = Self {
            asked,
            never: only_counts(path),
            ..Self::default()
        };
        for model in by_path.into_iter().chain(by_query) {
            draft.name(&model);
        }
        draft
    }

    /// A model is named, wherever: which of several counts is for the server to say.
    fn name(&mut self, model: &str) {
        if self.named.iter().any(|named| named == model) {
            return;
        }
        if self.named.len() < NAMED_MAX {
            self.named.push(model.to_owned());
        } else {
            self.obscure = true;
        }
    }

    /// What the request asks of a model, if it is for one. Unless all of it was told nothing is known of it.
    pub(crate) fn ask(&self, is_whole: bool) -> Option<Ask<'_>> {
        let is_for_one = !self.never && (self.asked.is_some() || self.is_call());
        let is_told = is_whole && !self.obscure;
        is_for_one.then_some(Ask {
            models: if is_told { &self.named } else { &[] },
            most_output: self.api().filter(|_| is_whole).and_then(|api| self.output.most(api)),
        })
    }

    /// Takes a value of the request. `true` if a call of several that one exchange has begins with it.
    pub(crate) fn value(&mut self, path: &str, leaf: Leaf<'_>) -> bool {
        let document = &mut self.document;
        // The Gemini CLI's requests are wrapped, and those of OpenAI's realtime interface.
        let inner = path.strip_prefix("request.").or_else(|| path.strip_prefix("response."));
        self.output.value(inner.unwrap_or(path), leaf);
        match (inner.unwrap_or(path), leaf) {
            ("", Leaf::Object) => *document = Document::default(),
            ("", Leaf::End) => return document.kind == "response.create",
            ("type", Leaf::Text(kind)) if inner.is_none() => kind.clone_into(&mut document.kind),
            ("model", Leaf::Text(model)) => {
                model.clone_into(&mut document.model);
                self.name(model);
            }
            // OpenRouter's, to be tried one after the other.
            ("models[]", Leaf::Text(model)) => self.name(model),
            ("model" | "models[]", Leaf::LongText) => self.obscure = true,
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
        let named: usize = self.named.iter().map(String::capacity).sum();
        self.document.model.capacity() + self.document.kind.capacity() + named
    }
}

/// What a query names: OpenAI's realtime interface has the model there, Azure's what runs one.
fn queried(query: &str) -> impl Iterator<Item = String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let named = pairs.filter(|(name, _)| matches!(*name, "model" | "deployment"));
    named.map(|(_, model)| unescaped(model))
}
