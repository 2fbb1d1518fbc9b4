//! From a phone code to a number.

use quhao_common::domain::{failure::Failure, phone::PhoneCode};

use crate::{
    context::{Context, Taken},
    job::{
        call::{self, Called},
        duplicate::{self, Found},
    },
    platform::{Call, Redeemed},
    slots::Slot,
};

/// How redeeming a phone code ended.
#[derive(Debug)]
pub enum Redemption {
    /// The platform told the number.
    Fresh(Redeemed),
    /// A sibling has answered this very job.
    Answered,
    /// There is no number to be had.
    Failed(Failure),
    /// The deadline passed before the first call.
    TooLate,
    /// The worker is draining; another should have the job.
    HandBack,
}

/// Has the platform tell the number that the `code` of `taken` stands for, if it is the
/// code of `openid` where one is given.
pub async fn redeem(
    context: &Context,
    taken: &Taken,
    code: &PhoneCode,
    openid: Option<&str>,
    slot: &mut Slot,
) -> Redemption {
    let once = || taken.platform.redeem(&taken.app, code, openid);
    match call::call(context, taken, Call::Redeem, slot, once).await {
        Called::Given(redeemed) => Redemption::Fresh(redeemed),
        // A number is kept nowhere but in its job's own answer.
        Called::Spent(otherwise) => {
            match Box::pin(duplicate::look(context, taken, None, slot)).await {
                Found::Answer => Redemption::Answered,
                Found::Session(_) | Found::Nothing => Redemption::Failed(otherwise),
                Found::Draining => Redemption::HandBack,
            }
        }
        Called::Failed(failure) => Redemption::Failed(failure),
        Called::TooLate => Redemption::TooLate,
        Called::HandBack => Redemption::HandBack,
    }
}
