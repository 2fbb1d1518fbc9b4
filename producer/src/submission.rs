//! A submission's body, from bytes to typed input. Pure.

use std::{sync::Arc, time::Duration};

use quhao_common::domain::{
    app::App,
    callback_target::CallbackUrl,
    job::{Metadata, Work},
};

use self::{callback_url::CallbackRules, repairs::FieldRepair};
use crate::http::{
    auth::Authenticated,
    fields::Fields,
    problem::{FieldError, Problem},
};

pub mod base64_repair;
pub(crate) mod submit_body;
mod callback_url;
mod ciphertext;
mod combinations;
mod credential;
mod deadline_and_metadata;
mod repairs;
#[cfg(test)]
mod tests;
mod work;

const FIELDS: &str = "app_id, code, encrypted_data, iv, session, phone_code, openid, expect, \
                      deadline_seconds, callback_url and metadata";

/// A client's request for a job, checked and repaired.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) app: Arc<App>,
    pub(crate) work: Work,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) callback_url: Option<CallbackUrl>,
    /// Time from now until the job's deadline.
    pub(crate) deadline: Duration,
    /// The damage that was repaired.
    pub(crate) repairs: Vec<FieldRepair>,
}

/// What a body is read for, beside the body itself.
pub(crate) struct SubmissionContext<'a> {
    pub(crate) caller: &'a Authenticated,
    /// Whether callback URLs may be plain http.
    pub(crate) allows_plain_http: bool,
    /// An error of the headers, to be reported with those of the body.
    pub(crate) header_error: Option<FieldError>,
}

impl Submission {
    /// Reads `body`, or returns the problem that lists everything wrong with it.
    pub(crate) fn read(body: &[u8], context: SubmissionContext<'_>) -> Result<Self, Problem> {
        let SubmissionContext { caller, allows_plain_http, header_error } = context;
        let mut fields = Fields::parse(body, header_error)?;
        let mut repairs = Vec::new();
        let app = fields.take_app(caller);
        let work = work::read(&mut fields, caller, app.as_ref(), &mut repairs);
        let rules =
            CallbackRules { client: &caller.client, app: app.as_deref(), allows_plain_http };
        let callback_url = callback_url::read(&mut fields, &rules);
        let deadline = deadline_and_metadata::deadline(&mut fields);
        let metadata = deadline_and_metadata::metadata(&mut fields);
        let errors = fields.into_errors(FIELDS);
        // A missing app or work has left an error.
        match (app, work, errors.is_empty()) {
            (Some(app), Some(work), true) => {
                Ok(Self { app, work, metadata, callback_url, deadline, repairs })
            }
            _ => Err(Problem::invalid(errors)),
        }
    }
}
