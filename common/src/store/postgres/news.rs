//! News as one notification carries them.

use data_encoding::BASE64URL_NOPAD;

use crate::{id::JobKey, store::News};

/// A channel is known in the whole database, whatever the schema: two deployments in one
/// database are not supported.
pub(super) const CHANNEL: &str = "quhao_finished";

/// Postgres takes less than 8,000 bytes.
const PAYLOAD_BYTES_MAX: usize = 7_900;

/// What stands for "look at all".
const ANYTHING: &str = "*";

/// In front of a listener's own marker.
const MARKER: &str = "ping ";

/// What a notification said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Somebody is testing the line.
    Marker(u64),
    /// Something is finished.
    News(News),
}

/// The keys, separated by commas; or `*` if they do not fit.
pub(super) fn payload<'a>(keys: impl ExactSizeIterator<Item = &'a JobKey>) -> String {
    const KEY_CHARS: usize = 22;
    if keys.len() * (KEY_CHARS + 1) > PAYLOAD_BYTES_MAX {
        return ANYTHING.to_owned();
    }
    let keys: Vec<String> = keys.map(|key| BASE64URL_NOPAD.encode(key.as_bytes())).collect();
    keys.join(",")
}

/// What a listener tells itself.
pub(super) fn marker(number: u64) -> String {
    format!("{MARKER}{number:x}")
}

/// Reads a payload. One that makes no sense, perhaps of another version, is a reason to
/// look at everything.
pub(super) fn heard(payload: &str) -> Heard {
    if let Some(number) = payload.strip_prefix(MARKER) {
        return match u64::from_str_radix(number, 16) {
            Ok(number) => Heard::Marker(number),
            Err(_) => Heard::News(News::Anything),
        };
    }
    let keys: Option<Vec<JobKey>> = payload.split(',').map(key).collect();
    Heard::News(keys.map_or(News::Anything, News::Finished))
}

fn key(text: &str) -> Option<JobKey> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    Some(JobKey::from_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u16) -> Vec<JobKey> {
        (0..count)
            .map(|number| {
                let mut bytes = [0xf7; 16];
                bytes[..2].copy_from_slice(&number.to_be_bytes());
                JobKey::from_bytes(bytes)
            })
            .collect()
    }

    #[test]
    fn keys_come_back_as_they_were_told() {
        for count in [1, 2, 200, 343] {
            let keys = keys(count);
            let payload = payload(keys.iter());
            assert!(payload.len() <= PAYLOAD_BYTES_MAX);
            assert_eq!(heard(&payload), Heard::News(News::Finished(keys)));
        }
    }

    #[test]
    fn too_many_keys_become_anything() {
        assert_eq!(payload(keys(344).iter()), "*");
        assert_eq!(heard("*"), Heard::News(News::Anything));
    }

    #[test]
    fn nonsense_becomes_anything() {
        for nonsense in ["", ",", "abc", "ping", "ping ", "ping x", "9_f39_f39_f39_f39_f39w,", "号"]
        {
            assert_eq!(heard(nonsense), Heard::News(News::Anything), "{nonsense}");
        }
    }

    #[test]
    fn a_marker_is_no_news() {
        assert_eq!(heard(&marker(u64::MAX)), Heard::Marker(u64::MAX));
        assert_eq!(heard(&marker(0)), Heard::Marker(0));
    }
}
