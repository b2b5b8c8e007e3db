//! Calls of models: which API by its path or by the shape of what is said, and what of it counts.

mod answer;
mod api;
mod output;
mod request;

pub(crate) use answer::{AnswerDraft, usage_of_fields};
pub use api::{Api, Provider};
pub(crate) use api::{Asked, asked, only_counts};
pub(crate) use request::RequestDraft;

/// Names and ids that are longer are not told.
pub(crate) const TEXT_MAX: usize = 256;

/// Tokens by the provider's own answer. `None` is not said; how the numbers of an API include one another: [`Api::input_includes_cached`],
/// [`Api::output_includes_reasoning`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What was asked.
    pub input: Option<u64>,
    /// What was answered.
    pub output: Option<u64>,
    /// Of the input, what the provider had in its cache.
    pub cache_read: Option<u64>,
    /// Of the input, what it wrote there.
    pub cache_write: Option<u64>,
    /// Of the output, what was thought and not said.
    pub reasoning: Option<u64>,
}

/// A call of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCall {
    /// How it was spoken to.
    pub api: Api,
    /// Whose it is, by the host's name.
    pub provider: Provider,
    /// The model that was asked for; empty if not seen, as is the next.
    pub model_asked: String,
    /// The model that answered.
    pub model_answered: String,
    /// The answer comes in pieces.
    pub stream: bool,
    /// How many tools the model was offered.
    pub tools_offered: u64,
    /// Names of the tools it called, the first of them ([`crate::Limits::listed`]).
    pub tools_called: Vec<String>,
    /// How many it called.
    pub tool_calls: u64,
    /// What it cost.
    pub usage: Usage,
    /// Why it ended, as the provider has it; empty if not said.
    pub stop_reason: String,
}

impl ModelCall {
    pub(crate) fn new(api: Api, host: &str) -> Self {
        Self {
            api,
            provider: Provider::of(host, api),
            model_asked: String::new(),
            model_answered: String::new(),
            stream: api == Api::Ollama,
            tools_offered: 0,
            tools_called: Vec::new(),
            tool_calls: 0,
            usage: Usage::default(),
            stop_reason: String::new(),
        }
    }

    pub(crate) fn memory(&self) -> usize {
        let tools = self.tools_called.iter().map(|name| 24 + name.len());
        tools.sum::<usize>() + self.model_asked.len() + self.model_answered.len() + self.stop_reason.len()
    }
}
