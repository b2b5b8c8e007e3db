//! Signatures of records that are sent elsewhere, as of Standard Webhooks 1.0.0 (standardwebhooks.com): `v1,` and HMAC-SHA-256 in base64 over `id.timestamp.body`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::base64;

const PREFIX: &[u8] = b"whsec_";

/// The key in a secret's text: what is behind `whsec_` is base64, anything else is the key itself.
fn key_of(secret: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let secret = secret.trim_ascii();
    let key = match secret.strip_prefix(PREFIX) {
        Some(text) => base64::decode(std::str::from_utf8(text).ok()?)?,
        None => secret.to_vec(),
    };
    Some(Zeroizing::new(key)).filter(|key| key.len() >= aa_wire::alerts::LEAST_KEY)
}

/// What is signed.
pub fn message(id: &str, timestamp: u64, body: &str) -> String {
    format!("{id}.{timestamp}.{body}")
}

/// The signature of a message; `None` for a secret that is none.
pub fn sign(secret: &[u8], message: &str) -> Option<String> {
    let key = key_of(secret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(message.as_bytes());
    Some(format!("v1,{}", base64::encode(&mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_standard_webhooks_has_its_signature() {
        // Of the library's own tests.
        let body = r#"{"test": 2432232314}"#;
        let message = message("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        let signature = sign(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", &message).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_too_short_or_no_base64_signs_nothing() {
        assert_eq!(sign(b"whsec_%%%%", "m"), None);
        assert_eq!(sign(b"short", "m"), None);
        assert!(sign(b"0123456789abcdef01234567", "m").is_some());
    }
}
