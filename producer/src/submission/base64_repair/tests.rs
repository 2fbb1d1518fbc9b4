use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

/// Ciphertexts of 1 to 64 blocks.
fn blocks() -> impl Strategy<Value = Vec<u8>> {
    (1_usize..=64).prop_flat_map(|blocks| prop::collection::vec(any::<u8>(), blocks * 16))
}

fn value(text: &str) -> Vec<u8> {
    ciphertext(text).expect("repairable").value
}

proptest! {
    #[test]
    fn clean_input_needs_no_repair(bytes in blocks()) {
        let repaired = ciphertext(&STANDARD.encode(&bytes)).expect("repairable");
        prop_assert_eq!(repaired.value, bytes);
        prop_assert!(repaired.repairs.is_empty());
    }

    #[test]
    fn each_kind_of_damage_is_repaired(bytes in blocks()) {
        let text = STANDARD.encode(&bytes);
        let wrapped = text.as_bytes().chunks(32)
            .map(|line| std::str::from_utf8(line).expect("ASCII"))
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
    fn space_for_plus_is_repaired_or_rejected(bytes in blocks()) {
        let text = STANDARD.encode(&bytes);
        let pluses = text.matches('+').count();
        let damaged = text.replace('+', " ");
        // Where so many are missing that the rest is whole blocks again, both readings
        // fit; blanks as noise come first, and the decryption then refuses the result.
        let ambiguous = pluses > 0 && (text.trim_end_matches('=').len() - pluses) * 6 / 8 % 16 == 0;
        if !ambiguous {
            prop_assert_eq!(value(&damaged), bytes);
        }
    }

    #[test]
    fn vector_may_start_or_end_with_a_blank(bytes in any::<[u8; 16]>()) {
        let damaged = STANDARD.encode(bytes).replace('+', " ");
        prop_assert_eq!(iv(&damaged).expect("repairable").value, bytes);
    }

    #[test]
    fn lost_character_is_never_guessed(bytes in blocks(), at in any::<prop::sample::Index>()) {
        let text = STANDARD.encode(&bytes);
        let at = at.index(text.trim_end_matches('=').len());
        let mut damaged = text.clone();
        damaged.remove(at);
        prop_assert_eq!(ciphertext(&damaged), Err(RepairError::Length));
    }

    #[test]
    fn any_text_is_repaired_or_rejected(text in "\\PC{0,200}") {
        if let Ok(repaired) = ciphertext(&text) {
            prop_assert!(repaired.value.len() % 16 == 0 && !repaired.value.is_empty());
        }
        let _ = iv(&text);
    }
}

#[test]
fn empty_undefined_and_null_are_missing() {
    for text in ["", "  ", "undefined", "null", " null\n"] {
        assert_eq!(ciphertext(text), Err(RepairError::Missing), "{text:?}");
    }
}

#[test]
fn repairs_are_listed() {
    let text = STANDARD.encode([0xfb; 48]);
    assert!(text.contains('+') && text.contains('/'));
    let repairs =
        ciphertext(&text.replace('+', " ").replace('/', "\\/")).expect("repairable").repairs;
    assert_eq!(repairs, [Repair::EscapedSlash, Repair::PlusFromBlank]);
    let repairs = iv("_____________________w").expect("repairable").repairs;
    assert_eq!(repairs, [Repair::UrlSafeAlphabet, Repair::Padding]);
}
