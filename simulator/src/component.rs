//! The service provider ("third-party platform") that logs users in for other people's apps.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Mutex;

use crate::{errcode, lock::locked};

/// How many tokens of the past are told from made-up ones.
const ENDED_MAX: usize = 64;
/// How many apps can be without authorisation at once.
const UNAUTHORIZED_MAX: usize = 10_000;

/// A service provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Component {
    /// Its `component_appid`.
    pub app_id: String,
    /// Its `component_access_token` that is valid now.
    pub access_token: String,
}

impl fmt::Debug for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Component").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

/// The one that there is, if any, and which apps it may act for.
pub(crate) struct ComponentState {
    state: Mutex<State>,
}

struct State {
    current: Option<Component>,
    /// Its earlier tokens, oldest first.
    ended: VecDeque<String>,
    /// Every app but these is authorised.
    unauthorized: HashSet<String>,
}

impl ComponentState {
    pub(crate) fn new(current: Option<Component>) -> Self {
        let state = State { current, ended: VecDeque::default(), unauthorized: HashSet::default() };
        Self { state: Mutex::new(state) }
    }

    /// Puts this one in the place of what was; its token was valid until now.
    pub(crate) fn set(&self, component: Component) {
        let mut state = locked(&self.state);
        state.ended.retain(|ended| *ended != component.access_token);
        let Some(old) = state.current.take() else {
            state.current = Some(component);
            return;
        };
        if old.access_token != component.access_token {
            if state.ended.len() >= ENDED_MAX {
                state.ended.pop_front();
            }
            state.ended.push_back(old.access_token);
        }
        state.current = Some(component);
    }

    /// Gives the provider a new token; whether there is a provider.
    pub(crate) fn set_token(&self, access_token: &str) -> bool {
        let app_id = locked(&self.state).current.as_ref().map(|current| current.app_id.clone());
        let Some(app_id) = app_id else { return false };
        self.set(Component { app_id, access_token: access_token.to_owned() });
        true
    }

    pub(crate) fn authorize(&self, app_id: &str) {
        locked(&self.state).unauthorized.remove(app_id);
    }

    /// Whether there was room to note it.
    pub(crate) fn deauthorize(&self, app_id: &str) -> bool {
        let unauthorized = &mut locked(&self.state).unauthorized;
        let room = unauthorized.len() < UNAUTHORIZED_MAX || unauthorized.contains(app_id);
        if room {
            unauthorized.insert(app_id.to_owned());
        }
        room
    }

    /// Checks the provider's appid and token; else the error number that WeChat answers: 61011 another
    /// provider, 42001 a token of the past, 40001 any other token.
    pub(crate) fn check(&self, app_id: &str, access_token: &str) -> Result<(), i64> {
        let state = locked(&self.state);
        match &state.current {
            Some(current) if current.app_id == app_id => {
                if current.access_token == access_token {
                    Ok(())
                } else if state.ended.iter().any(|ended| ended == access_token) {
                    Err(errcode::ACCESS_TOKEN_EXPIRED)
                } else {
                    Err(errcode::INVALID_CREDENTIAL)
                }
            }
            _ => Err(errcode::INVALID_COMPONENT),
        }
    }

    /// Checks that the app lets the provider act for it; else the error number that WeChat answers.
    pub(crate) fn check_authorized(&self, app_id: &str) -> Result<(), i64> {
        if locked(&self.state).unauthorized.contains(app_id) {
            return Err(errcode::COMPONENT_NOT_AUTHORIZED);
        }
        Ok(())
    }
}
