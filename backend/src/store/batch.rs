//! What a batch of outcomes comes down to before any statement runs. Pure, and the same
//! for every member.

use std::collections::{BTreeMap, btree_map::Entry};

use time::OffsetDateTime;

use quhao_common::{
    crypto::vault::KeyedHash,
    domain::{
        app::{AppId, ClientName},
        finished::{FinalState, Finished, NewSession},
        id::JobKey,
    },
};

/// An outcome among those of its batch.
#[derive(Debug, Clone, Copy)]
pub struct Ranked<'a> {
    /// What is to be committed.
    pub finished: &'a Finished,
    /// Whether it [`quhao_common::domain::finished::FinalState::replaces`] all others of its key: only then its answer
    /// is written. What an exchange gave counts in any case.
    pub best: bool,
}

/// The best outcome of each key, in the order of keys, so that two writers lock rows in the
/// same order; then those of the others that tell of a guest, or of a failure: that may be a
/// later copy's.
pub fn ranked(batch: &[Finished]) -> Vec<Ranked<'_>> {
    let mut best = BTreeMap::<JobKey, &Finished>::new();
    let mut rest = Vec::new();
    for finished in batch {
        match best.entry(finished.key) {
            Entry::Vacant(place) => {
                place.insert(finished);
            }
            Entry::Occupied(mut kept) if finished.final_state.replaces(kept.get().final_state) => {
                rest.push(kept.insert(finished));
            }
            Entry::Occupied(_) => rest.push(finished),
        }
    }
    let failed = |finished: &Finished| matches!(finished.final_state, FinalState::Failed(_));
    rest.retain(|finished| guest(finished).is_some() || failed(finished));
    let best = best.into_values().map(|finished| Ranked { finished, best: true });
    best.chain(rest.into_iter().map(|finished| Ranked { finished, best: false })).collect()
}

/// Whose a session is. In the order of these, writers lock sessions.
pub type Guest<'a> = (&'a ClientName, &'a AppId, &'a str);

/// An exchange, with what else the batch knows of its guest.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// Whose it is.
    pub guest: Guest<'a>,
    /// What the platform gave.
    pub session: &'a NewSession,
    /// The number that the guest gave last.
    pub phone_hash: Option<&'a KeyedHash>,
}

/// What a batch says of guests.
#[derive(Debug, Default)]
pub struct Guests<'a> {
    /// The exchanges in rounds: in each round a guest stands once, and a guest's exchanges
    /// come in the order of their times. Nearly always one round.
    pub rounds: Vec<Vec<Exchange<'a>>>,
    /// The numbers of guests without an exchange in this batch: their sessions, if they
    /// have any, were stored earlier.
    pub phones: BTreeMap<Guest<'a>, &'a KeyedHash>,
}

/// What these outcomes say of guests.
pub fn guests<'a>(outcomes: impl IntoIterator<Item = &'a Finished>) -> Guests<'a> {
    let mut exchanges = BTreeMap::<Guest<'a>, Vec<&NewSession>>::new();
    let mut phones = BTreeMap::<Guest<'a>, (OffsetDateTime, &KeyedHash)>::new();
    for finished in outcomes {
        let Some(guest) = guest(finished) else { continue };
        if let Some(session) = &finished.session {
            exchanges.entry(guest).or_default().push(session);
        }
        if let Some(hash) = &finished.phone_hash {
            let given = (finished.finished_at, hash);
            phones.entry(guest).and_modify(|last| *last = given.max(*last)).or_insert(given);
        }
    }
    let mut guests = Guests::default();
    for (guest, mut sessions) in exchanges {
        let phone_hash = phones.remove(&guest).map(|(_, hash)| hash);
        sessions.sort_by_key(|session| session.exchanged_at);
        for (at, session) in sessions.into_iter().enumerate() {
            if guests.rounds.len() == at {
                guests.rounds.push(Vec::new());
            }
            guests.rounds[at].push(Exchange { guest, session, phone_hash });
        }
    }
    guests.phones = phones.into_iter().map(|(guest, (_, hash))| (guest, hash)).collect();
    guests
}

/// The guest whose session an outcome changes, if it does.
fn guest(finished: &Finished) -> Option<Guest<'_>> {
    let openid = match (&finished.session, &finished.openid, &finished.phone_hash) {
        (Some(session), ..) => &session.openid,
        (None, Some(openid), Some(_)) => openid,
        _ => return None,
    };
    Some((&finished.client, &finished.app, openid))
}
