//! The values of labels: closed sets, never an id, an openid or a number that a guest has.

use std::borrow::Cow;

use crate::{
    closed_set::closed_set,
    domain::{client::ClientName, failure::FailureCode},
};

/// A value of a label, from a closed set: a mistyped value does not compile.
pub trait LabelValue {
    /// Returns the text of the value.
    fn label_value(&self) -> Cow<'static, str>;
}

/// Defines closed sets of label values.
macro_rules! label_values {
    ($(
        $(#[$meta:meta])*
        $set:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)+ }
    )+) => {$(
        closed_set! {
            $(#[$meta])*
            pub enum $set { $($(#[$doc])* $variant = $name,)+ }
        }

        impl LabelValue for $set {
            fn label_value(&self) -> Cow<'static, str> {
                self.as_str().into()
            }
        }
    )+};
}

label_values! {
    /// A field whose transport damage is repaired.
    RepairedField {
        /// The ciphertext, under either of its names.
        EncryptedData = "encrypted_data",
        /// The initialisation vector.
        Iv = "iv",
    }

    /// A queue whose depth is known.
    QueueName {
        /// Jobs to be worked on.
        Jobs = "jobs",
        /// Jobs that the broker could not route.
        Unrouted = "unrouted",
        /// Outcomes that were handed over, to be committed.
        Outcomes = "outcomes",
        /// Dead letters.
        DeadLetters = "dead_letters",
    }

    /// Why a delivery was settled without a call of the platform.
    SkipReason {
        /// Its job has an answer.
        Answered = "answered",
        /// Its deadline passed.
        Expired = "expired",
        /// Nobody can read it.
        Damaged = "damaged",
    }

    /// The result of handling a dead letter.
    DeadLetterResult {
        /// A failure was recorded.
        Recorded = "recorded",
        /// Its job had an answer.
        Answered = "answered",
        /// Nothing was recorded, since nobody waits for an event: polls read the deadline.
        Dropped = "dropped",
        /// Nobody can read it.
        Unreadable = "unreadable",
    }

    /// The result of handing an outcome over to another worker.
    HandOverResult {
        /// The queue has it.
        HandedOver = "handed_over",
        /// The queue did not take it: the outcome is lost.
        Refused = "refused",
        /// Another worker committed it.
        Committed = "committed",
        /// Another worker could not read it.
        Damaged = "damaged",
    }

    /// Why a commit failed.
    CommitFailure {
        /// The store is out of reach.
        Unavailable = "unavailable",
        /// The store refuses the rows.
        Rejected = "rejected",
    }

    /// Rows that have a retention.
    PurgedTable {
        /// Answers.
        Answers = "answers",
        /// Sessions.
        Sessions = "sessions",
        /// Callbacks.
        Callbacks = "callbacks",
        /// Remembered erasures.
        Erasures = "erasures",
    }

    /// The result of reading the configuration again.
    ReloadResult {
        /// It is in force.
        Applied = "applied",
        /// It had an error.
        Refused = "refused",
    }

    /// Why the platform is called again for a job.
    RepeatCause {
        /// The call was not sent.
        NotSent = "not_sent",
        /// No answer came.
        Unanswered = "unanswered",
        /// The platform was busy.
        Busy = "busy",
        /// The quota of the minute was used up.
        MinuteQuota = "minute_quota",
        /// There was no credential.
        NoCredential = "no_credential",
        /// The credential was refused.
        CredentialRefused = "credential_refused",
        /// The job was redelivered.
        Redelivery = "redelivery",
    }

    /// A kind of token.
    TokenKind {
        /// The access token of an app.
        Access = "access",
        /// The token of a third-party platform.
        Component = "component",
    }

    /// What the job in a slot is doing.
    SlotState {
        /// It is worked on.
        Working = "working",
        /// It waits between two attempts.
        Waiting = "waiting",
        /// Its outcome is known and being committed.
        Committing = "committing",
    }

    /// The final state of a callback.
    CallbackEnd {
        /// The receiver has it.
        Delivered = "delivered",
        /// Time or attempts ran out, or the receiver wants no more.
        Failed = "failed",
    }
}

/// The result of a submission that was not refused.
pub(super) struct SubmitAccepted;

impl LabelValue for SubmitAccepted {
    fn label_value(&self) -> Cow<'static, str> {
        "accepted".into()
    }
}

/// The result of a call of the platform.
#[derive(Debug, Clone, Copy)]
pub enum CallLabel<F> {
    /// A session.
    Session,
    /// A phone number.
    Phone,
    /// A token.
    Token,
    /// None of these.
    Failed(F),
}

impl<F: LabelValue> LabelValue for CallLabel<F> {
    fn label_value(&self) -> Cow<'static, str> {
        match self {
            Self::Session => "session".into(),
            Self::Phone => "phone".into(),
            Self::Token => "token".into(),
            Self::Failed(failure) => failure.label_value(),
        }
    }
}

/// The result of an attempt at a callback.
#[derive(Debug, Clone, Copy)]
pub enum AttemptLabel<F> {
    /// The receiver has it.
    Delivered,
    /// The attempt failed.
    Failed(F),
}

impl<F: LabelValue> LabelValue for AttemptLabel<F> {
    fn label_value(&self) -> Cow<'static, str> {
        match self {
            Self::Delivered => "delivered".into(),
            Self::Failed(reason) => reason.label_value(),
        }
    }
}

/// The outcome of a job.
#[derive(Debug, Clone, Copy)]
pub(super) enum JobOutcome {
    /// It succeeded.
    Succeeded,
    /// It failed, for this reason.
    Failed(FailureCode),
}

impl LabelValue for JobOutcome {
    fn label_value(&self) -> Cow<'static, str> {
        match self {
            Self::Succeeded => "succeeded".into(),
            Self::Failed(code) => code.as_str().into(),
        }
    }
}

/// Whether the broker had delivered a job before.
pub(super) struct IsRedelivered(pub(super) bool);

impl LabelValue for IsRedelivered {
    fn label_value(&self) -> Cow<'static, str> {
        if self.0 { "true".into() } else { "false".into() }
    }
}

/// A route of the API, as the router names it.
pub(super) struct Route<'a>(pub(super) &'a str);

impl LabelValue for Route<'_> {
    fn label_value(&self) -> Cow<'static, str> {
        self.0.to_owned().into()
    }
}

/// The status of an HTTP answer.
pub(super) struct Status(pub(super) u16);

impl LabelValue for Status {
    fn label_value(&self) -> Cow<'static, str> {
        self.0.to_string().into()
    }
}

/// Clients are few, and named by the configuration.
impl LabelValue for &ClientName {
    fn label_value(&self) -> Cow<'static, str> {
        self.as_str().to_owned().into()
    }
}
