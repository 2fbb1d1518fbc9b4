//! What a client of the API sees, over HTTP alone.

mod bad_input;
mod combinations;
mod erasure;
mod isolation;
mod rate_limit;
mod refusals;
mod sessions;
mod stored_session;
mod submit;
