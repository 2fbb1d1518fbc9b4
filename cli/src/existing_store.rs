//! Opens the store for a command that must not create one.

use quhao_backend::{backend, store::Store};
use quhao_common::config::{Config, StoreUrl};

use crate::exit::Exit;

/// Opens the store of `config`. Fails where that is an SQLite file that does not exist.
pub(crate) async fn open(config: &Config) -> Result<Store, Exit> {
    // Opening a file that does not exist would create it.
    if is_absent(config) {
        return Err(Exit::failed("the store does not exist yet; see `quhao migrate`"));
    }
    Ok(backend::open_store(&config.store).await?)
}

/// Returns whether the store is an SQLite file that does not exist.
pub(crate) fn is_absent(config: &Config) -> bool {
    matches!(&config.store.url, StoreUrl::Sqlite(path) if !path.exists())
}
