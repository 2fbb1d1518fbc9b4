//! What may change while a process runs: clients, apps and the numbered secrets.
//!
//! Whoever works on a request or a job takes [`Live::now`] once and uses it to the end, so
//! that nobody sees half of a change.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    crypto::vault::Vault,
    domain::{
        app::{App, ClientName, Directory},
        id::{IdKeys, JobId, KEY_BYTES},
        session_handle::SessionHandle,
    },
};

/// Clients, apps and secrets, as of one reading of the configuration.
#[derive(Debug)]
pub struct Registry {
    /// Clients and apps.
    pub directory: Directory,
    /// The id secrets.
    pub id_keys: IdKeys,
    /// The sealing keys.
    pub vault: Vault,
}

impl Registry {
    /// Reads the id of a job and says which app of `client` it belongs to; as
    /// [`IdKeys::verify`], but for an id that was met before at the price of one app.
    pub fn job_of(&self, text: &str, client: &ClientName) -> Option<(JobId, &Arc<App>)> {
        let id = JobId::parse_unverified(text)?;
        let lately = self.lately(id.key().as_bytes(), client);
        lately
            .and_then(|app| self.id_keys.verify(text, client, [app]))
            .or_else(|| self.id_keys.verify(text, client, self.directory.apps_of(client)))
    }

    /// The same for the handle of a session; see [`IdKeys::verify_session`].
    pub fn session_of(
        &self,
        text: &str,
        client: &ClientName,
    ) -> Option<(SessionHandle, &Arc<App>)> {
        let handle = SessionHandle::parse_unverified(text)?;
        let (ids, apps) = (&self.id_keys, self.directory.apps_of(client));
        let lately = self.lately(handle.key().as_bytes(), client);
        lately
            .and_then(|app| ids.verify_session(text, client, [app]))
            .or_else(|| ids.verify_session(text, client, apps))
    }

    fn lately(&self, key: &[u8; KEY_BYTES], client: &ClientName) -> Option<&Arc<App>> {
        self.directory.app_of(client, &self.id_keys.recent_app(key)?)
    }
}

/// The registry of this process, as it is now.
#[derive(Debug)]
pub struct Live(watch::Sender<Arc<Registry>>);

impl Live {
    /// Begins with `registry`.
    pub fn new(registry: Registry) -> Self {
        Self(watch::Sender::new(Arc::new(registry)))
    }

    /// The registry, to be kept for one piece of work.
    pub fn now(&self) -> Arc<Registry> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts `registry` in place of what was. Work that has begun goes on with what it took.
    pub fn replace(&self, registry: Arc<Registry>) {
        self.0.send_replace(registry);
    }

    /// Tells of every replacement from now on.
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
            app::{AppId, Client, Credential},
            callback_target::CallbackBody,
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
        Registry {
            directory: Directory::new(
                vec![client("orders"), client("others")],
                apps.iter().map(app).collect(),
            ),
            id_keys: IdKeys::new(ring()),
            vault: Vault::new(&ring()),
        }
    }

    /// Met before or not, changed or foreign: the answer is that of the plain check.
    #[test]
    fn what_was_met_lately_changes_no_judgement() {
        let apps = [("wx1", "orders"), ("wx2", "orders"), ("wx3", "others")];
        let registry = registry(&[1], &apps);
        for (app, owner) in apps {
            let (app, owner) = (AppId::new(app).unwrap(), name(owner));
            let id = registry.id_keys.derive(&owner, &app, b"submission").wire();
            let handle = registry.id_keys.session_handle(&owner, &app, "guest").wire();
            for client in [name("orders"), name("others")] {
                let expected = (client == owner).then_some(&app);
                for _ in 0..2 {
                    let job = registry.job_of(&id, &client);
                    assert_eq!(job.map(|(_, app)| &app.id), expected);
                    let session = registry.session_of(&handle, &client);
                    assert_eq!(session.map(|(_, app)| &app.id), expected);
                }
                let end = if id.ends_with('0') { "1" } else { "0" };
                let wrong = format!("{}{end}", &id[..id.len() - 1]);
                assert!(registry.job_of(&wrong, &client).is_none());
                let end = if handle.ends_with('0') { "1" } else { "0" };
                let wrong = format!("{}{end}", &handle[..handle.len() - 1]);
                assert!(registry.session_of(&wrong, &client).is_none());
            }
        }
    }

    #[test]
    fn an_app_that_went_is_not_found_by_what_is_remembered() {
        let before = registry(&[1], &[("wx1", "orders"), ("wx2", "orders")]);
        let app = AppId::new("wx2").unwrap();
        let id = before.id_keys.derive(&name("orders"), &app, b"submission").wire();
        let after = Registry {
            id_keys: before.id_keys.clone(),
            ..registry(&[1], &[("wx1", "orders"), ("wx2", "others")])
        };
        assert!(before.job_of(&id, &name("orders")).is_some());
        assert!(after.job_of(&id, &name("orders")).is_none());
        assert!(after.job_of(&id, &name("others")).is_none());
    }

    #[test]
    fn a_change_is_told_and_work_under_way_keeps_what_it_took() {
        let live = Live::new(registry(&[1], &[("wx1", "orders")]));
        let (taken, mut changes) = (live.now(), live.changes());
        assert!(!changes.has_changed().unwrap());
        live.replace(Arc::new(registry(&[2, 1], &[])));
        assert!(changes.has_changed().unwrap());
        assert_eq!(taken.directory.apps().count(), 1);
        assert_eq!(changes.borrow_and_update().directory.apps().count(), 0);
        let id = live.now().id_keys.derive(&name("orders"), &AppId::new("wx1").unwrap(), b"");
        assert_eq!(id.bytes()[0], 2, "made with the newest secret");
    }
}
