//! AES-128-CBC as WeChat uses it, checked strictly.
//!
//! CBC has no integrity, so only the checks tell a genuine payload: every byte of the padding,
//! UTF-8, one JSON object. Source: WeChat's "Signature verification, encryption and
//! decryption of open data" (`/miniprogram/dev/framework/open-ability/signature.html`).

use std::borrow::Cow;

use aes::Aes128;
use cbc::{
    Decryptor,
    cipher::{Block, BlockModeDecrypt, KeyIvInit},
};
use quhao_common::{
    domain::phone::{Encrypted, SessionKey},
    process::metrics::LabelValue,
};
use subtle::{Choice, ConstantTimeEq, ConstantTimeLess};
use zeroize::Zeroizing;

const BLOCK_BYTES: usize = 16;

/// The check that a payload failed. It is for a metric: to the outside all are one failure, so
/// that nobody can use quhao as a padding oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailedCheck {
    /// The padding is PKCS#7: 1 to 16 bytes, every one of which is checked.
    Padding,
    /// The text is UTF-8.
    Utf8,
    /// The text is exactly one JSON object.
    Json,
}

impl FailedCheck {
    /// Returns the value of its metric label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Padding => "padding",
            Self::Utf8 => "utf8",
            Self::Json => "json",
        }
    }
}

impl LabelValue for FailedCheck {
    fn label_value(&self) -> Cow<'static, str> {
        self.as_str().into()
    }
}

/// Decrypts `encrypted` with `key`. Returns the text of one JSON object, which is wiped when
/// dropped.
pub(super) fn decrypt(
    key: &SessionKey,
    encrypted: &Encrypted,
) -> Result<Zeroizing<String>, FailedCheck> {
    let mut bytes = Zeroizing::new(encrypted.data().to_vec());
    let mut cipher = Decryptor::<Aes128>::new(key.expose().into(), encrypted.iv().into());
    // The type guarantees whole blocks.
    for block in bytes.chunks_exact_mut(BLOCK_BYTES) {
        if let Ok(block) = <&mut Block<Decryptor<Aes128>>>::try_from(block) {
            cipher.decrypt_block(block);
        }
    }
    let text_bytes = unpadded_len(&bytes).ok_or(FailedCheck::Padding)?;
    let text = std::str::from_utf8(&bytes[..text_bytes]).map_err(|_| FailedCheck::Utf8)?;
    let is_object = text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{')
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_object { Ok(Zeroizing::new(text.to_owned())) } else { Err(FailedCheck::Json) }
}

/// Returns the length without the PKCS#7 padding, in time that does not depend on the padding.
fn unpadded_len(bytes: &[u8]) -> Option<usize> {
    let pad = *bytes.last()?;
    let last_block = bytes.len().checked_sub(BLOCK_BYTES)?;
    let mut good = !pad.ct_eq(&0) & pad.ct_lt(&17);
    for (from_end, byte) in (1_u8..=16).zip(bytes[last_block..].iter().rev()) {
        let is_padding: Choice = !pad.ct_lt(&from_end);
        good &= byte.ct_eq(&pad) | !is_padding;
    }
    bool::from(good).then(|| bytes.len() - usize::from(pad))
}

#[cfg(test)]
mod tests;
