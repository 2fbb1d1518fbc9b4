//! How far two clocks may be apart. Deadlines are judged on this process's clock and on the
//! store's: one that is off does harm silently.

use std::time::Duration;

use time::OffsetDateTime;

/// The most that is tolerated.
const OFF_MAX: Duration = Duration::from_secs(5);

/// How far the store's clock is off ours if that is more than five seconds. It said `theirs`
/// some time between `before` and `after` on ours.
pub fn off_by(
    before: OffsetDateTime,
    theirs: OffsetDateTime,
    after: OffsetDateTime,
) -> Option<Duration> {
    let off = if theirs < before { before - theirs } else { theirs - after };
    // Negative: it lies within.
    Duration::try_from(off).ok().filter(|off| *off > OFF_MAX)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_clock_may_be_five_seconds_off_and_the_question_takes_its_time() {
        let asked = datetime!(2026-11-22 12:00:00 UTC);
        let answered = asked + Duration::from_secs(4);
        let (five, six) = (Duration::from_secs(5), Duration::from_secs(6));
        for right in [asked - five, asked, answered, answered + five] {
            assert_eq!(off_by(asked, right, answered), None, "{right}");
        }
        for wrong in [asked - six, answered + six] {
            assert_eq!(off_by(asked, wrong, answered), Some(six), "{wrong}");
        }
    }
}
