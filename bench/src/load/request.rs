//! The submissions of a run: made once, so that sending one costs next to nothing.

use anyhow::{Context, Result};
use quhao_simulator::PhonePayload;
use quhao_tests::config::APP;
use serde_json::json;

/// Guests whose ciphertext is made: their numbers repeat, their codes do not.
const GUESTS: u32 = 256;

/// The placeholder of a job's code, of the same length.
const CODE_GAP: &str = "################################";

/// Requests of jobs that differ in their code, ready to be sent but for that.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    guests: Vec<Vec<u8>>,
    /// Where in each of them the code goes.
    code_at: usize,
    /// Bytes of a body.
    body_bytes: usize,
    run: u64,
}

/// Optional parts of a submission.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wishes {
    /// `Prefer: wait`, in seconds.
    pub(crate) wait_seconds: Option<u64>,
    /// `deadline_seconds`; the product's own default if it is `None`.
    pub(crate) deadline_seconds: Option<u64>,
}

impl Requests {
    /// Requests with `api_key` of guests whose data are encrypted with `session_key`. Codes
    /// of one set of requests never meet those of another.
    pub(crate) fn new(api_key: &str, session_key: &str, wishes: Wishes) -> Result<Self> {
        let guests: Vec<Vec<u8>> = (0..GUESTS)
            .map(|guest| one(api_key, &body(guest, session_key, wishes)?, wishes))
            .collect::<Result<_>>()?;
        let first = &guests[0];
        let code_at = first.windows(CODE_GAP.len()).position(|part| part == CODE_GAP.as_bytes());
        let body_at = first.windows(4).position(|part| part == b"\r\n\r\n");
        let body_at = body_at.context("a request has a body")? + 4;
        Ok(Self {
            code_at: code_at.context("a request has a place for the code")?,
            body_bytes: first.len() - body_at,
            guests,
            run: rand::random(),
        })
    }

    /// Puts the request of job `number` into `buffer`, in place of what was there.
    pub(crate) fn write(&self, number: u64, buffer: &mut Vec<u8>) {
        let guest = number % u64::from(GUESTS);
        let request = &self.guests[usize::try_from(guest).unwrap_or_default()];
        buffer.clear();
        buffer.extend_from_slice(request);
        let (run, number) = (hex(self.run), hex(number));
        buffer[self.code_at..][..16].copy_from_slice(&run);
        buffer[self.code_at + 16..][..16].copy_from_slice(&number);
    }

    /// Returns the body of one job, such as every message of the broker's ceiling has it.
    pub(crate) fn sample_body(&self) -> Vec<u8> {
        let mut request = Vec::new();
        self.write(0, &mut request);
        request.split_off(request.len() - self.body_bytes)
    }
}

fn body(guest: u32, session_key: &str, wishes: Wishes) -> Result<String> {
    let number = format!("138{guest:08}");
    let encrypted = PhonePayload::mainland(APP, &number).encrypt(session_key)?;
    let mut body = json!({
        "app_id": APP,
        "code": CODE_GAP,
        "encrypted_data": encrypted.encrypted_data,
        "iv": encrypted.iv,
    });
    if let Some(seconds) = wishes.deadline_seconds {
        body["deadline_seconds"] = seconds.into();
    }
    Ok(body.to_string())
}

fn one(api_key: &str, body: &str, wishes: Wishes) -> Result<Vec<u8>> {
    anyhow::ensure!(api_key.bytes().all(|byte| byte.is_ascii_graphic()), "an API key of ASCII");
    let wait = wishes.wait_seconds.map_or_else(String::new, |s| format!("prefer: wait={s}\r\n"));
    let request = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {api_key}\r\n\
         content-type: application/json\r\n{wait}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    Ok(request.into_bytes())
}

fn hex(mut number: u64) -> [u8; 16] {
    let mut text = [b'0'; 16];
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::try_from(number & 15).unwrap_or_default()];
        number >>= 4;
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::http;

    const SESSION_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

    fn requests(wishes: Wishes) -> Requests {
        Requests::new("key", SESSION_KEY, wishes).unwrap()
    }

    fn sent(requests: &Requests, number: u64) -> (String, Value) {
        let mut bytes = b"left over".to_vec();
        requests.write(number, &mut bytes);
        let head = http::head(&bytes).unwrap().unwrap();
        assert_eq!(head.bytes + head.body_bytes, bytes.len());
        let text = String::from_utf8(bytes[..head.bytes].to_vec()).unwrap();
        (text, serde_json::from_slice(&bytes[head.bytes..]).unwrap())
    }

    #[test]
    fn every_job_has_a_code_of_its_own() {
        let requests = requests(Wishes::default());
        let ((_, first), (_, second)) = (sent(&requests, 1), sent(&requests, 257));
        assert_ne!(first["code"], second["code"]);
        assert_eq!(first["code"].as_str().unwrap().len(), CODE_GAP.len());
        // The same guest: whatever else is in there is the same.
        assert_eq!(first["encrypted_data"], second["encrypted_data"]);
        let (_, other) = sent(&requests, 2);
        assert_ne!(first["encrypted_data"], other["encrypted_data"]);
    }

    #[test]
    fn wishes_are_in_the_request() {
        let (head, body) = sent(&requests(Wishes::default()), 0);
        assert!(!head.contains("prefer"));
        assert_eq!(body.get("deadline_seconds"), None);
        let wishes = Wishes { wait_seconds: Some(30), deadline_seconds: Some(7) };
        let (head, body) = sent(&requests(wishes), 0);
        assert!(head.contains("\r\nprefer: wait=30\r\n"));
        assert_eq!(body["deadline_seconds"], 7);
    }

    #[test]
    fn a_sample_is_a_whole_body() {
        let body: Value =
            serde_json::from_slice(&requests(Wishes::default()).sample_body()).unwrap();
        assert_eq!(body["app_id"], APP);
    }
}
