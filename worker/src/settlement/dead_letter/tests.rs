//! The action for every dead letter.

use super::*;

const REASONS: [DeadLetterReason; 4] = [
    DeadLetterReason::Expired,
    DeadLetterReason::DeliveryLimit,
    DeadLetterReason::Rejected,
    DeadLetterReason::Other,
];

#[test]
fn dead_letter_has_answer_now_or_by_its_deadline() {
    let expired = DeadLetterAction::RecordFailure(FailureCode::DeadlineExceeded);
    let dead_lettered = DeadLetterAction::RecordFailure(FailureCode::DeadLettered);
    for reason in REASONS {
        for (deadline_passed, must_notify) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let expected =
                match (reason, deadline_passed, must_notify) {
                    (DeadLetterReason::Expired, _, false)
                    | (DeadLetterReason::Other, true, false) => DeadLetterAction::Drop,
                    (DeadLetterReason::Expired, _, true)
                    | (DeadLetterReason::Other, true, true) => expired,
                    _ => dead_lettered,
                };
            let letter = DeadLetter { reason, deadline_passed, must_notify };
            assert_eq!(letter.action(), expected, "{letter:?}");
        }
    }
}
