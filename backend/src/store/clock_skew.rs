//! How far two clocks are apart. Deadlines are compared with this process's clock and with the
//! store's: one that is wrong does harm that nobody sees.

use std::time::Duration;

use time::OffsetDateTime;

/// The largest difference that is tolerated.
const SKEW_MAX: Duration = Duration::from_secs(5);

/// Returns how far the store's clock differs from this process's, if by more than five
/// seconds. The store's clock read `theirs` some time between `before` and `after` on this
/// one.
pub fn off_by(
    before: OffsetDateTime,
    theirs: OffsetDateTime,
    after: OffsetDateTime,
) -> Option<Duration> {
    let skew = if theirs < before { before - theirs } else { theirs - after };
    // Negative if the reading lies within.
    Duration::try_from(skew).ok().filter(|skew| *skew > SKEW_MAX)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn clock_may_be_off_by_five_seconds() {
        let asked = datetime!(2026-11-22 12:00:00 UTC);
        let answered = asked + Duration::from_secs(4);
        let five = Duration::from_secs(5);
        let six = Duration::from_secs(6);
        for right in [asked - five, asked, answered, answered + five] {
            assert_eq!(off_by(asked, right, answered), None, "{right}");
        }
        for wrong in [asked - six, answered + six] {
            assert_eq!(off_by(asked, wrong, answered), Some(six), "{wrong}");
        }
    }
}
