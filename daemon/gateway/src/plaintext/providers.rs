//! Where credentials belong: an agent's own key is no leak where it goes back to who gave it out.

/// First words of kinds whose provider has domains of another name; `stripe-secret-key` is at home at `stripe.com` by itself.
const DOMAINS: [(&str, &[&str]); 10] = [
    ("anthropic", &["claude.com", "claude.ai"]),
    ("aws", &["amazonaws.com"]),
    ("gcp", &["googleapis.com"]),
    ("github", &["githubcopilot.com"]),
    ("huggingface", &["hf.co"]),
    ("hubspot", &["hubapi.com"]),
    ("npm", &["npmjs.org", "npmjs.com"]),
    ("openai", &["chatgpt.com"]),
    ("together", &["together.xyz"]),
    ("xai", &["x.ai"]),
];

/// Kinds that do not say whose they are: in the place for it, they are what every host asks for.
const ANYBODYS: [&str; 6] = [
    "authorization-token",
    "basic-credentials",
    "bearer-token",
    "jwt",
    "session-cookie",
    "token",
];

/// Header fields in which a client says who it is.
const FIELDS: [&str; 8] = [
    "api-key",
    "authorization",
    "cookie",
    "private-token",
    "proxy-authorization",
    "x-api-key",
    "x-auth-token",
    "x-goog-api-key",
];

/// Whether a credential of this kind belongs to this host.
pub(super) fn is_home(kind: &str, host: &str) -> bool {
    let word = kind.split('-').next().unwrap_or(kind);
    let own = host.rsplit('.').nth(1).is_some_and(|label| label == word);
    let within = |domain: &&str| {
        let rest = host.strip_suffix(*domain);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let mut others = DOMAINS.iter().filter(|(known, _)| *known == word);
    own || ANYBODYS.contains(&kind) || others.any(|(_, domains)| domains.iter().any(within))
}

/// Whether a client says who it is in this field.
pub(super) fn holds_credential(field: &str) -> bool {
    FIELDS.contains(&field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_at_home_with_who_gave_it_out_and_with_nobody_else() {
        for (kind, host) in [
            ("anthropic-api-key", "api.anthropic.com"),
            ("anthropic-oauth-token", "claude.ai"),
            ("aws-access-key-id", "s3.eu-central-1.amazonaws.com"),
            ("stripe-secret-key", "api.stripe.com"),
            ("bearer-token", "registry.example"),
        ] {
            assert!(is_home(kind, host), "{kind} {host}");
        }
        for (kind, host) in [
            ("anthropic-api-key", "api.openai.com"),
            ("anthropic-api-key", "evilanthropic.com"),
            ("anthropic-api-key", "anthropic.com.evil.example"),
            ("anthropic-api-key", "notclaude.ai"),
            ("private-key", "example.com"),
            ("anthropic-api-key", "com"),
        ] {
            assert!(!is_home(kind, host), "{kind} {host}");
        }
    }

    #[test]
    fn what_is_named_here_is_found() {
        let kinds: Vec<&str> = aa_redact::detectors().map(aa_redact::Detector::name).collect();
        assert!(ANYBODYS.iter().all(|kind| kinds.contains(kind)));
        let known = |word: &str| kinds.iter().any(|kind| kind.split('-').next() == Some(word));
        assert!(DOMAINS.iter().all(|(word, domains)| known(word) && !domains.is_empty()));
    }
}
