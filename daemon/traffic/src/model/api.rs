/// How a model is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// OpenAI's chat completions, which many others have too (Mistral, DeepSeek, Groq, OpenRouter, vLLM, Azure).
    OpenAiChat,
    /// OpenAI's completions of a prompt.
    OpenAiCompletions,
    /// OpenAI's responses, by HTTP or over a WebSocket, and its realtime interface.
    OpenAiResponses,
    /// OpenAI's embeddings.
    OpenAiEmbeddings,
    /// Anthropic's messages, there or on Vertex AI.
    Anthropic,
    /// Gemini's `generateContent` and `streamGenerateContent`.
    Gemini,
    /// Amazon Bedrock's `InvokeModel` and `InvokeModelWithResponseStream`, the body as the model has it.
    BedrockInvoke,
    /// Amazon Bedrock's `Converse` and `ConverseStream`.
    BedrockConverse,
    /// Ollama's own `/api/chat` and `/api/generate`.
    Ollama,
}

impl Api {
    /// A name for records and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::OpenAiCompletions => "openai-completions",
            Self::OpenAiResponses => "openai-responses",
            Self::OpenAiEmbeddings => "openai-embeddings",
            Self::Anthropic => "anthropic-messages",
            Self::Gemini => "gemini",
            Self::BedrockInvoke => "bedrock-invoke",
            Self::BedrockConverse => "bedrock-converse",
            Self::Ollama => "ollama",
        }
    }

    /// Whether [`super::Usage::input`] counts what was read from the cache too. Where not, as with Anthropic's, cache reads and writes are
    /// beside it.
    pub fn input_includes_cached(self) -> bool {
        !matches!(self, Self::Anthropic | Self::BedrockInvoke | Self::BedrockConverse)
    }

    /// Whether [`super::Usage::output`] counts the reasoning too. With Gemini it is beside it.
    pub fn output_includes_reasoning(self) -> bool {
        self != Self::Gemini
    }
}

/// Whose a model is, by the name of the host that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// `openai.com`, `chatgpt.com`.
    OpenAi,
    /// `anthropic.com`, `claude.ai`, `claude.com`.
    Anthropic,
    /// `googleapis.com`.
    Google,
    /// `amazonaws.com`.
    Amazon,
    /// `azure.com`.
    Azure,
    /// `mistral.ai`.
    Mistral,
    /// Whoever speaks Ollama's own API.
    Ollama,
    /// Somebody else: see [`crate::Exchange::host`].
    Other,
}

const PROVIDERS: [(&str, Provider); 9] = [
    ("openai.com", Provider::OpenAi),
    ("chatgpt.com", Provider::OpenAi),
    ("anthropic.com", Provider::Anthropic),
    ("claude.ai", Provider::Anthropic),
    ("claude.com", Provider::Anthropic),
    ("googleapis.com", Provider::Google),
    ("amazonaws.com", Provider::Amazon),
    ("azure.com", Provider::Azure),
    ("mistral.ai", Provider::Mistral),
];

impl Provider {
    /// A name for records and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::Amazon => "amazon",
            Self::Azure => "azure",
            Self::Mistral => "mistral",
            Self::Ollama => "ollama",
            Self::Other => "other",
        }
    }

    pub(crate) fn of(host: &str, api: Api) -> Self {
        let name = host.split(':').next().unwrap_or_default();
        let is_below = |domain: &str| {
            let before = name.strip_suffix(domain);
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        let known = PROVIDERS.iter().find(|(domain, _)| is_below(domain));
        match known {
            Some((_, provider)) => *provider,
            None if api == Api::Ollama => Self::Ollama,
            None => Self::Other,
        }
    }
}

/// What a request's path says of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) api: Api,
    /// The model, where the path names it: then it is a call whatever the body is.
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
}

/// Endings of paths. A path alone makes no call where the body names the model.
const PATHS: [(&str, Api); 10] = [
    ("/chat/completions", Api::OpenAiChat),
    ("/completions", Api::OpenAiCompletions),
    ("/responses", Api::OpenAiResponses),
    ("/embeddings", Api::OpenAiEmbeddings),
    ("/v1/realtime", Api::OpenAiResponses),
    ("/v1/messages", Api::Anthropic),
    ("/api/chat", Api::Ollama),
    ("/api/generate", Api::Ollama),
    ("/v1internal:generateContent", Api::Gemini),
    ("/v1internal:streamGenerateContent", Api::Gemini),
];

