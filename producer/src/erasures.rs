//! `POST /v1/erasures`.

use std::sync::Arc;

use axum::{Json, extract::State};
use quhao_backend::store::{Erased, Erasure, StoreError, erasure::GUESTS_OF_PHONE_MAX};
use quhao_common::{
    crypto::vault::{HashOf, KeyedHash},
    domain::app::App,
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::{
    Edge,
    http::{
        auth::Authenticated,
        body::RatedJson,
        fields::Fields,
        problem::{FieldCode, Problem, ProblemCode},
    },
    openapi::{erasure::ErasureBody, problems::EraseProblems},
};

const FIELDS: &str = "app_id, openid and e164";
const ONE_OF_TWO: &str = "send openid or e164";

/// How much was erased.
#[derive(Serialize, ToSchema)]
#[schema(as = Erased)]
pub(crate) struct ErasedObject {
    /// Jobs whose result was erased.
    jobs: u64,
    /// Sessions.
    sessions: u64,
}

/// Erase a person
///
/// Erases everything that is kept about a person in one mini-program: the results of jobs,
/// the session, callbacks that were not sent yet. What jobs that were submitted before may
/// still bring is kept out; a later login begins anew. Answers the same when nothing is
/// kept. A job of a bare `phone_code` tells no openid: its result is found by the number.
#[utoipa::path(
    post,
    path = "/v1/erasures",
    operation_id = "erase_person",
    tag = "erasure",
    security(("api_key" = [])),
    request_body(content = ErasureBody, description = "Whom: an openid, or a number. At most 64 KiB."),
    responses((status = 200, description = "Nothing of the person is left", body = ErasedObject), EraseProblems),
)]
pub(crate) async fn erase(
    State(edge): State<Arc<Edge>>,
    RatedJson(caller, body): RatedJson,
) -> Result<Json<ErasedObject>, Problem> {
    let Subject { app, person } = Subject::read(&body, &caller)?;
    drop(body);
    let erased = match erase_everything(&edge, &caller, &app, person).await {
        Ok(erased) => erased,
        Err(error) => return Err(Problem::from(ProblemCode::StoreUnavailable).because(&error)),
    };
    let (jobs, sessions) = (erased.answers, erased.sessions);
    tracing::info!(client = %caller.client.name, app = %app.id, jobs, sessions, "erased a person");
    Ok(Json(ErasedObject { jobs, sessions }))
}

/// Whom an erasure is about.
struct Subject {
    app: Arc<App>,
    person: Person,
}

enum Person {
    Openid(String),
    /// Wiped when it is not needed any more, and never told again.
    E164(Zeroizing<String>),
}

impl Subject {
    fn read(body: &[u8], caller: &Authenticated) -> Result<Self, Problem> {
        let mut fields = Fields::of(body, None)?;
        let app = fields.app(caller);
        match (fields.has("openid"), fields.has("e164")) {
            (false, false) => {
                let detail = format!("is needed: {ONE_OF_TWO}");
                fields.refuse("openid", FieldCode::Required, detail);
            }
            (true, true) => {
                let detail = format!("does not go with openid: {ONE_OF_TWO}");
                fields.refuse("e164", FieldCode::Conflicting, detail);
            }
            _ => {}
        }
        let (openid, number) = (fields.openid(), e164(&mut fields));
        let errors = fields.complaints(FIELDS);
        let person = openid.map(Person::Openid).or(number.map(Person::E164));
        match (app, person, errors.is_empty()) {
            (Some(app), Some(person), true) => Ok(Self { app, person }),
            _ => Err(Problem::invalid(errors)),
        }
    }
}

/// `+`, and 2 to 15 digits of which the first is not 0.
fn e164(fields: &mut Fields<'_>) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(fields.text("e164")?);
    let digits = text.strip_prefix('+').unwrap_or_default();
    let fits = (2..=15).contains(&digits.len()) && !digits.starts_with('0');
    if fits && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text);
    }
    let detail = "must be + and 2 to 15 digits, the country code first, as e164 in results";
    fields.refuse("e164", FieldCode::InvalidValue, detail);
    None
}

async fn erase_everything(
    edge: &Edge,
    caller: &Authenticated,
    app: &App,
    person: Person,
) -> Result<Erased, StoreError> {
    let (store, vault) = (&edge.backend.store, &caller.registry.vault);
    let client = &caller.client.name;
    // As fine as the times of jobs: what was accepted by now is in it, what comes later not.
    let erased_at = OffsetDateTime::now_utc().truncate_to_millisecond();
    let purge_at = erased_at + edge.limits.erasure_retention;
    let erasure = |openids: Vec<String>, phone_hashes: Vec<KeyedHash>, number: &[KeyedHash]| {
        let of_guest = |openid: &String| -> Vec<KeyedHash> {
            vault.hashes(HashOf::Guest, app.id.as_str(), openid.as_bytes())
        };
        let guests = openids.iter().flat_map(of_guest);
        let subjects = number.iter().copied().chain(guests).collect();
        let (client, app) = (client.clone(), app.id.clone());
        Erasure { client, app, openids, phone_hashes, subjects, erased_at, purge_at }
    };
    let number = match person {
        Person::Openid(openid) => {
            return store.erase_person(&erasure(vec![openid], vec![], &[])).await;
        }
        Person::E164(number) => number,
    };
    let hashes = vault.hashes(HashOf::Phone, app.id.as_str(), number.as_bytes());
    // The record first: what the number leads to from then on stays the same.
    let mut erased = store.erase_person(&erasure(vec![], vec![], &hashes)).await?;
    loop {
        let guests = store.guests_of_phone(client, &app.id, &hashes).await?;
        // While there are more, the number itself stays: it leads to the others.
        let last = guests.len() < GUESTS_OF_PHONE_MAX as usize;
        let of_number = if last { hashes.clone() } else { Vec::new() };
        let part = erasure(guests, of_number, &hashes);
        let Erased { answers, sessions } = store.erase_person(&part).await?;
        erased.answers += answers;
        erased.sessions += sessions;
        if last {
            return Ok(erased);
        }
    }
}
