//! The description of an erasure's body, which `erasures.rs` reads.

use utoipa::ToSchema;

/// The person to erase.
#[expect(dead_code, reason = "a description: never made, never read")]
#[derive(serde::Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Erasure)]
pub(crate) enum ErasureBody {
    /// By openid.
    Openid(OpenidErasure),
    /// By number.
    E164(NumberErasure),
}

/// A guest, by the platform's id.
#[expect(dead_code, reason = "a description: never made, never read")]
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenidErasure {
    /// The mini-program. May be left out when the client owns exactly one.
    #[schema(required = false, example = "wx4f4bc4dec97d474b")]
    app_id: String,
    /// The platform's id of the guest within the app.
    #[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    openid: String,
}

/// All guests with this number.
#[expect(dead_code, reason = "a description: never made, never read")]
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NumberErasure {
    /// The mini-program. May be left out when the client owns exactly one.
    #[schema(required = false, example = "wx4f4bc4dec97d474b")]
    app_id: String,
    /// The number, as `e164` in results.
    #[schema(pattern = r"^\+[1-9][0-9]{1,14}$", example = "+8613580006666")]
    e164: String,
}
