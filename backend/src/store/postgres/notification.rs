//! News as one notification carries them.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use crate::store::{notification::Told, throughput::Pace};
use quhao_common::domain::id::JobKey;

/// A channel is known in the whole database, whatever the schema: two deployments in one
/// database are not supported.
pub(super) const CHANNEL: &str = "quhao_finished";

/// Room for keys. Postgres takes less than 8,000 bytes in all, and a pace at most
/// [`PACE_BYTES_MAX`].
const KEYS_BYTES_MAX: usize = 7_900;
/// Three numbers, the longest there are.
#[cfg(test)]
const PACE_BYTES_MAX: usize = 53;

/// What stands for "look at all".
const ANYTHING: &str = "*";

/// In front of a listener's own marker.
const MARKER: &str = "ping ";

/// What a notification said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Somebody is testing the line.
    Marker(u64),
    /// There was a commit.
    Commit(Told, Option<Pace>),
}

/// The keys, separated by commas, or `*` if they do not fit. In front of them stand jobs
/// and milliseconds, waited and worked, if there is a pace: `12/3400/180 KEY,KEY`.
pub(super) fn payload<'a>(
    keys: impl ExactSizeIterator<Item = &'a JobKey>,
    pace: Option<Pace>,
) -> String {
    let keys = told(keys);
    match pace {
        Some(Pace { jobs, waited, worked }) => {
            format!("{jobs}/{}/{} {keys}", ms(waited), ms(worked))
        }
        None => keys,
    }
}

fn told<'a>(keys: impl ExactSizeIterator<Item = &'a JobKey>) -> String {
    const KEY_CHARS: usize = 22;
    if keys.len() * (KEY_CHARS + 1) > KEYS_BYTES_MAX {
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
/// look at everything: that is also how a build from before paces reads one.
pub(super) fn heard(payload: &str) -> Notice {
    if let Some(number) = payload.strip_prefix(MARKER) {
        return match u64::from_str_radix(number, 16) {
            Ok(number) => Notice::Marker(number),
            Err(_) => Notice::Commit(Told::Anything, None),
        };
    }
    let (pace, keys) = match payload.split_once(' ') {
        Some((pace, keys)) => (crate::store::postgres::notification::pace(pace), keys),
        None => (None, payload),
    };
    let keys: Option<Vec<JobKey>> = keys.split(',').map(key).collect();
    Notice::Commit(keys.map_or(Told::Anything, Told::Finished), pace)
}

fn key(text: &str) -> Option<JobKey> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    Some(JobKey::from_bytes(bytes.try_into().ok()?))
}

fn pace(text: &str) -> Option<Pace> {
    let mut numbers = text.split('/');
    let jobs = numbers.next()?.parse().ok()?;
    let mut time = || Some(Duration::from_millis(numbers.next()?.parse().ok()?));
    let (waited, worked) = (time()?, time()?);
    numbers.next().is_none().then_some(Pace { jobs, waited, worked })
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Pace = Pace {
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

    #[test]
    fn keys_and_pace_come_back_as_they_were_told() {
        let waited = Duration::from_millis(3_400);
        let usual = Pace { jobs: 12, waited, worked: Duration::from_millis(180) };
        for count in [1, 2, 200, 343] {
            for pace in [None, Some(usual), Some(MAX)] {
                let keys = keys(count);
                let payload = payload(keys.iter(), pace);
                assert!(payload.len() <= KEYS_BYTES_MAX + PACE_BYTES_MAX && payload.len() < 8_000);
                assert_eq!(heard(&payload), Notice::Commit(Told::Finished(keys), pace));
            }
        }
        assert!(payload(keys(1).iter(), Some(usual)).starts_with("12/3400/180 "));
    }

    #[test]
    fn too_many_keys_become_anything() {
        assert_eq!(payload(keys(344).iter(), None), "*");
        assert_eq!(heard("*"), Notice::Commit(Told::Anything, None));
        let paced = payload(keys(344).iter(), Some(MAX));
        assert_eq!(heard(&paced), Notice::Commit(Told::Anything, Some(MAX)));
    }

    #[test]
    fn nonsense_becomes_anything() {
        for nonsense in ["", ",", "abc", "ping", "ping ", "ping x", "9_f39_f39_f39_f39_f39w,", "号"]
        {
            assert_eq!(heard(nonsense), Notice::Commit(Told::Anything, None), "{nonsense}");
        }
        for unknown in ["", "1", "1/2", "1/2/3/4", "1/-2/3", "1.5/2/3", "x/2/3", "4294967296/0/0"] {
            let keys = keys(1);
            let payload = format!("{unknown} {}", told(keys.iter()));
            assert_eq!(heard(&payload), Notice::Commit(Told::Finished(keys), None), "{unknown}");
        }
    }

    #[test]
    fn a_marker_is_no_news() {
        assert_eq!(heard(&marker(u64::MAX)), Notice::Marker(u64::MAX));
        assert_eq!(heard(&marker(0)), Notice::Marker(0));
    }
}
