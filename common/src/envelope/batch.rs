//! Several envelopes in one message: what a busy producer publishes at once.
//!
//! Version (1 byte), how many (1), then each with its length in front (4, big endian). The
//! envelopes are sealed one by one as always, so a bundle adds nothing to open and nothing
//! to trust. A build that does not know bundles meets the first byte as a version that it
//! must not touch.

/// The first byte of a bundle. Versions of single envelopes are low, and those of outcomes
/// ([`crate::envelope::outcome`]) have the highest bit set.
const VERSION: u8 = 0x41;
/// In front of all, and in front of each.
const HEAD_BYTES: usize = 2;
const LENGTH_BYTES: usize = 4;

/// Envelopes in one bundle at most. Whoever takes one holds all of them, and takes one with
/// more for damaged: to raise it takes another version.
pub const ENVELOPES_MAX: usize = 16;
/// What a bundle may weigh. A broker copies a message as one piece; a job has 2 KiB.
pub const BYTES_MAX: usize = 64 << 10;

/// The framing is broken: nobody wrote this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bundle is damaged")]
pub struct Damaged;

/// How many of these envelopes, by their sizes, go into the next bundle: as many of the
/// first as there is room for, and one in any case.
pub fn fitting(sizes: impl IntoIterator<Item = usize>) -> usize {
    let mut bytes = HEAD_BYTES;
    let fit = sizes.into_iter().take(ENVELOPES_MAX).take_while(|size| {
        bytes += LENGTH_BYTES + size;
        bytes <= BYTES_MAX
    });
    fit.count().max(1)
}

/// Packs `envelopes`, of which there are [`ENVELOPES_MAX`] at most.
pub fn pack<'a>(envelopes: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let bytes: usize = envelopes.clone().map(|envelope| LENGTH_BYTES + envelope.len()).sum();
    let mut bundle = Vec::with_capacity(HEAD_BYTES + bytes);
    #[expect(clippy::cast_possible_truncation, reason = "sixteen, and bytes of a message")]
    {
        bundle.extend([VERSION, envelopes.len() as u8]);
        for envelope in envelopes {
            bundle.extend((envelope.len() as u32).to_be_bytes());
            bundle.extend(envelope);
        }
    }
    bundle
}

/// Whether `body` is a bundle, damaged or not.
pub fn is_bundle(body: &[u8]) -> bool {
    body.first() == Some(&VERSION)
}

/// The envelopes in `body`: at least one.
pub fn unpack(body: &[u8]) -> Result<Vec<&[u8]>, Damaged> {
    let (&[VERSION, count], mut rest) = body.split_first_chunk().ok_or(Damaged)? else {
        return Err(Damaged);
    };
    let count = usize::from(count);
    if !(1..=ENVELOPES_MAX).contains(&count) {
        return Err(Damaged);
    }
    let mut envelopes = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk().ok_or(Damaged)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Damaged)?;
        let (envelope, after) = after.split_at_checked(length).ok_or(Damaged)?;
        envelopes.push(envelope);
        rest = after;
    }
    if rest.is_empty() { Ok(envelopes) } else { Err(Damaged) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_and_too_many_are_damage() {
        for count in [0, 17, 255] {
            let body = [&[VERSION, count][..], &[0; LENGTH_BYTES * 255][..]].concat();
            assert_eq!(unpack(&body[..2 + usize::from(count) * LENGTH_BYTES]), Err(Damaged));
        }
        assert_eq!(unpack(&[2, 1, 0, 0, 0, 0]), Err(Damaged), "a single envelope");
    }

    #[test]
    fn a_bundle_is_bounded_in_number_and_size_and_holds_one_in_any_case() {
        assert_eq!(fitting([1000; 40]), ENVELOPES_MAX);
        assert_eq!(fitting([1000; 3]), 3);
        assert_eq!(fitting([30_000; 3]), 2);
        assert_eq!(fitting([100_000, 1]), 1);
        assert_eq!(fitting([1, 100_000, 1]), 1);
        let most = [BYTES_MAX - HEAD_BYTES - LENGTH_BYTES];
        assert_eq!(fitting(most), 1);
        assert_eq!(pack(most.map(|size| vec![0; size]).iter().map(Vec::as_slice)).len(), BYTES_MAX);
    }
}
