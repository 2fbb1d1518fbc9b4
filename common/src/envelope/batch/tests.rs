//! Several envelopes in one message: what goes in comes out, and nothing else does.

use proptest::prelude::*;

use super::*;

const DAMAGED: Result<Vec<&[u8]>, EnvelopeError> = Err(EnvelopeError::Damaged);

#[test]
fn batch_of_none_or_too_many_is_damaged() {
    for count in [0, 17, 255] {
        let body = [&[VERSION, count][..], &[0; LENGTH_BYTES * 255][..]].concat();
        assert_eq!(unpack(&body[..2 + usize::from(count) * LENGTH_BYTES]), DAMAGED);
    }
    assert_eq!(unpack(&[2, 1, 0, 0, 0, 0]), DAMAGED, "a single envelope");
}

#[test]
fn batch_is_bounded_and_holds_at_least_one() {
    assert_eq!(fitting([1000; 40]), ENVELOPES_MAX);
    assert_eq!(fitting([1000; 3]), 3);
    assert_eq!(fitting([30_000; 3]), 2);
    assert_eq!(fitting([100_000, 1]), 1);
    assert_eq!(fitting([1, 100_000, 1]), 1);
    let most = [BYTES_MAX - HEAD_BYTES - LENGTH_BYTES];
    assert_eq!(fitting(most), 1);
    assert_eq!(pack(most.map(|size| vec![0; size]).iter().map(Vec::as_slice)).len(), BYTES_MAX);
}

proptest! {
    #[test]
    fn packed_envelopes_are_unpacked(
        envelopes in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 0..200), 1..=ENVELOPES_MAX,
        ),
    ) {
        let batch = pack(envelopes.iter().map(Vec::as_slice));
        prop_assert!(is_batch(&batch));
        prop_assert_eq!(unpack(&batch).unwrap(), envelopes);
    }

    #[test]
    fn a_cut_or_lengthened_batch_is_damaged(count in 1..=ENVELOPES_MAX, cut in any::<usize>()) {
        let envelopes = vec![[7_u8; 9]; count];
        let whole = pack(envelopes.iter().map(|envelope| &envelope[..]));
        prop_assert_eq!(unpack(&whole[..cut % whole.len()]), Err(EnvelopeError::Damaged));
        let longer = [&whole[..], &[0]].concat();
        prop_assert_eq!(unpack(&longer), Err(EnvelopeError::Damaged));
    }

    #[test]
    fn unpacking_noise_never_panics(count in any::<u8>(), noise in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut body = pack(std::iter::once(&b"x"[..]));
        body.truncate(1);
        body.push(count);
        body.extend(noise);
        let _ = unpack(&body);
    }
}
