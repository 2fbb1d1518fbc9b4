//! What may change while a process runs: clients, apps and the numbered secrets.
//!
//! Every request and every job takes [`Live::now`] once and uses it to the end, so that none
//! sees half of a change.

mod recent_apps;

use std::{fmt, sync::Arc};

use tokio::sync::watch;

use self::recent_apps::RecentApps;
use crate::{
    config::Config,
    crypto::vault::Vault,
    domain::{
        app::{App, AppId},
        client::ClientName,
        directory::Directory,
        id::{IdKeys, JobId, Kind, ProvenId},
        job::IdInput,
        session_handle::SessionHandle,
    },
};

/// Clients, apps and secrets, as of one reading of the configuration.
pub struct Registry {
    /// Clients and apps.
    pub directory: Arc<Directory>,
    /// The id secrets.
    pub id_keys: IdKeys,
    /// The sealing keys.
    pub vault: Arc<Vault>,
    recent: RecentApps,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("directory", &self.directory)
            .field("id_keys", &self.id_keys)
            .field("vault", &self.vault)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Creates a registry.
    pub fn new(directory: Arc<Directory>, id_keys: IdKeys, vault: Arc<Vault>) -> Self {
        Self { directory, id_keys, vault, recent: RecentApps::new() }
    }

    /// Creates the registry that `config` describes.
    pub fn of(config: &Config) -> Self {
        let directory = Arc::clone(&config.directory);
        Self::new(directory, config.id_keys.clone(), Arc::clone(&config.vault))
    }

    /// Makes the id of a submission. Polls for it are then verified for one app alone.
    pub fn job_id(&self, input: &IdInput<'_>, client: &ClientName, app: &AppId) -> JobId {
        let id = input.id(&self.id_keys, client, app);
        self.recent.remember(&id.key(), app);
        id
    }

    /// Makes the handle of the session of the guest `openid`. Requests with it are then
    /// verified for one app alone.
    pub fn session_handle(&self, client: &ClientName, app: &AppId, openid: &str) -> SessionHandle {
        let handle = self.id_keys.session_handle(client, app, openid);
        self.recent.remember(&handle.key(), app);
        handle
    }

    /// Reads an id and returns it with the app of `client` that it belongs to. Returns what
    /// [`ProvenId::verify`] returns, but an id that was met before is checked for one app alone.
    pub fn verify<K: Kind>(
        &self,
        text: &str,
        client: &ClientName,
    ) -> Option<(ProvenId<K>, &Arc<App>)> {
        let id = ProvenId::<K>::parse_unverified(text)?;
        if let Some(app) = self.recent.app_of(&id.key())
            && let Some(app) = self.directory.app_of(client, &app)
            && self.id_keys.proves(&id, client, &app.id)
        {
            return Some((id, app));
        }
        let apps = self.directory.apps_of(client);
        let (id, app) = ProvenId::verify(text, &self.id_keys, client, apps)?;
        self.recent.remember(&id.key(), &app.id);
        Some((id, app))
    }
}

/// The registry of this process, as it is now.
#[derive(Debug)]
pub struct Live(watch::Sender<Arc<Registry>>);

impl Live {
    /// Starts with `registry`.
    pub fn new(registry: Registry) -> Self {
        Self(watch::Sender::new(Arc::new(registry)))
    }

    /// Returns the registry, to be kept for one request or job.
    pub fn now(&self) -> Arc<Registry> {
        Arc::clone(&self.0.borrow())
    }

    /// Replaces the registry. Work that has begun goes on with the one that it took.
    pub fn replace(&self, registry: Registry) {
        self.0.send_replace(Arc::new(registry));
    }

