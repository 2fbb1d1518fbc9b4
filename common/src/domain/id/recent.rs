//! Which app a key belonged to lately, so that an id which comes again is proved at the
//! price of one app, however many its client has. A hint: the tag is judged all the same.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::KEY_BYTES;
use crate::domain::app::AppId;

/// How many keys have a place, at some forty bytes each: what a busy producer meets within
/// some seconds.
const PLACES: usize = 1 << 14;

type Key = [u8; KEY_BYTES];
type Place = Mutex<Option<(Key, AppId)>>;

/// A place for each key, which it shares with others: the last one stays.
pub(super) struct Recent(Box<[Place]>);

impl Recent {
    pub(super) fn new() -> Self {
        Self((0..PLACES).map(|_| Mutex::default()).collect())
    }

    pub(super) fn remember(&self, key: &Key, app: &AppId) {
        let mut place = self.place(key);
        if place.as_ref().is_none_or(|(last, _)| last != key) {
            *place = Some((*key, app.clone()));
        }
    }

    pub(super) fn app_of(&self, key: &Key) -> Option<AppId> {
        self.place(key).as_ref().filter(|(last, _)| last == key).map(|(_, app)| app.clone())
    }

    fn place(&self, key: &Key) -> MutexGuard<'_, Option<(Key, AppId)>> {
        // Keys are hashes: any of their bytes spread them evenly.
        let at = usize::from(u16::from_be_bytes([key[0], key[1]])) % PLACES;
        self.0[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
