//! Values that must not be found, in every form in which they could stand somewhere.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use data_encoding::HEXLOWER;
use quhao_common::domain::id::JobId;

/// Returns every form in which a value could appear in a text or in bytes.
fn forms(value: &str) -> Vec<String> {
    let percent = value.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    // In base64 a value looks different at each of three offsets; the ends are cut off,
    // where neighbours show through.
    let in_base64 = (0..3).map(|offset| {
        let text = STANDARD_NO_PAD.encode(format!("{}{value}", "x".repeat(offset)));
        text[4..text.len() - 2].to_owned()
    });
    let [hex, upper, list] = forms_of_bytes(value.as_bytes());
    [value.to_owned(), upper, hex, list, percent].into_iter().chain(in_base64).collect()
}

fn forms_of_bytes(bytes: &[u8]) -> [String; 3] {
    let hex = HEXLOWER.encode(bytes);
    let list = format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    [hex.clone(), hex.to_uppercase(), list]
}

/// Returns a character for each byte, so that anything can be searched as a text.
fn as_text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// What is looked for: each value, and its forms.
pub(super) struct Canaries(Vec<(String, Vec<String>)>);

impl Canaries {
    pub(super) fn new(values: impl IntoIterator<Item = String>) -> Self {
        let with_forms = |value: String| {
            assert!(value.len() >= 8, "{value:?} would be found by chance");
            let forms = forms(&value);
            (value, forms)
        };
        Self(values.into_iter().map(with_forms).collect())
    }

    /// Returns the tags of these job ids and session handles: the part that cannot be
    /// guessed.
    pub(super) fn of_tags<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let with_forms = |text: &str| {
            let id = JobId::parse_unverified(&text.replacen("ses_", "job_", 1)).expect("an id");
            let tag = &id.bytes()[17..];
            let mut forms = forms_of_bytes(tag).to_vec();
            // Its last twelve characters are of the tag alone.
            forms.extend([as_text(tag), text[text.len() - 12..].to_owned()]);
            (format!("the tag of {text}"), forms)
        };
        Self(texts.into_iter().map(with_forms).collect())
    }

    /// Fails the test if one of them stands in `haystack`, which is called `place`.
    pub(super) fn assert_absent(&self, place: &str, haystack: &[u8]) {
        let haystack = as_text(haystack);
        for (value, forms) in &self.0 {
            for form in forms {
                if let Some(at) = haystack.find(form.as_str()) {
                    let (before, after) = (&haystack[..at], &haystack[at..]);
                    let mut text: String = before
                        .chars()
                        .rev()
                        .take(200)
                        .collect::<Vec<_>>()
                        .into_iter()
                        .rev()
                        .collect();
                    text.extend(after.chars().take(200));
                    panic!("{value:?} stands in {place}: …{text}…");
                }
            }
        }
    }
}

/// The search itself: a value is found in whatever form it stands somewhere.
#[test]
fn a_leak_would_be_found() {
    let value = "tiihtNczf5v6AKRyjwEUhQ==";
    let canaries = Canaries::new([value.to_owned()]);
    canaries.assert_absent("clean text", b"nothing to see here");
    let texts = [
        format!("key={value}&x"),
        "key=tiihtNczf5v6AKRyjwEUhQ%3D%3D".to_owned(),
        data_encoding::HEXUPPER.encode(value.as_bytes()),
        format!("{:?}", value.as_bytes()),
        STANDARD_NO_PAD.encode(format!("ab{value}cd")),
    ];
    let found_in = |canaries: &Canaries, bytes: &[u8]| {
        let search = || canaries.assert_absent("a text", bytes);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(search)).is_err()
    };
    for text in texts {
        assert!(found_in(&canaries, text.as_bytes()), "not found in {text}");
    }
    let id = JobId::from_bytes(std::array::from_fn(|at| 0xf0 ^ u8::try_from(at).unwrap()));
    let tags = Canaries::of_tags([id.wire().as_str()]);
    tags.assert_absent("an id as logs show it", id.to_string().as_bytes());
    let mut row = String::from("\\x");
    for byte in id.bytes() {
        write!(row, "{byte:02x}").unwrap();
    }
    for bytes in [id.wire().as_bytes(), &id.bytes()[..], row.as_bytes()] {
        assert!(found_in(&tags, bytes), "not found in {bytes:?}");
    }
}
