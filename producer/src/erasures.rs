//! `POST /v1/erasures`.

use std::sync::Arc;

use axum::{Json, extract::State};
use quhao_backend::store::{Erased, Erasure, GUESTS_OF_PHONE_MAX, StoreError};
use quhao_common::{
    crypto::vault::{HashOf, KeyedHash},
    domain::app::App,
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use self::erasure_body::ErasureBody;
use crate::{
    http::{
        auth::Authenticated,
        body::JsonWithinRate,
        fields::Fields,
        problem::{FieldCode, Problem, ProblemCode},
        problem_responses::problem_responses,
    },
    state::AppState,
};

mod erasure_body;

const FIELDS: &str = "app_id, openid and e164";
const ONE_OF_TWO: &str = "send openid or e164";

/// How much was erased.
#[derive(Serialize, ToSchema)]
#[schema(as = Erased)]
pub(crate) struct ErasedObject {
    /// Number of jobs whose result was erased.
    jobs: u64,
    /// Number of sessions that were erased.
    sessions: u64,
}

problem_responses! {
    /// Problems that the erasure of a person can be answered with.
    EraseProblems:
        MalformedJson, IncompleteBody, Unauthorized, NotFound, RequestTimeout, BodyTooLarge,
        UnsupportedMediaType, InvalidRequest, RateLimited, StoreUnavailable
}

/// Erases a person
///
/// Erases everything that is kept about a person in one mini-program: the results of jobs,
/// the session, callbacks that were not sent yet. Results that earlier jobs may still bring
/// are not kept; a later login begins anew. Answers the same when nothing is kept. A job of a
/// bare `phone_code` has no openid: its result is found by the number.
#[utoipa::path(
    post,
    path = "/v1/erasures",
    operation_id = "erase_person",
    tag = "erasure",
    security(("api_key" = [])),
    request_body(content = ErasureBody, description = "The person: an openid, or a number. At most 64 KiB."),
    responses((status = 200, description = "Nothing of the person is left", body = ErasedObject), EraseProblems),
)]
pub(crate) async fn erase(
    State(state): State<Arc<AppState>>,
    JsonWithinRate { caller, body }: JsonWithinRate,
) -> Result<Json<ErasedObject>, Problem> {
    let Subject { app, person } = Subject::read(&body, &caller)?;
    drop(body);
    let result = match person {
        Person::Openid(openid) => erase_guest(&state, &caller, &app, openid).await,
        Person::E164(number) => erase_number(&state, &caller, &app, &number).await,
    };
    let Erased { answers: jobs, sessions } =
        result.map_err(|error| Problem::from(ProblemCode::StoreUnavailable).because(&error))?;
    tracing::info!(client = %caller.client.name, app = %app.id, jobs, sessions, "erased a person");
    Ok(Json(ErasedObject { jobs, sessions }))
}

/// The person that an erasure is about.
struct Subject {
    app: Arc<App>,
    person: Person,
}

enum Person {
    Openid(String),
    /// Wiped when it is not needed any more, and never repeated.
    E164(Zeroizing<String>),
}

impl Subject {
    /// Reads the body of a request.
    fn read(body: &[u8], caller: &Authenticated) -> Result<Self, Problem> {
        let mut fields = Fields::parse(body, None)?;
        let app = fields.take_app(caller);
        match (fields.has("openid"), fields.has("e164")) {
            (false, false) => {
                let detail = format!("is needed: {ONE_OF_TWO}");
                fields.refuse("openid", FieldCode::Required, detail);
            }
            (true, true) => {
                let detail = format!("does not go with openid: {ONE_OF_TWO}");
                fields.refuse("e164", FieldCode::Conflicting, detail);
            }
            (true, false) | (false, true) => {}
        }
        let openid = fields.take_openid().map(Person::Openid);
        let number = take_e164(&mut fields).map(Person::E164);
        let errors = fields.into_errors(FIELDS);
        match (app, openid.or(number), errors.is_empty()) {
            (Some(app), Some(person), true) => Ok(Self { app, person }),
            _ => Err(Problem::invalid(errors)),
        }
    }
}

/// Takes `e164`: `+`, and 2 to 15 digits of which the first is not 0.
fn take_e164(fields: &mut Fields<'_>) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(fields.take_text("e164")?);
    let digits = text.strip_prefix('+').unwrap_or_default();
    let fits = (2..=15).contains(&digits.len()) && !digits.starts_with('0');
    if fits && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text);
    }
    let detail = "must be + and 2 to 15 digits, the country code first, as e164 in results";
    fields.refuse("e164", FieldCode::InvalidValue, detail);
    None
}

/// Erases the guest with this openid.
async fn erase_guest(
    state: &AppState,
    caller: &Authenticated,
    app: &App,
    openid: String,
) -> Result<Erased, StoreError> {
    let target = ErasureTarget::now(state, caller, app);
    state.backend.store.erase_person(&target.erasure(vec![openid], Vec::new(), &[])).await
}

/// Erases everything with this number, and all guests that it belongs to.
async fn erase_number(
    state: &AppState,
    caller: &Authenticated,
    app: &App,
    number: &str,
) -> Result<Erased, StoreError> {
    let target = ErasureTarget::now(state, caller, app);
    let store = &state.backend.store;
    let hashes = caller.registry.vault.hashes(HashOf::Phone, app.id.as_str(), number.as_bytes());
    // The record first: from then on the number leads to the same guests.
    let mut erased = store.erase_person(&target.erasure(vec![], vec![], &hashes)).await?;
    loop {
        let guests = store.guests_of_phone(&caller.client.name, &app.id, &hashes).await?;
        // While there are more guests, the number itself stays: it leads to the others.
        let is_last = guests.len() < GUESTS_OF_PHONE_MAX as usize;
        let phone_hashes = if is_last { hashes.clone() } else { Vec::new() };
        let part = target.erasure(guests, phone_hashes, &hashes);
        let Erased { answers, sessions } = store.erase_person(&part).await?;
        erased.answers += answers;
        erased.sessions += sessions;
        if is_last {
            return Ok(erased);
        }
    }
}

/// What all parts of one erasure have in common.
struct ErasureTarget<'a> {
    caller: &'a Authenticated,
    app: &'a App,
    /// As fine as the times of jobs: jobs accepted by now are included, later ones are not.
    erased_at: OffsetDateTime,
    purge_at: OffsetDateTime,
}

impl<'a> ErasureTarget<'a> {
    /// Begins an erasure as of now.
    fn now(state: &AppState, caller: &'a Authenticated, app: &'a App) -> Self {
        let erased_at = OffsetDateTime::now_utc().truncate_to_millisecond();
        let purge_at = erased_at + state.limits.erasure_retention;
        Self { caller, app, erased_at, purge_at }
    }

    /// Creates the erasure of these guests and of the answers with these hashes of a number.
    /// `number` are the hashes of the number that the request names, if it names one.
    fn erasure(
        &self,
        openids: Vec<String>,
        phone_hashes: Vec<KeyedHash>,
        number: &[KeyedHash],
    ) -> Erasure {
        let vault = &self.caller.registry.vault;
        let mut subjects = number.to_vec();
        for openid in &openids {
            subjects.extend(vault.hashes(HashOf::Guest, self.app.id.as_str(), openid.as_bytes()));
        }
        Erasure {
            client: self.caller.client.name.clone(),
            app: self.app.id.clone(),
            openids,
            phone_hashes,
            subjects,
            erased_at: self.erased_at,
            purge_at: self.purge_at,
        }
    }
}