    /// Returns a receiver of every replacement from now on.
    pub fn changes(&self) -> watch::Receiver<Arc<Registry>> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::keyring::{Keyring, Secret32},
        domain::{
            app::Credential, callback_target::CallbackBody, client::Client, id::OfJob,
            session_handle::OfSession,
        },
    };

    fn name(text: &str) -> ClientName {
        ClientName::new(text).unwrap()
    }

    fn registry(keys: &[u8], apps: &[(&str, &str)]) -> Registry {
        let ring = || {
            let entries = keys.iter().map(|number| (*number, Secret32::new([*number; 32])));
            Keyring::new(entries.collect()).unwrap()
        };
        let client = |text| Client {
            name: name(text),
            api_key_sha256: Vec::new(),
            webhook_secrets: Vec::new(),
            rate: None,
        };
        let app = |(id, client): &(&str, &str)| App {
            id: AppId::new(id).unwrap(),
            client: name(client),
            platform: "wechat".to_owned(),
            credential: Credential::Secret("secret".to_owned().into()),
            callback_allow: Vec::new(),
            callback_body: CallbackBody::Thin,
        };
        let clients = vec![client("orders"), client("others")];
        let directory = Directory::new(clients, apps.iter().map(app).collect());
        let vault = Vault::new(&ring());
        Registry::new(Arc::new(directory), IdKeys::new(ring()), Arc::new(vault))
    }

    /// Met before or not, changed or foreign: the answer is that of the plain check.
    #[test]
    fn recent_key_cache_does_not_affect_verification() {
        let apps = [("wx1", "orders"), ("wx2", "orders"), ("wx3", "others")];
        let registry = registry(&[1], &apps);
        for (app, owner) in apps {
            let (app, owner) = (AppId::new(app).unwrap(), name(owner));
            let id = registry.id_keys.derive(&owner, &app, b"submission").wire();
            let handle = registry.id_keys.session_handle(&owner, &app, "guest").wire();
            for client in [name("orders"), name("others")] {
                let expected = (client == owner).then_some(&app);
                for _ in 0..2 {
                    let job = registry.verify::<OfJob>(&id, &client);
                    assert_eq!(job.map(|(_, app)| &app.id), expected);
                    let session = registry.verify::<OfSession>(&handle, &client);
                    assert_eq!(session.map(|(_, app)| &app.id), expected);
                }
                let end = if id.ends_with('0') { "1" } else { "0" };
                let wrong = format!("{}{end}", &id[..id.len() - 1]);
                assert!(registry.verify::<OfJob>(&wrong, &client).is_none());
                let end = if handle.ends_with('0') { "1" } else { "0" };
                let wrong = format!("{}{end}", &handle[..handle.len() - 1]);
                assert!(registry.verify::<OfSession>(&wrong, &client).is_none());
            }
        }
    }

    #[test]
    fn app_of_another_client_is_not_found_in_the_cache() {
        let before = registry(&[1], &[("wx1", "orders"), ("wx2", "orders")]);
        let app = AppId::new("wx2").unwrap();
        let id = before.id_keys.derive(&name("orders"), &app, b"submission").wire();
        assert!(before.verify::<OfJob>(&id, &name("orders")).is_some());
        let moved = registry(&[1], &[("wx1", "orders"), ("wx2", "others")]);
        let after = Registry { recent: before.recent, ..moved };
        assert!(after.verify::<OfJob>(&id, &name("orders")).is_none());
        assert!(after.verify::<OfJob>(&id, &name("others")).is_none());
    }

    #[test]
    fn change_is_seen_and_running_work_keeps_its_registry() {
        let live = Live::new(registry(&[1], &[("wx1", "orders")]));
        let taken = live.now();
        let mut changes = live.changes();
        assert!(!changes.has_changed().unwrap());
        live.replace(registry(&[2, 1], &[]));
        assert!(changes.has_changed().unwrap());
        assert_eq!(taken.directory.apps().count(), 1);
        assert_eq!(changes.borrow_and_update().directory.apps().count(), 0);
        let id = live.now().id_keys.derive(&name("orders"), &AppId::new("wx1").unwrap(), b"");
        assert_eq!(id.bytes()[0], 2, "made with the newest secret");
    }
}
