//! The endpoints of the simulated WeChat.

use serde::{Deserialize, Serialize};

use super::errcode;

/// An endpoint. Each has its own script, latency and counters.
///
/// In JSON: `"jscode2session"`, `"component_jscode2session"`, `"stable_token"`,
/// `"getuserphonenumber"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `GET /sns/jscode2session`: a login code for a session, with the app's own secret.
    #[default]
    Jscode2session,
    /// `GET /sns/component/jscode2session`: the same for a service provider, with its
    /// `component_access_token`.
    ComponentJscode2session,
    /// `POST /cgi-bin/stable_token`: an access token for an app's secret.
    StableToken,
    /// `POST /wxa/business/getuserphonenumber`: a phone code for a phone number, with an access
    /// token.
    Getuserphonenumber,
}

impl Endpoint {
    /// All endpoints.
    pub const ALL: [Self; 4] = [
        Self::Jscode2session,
        Self::ComponentJscode2session,
        Self::StableToken,
        Self::Getuserphonenumber,
    ];

    /// Returns the body of an error answer. The component endpoint writes the number as a string,
    /// as the example of its documentation does.
    ///
    /// Source:
    /// `/doc/oplatform/openApi/miniprogram-management/login/api_thirdpartycode2session.html`.
    pub(crate) fn error_body(self, errcode: i64) -> String {
        match self {
            Self::ComponentJscode2session => errcode::body_with_string_number(errcode),
            Self::Jscode2session | Self::StableToken | Self::Getuserphonenumber => {
                errcode::body(errcode)
            }
        }
    }
}
