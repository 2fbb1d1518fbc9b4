//! The service provider ("third-party platform") that logs users in for the apps of others.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use parking_lot::Mutex;

use super::errcode;

/// How many earlier tokens are remembered, and so distinguished from made-up ones.
const EARLIER_MAX: usize = 64;
/// How many apps can be without authorisation at the same time.
const UNAUTHORIZED_MAX: usize = 10_000;

/// A service provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Component {
    /// Its `component_appid`.
    pub app_id: String,
    /// Its current `component_access_token`.
    pub access_token: String,
}

impl fmt::Debug for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Component").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

/// The current service provider, if there is one, and the apps that it may act for.
pub(crate) struct ComponentState {
    state: Mutex<State>,
}

struct State {
    current: Option<Component>,
    /// The earlier tokens, oldest first.
    earlier_tokens: VecDeque<String>,
    /// The apps that have not authorised the provider. All others have.
    unauthorized: HashSet<String>,
}

impl ComponentState {
    /// Creates the state, in which every app has authorised the provider.
    pub(crate) fn new(current: Option<Component>) -> Self {
        let state = State {
            current,
            earlier_tokens: VecDeque::default(),
            unauthorized: HashSet::default(),
        };
        Self { state: Mutex::new(state) }
    }

    /// Replaces the provider. The earlier token is no longer valid.
    pub(crate) fn replace(&self, component: Component) {
        let mut state = self.state.lock();
        state.earlier_tokens.retain(|token| *token != component.access_token);
        let Some(old) = state.current.take() else {
            state.current = Some(component);
            return;
        };
        if old.access_token != component.access_token {
            if state.earlier_tokens.len() >= EARLIER_MAX {
                state.earlier_tokens.pop_front();
            }
            state.earlier_tokens.push_back(old.access_token);
        }
        state.current = Some(component);
    }

    /// Gives the provider a new token. Returns whether there is a provider.
    pub(crate) fn set_token(&self, access_token: &str) -> bool {
        let app_id = self.state.lock().current.as_ref().map(|current| current.app_id.clone());
        let Some(app_id) = app_id else { return false };
        self.replace(Component { app_id, access_token: access_token.to_owned() });
        true
    }

    /// Lets the provider act for an app.
    pub(crate) fn authorize(&self, app_id: &str) {
        self.state.lock().unauthorized.remove(app_id);
    }

    /// Forbids the provider to act for an app. Returns whether there was room to record it.
    pub(crate) fn deauthorize(&self, app_id: &str) -> bool {
        let unauthorized = &mut self.state.lock().unauthorized;
        let has_room = unauthorized.len() < UNAUTHORIZED_MAX || unauthorized.contains(app_id);
        if has_room {
            unauthorized.insert(app_id.to_owned());
        }
        has_room
    }

    /// Checks the provider's appid and token. Fails with the error number that WeChat answers:
    /// 61011 for another provider, 42001 for an earlier token, 40001 for any other token.
    pub(crate) fn check(&self, app_id: &str, access_token: &str) -> Result<(), i64> {
        let state = self.state.lock();
        match &state.current {
            Some(current) if current.app_id == app_id => {
                if current.access_token == access_token {
                    Ok(())
                } else if state.earlier_tokens.iter().any(|token| token == access_token) {
                    Err(errcode::ACCESS_TOKEN_EXPIRED)
                } else {
                    Err(errcode::INVALID_CREDENTIAL)
                }
            }
            _ => Err(errcode::INVALID_COMPONENT),
        }
    }

    /// Checks that the app has authorised the provider. Fails with the error number that WeChat
    /// answers.
    pub(crate) fn check_authorized(&self, app_id: &str) -> Result<(), i64> {
        if self.state.lock().unauthorized.contains(app_id) {
            return Err(errcode::COMPONENT_NOT_AUTHORIZED);
        }
        Ok(())
    }
}
