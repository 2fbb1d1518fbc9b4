//! Finished jobs as one notification carries them.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use crate::store::{notification::FinishedJobs, throughput::Throughput};
use quhao_common::domain::id::JobKey;

/// A channel is known in the whole database, whatever the schema: two deployments in one
/// database are not supported.
pub(super) const CHANNEL: &str = "quhao_finished";

/// Room for keys. Postgres takes less than 8,000 bytes in all, and a throughput at most
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
    Commit(FinishedJobs, Option<Throughput>),
}

/// The keys, separated by commas, or `*` if they do not fit. In front of them stand jobs
/// and milliseconds, waited and worked, if there is a throughput: `12/3400/180 KEY,KEY`.
pub(super) fn payload<'a>(
    keys: impl ExactSizeIterator<Item = &'a JobKey>,
    throughput: Option<Throughput>,
) -> String {
    let keys = told(keys);
    match throughput {
        Some(Throughput { jobs, waited, worked }) => {
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
/// look at everything: that is also how a build from before throughputs reads one.
pub(super) fn heard(payload: &str) -> Notice {
    if let Some(number) = payload.strip_prefix(MARKER) {
        return match u64::from_str_radix(number, 16) {
            Ok(number) => Notice::Marker(number),
            Err(_) => Notice::Commit(FinishedJobs::Unknown, None),
        };
    }
    let (throughput, keys) = match payload.split_once(' ') {
        Some((throughput, keys)) => {
            (crate::store::postgres::notification::throughput(throughput), keys)
        }
        None => (None, payload),
    };
    let keys: Option<Vec<JobKey>> = keys.split(',').map(key).collect();
    Notice::Commit(keys.map_or(FinishedJobs::Unknown, FinishedJobs::Keys), throughput)
}

fn key(text: &str) -> Option<JobKey> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    Some(JobKey::from_bytes(bytes.try_into().ok()?))
}

fn throughput(text: &str) -> Option<Throughput> {
    let mut numbers = text.split('/');
    let jobs = numbers.next()?.parse().ok()?;
    let mut time = || Some(Duration::from_millis(numbers.next()?.parse().ok()?));
    let (waited, worked) = (time()?, time()?);
    numbers.next().is_none().then_some(Throughput { jobs, waited, worked })
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

    #[test]
    fn keys_and_pace_come_back_as_they_were_told() {
        let waited = Duration::from_millis(3_400);
        let usual = Throughput { jobs: 12, waited, worked: Duration::from_millis(180) };
        for count in [1, 2, 200, 343] {
            for throughput in [None, Some(usual), Some(MAX)] {
                let keys = keys(count);
                let payload = payload(keys.iter(), throughput);
                assert!(payload.len() <= KEYS_BYTES_MAX + PACE_BYTES_MAX && payload.len() < 8_000);
                assert_eq!(heard(&payload), Notice::Commit(FinishedJobs::Keys(keys), throughput));
            }
        }
        assert!(payload(keys(1).iter(), Some(usual)).starts_with("12/3400/180 "));
    }

    #[test]
    fn too_many_keys_become_anything() {
        assert_eq!(payload(keys(344).iter(), None), "*");
        assert_eq!(heard("*"), Notice::Commit(FinishedJobs::Unknown, None));
        let paced = payload(keys(344).iter(), Some(MAX));
        assert_eq!(heard(&paced), Notice::Commit(FinishedJobs::Unknown, Some(MAX)));
    }

    #[test]
    fn nonsense_becomes_anything() {
        for nonsense in ["", ",", "abc", "ping", "ping ", "ping x", "9_f39_f39_f39_f39_f39w,", "号"]
        {
            assert_eq!(heard(nonsense), Notice::Commit(FinishedJobs::Unknown, None), "{nonsense}");
        }
        for unknown in ["", "1", "1/2", "1/2/3/4", "1/-2/3", "1.5/2/3", "x/2/3", "4294967296/0/0"] {
            let keys = keys(1);
            let payload = format!("{unknown} {}", told(keys.iter()));
            assert_eq!(
                heard(&payload),
                Notice::Commit(FinishedJobs::Keys(keys), None),
                "{unknown}"
            );
        }
    }

    #[test]
    fn a_marker_is_no_news() {
        assert_eq!(heard(&marker(u64::MAX)), Notice::Marker(u64::MAX));
        assert_eq!(heard(&marker(0)), Notice::Marker(0));
    }
}
