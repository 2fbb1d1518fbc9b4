//! Signatures of callbacks, by the Standard Webhooks specification.
//!
//! Source: the Standard Webhooks specification, "Symmetric signatures": HMAC-SHA256 over
//! `id.timestamp.body` under the bytes behind `whsec_`, in base64, as `v1,…`.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";
/// The length of a secret that the specification recommends, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A client's secret that signs its callbacks. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(redacted)")
    }
}

/// The text is not `whsec_` and base64 of 24 to 64 bytes. It says nothing of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected \"whsec_\" and base64 of 24 to 64 bytes")]
pub struct WebhookSecretError;

impl WebhookSecret {
    /// Parses `whsec_…`.
    pub fn parse(text: &str) -> Result<Self, WebhookSecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(WebhookSecretError)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| WebhookSecretError)?);
        if SECRET_BYTES.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(WebhookSecretError) }
    }
}

/// Returns the value of `webhook-signature`: one signature for each secret, so that a receiver
/// that knows any of them accepts it while a secret is rotated.
///
/// `timestamp` is in seconds since 1970, as in `webhook-timestamp`.
pub fn signatures(secrets: &[WebhookSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let one = |secret: &WebhookSecret| {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("any key length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn reference_example_has_the_reference_signature() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("valid");
        let signed = signatures(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_secret_signs() {
        let secret = |byte| {
            let text = format!("whsec_{}", STANDARD.encode([byte; 24]));
            WebhookSecret::parse(&text).expect("valid")
        };
        let both = signatures(&[secret(1), secret(2)], "id", 1, b"{}");
        let each =
            [signatures(&[secret(1)], "id", 1, b"{}"), signatures(&[secret(2)], "id", 1, b"{}")];
        assert_eq!(both, each.join(" "));
    }

    #[test]
    fn invalid_secrets_are_refused_without_being_shown() {
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        let long = format!("whsec_{}", STANDARD.encode([1; 65]));
        for wrong in ["", "whsec_", "whsec_###", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &short, &long]
        {
            assert_eq!(WebhookSecret::parse(wrong).err(), Some(WebhookSecretError), "{wrong}");
        }
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("valid");
        assert_eq!(format!("{secret:?}"), "WebhookSecret(redacted)");
    }
}
