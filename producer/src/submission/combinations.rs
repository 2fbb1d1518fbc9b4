//! The combinations of fields that are possible.

/// The combinations, in words for error details.
pub(super) const COMBINATIONS: &str = "send code alone; code with encrypted_data and iv; session \
                                       with encrypted_data and iv; or phone_code, with or without \
                                       openid";
