//! Input repair: what a transport does to base64 is undone, and nothing is guessed.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use proptest::prelude::*;
use quhao_producer::base64_repair::{Repair, RepairError, ciphertext, iv};

/// Ciphertexts of 1 to 64 blocks.
fn blocks() -> impl Strategy<Value = Vec<u8>> {
    (1_usize..=64).prop_flat_map(|blocks| prop::collection::vec(any::<u8>(), blocks * 16))
}

fn value(text: &str) -> Vec<u8> {
    ciphertext(text).unwrap().value
}

proptest! {
    #[test]
    fn clean_input_needs_no_repair(bytes in blocks()) {
        let repaired = ciphertext(&STANDARD.encode(&bytes)).unwrap();
        prop_assert_eq!(repaired.value, bytes);
        prop_assert!(repaired.repairs.is_empty());
    }

    #[test]
    fn every_single_accident_is_undone(bytes in blocks()) {
        let text = STANDARD.encode(&bytes);
        let wrapped = text.as_bytes().chunks(32)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect::<Vec<_>>();
        let percent: String =
            text.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
        for damaged in [
            wrapped.join("\n"),
            wrapped.join("\r\n"),
            wrapped.join("\t"),
            text.trim_end_matches('=').to_owned(),
            format!("{text}=="),
            text.replace('/', "\\/"),
            URL_SAFE_NO_PAD.encode(&bytes),
            percent,
            format!("  {text} \n"),
        ] {
            prop_assert_eq!(value(&damaged), bytes.clone(), "{}", damaged);
        }
    }

    #[test]
    fn a_plus_that_became_a_blank_comes_back_or_is_refused(bytes in blocks()) {
        let text = STANDARD.encode(&bytes);
        let pluses = text.matches('+').count();
        let damaged = text.replace('+', " ");
        // Where so many are missing that the rest is whole blocks again, both readings
        // fit; the first is blanks as noise, and the decryption then refuses it.
        let ambiguous = pluses > 0 && (text.trim_end_matches('=').len() - pluses) * 6 / 8 % 16 == 0;
        if !ambiguous {
            prop_assert_eq!(value(&damaged), bytes);
        }
    }

    #[test]
    fn a_vector_survives_whatever_stands_first_or_last(bytes in any::<[u8; 16]>()) {
        let damaged = STANDARD.encode(bytes).replace('+', " ");
        prop_assert_eq!(iv(&damaged).unwrap().value, bytes);
    }

    #[test]
    fn a_lost_plus_is_never_guessed(bytes in blocks(), at in any::<prop::sample::Index>()) {
        let text = STANDARD.encode(&bytes);
        let at = at.index(text.trim_end_matches('=').len());
        let mut damaged = text.clone();
        damaged.remove(at);
        prop_assert_eq!(ciphertext(&damaged), Err(RepairError::Length));
    }

    #[test]
    fn any_text_is_repaired_or_refused(text in "\\PC{0,200}") {
        if let Ok(repaired) = ciphertext(&text) {
            prop_assert!(repaired.value.len() % 16 == 0 && !repaired.value.is_empty());
        }
        let _ = iv(&text);
    }
}

#[test]
fn what_a_client_sends_when_it_has_nothing_is_named() {
    for text in ["", "  ", "undefined", "null", " null\n"] {
        assert_eq!(ciphertext(text), Err(RepairError::Missing), "{text:?}");
    }
}

#[test]
fn repairs_are_told() {
    let text = STANDARD.encode([0xfb; 48]);
    assert!(text.contains('+') && text.contains('/'));
    let repairs = ciphertext(&text.replace('+', " ").replace('/', "\\/")).unwrap().repairs;
    assert_eq!(repairs, [Repair::EscapedSlash, Repair::PlusFromBlank]);
    let repairs = iv("_____________________w").unwrap().repairs;
    assert_eq!(repairs, [Repair::UrlSafeAlphabet, Repair::Padding]);
}
