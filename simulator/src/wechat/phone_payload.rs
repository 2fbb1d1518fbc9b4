//! The object that WeChat encrypts when a user taps the phone button.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::cipher::{CipherError, Encrypted, Padding, encrypt};

/// The phone object of `getPhoneNumber`, field by field, so that a test can change any of them.
///
/// Source: `/miniprogram/dev/framework/open-ability/deprecatedGetPhoneNumber.html`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhonePayload {
    /// `phoneNumber`: foreign numbers carry their area code.
    pub phone_number: String,
    /// `purePhoneNumber`: without area code.
    pub pure_phone_number: String,
    /// `countryCode`, such as `86`.
    pub country_code: String,
    /// Writes the country code as a JSON number, as one example of the documentation does.
    pub country_code_as_number: bool,
    /// `watermark`. `None` leaves it out.
    pub watermark: Option<Watermark>,
}

/// The watermark in encrypted data: for which app they were made, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// `appid`.
    pub app_id: String,
    /// `timestamp`: the time of the tap, Unix seconds.
    pub timestamp: u64,
    /// Writes the timestamp as a JSON string.
    pub timestamp_as_string: bool,
}

impl Watermark {
    /// Creates the watermark of a tap in this app now.
    pub fn now(app_id: &str) -> Self {
        let timestamp =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { app_id: app_id.to_owned(), timestamp, timestamp_as_string: false }
    }
}

impl PhonePayload {
    /// Creates the payload of a mainland number, tapped now.
    pub fn mainland(app_id: &str, number: &str) -> Self {
        Self {
            phone_number: number.to_owned(),
            pure_phone_number: number.to_owned(),
            country_code: "86".to_owned(),
            country_code_as_number: false,
            watermark: Some(Watermark::now(app_id)),
        }
    }

    /// Creates the payload of a foreign number, tapped now. `phoneNumber` is `+`, the country code
    /// and the number.
    pub fn foreign(app_id: &str, country_code: &str, number: &str) -> Self {
        Self {
            phone_number: format!("+{country_code}{number}"),
            country_code: country_code.to_owned(),
            ..Self::mainland(app_id, number)
        }
    }

    /// Returns the plaintext, with its fields in the documented order.
    pub fn to_json(&self) -> String {
        // Not one json! object: serde_json would sort the fields by name.
        let mut fields = vec![
            ("phoneNumber", json!(self.phone_number)),
            ("purePhoneNumber", json!(self.pure_phone_number)),
            ("countryCode", number_or_text(&self.country_code, self.country_code_as_number)),
        ];
        if let Some(watermark) = &self.watermark {
            let timestamp = if watermark.timestamp_as_string {
                json!(watermark.timestamp.to_string())
            } else {
                json!(watermark.timestamp)
            };
            let object = json!({"appid": watermark.app_id, "timestamp": timestamp});
            fields.push(("watermark", object));
        }
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        format!("{{{}}}", fields.join(","))
    }

    /// Encrypts it as WeChat does.
    pub fn encrypt(&self, session_key: &str) -> Result<Encrypted, CipherError> {
        encrypt(session_key, self.to_json().as_bytes(), &Padding::Pkcs7)
    }
}

/// Returns the text as a JSON number if that is asked for and it is one, else as a JSON string.
fn number_or_text(text: &str, as_number: bool) -> Value {
    match text.parse::<u64>() {
        Ok(number) if as_number => json!(number),
        _ => json!(text),
    }
}
