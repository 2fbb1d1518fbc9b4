//! Why an attempt did not count: a closed list. The names are what a job's owner reads as
//! `last_error`, and the labels of a metric.

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why an attempt did not count.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in the API, in logs and in metrics.
            pub fn as_str(self) -> &'static str {
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
    /// No connection came about.
    Connect = "connect",
    /// The server does not speak TLS, or its certificate is not valid for the name.
    Tls = "tls",
    /// The connection ended without an answer, or what came is none.
    NoAnswer = "no_answer",
    /// The answer leads elsewhere. Nobody goes there.
    Redirect = "redirect",
    /// Any other status that is not 2xx.
    Status = "status",
    /// 410: the receiver wants no more.
    Gone = "gone",
    /// The app's `callback_allow`, or `callbacks.allow_http`, no longer has the address.
    NotAllowed = "not_allowed",
    /// The client has no webhook secret any more.
    NoSecret = "no_secret",
    /// This worker does not know the client or the app.
    UnknownApp = "unknown_app",
    /// This worker does not know the key or the form of the stored answer.
    Unreadable = "unreadable",
    /// The stored answer is damaged, or has no address in it.
    Damaged = "damaged",
    /// The answer has changed since: it says something else than this callback.
    Superseded = "superseded",
}
