//! The reasons why attempts fail: a closed list. Their names are the `last_error` that a job's
//! owner reads, and the labels of a metric.

use std::borrow::Cow;

use quhao_common::process::metrics::LabelValue;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The reason why an attempt failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// Every reason.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns its name in the API, in logs and in metrics.
            pub(super) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

reasons! {
    /// The whole attempt took longer than `callbacks.timeout_seconds`.
    TimedOut = "timed_out",
    /// No address of the name was found.
    Unresolved = "unresolved",
    /// The address is not public, and `callbacks.allow_networks` does not have it.
    RefusedAddress = "refused_address",
    /// No connection was established.
    Connect = "connect",
    /// The server does not speak TLS, or its certificate is not valid for the name.
    Tls = "tls",
    /// The connection ended without an answer, or the answer is not HTTP.
    NoAnswer = "no_answer",
    /// The answer is a redirect, which is not followed.
    Redirect = "redirect",
    /// Any other status that is not 2xx.
    Status = "status",
    /// The status is 410: the receiver wants no more attempts.
    Gone = "gone",
    /// The app's `callback_allow`, or `callbacks.allow_http`, no longer has the address.
    NotAllowed = "not_allowed",
    /// The client has no webhook secret any more.
    NoSecret = "no_secret",
    /// This worker does not know the client or the app.
    UnknownApp = "unknown_app",
    /// This worker does not have the key, or does not know the form, of the stored answer.
    Unreadable = "unreadable",
    /// The stored answer is damaged, or has no address in it.
    Damaged = "damaged",
    /// The answer has changed since: it is of another event than this callback.
    Superseded = "superseded",
}

impl LabelValue for Reason {
    fn label_value(&self) -> Cow<'static, str> {
        self.as_str().into()
    }
}
