//! Locking that survives a panicking test thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a holder that panicked left plain data behind, which is still good enough for a simulator.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
