//! What becomes of what was set aside, for every way to get there.

use quhao_backend::queue::DeadLetterReason;
use quhao_common::domain::failure::FailureCode;
use quhao_worker::settlement::dead_letter::{Burial, judge};

const DEATHS: [DeadLetterReason; 4] = [
    DeadLetterReason::Expired,
    DeadLetterReason::DeliveryLimit,
    DeadLetterReason::Rejected,
    DeadLetterReason::Other,
];

#[test]
fn every_job_that_was_set_aside_has_an_answer_by_now_or_by_its_deadline() {
    for death in DEATHS {
        for (over, told) in [(false, false), (false, true), (true, false), (true, true)] {
            let expected = match (death, over, told) {
                (DeadLetterReason::Expired, _, false) | (DeadLetterReason::Other, true, false) => {
                    Burial::Forget
                }
                (DeadLetterReason::Expired, _, true) | (DeadLetterReason::Other, true, true) => {
                    Burial::Record(FailureCode::DeadlineExceeded)
                }
                _ => Burial::Record(FailureCode::DeadLettered),
            };
            assert_eq!(judge(death, over, told), expected, "{death:?} {over} {told}");
        }
    }
}
