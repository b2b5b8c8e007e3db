//! How much a request lets a model answer.

use super::Api;
use crate::json::Leaf;

/// Where each API has its limit, tokens, in requests from whose paths wrappers are gone.
const LIMITS: [(&str, &[Api]); 12] = [
    (
        "max_tokens",
        &[
            Api::OpenAiChat,
            Api::OpenAiCompletions,
            Api::Anthropic,
            Api::BedrockInvoke,
        ],
    ),
    ("max_completion_tokens", &[Api::OpenAiChat]),
    ("max_output_tokens", &[Api::OpenAiResponses]),
    ("max_tokens_to_sample", &[Api::BedrockInvoke]),
    ("max_gen_len", &[Api::BedrockInvoke]),
    ("textGenerationConfig.maxTokenCount", &[Api::BedrockInvoke]),
    ("inferenceConfig.maxTokens", &[Api::BedrockConverse]),
    ("inferenceConfig.max_new_tokens", &[Api::BedrockInvoke]),
    ("generationConfig.maxOutputTokens", &[Api::Gemini]),
    ("generation_config.max_output_tokens", &[Api::Gemini]),
    ("generationConfig.max_output_tokens", &[Api::Gemini]),
    ("options.num_predict", &[Api::Ollama]),
];

/// Where it is said how many answers there are to be.
const CHOICES: [&str; 4] = [
    "n",
    "best_of",
    "generationConfig.candidateCount",
    "generation_config.candidate_count",
];

/// What a request says of it.
#[derive(Default)]
pub(super) struct OutputDraft {
    limits: [Option<u64>; LIMITS.len()],
    choices: u64,
}

impl OutputDraft {
    /// Said twice, the greater counts: which of them does is for the server to say.
    pub(super) fn value(&mut self, path: &str, leaf: Leaf<'_>) {
        let place = LIMITS.iter().position(|(known, _)| *known == path);
        if let Some(limit) = place.and_then(|place| self.limits.get_mut(place)) {
            *limit = (*limit).max(leaf.count());
        } else if CHOICES.contains(&path) {
            // What is no count is refused, or is one answer.
            self.choices = self.choices.max(leaf.count().unwrap_or_default());
        }
    }

    /// How many tokens it lets be answered, in all answers; `None` where it does not say.
    pub(super) fn most(&self, api: Api) -> Option<u64> {
        if api == Api::OpenAiEmbeddings {
            return Some(0);
        }
        let limits = LIMITS.iter().zip(self.limits);
        let own = limits.filter(|((_, apis), _)| apis.contains(&api));
        let each = own.filter_map(|(_, limit)| limit).max()?;
        Some(each.saturating_mul(self.choices.max(1)))
    }
}
