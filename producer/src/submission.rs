//! A submission's body, from bytes to typed input. Pure.

use std::{sync::Arc, time::Duration};

use crate::submission::base64_repair::Repair;
use quhao_common::domain::{
    app::App,
    callback_target::CallbackUrl,
    job::{Metadata, Work},
};

use crate::http::{
    auth::Authenticated,
    fields::Fields,
    problem::{FieldError, Problem},
};

pub mod base64_repair;
mod callback_url;
mod ciphertext;
mod credential;
mod deadline;
mod metadata;
mod work;

const FIELDS: &str = "app_id, code, encrypted_data, iv, session, phone_code, openid, expect, \
                      deadline_seconds, callback_url and metadata";

/// What a client asks for, checked and repaired.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) app: Arc<App>,
    pub(crate) work: Work,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) callback_url: Option<CallbackUrl>,
    pub(crate) deadline: Duration,
    /// What had to be undone.
    pub(crate) repairs: Repairs,
}

/// What had to be undone, by field.
pub(crate) type Repairs = Vec<(&'static str, Repair)>;

impl Submission {
    /// Reads `body`. `plain_http` says whether callbacks may go in the clear; `earlier` is
    /// what was found wrong with the headers.
    pub(crate) fn read(
        body: &[u8],
        caller: &Authenticated,
        plain_http: bool,
        earlier: Option<FieldError>,
    ) -> Result<Self, Problem> {
        let mut fields = Fields::of(body, earlier)?;
        let mut repairs = Repairs::new();
        let app = fields.app(caller);
        let work = work::read(&mut fields, caller, app.as_ref(), &mut repairs);
        let callback_url = callback_url::read(&mut fields, caller, app.as_deref(), plain_http);
        let deadline = deadline::read(&mut fields);
        let metadata = metadata::read(&mut fields);
        let errors = fields.complaints(FIELDS);
        // Whatever is missing here has left an error.
        match (app, work, errors.is_empty()) {
            (Some(app), Some(work), true) => {
                Ok(Self { app, work, metadata, callback_url, deadline, repairs })
            }
            _ => Err(Problem::invalid(errors)),
        }
    }
}

#[cfg(test)]
mod tests;
