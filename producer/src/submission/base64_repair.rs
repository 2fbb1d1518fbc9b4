//! Repair of base64 that transports damaged on its way, once, when a submission is read.
//!
//! `docs/integrate/api.md` lists the kinds of damage. What cannot be repaired without
//! guessing is refused.

use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use quhao_common::process::metrics::LabelValue;

#[cfg(test)]
mod tests;

/// A decoder that ignores bits set in the last character: encoders in PHP and JavaScript
/// leave some there, and decoders in these languages accept them.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A kind of damage that was repaired. Counted, so that an operator can tell a caller that
/// their client is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repair {
    /// `%2B` and the like: percent-encoded once too often.
    PercentEncoding,
    /// `\/`: the text of a JSON string that was never decoded.
    EscapedSlash,
    /// CR, LF or TAB in the text.
    LineBreaks,
    /// Blanks that do not belong there.
    Blanks,
    /// Blanks that had been `+`.
    PlusFromBlank,
    /// `-` and `_` of the URL-safe alphabet.
    UrlSafeAlphabet,
    /// `=` missing, or too many.
    Padding,
}

impl Repair {
    /// Returns the value of the metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PercentEncoding => "percent_encoding",
            Self::EscapedSlash => "escaped_slash",
            Self::LineBreaks => "line_breaks",
            Self::Blanks => "blanks",
            Self::PlusFromBlank => "plus_from_blank",
            Self::UrlSafeAlphabet => "url_safe_alphabet",
            Self::Padding => "padding",
        }
    }
}

impl LabelValue for Repair {
    fn label_value(&self) -> Cow<'static, str> {
        self.as_str().into()
    }
}

/// Why a text was refused. Never says anything of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RepairError {
    /// It is empty, `undefined` or `null`: the user declined, or the client has a bug.
    #[error("is empty, \"undefined\" or \"null\": the mini-program got no data to send")]
    Missing,
    /// It has characters that no known damage explains.
    #[error("is not base64")]
    NotBase64,
    /// It decodes, but not to a length that this field can have.
    #[error("has a length that this field cannot have; was a \"+\" lost on the way?")]
    Length,
}

/// A decoded value, and what was repaired to decode it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired<T> {
    /// The value.
    pub value: T,
    /// The damage; each kind at most once.
    pub repairs: Vec<Repair>,
}

/// Decodes `encrypted_data`: a positive multiple of 16 bytes.
pub fn ciphertext(text: &str) -> Result<Repaired<Vec<u8>>, RepairError> {
    decode_repaired(text, |bytes| bytes > 0 && bytes.is_multiple_of(16))
}

/// Decodes `iv`: 16 bytes.
pub fn iv(text: &str) -> Result<Repaired<[u8; 16]>, RepairError> {
    let Repaired { value, repairs } = decode_repaired(text, |bytes| bytes == 16)?;
    let value = value.try_into().map_err(|_| RepairError::Length)?;
    Ok(Repaired { value, repairs })
}

/// Repairs and decodes `text`. `fits` says whether a number of bytes is possible.
fn decode_repaired(text: &str, fits: fn(usize) -> bool) -> Result<Repaired<Vec<u8>>, RepairError> {
    if matches!(text.trim(), "" | "undefined" | "null") {
        return Err(RepairError::Missing);
    }
    let mut repairs = Vec::new();
    let text = repair_unambiguous(text, &mut repairs)?;
    if !text.contains(' ') {
        let value = decode(&text, fits, &mut repairs)?;
        return Ok(Repaired { value, repairs });
    }
    // A blank is either noise or was a "+" once, and a "+" may stand first or last.
    let readings = [
        (text.replace(' ', ""), Repair::Blanks),
        (text.replace(' ', "+"), Repair::PlusFromBlank),
        (text.trim_matches(' ').replace(' ', "+"), Repair::PlusFromBlank),
    ];
    let mut last_error = RepairError::NotBase64;
    for (reading, repair) in readings {
        let mut repairs = repairs.clone();
        repairs.push(repair);
        match decode(&reading, fits, &mut repairs) {
            Ok(value) => return Ok(Repaired { value, repairs }),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// Repairs the damage that allows only one reading.
fn repair_unambiguous<'a>(
    text: &'a str,
    repairs: &mut Vec<Repair>,
) -> Result<Cow<'a, str>, RepairError> {
    let mut text = Cow::Borrowed(text);
    if text.contains('%') {
        text = Cow::Owned(percent_decoded(&text).ok_or(RepairError::NotBase64)?);
        repairs.push(Repair::PercentEncoding);
    }
    if text.contains("\\/") {
        text = Cow::Owned(text.replace("\\/", "/"));
        repairs.push(Repair::EscapedSlash);
    }
    if text.contains(['\r', '\n', '\t']) {
        text = Cow::Owned(text.replace(['\r', '\n', '\t'], ""));
        repairs.push(Repair::LineBreaks);
    }
    if text.contains(['-', '_']) {
        text = Cow::Owned(text.replace('-', "+").replace('_', "/"));
        repairs.push(Repair::UrlSafeAlphabet);
    }
    Ok(text)
}

/// Decodes `text`, whatever its padding.
fn decode(
    text: &str,
    fits: fn(usize) -> bool,
    repairs: &mut Vec<Repair>,
) -> Result<Vec<u8>, RepairError> {
    let unpadded = text.trim_end_matches('=');
    if text.len() - unpadded.len() != (4 - unpadded.len() % 4) % 4 {
        repairs.push(Repair::Padding);
    }
    // Without its padding, a length of 4n + 1 is no base64 at all, but what a lost "+" leaves.
    if unpadded.len() % 4 == 1 && unpadded.bytes().all(is_standard) {
        return Err(RepairError::Length);
    }
    let bytes = LENIENT.decode(unpadded).map_err(|_| RepairError::NotBase64)?;
    if fits(bytes.len()) { Ok(bytes) } else { Err(RepairError::Length) }
}

/// Returns whether a byte belongs to the standard alphabet.
fn is_standard(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

/// Decodes percent-encoded text; fails unless every `%` starts two hex digits and the result
/// is ASCII.
fn percent_decoded(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        };
        out.push(byte.is_ascii().then_some(char::from(byte))?);
    }
    Some(out)
}