/// The actions behind a model's name: API, and whether the answer comes in pieces.
const ACTIONS: [(&str, Api, bool); 8] = [
    (":generateContent", Api::Gemini, false),
    (":streamGenerateContent", Api::Gemini, true),
    (":rawPredict", Api::Anthropic, false),
    (":streamRawPredict", Api::Anthropic, true),
    ("/invoke", Api::BedrockInvoke, false),
    ("/invoke-with-response-stream", Api::BedrockInvoke, true),
    ("/converse", Api::BedrockConverse, false),
    ("/converse-stream", Api::BedrockConverse, true),
];

/// Endings of paths at which a request looks like a call and is none: tokens are only counted.
const COUNTS: [&str; 3] = ["/count_tokens", "/input_tokens", ":countTokens"];

/// Whether what is asked there costs nothing.
pub(crate) fn only_counts(path: &str) -> bool {
    COUNTS.iter().any(|ending| path.ends_with(ending))
}

/// What a path says, without its query.
pub(crate) fn asked(path: &str) -> Option<Asked> {
    let path = path.trim_end_matches('/');
    if let Some((ending, api)) = PATHS.iter().find(|(ending, _)| path.ends_with(ending)) {
        // Azure's paths name what runs a model, and their bodies need not.
        let deployment = path
            .split_once("/deployments/")
            .and_then(|(_, rest)| rest.split('/').next());
        return Some(Asked {
            api: *api,
            model: deployment.map(unescaped),
            stream: ending.contains(":stream"),
        });
    }
    let (before, (_, api, stream)) = ACTIONS
        .iter()
        .find_map(|action| Some((path.strip_suffix(action.0)?, action)))?;
    let (folder, model) = before.rsplit_once('/')?;
    let expected = if matches!(api, Api::BedrockInvoke | Api::BedrockConverse) {
        "model"
    } else {
        "models"
    };
    let is_model = folder.rsplit('/').next() == Some(expected);
    is_model.then(|| Asked {
        api: *api,
        model: Some(unescaped(model)),
        stream: *stream,
    })
}

/// Percent encoding undone (RFC 3986, 2.1): Bedrock's models have colons.
pub(super) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.first_chunk::<2>().filter(|_| byte == b'%');
        let escaped = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = behind.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_apis_and_models() {
        let of = |path| asked(path).map(|asked| (asked.api, asked.model.unwrap_or_default(), asked.stream));
        let named = |api, model: &str, stream| Some((api, model.to_owned(), stream));
        assert_eq!(of("/v1/chat/completions"), named(Api::OpenAiChat, "", false));
        assert_eq!(
            of("/backend-api/codex/responses/"),
            named(Api::OpenAiResponses, "", false)
        );
        assert_eq!(of("/v1/messages/count_tokens"), None);
        let azure = "/openai/deployments/our-gpt/chat/completions";
        assert_eq!(of(azure), named(Api::OpenAiChat, "our-gpt", false));
        let gemini = "/v1beta/models/gemini-2.5-pro:streamGenerateContent";
        assert_eq!(of(gemini), named(Api::Gemini, "gemini-2.5-pro", true));
        let bedrock = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse";
        let model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
        assert_eq!(of(bedrock), named(Api::BedrockConverse, model, false));
        assert_eq!(of("/jobs/7/invoke"), None);
        let vertex = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-opus-4:rawPredict";
        assert_eq!(of(vertex), named(Api::Anthropic, "claude-opus-4", false));
    }

    #[test]
    fn a_provider_is_a_domain_and_not_an_ending() {
        assert_eq!(Provider::of("api.openai.com:443", Api::OpenAiChat), Provider::OpenAi);
        assert_eq!(Provider::of("evilopenai.com", Api::OpenAiChat), Provider::Other);
        assert_eq!(Provider::of("localhost:11434", Api::Ollama), Provider::Ollama);
    }
}
