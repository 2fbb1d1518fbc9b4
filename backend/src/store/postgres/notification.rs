//! The payload of a commit's notification.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use crate::store::{notification::FinishedJobs, throughput::Throughput};
use quhao_common::domain::id::JobKey;

/// The channel of notifications. A channel is known in the whole database, whatever the schema:
/// two deployments in one database are not supported.
pub(super) const CHANNEL: &str = "quhao_finished";

/// The room for keys. Postgres takes less than 8,000 bytes in all, and a throughput has at most
/// [`THROUGHPUT_BYTES_MAX`].
const KEYS_BYTES_MAX: usize = 7_900;
/// The length of three numbers, each the longest that there is.
#[cfg(test)]
const THROUGHPUT_BYTES_MAX: usize = 53;

/// Stands for [`FinishedJobs::Unknown`].
const UNKNOWN: &str = "*";

/// The start of a listener's own marker.
const MARKER: &str = "ping ";

/// What a payload says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// A listener tests its connection.
    Marker(u64),
    /// There was a commit.
    Commit { finished: FinishedJobs, throughput: Option<Throughput> },
}

/// Writes the payload of a commit.
///
/// It has the keys, separated by commas, or `*` if they do not fit. If there is a throughput,
/// it comes first: the number of jobs, and the milliseconds waited and worked:
/// `12/3400/180 KEY,KEY`.
pub(super) fn payload<'a>(
    keys: impl ExactSizeIterator<Item = &'a JobKey>,
    throughput: Option<Throughput>,
) -> String {
    let keys = keys_text(keys);
    match throughput {
        Some(Throughput { jobs, waited, worked }) => {
            format!("{jobs}/{}/{} {keys}", ms(waited), ms(worked))
        }
        None => keys,
    }
}

fn keys_text<'a>(keys: impl ExactSizeIterator<Item = &'a JobKey>) -> String {
    const KEY_CHARS: usize = 22;
    if keys.len() * (KEY_CHARS + 1) > KEYS_BYTES_MAX {
        return UNKNOWN.to_owned();
    }
    let keys: Vec<String> = keys.map(|key| BASE64URL_NOPAD.encode(key.as_bytes())).collect();
    keys.join(",")
}

/// Writes the payload of a listener's own marker.
pub(super) fn marker(number: u64) -> String {
    format!("{MARKER}{number:x}")
}

/// Reads a payload.
///
/// One that cannot be read, perhaps of another version, is read as a commit of unknown jobs. An
/// older build reads one with a throughput in the same way.
pub(super) fn read(payload: &str) -> Payload {
    let unknown = Payload::Commit { finished: FinishedJobs::Unknown, throughput: None };
    if let Some(number) = payload.strip_prefix(MARKER) {
        return u64::from_str_radix(number, 16).map_or(unknown, Payload::Marker);
    }
    let (throughput, keys) = match payload.split_once(' ') {
        Some((throughput, keys)) => (read_throughput(throughput), keys),
        None => (None, payload),
    };
    let keys: Option<Vec<JobKey>> = keys.split(',').map(read_key).collect();
    let finished = keys.map_or(FinishedJobs::Unknown, FinishedJobs::Keys);
    Payload::Commit { finished, throughput }
}

fn read_key(text: &str) -> Option<JobKey> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    Some(JobKey::from_bytes(bytes.try_into().ok()?))
}

