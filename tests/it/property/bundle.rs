//! Several envelopes in one message: what goes in comes out, and nothing else does.

use proptest::prelude::*;
use quhao_common::envelope::{
    batch::{ENVELOPES_MAX, is_batch, pack, unpack},
    error::EnvelopeError,
};

proptest! {
    #[test]
    fn what_was_packed_comes_out(
        envelopes in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 0..200), 1..=ENVELOPES_MAX,
        ),
    ) {
        let batch = pack(envelopes.iter().map(Vec::as_slice));
        prop_assert!(is_batch(&batch));
        prop_assert_eq!(unpack(&batch).unwrap(), envelopes);
    }

    #[test]
    fn what_is_cut_or_too_long_is_found(count in 1..=ENVELOPES_MAX, cut in any::<usize>()) {
        let envelopes = vec![[7_u8; 9]; count];
        let whole = pack(envelopes.iter().map(|envelope| &envelope[..]));
        prop_assert_eq!(unpack(&whole[..cut % whole.len()]), Err(EnvelopeError::Damaged));
        let longer = [&whole[..], &[0]].concat();
        prop_assert_eq!(unpack(&longer), Err(EnvelopeError::Damaged));
    }

    #[test]
    fn noise_never_panics(count in any::<u8>(), noise in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut body = pack(std::iter::once(&b"x"[..]));
        body.truncate(1);
        body.push(count);
        body.extend(noise);
        let _ = unpack(&body);
    }
}
