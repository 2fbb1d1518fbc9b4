//! A cache of which app a key belongs to, so that an id that comes again is proved for one app,
//! however many its client has. An entry is a hint: the tag is checked all the same.

use parking_lot::{Mutex, MutexGuard};

use crate::domain::{
    app::AppId,
    id::{KEY_BYTES, Key},
};

/// The number of entries, some forty bytes each: what a busy producer meets within seconds.
const SLOTS: usize = 1 << 14;

/// An entry, if there is one: a key and its app.
type CacheSlot = Option<([u8; KEY_BYTES], AppId)>;

/// The apps of recent keys. Keys that share a slot replace each other.
pub(super) struct RecentApps(Box<[Mutex<CacheSlot>]>);

impl RecentApps {
    /// Creates an empty cache.
    pub(super) fn new() -> Self {
        Self((0..SLOTS).map(|_| Mutex::default()).collect())
    }

    /// Notes that `key` belongs to `app`.
    pub(super) fn remember<K>(&self, key: &Key<K>, app: &AppId) {
        let mut slot = self.slot(key.as_bytes());
        if slot.as_ref().is_none_or(|(last, _)| last != key.as_bytes()) {
            *slot = Some((*key.as_bytes(), app.clone()));
        }
    }

    /// Returns the app that `key` was last noted for, if its entry is still there.
    pub(super) fn app_of<K>(&self, key: &Key<K>) -> Option<AppId> {
        match &*self.slot(key.as_bytes()) {
            Some((last, app)) if last == key.as_bytes() => Some(app.clone()),
            _ => None,
        }
    }

    fn slot(&self, key: &[u8; KEY_BYTES]) -> MutexGuard<'_, CacheSlot> {
        // Keys are hashes: any of their bytes spread them evenly.
        let at = usize::from(u16::from_be_bytes([key[0], key[1]])) % SLOTS;
        self.0[at].lock()
    }
}
