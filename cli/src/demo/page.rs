//! The demo page: a phone to tap on, and what quhao returns for the tap.
//!
//! The browser is the guest. This server is the ordering system: it holds the API key, which
//! never reaches the browser.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use quhao_simulator::{Simulator, User};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::Semaphore};

use super::client::{self, APP_ID, Client};

const HTML: &str = include_str!("page.html");
/// Largest number of taps at once.
const TAPS_MAX: usize = 32;

/// The page's server, bound but not serving yet.
pub(super) struct Page {
    listener: TcpListener,
    address: SocketAddr,
}

struct Shop {
    simulator: Arc<Simulator>,
    client: Client,
    taps: Semaphore,
}

impl Page {
    /// Binds `wanted`, or a port that the system chooses if that is taken.
    pub(super) async fn bind(wanted: SocketAddr) -> io::Result<Self> {
        let listener = match TcpListener::bind(wanted).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind(SocketAddr::new(wanted.ip(), 0)).await?,
        };
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Returns the address that it listens on.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until dropped.
    pub(super) async fn run(self, simulator: Arc<Simulator>, client: Client) -> io::Result<()> {
        let shop = Arc::new(Shop { simulator, client, taps: Semaphore::new(TAPS_MAX) });
        let router = Router::new()
            .route("/", get(html))
            .route("/guest", get(guest))
            .route("/tap", post(tap))
            .with_state(shop);
        axum::serve(self.listener, router).await
    }
}

async fn html() -> Response {
    // The page's one script and one style are allowed by their hashes; nothing else is,
    // wherever it may come from.
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash_of("<script>", "</script>"),
        hash_of("<style>", "</style>"),
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, HTML).into_response()
}

/// Returns the CSP hash of the text between two tags of the page.
fn hash_of(open: &str, close: &str) -> String {
    let inside = HTML
        .split_once(open)
        .and_then(|(_, rest)| rest.split_once(close))
        .map_or("", |(inside, _)| inside);
    format!("sha256-{}", STANDARD.encode(Sha256::digest(inside)))
}

/// Returns what a new guest's tap submits.
async fn guest(State(shop): State<Arc<Shop>>) -> Json<Value> {
    Json(client::body(&shop.simulator.user(APP_ID)))
}

#[derive(Deserialize)]
struct TapQuery {
    /// How often the same tap is submitted, all at once: 1 or 2.
    #[serde(default)]
    twice: bool,
}

/// The results of a tap.
#[derive(Serialize)]
struct TapResults {
    /// What the mini-program sent.
    sent: Value,
    /// The number in the ciphertext, as the simulator made it.
    minted: String,
    /// The responses to the submissions.
    answers: Vec<AnsweredSubmission>,
    /// Calls to the platform with the guest's login code.
    platform_calls: u32,
}

#[derive(Serialize)]
struct AnsweredSubmission {
    status: u16,
    took_ms: f64,
    body: Box<RawValue>,
}

/// Creates a guest who taps, submits the tap, and waits for the number.
async fn tap(State(shop): State<Arc<Shop>>, Query(query): Query<TapQuery>) -> Response {
    let Ok(_slot) = shop.taps.try_acquire() else {
        let busy = Json(json!({"error": "too many taps at once"}));
        return (StatusCode::SERVICE_UNAVAILABLE, busy).into_response();
    };
    let guest = shop.simulator.user(APP_ID);
    let answers = if query.twice {
        tokio::try_join!(submit(&shop.client, &guest), submit(&shop.client, &guest))
            .map(|(first, second)| vec![first, second])
    } else {
        submit(&shop.client, &guest).await.map(|only| vec![only])
    };
    match answers {
        Ok(answers) => Json(TapResults {
            sent: client::body(&guest),
            minted: client::expected_number(&guest),
            answers,
            platform_calls: shop.simulator.calls_of(&guest.code),
        })
        .into_response(),
        Err(error) => {
            let error = Json(json!({"error": format!("{error:#}")}));
            (StatusCode::BAD_GATEWAY, error).into_response()
        }
    }
}

async fn submit(client: &Client, guest: &User) -> anyhow::Result<AnsweredSubmission> {
    let begun = Instant::now();
    let answer = client.submit_and_wait(guest).await?;
    let took_ms = begun.elapsed().as_secs_f64() * 1000.0;
    Ok(AnsweredSubmission { status: answer.status, took_ms, body: answer.body })
}
