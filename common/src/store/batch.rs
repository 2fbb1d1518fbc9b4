//! What a batch of outcomes comes down to before any statement runs. Pure, and the same
//! for every member.

use std::collections::BTreeMap;

use super::{Finished, NewSession};
use crate::{
    app::{AppId, ClientName},
    id::JobKey,
};

/// One entry for each key of `batch`, the one that [`super::Ending::replaces`] all others, in the
/// order of keys, so that two writers lock rows in the same order.
pub fn best_of_each(batch: &[Finished]) -> Vec<&Finished> {
    let mut best = BTreeMap::<JobKey, &Finished>::new();
    for finished in batch {
        best.entry(finished.key)
            .and_modify(|kept| {
                if finished.ending.replaces(kept.ending) {
                    *kept = finished;
                }
            })
            .or_insert(finished);
    }
    best.into_values().collect()
}

/// A session with whose it is.
pub type OwnedSession<'a> = (&'a ClientName, &'a AppId, &'a NewSession);

/// The sessions of a batch in rounds: in each round a guest stands once, and a guest's
/// exchanges come in the order of their times. Nearly always one round.
pub fn session_rounds(batch: &[Finished]) -> Vec<Vec<OwnedSession<'_>>> {
    let mut by_guest = BTreeMap::<_, Vec<OwnedSession<'_>>>::new();
    for finished in batch {
        if let Some(session) = &finished.session {
            by_guest.entry((&finished.client, &finished.app, &session.openid)).or_default().push((
                &finished.client,
                &finished.app,
                session,
            ));
        }
    }
    let mut rounds: Vec<Vec<OwnedSession<'_>>> = Vec::new();
    for mut exchanges in by_guest.into_values() {
        exchanges.sort_by_key(|(_, _, session)| session.exchanged_at);
        for (at, exchange) in exchanges.into_iter().enumerate() {
            if rounds.len() == at {
                rounds.push(Vec::new());
            }
            rounds[at].push(exchange);
        }
    }
    rounds
}
