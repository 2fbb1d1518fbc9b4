//! The directory of clients and apps.

use std::{collections::HashMap, sync::Arc};

use sha2::{Digest, Sha256};

use crate::domain::{
    app::{App, AppId},
    client::{Client, ClientName},
};

/// All clients and apps of a configuration, with the look-ups that a request needs.
#[derive(Debug, Default)]
pub struct Directory {
    clients_by_key: HashMap<[u8; 32], Arc<Client>>,
    clients: HashMap<ClientName, Arc<Client>>,
    apps: HashMap<AppId, Arc<App>>,
    apps_by_client: HashMap<ClientName, Vec<Arc<App>>>,
}

impl Directory {
    /// Creates a directory of `clients` and `apps`. The configuration has checked that names
    /// and appids are unique and that each app's client exists.
    pub fn new(clients: Vec<Client>, apps: Vec<App>) -> Self {
        let mut directory = Self::default();
        for client in clients.into_iter().map(Arc::new) {
            for digest in &client.api_key_sha256 {
                directory.clients_by_key.insert(*digest, Arc::clone(&client));
            }
            directory.clients.insert(client.name.clone(), client);
        }
        for app in apps.into_iter().map(Arc::new) {
            directory.apps_by_client.entry(app.client.clone()).or_default().push(Arc::clone(&app));
            directory.apps.insert(app.id.clone(), app);
        }
        directory
    }

    /// Returns the client that `api_key` belongs to. SHA-256 digests of high-entropy keys are
    /// compared, so the time that a look-up takes reveals nothing about a key.
    pub fn client_of_key(&self, api_key: &str) -> Option<&Arc<Client>> {
        let digest: [u8; 32] = Sha256::digest(api_key.as_bytes()).into();
        self.clients_by_key.get(&digest)
    }

    /// Returns the client called `name`.
    pub fn client(&self, name: &ClientName) -> Option<&Arc<Client>> {
        self.clients.get(name)
    }

    /// Returns every client, in no order.
    pub fn clients(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.clients.values()
    }

    /// Returns the app called `id`, if `client` owns it.
    pub fn app_of(&self, client: &ClientName, id: &AppId) -> Option<&Arc<App>> {
        self.apps.get(id).filter(|app| app.client == *client)
    }

    /// Returns the app called `id`, whoever owns it.
    pub fn app(&self, id: &AppId) -> Option<&Arc<App>> {
        self.apps.get(id)
    }

    /// Returns the apps of `client`.
    pub fn apps_of(&self, client: &ClientName) -> &[Arc<App>] {
        self.apps_by_client.get(client).map_or(&[], Vec::as_slice)
    }

    /// Returns every app, in no order.
    pub fn apps(&self) -> impl Iterator<Item = &Arc<App>> {
        self.apps.values()
    }
}