fn read_throughput(text: &str) -> Option<Throughput> {
    let mut numbers = text.split('/');
    let jobs = numbers.next()?.parse().ok()?;
    let waited = Duration::from_millis(numbers.next()?.parse().ok()?);
    let worked = Duration::from_millis(numbers.next()?.parse().ok()?);
    if numbers.next().is_some() {
        return None;
    }
    Some(Throughput { jobs, waited, worked })
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Throughput = Throughput {
        jobs: u32::MAX,
        waited: Duration::from_millis(u64::MAX),
        worked: Duration::from_millis(u64::MAX),
    };

    fn keys(count: u16) -> Vec<JobKey> {
        (0..count)
            .map(|number| {
                let mut bytes = [0xf7; 16];
                bytes[..2].copy_from_slice(&number.to_be_bytes());
                JobKey::from_bytes(bytes)
            })
            .collect()
    }

    fn unknown(throughput: Option<Throughput>) -> Payload {
        Payload::Commit { finished: FinishedJobs::Unknown, throughput }
    }

    #[test]
    fn keys_and_throughput_are_read_as_written() {
        let usual = Throughput {
            jobs: 12,
            waited: Duration::from_millis(3_400),
            worked: Duration::from_millis(180),
        };
        for count in [1, 2, 200, 343] {
            for throughput in [None, Some(usual), Some(MAX)] {
                let keys = keys(count);
                let payload = payload(keys.iter(), throughput);
                assert!(payload.len() <= KEYS_BYTES_MAX + THROUGHPUT_BYTES_MAX);
                assert!(payload.len() < 8_000);
                let finished = FinishedJobs::Keys(keys);
                assert_eq!(read(&payload), Payload::Commit { finished, throughput });
            }
        }
        assert!(payload(keys(1).iter(), Some(usual)).starts_with("12/3400/180 "));
    }

    #[test]
    fn too_many_keys_are_unknown() {
        assert_eq!(payload(keys(344).iter(), None), "*");
        assert_eq!(read("*"), unknown(None));
        let with_throughput = payload(keys(344).iter(), Some(MAX));
        assert_eq!(read(&with_throughput), unknown(Some(MAX)));
    }

    #[test]
    fn unreadable_payload_is_an_unknown_commit() {
        for nonsense in ["", ",", "abc", "ping", "ping ", "ping x", "9_f39_f39_f39_f39_f39w,", "号"]
        {
            assert_eq!(read(nonsense), unknown(None), "{nonsense}");
        }
        for other in ["", "1", "1/2", "1/2/3/4", "1/-2/3", "1.5/2/3", "x/2/3", "4294967296/0/0"] {
            let keys = keys(1);
            let payload = format!("{other} {}", keys_text(keys.iter()));
            let finished = FinishedJobs::Keys(keys);
            assert_eq!(read(&payload), Payload::Commit { finished, throughput: None }, "{other}");
        }
    }

    #[test]
    fn marker_is_no_commit() {
        assert_eq!(read(&marker(u64::MAX)), Payload::Marker(u64::MAX));
        assert_eq!(read(&marker(0)), Payload::Marker(0));
    }

    /// What other builds send and read on the same database.
    #[test]
    fn payloads_are_as_before() {
        const FILE: &str = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/golden/notifications.json"
        ));
        let file: serde_json::Value = serde_json::from_str(FILE).unwrap();
        assert_eq!(CHANNEL, file["channel"]);
        assert_eq!(marker(0x7b), file["marker"]);
        for entry in file["payloads"].as_array().unwrap() {
            let number = |field: &str| entry["throughput"][field].as_u64().unwrap();
            let throughput = entry["throughput"].is_object().then(|| Throughput {
                jobs: u32::try_from(number("jobs")).unwrap(),
                waited: Duration::from_millis(number("waited_ms")),
                worked: Duration::from_millis(number("worked_ms")),
            });
            let named = entry["keys"].as_array().map(|keys| {
                let bytes = |key: &serde_json::Value| {
                    data_encoding::HEXLOWER.decode(key.as_str().unwrap().as_bytes()).unwrap()
                };
                keys.iter().map(|key| JobKey::from_bytes(bytes(key).try_into().unwrap())).collect()
            });
            let text = entry["payload"].as_str().unwrap();
            // Where there is no room for all keys, none is named.
            let all: Vec<JobKey> = named.clone().unwrap_or_else(|| keys(344));
            assert_eq!(payload(all.iter(), throughput), text);
            let finished = named.map_or(FinishedJobs::Unknown, FinishedJobs::Keys);
            assert_eq!(read(text), Payload::Commit { finished, throughput });
        }
    }
}
