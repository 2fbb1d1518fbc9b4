//! `docs/integrate/failure-codes.md`: codes and advice from the code, the rest by hand.

use std::fmt::Write;

use quhao_common::domain::{
    failure::{Advice, FailureCode},
    job::Shape,
};

const ADVICE: [(Advice, &str); 6] = [
    (Advice::LoginAgain, "Call `wx.login` and submit the new code."),
    (
        Advice::LoginThenTap,
        "Call `wx.login` first and keep its code. Then let the guest tap the phone button, and \
         submit both. Do not call `wx.login` inside the button's callback: it may replace the \
         session key that the payload was encrypted with.",
    ),
    (Advice::TapAgain, "Let the guest tap the phone button again and submit the new phone code."),
    (Advice::Refuse, "Reject: do not trust this payload."),
    (Advice::TryLater, "The platform has a problem. The same guest may try again in a minute."),
    (
        Advice::ContactOperator,
        "Nothing that the guest or the mini-program does helps. Whoever runs quhao or owns the \
         mini-program must fix it.",
    ),
];

/// The part that is written by hand. `worker/src/job/retry.rs`,
/// `worker/src/circuit_breaker/breaker.rs`, `worker/src/slots.rs` and
/// `worker/src/platform/wechat/api.rs` decide it.
const RETRIES: &str = "
## What is retried

A job fails only after the worker has done what can be done within the job's deadline.
A login code or phone code works once.
So what may be repeated depends on whether the code may have been spent.

*Exchange* is the call for a login code, *redeem* the call for a phone code.

| WeChat's answer to the exchange or redeem | The code | What the worker does |
|---|---|---|
| none: the call could not be sent (name, connection, TLS) | not spent | calls again after 0.05 to 5 s, as long as the deadline and [the room to wait](#room-to-wait) allow; then `platform_unavailable` |
| none that can be read: it broke off, took too long, or was not JSON | may be spent | calls again once, after 0.2 to 1 s; then `platform_unavailable` |
| -1, system busy | may be spent | calls again twice at most, after 0.2 to 1 s each; then `platform_unavailable` |
| no access token: its call could not be sent, was not answered, or was answered -1 | not spent | asks for it again after 0.05 to 2 s, as long as the deadline and [the room to wait](#room-to-wait) allow; then `platform_unavailable` |
| the access token is refused: 40001, 40014, 42001 from a call that carries one | not spent | calls again once with a new one; then `app_misconfigured` |
| 45011, this minute's quota | not spent | calls again in the next minute; `platform_rate_limited` if the deadline comes first or there is no room to wait |
| 40163, code used; 40029 after a call that may have spent the code | spent | looks in the store for the result of an earlier call, or for the session of a login code; if there is none, `session_lost` where this job may have spent the code itself, else `code_already_used` |
| 40029, code invalid, at the first call | | `code_invalid` |
| 40003, 40013, 43104 to a redeem: the code is another guest's or app's | | `code_invalid` |
| 40226 | | `user_blocked` |
| 45009, the day's quota | | `platform_rate_limited` |
| 40001, 40013, 40014, 40125, 40243, 41002, 41004, 42001, 61011; 40002 to the call for a token | | `app_misconfigured` |
| 40164, 89501, 89503, 89506, 89507 | | `ip_not_allowed` |
| 48001, 48004, 50002, 61003, 61007 | | `app_forbidden` |
| any other | | `platform_unexpected` |

## Circuit breaker

While WeChat does not answer for an app, or the app is over its quota, a worker holds back the app's calls.
So WeChat is not called in vain, and jobs of other apps are not delayed.
Exchange and redeem have a breaker each, and each worker has its own.

| What the app's calls met | Calls are held back | The app's jobs meanwhile |
|---|---|---|
| eight in a row, over 0.3 s or longer, could not be sent, were not answered, or were answered -1 | until a call is answered: one call at a time probes, first after 0.25 to 0.5 s, then after growing pauses up to 5 to 10 s | wait, or `platform_unavailable` |
| 45011 for three different jobs within 5 s | until the minute is over | wait, or `platform_rate_limited` |
| 45009 | until a call gets another answer: one call at a time probes, first after 0.5 to 1 min, then after growing pauses up to 5 to 10 min | `platform_rate_limited` at once |

A single 45011 delays its own job only, since older texts of WeChat call it a limit for each guest.

## Room to wait

A job waits if its deadline allows and if there is room; otherwise it ends at once, without a call.

- Of one app, a quarter of `worker.concurrency` may wait in a worker to exchange, and a quarter to redeem. If many apps have jobs that wait, it is fewer of each.
- Jobs without an access token have a list of their own. Of one app, a quarter of `worker.concurrency` may wait there between two tries. While the token is being fetched, half of that list may; a job that finds no room then keeps its working slot.
";

/// Returns the page.
pub(crate) fn markdown() -> String {
    let mut page = String::from(
        "<!-- Generated by `quhao docs`: codes and advice from common/src/domain/failure.rs, the \
         rest from cli/src/failure_codes.rs. -->\n\
         # Failure codes\n\n\
         A failed job says why in `error.code`, and what to do next in `error.advice`.\n\
         Both are part of the HTTP contract: codes and advice may be added, none is renamed.\n\
         `error.platform_code` and `error.platform_rid` are the platform's own number and \
         request id, where it gave any.\n\
         Quote the request id to the platform's support.\n\n\
         A failure is final for its submission, with two exceptions.\n\
         A success that was committed late replaces any failure, and `session_lost` replaces \
         `code_already_used`.\n\n\
         To try the same credential once more, submit it with a new `Idempotency-Key`.\n\
         Only after `deadline_exceeded` the same submission is worked on again, until its new \
         deadline.\n\n\
         ## Codes\n\n\
         The advice depends on what the job consists of: a login code alone, a payload (with a \
         login code or a session), or the phone button's own code.\n\n\
         | code | meaning | advice: login alone | advice: with payload | advice: phone code |\n\
         |---|---|---|---|---|\n",
    );
    for code in FailureCode::ALL {
        page.push_str(&row(*code));
    }
    page.push_str("\n## Advice\n\n| advice | what to do |\n|---|---|\n");
    for (advice, words) in ADVICE {
        let _ = writeln!(page, "| `{}` | {words} |", advice.as_str());
    }
    page.push_str(
        "\nA job that nothing processed in time leaves no record of what it consisted of.\n\
         It reads `deadline_exceeded` with the advice `login_then_tap`.\n",
    );
    page.push_str(RETRIES);
    page
}

fn row(code: FailureCode) -> String {
    let mut row = format!("| `{}` | {} |", code.as_str(), code.message());
    for shape in [Shape::LoginAlone, Shape::WithCiphertext, Shape::PhoneCode] {
        let _ = if applies_to(code, shape) {
            write!(row, " `{}` |", code.advice(shape).as_str())
        } else {
            write!(row, " – |")
        };
    }
    row.push('\n');
    row
}

/// Returns whether jobs of this shape can fail with `code`.
fn applies_to(code: FailureCode, shape: Shape) -> bool {
    match code {
        FailureCode::SessionUnknown | FailureCode::DecryptFailed => shape == Shape::WithCiphertext,
        FailureCode::WatermarkMismatch | FailureCode::WatermarkStale | FailureCode::NoPhone => {
            shape != Shape::LoginAlone
        }
        _ => true,
    }
}
