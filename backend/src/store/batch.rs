//! What a batch of outcomes comes down to before any statement runs. Pure.

use std::collections::{BTreeMap, btree_map::Entry};

use time::OffsetDateTime;

use quhao_common::{
    crypto::vault::KeyedHash,
    domain::{
        app::AppId,
        client::ClientName,
        finished::{FinalState, Finished, NewSession},
        id::JobKey,
    },
};

/// An outcome among those of its batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranked<'a> {
    /// The outcome.
    pub(super) finished: &'a Finished,
    /// Whether it [replaces](FinalState::replaces) all others of its key. Only then its answer
    /// is written; what its exchange gave is kept in any case.
    pub(super) best: bool,
}

/// Returns the best outcome of each key, in the order of keys, so that two writers lock rows in
/// the same order. After them come those others that know a guest, or that failed: such a
/// failure may be that of a duplicate with a later deadline.
pub(super) fn ranked(batch: &[Finished]) -> Vec<Ranked<'_>> {
    let mut best = BTreeMap::<JobKey, &Finished>::new();
    let mut others = Vec::new();
    for finished in batch {
        match best.entry(finished.key) {
            Entry::Vacant(entry) => {
                entry.insert(finished);
            }
            Entry::Occupied(mut entry)
                if finished.final_state.replaces(entry.get().final_state) =>
            {
                others.push(entry.insert(finished));
            }
            Entry::Occupied(_) => others.push(finished),
        }
    }
    others.retain(|finished| {
        guest(finished).is_some() || matches!(finished.final_state, FinalState::Failed(_))
    });
    let best = best.into_values().map(|finished| Ranked { finished, best: true });
    best.chain(others.into_iter().map(|finished| Ranked { finished, best: false })).collect()
}

/// The guest of a client and an app, whose session is stored. Writers lock sessions in this
/// order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GuestKey<'a> {
    pub(super) client: &'a ClientName,
    pub(super) app: &'a AppId,
    pub(super) openid: &'a str,
}

/// An exchange, with what else the batch knows about its guest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange<'a> {
    /// The guest.
    pub(super) guest: GuestKey<'a>,
    /// What the platform gave.
    pub(super) session: &'a NewSession,
    /// The keyed hash of the phone number that the guest gave last.
    pub(super) phone_hash: Option<&'a KeyedHash>,
}

/// What a batch knows about guests.
#[derive(Debug, Default)]
pub(super) struct GuestUpdates<'a> {
    /// The exchanges in rounds: each round has a guest once, and a guest's exchanges are in the
    /// order of their times. Nearly always there is one round.
    pub(super) rounds: Vec<Vec<Exchange<'a>>>,
    /// The keyed hashes of the phone numbers of guests without an exchange in this batch: their
    /// sessions, if they have any, were stored earlier.
    pub(super) phones: BTreeMap<GuestKey<'a>, &'a KeyedHash>,
}

/// Collects what `outcomes` know about guests.
pub(super) fn guest_updates<'a>(
    outcomes: impl IntoIterator<Item = &'a Finished>,
) -> GuestUpdates<'a> {
    let mut exchanges = BTreeMap::<GuestKey<'a>, Vec<&NewSession>>::new();
    let mut phones = BTreeMap::<GuestKey<'a>, (OffsetDateTime, &KeyedHash)>::new();
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
    let mut updates = GuestUpdates::default();
    for (guest, mut sessions) in exchanges {
        let phone_hash = phones.remove(&guest).map(|(_, hash)| hash);
        sessions.sort_by_key(|session| session.exchanged_at);
        for (round, session) in sessions.into_iter().enumerate() {
            if updates.rounds.len() == round {
                updates.rounds.push(Vec::new());
            }
            updates.rounds[round].push(Exchange { guest, session, phone_hash });
        }
    }
    updates.phones = phones.into_iter().map(|(guest, (_, hash))| (guest, hash)).collect();
    updates
}

/// Returns the guest whose session an outcome changes, if it does.
fn guest(finished: &Finished) -> Option<GuestKey<'_>> {
    let openid = match (&finished.session, &finished.openid, &finished.phone_hash) {
        (Some(session), ..) => &session.openid,
        (None, Some(openid), Some(_)) => openid,
        _ => return None,
    };
    Some(GuestKey { client: &finished.client, app: &finished.app, openid })
}
