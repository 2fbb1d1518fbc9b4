//! Ids of jobs and handles of sessions: made, verified and read.

use quhao_common::domain::{
    id::{JobId, parse_for_operator},
    session_handle::{HandleKey, SessionHandle},
};
use serde_json::Value;

use super::{
    super::file::text,
    job::{app, client, submission_id},
    secret::id_keys,
};

/// An id of a job or a handle of a session, as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// As clients hold it.
    pub(crate) wire: String,
    /// As logs show it.
    pub(crate) shown: String,
    pub(crate) key: Vec<u8>,
}

/// Derives the id of the submission that `entry` describes.
pub(crate) fn job_id(entry: &Value, numbers: &[u8]) -> Written {
    let id = submission_id(entry, &id_keys(numbers));
    Written { wire: id.wire(), shown: id.to_string(), key: id.key().as_bytes().to_vec() }
}

/// Makes the handle of the guest that `entry` describes.
pub(crate) fn session_handle(entry: &Value, numbers: &[u8]) -> Written {
    let (client, app) = (client(text(entry, "client")), app(text(entry, "app")));
    let handle = id_keys(numbers).session_handle(&client, &app, text(entry, "openid"));
    let key = HandleKey::of(&client, &app, text(entry, "openid"));
    assert_eq!(key, handle.key(), "with secrets or without");
    Written { wire: handle.wire(), shown: handle.to_string(), key: key.as_bytes().to_vec() }
}

/// Verifies an id for this client and these apps: the key and the app, if it is one of theirs.
pub(crate) fn verify_job(
    wire: &str,
    owner: &str,
    apps: &[&str],
    numbers: &[u8],
) -> Option<(Vec<u8>, String)> {
    let apps: Vec<_> = apps.iter().map(|id| app(id)).collect();
    let (id, app) = JobId::verify(wire, &id_keys(numbers), &client(owner), &apps)?;
    Some((id.key().as_bytes().to_vec(), app.as_str().to_owned()))
}

/// Verifies a handle in the same way.
pub(crate) fn verify_session(
    wire: &str,
    owner: &str,
    apps: &[&str],
    numbers: &[u8],
) -> Option<(Vec<u8>, String)> {
    let apps: Vec<_> = apps.iter().map(|id| app(id)).collect();
    let (handle, app) = SessionHandle::verify(wire, &id_keys(numbers), &client(owner), &apps)?;
    Some((handle.key().as_bytes().to_vec(), app.as_str().to_owned()))
}

/// Reads the number of the secret and the key out of an id in either form.
pub(crate) fn as_operator(text: &str) -> Option<(u8, Vec<u8>)> {
    parse_for_operator(text).map(|(number, key)| (number, key.as_bytes().to_vec()))
}
