//! The endpoints of the simulated WeChat.

use serde::{Deserialize, Serialize};

use crate::{call::Answer, errcode};

/// One endpoint. Each has a script, a standing latency and counters of its own.
///
/// In JSON: `"jscode2session"`, `"component_jscode2session"`, `"stable_token"`, `"getuserphonenumber"`.
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
    /// `POST /wxa/business/getuserphonenumber`: a phone code for a phone number, with an access token.
    Getuserphonenumber,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Jscode2session,
        Self::ComponentJscode2session,
        Self::StableToken,
        Self::Getuserphonenumber,
    ];

    /// How a call ends that got what it came for.
    pub(crate) fn given(self) -> Answer {
        match self {
            Self::Jscode2session | Self::ComponentJscode2session => Answer::Session,
            Self::StableToken => Answer::Token,
            Self::Getuserphonenumber => Answer::Phone,
        }
    }

    /// The body of an error answer. The component endpoint writes the number as a string, as the example
    /// of its documentation does.
    ///
    /// Source: `/doc/oplatform/openApi/miniprogram-management/login/api_thirdpartycode2session.html`.
    pub(crate) fn error_body(self, number: i64) -> String {
        match self {
            Self::ComponentJscode2session => errcode::body_with_text(number),
            Self::Jscode2session | Self::StableToken | Self::Getuserphonenumber => {
                errcode::body(number)
            }
        }
    }
}
