//! What is sealed opens with its own associated data only.

use proptest::prelude::*;

use super::*;
use crate::crypto::keyring::parse_numbered_secret;

fn vault(numbers: &[u8]) -> Vault {
    let entries = numbers.iter().map(|n| (*n, Secret32::new([*n; 32]))).collect();
    Vault::new(&Keyring::new(entries).unwrap())
}

fn data<'a>(key: &'a [u8], app: &'a str) -> AssociatedData<'a> {
    AssociatedData { table: "jobs", key, app }
}

proptest! {
    #[test]
    fn a_box_opens_with_its_own_data_only(text: Vec<u8>, key: Vec<u8>, other: Vec<u8>, app in "[a-z]{1,9}") {
        let vault = vault(&[7]);
        let sealed = vault.seal(data(&key, &app), &text);
        let opened = vault.open(data(&key, &app), sealed.as_bytes()).unwrap();
        prop_assert_eq!(&*opened, &text);
        if key != other {
            prop_assert_eq!(
                vault.open(data(&other, &app), sealed.as_bytes()).unwrap_err(),
                VaultError::Damaged
            );
        }
        prop_assert!(vault.open(data(&key, "elsewhere!"), sealed.as_bytes()).is_err());
        let moved = AssociatedData { table: "sessions", key: &key, app: &app };
        prop_assert!(vault.open(moved, sealed.as_bytes()).is_err());
    }

    #[test]
    fn a_changed_or_cut_box_does_not_open(
        text: Vec<u8>, at in any::<prop::sample::Index>(), flip in 1_u8..,
    ) {
        let vault = vault(&[7]);
        let sealed = vault.seal(data(b"k", "a"), &text).into_bytes();
        let at = at.index(sealed.len());
        let mut changed = sealed.clone();
        changed[at] ^= flip;
        prop_assert!(vault.open(data(b"k", "a"), &changed).is_err());
        prop_assert!(vault.open(data(b"k", "a"), &sealed[..at]).is_err());
    }

    #[test]
    fn two_boxes_of_one_text_differ(text: Vec<u8>) {
        let vault = vault(&[7]);
        prop_assert_ne!(
            vault.seal(data(b"k", "a"), &text).into_bytes(),
            vault.seal(data(b"k", "a"), &text).into_bytes()
        );
    }
}

#[test]
fn keys_rotate() {
    let old = vault(&[1]).seal(data(b"k", "a"), b"text");
    let both = vault(&[2, 1]);
    assert_eq!(&**both.open(data(b"k", "a"), old.as_bytes()).unwrap(), b"text");
    let new = both.seal(data(b"k", "a"), b"text");
    assert_eq!(new.as_bytes()[0], 2);
    assert_eq!(
        vault(&[1]).open(data(b"k", "a"), new.as_bytes()).unwrap_err(),
        VaultError::UnknownKey(2)
    );
}

#[test]
fn hashes_are_found_under_every_accepted_key() {
    let stored = vault(&[1]).hash(HashOf::Phone, "wx1", b"+8613580006666");
    let both = vault(&[2, 1]);
    assert!(both.hashes(HashOf::Phone, "wx1", b"+8613580006666").contains(&stored));
    assert_ne!(both.hash(HashOf::Phone, "wx1", b"+8613580006666"), stored);
    for (of, app, value) in [
        (HashOf::LoginCode, "wx1", b"+8613580006666"),
        (HashOf::Phone, "wx2", b"+8613580006666"),
        (HashOf::Phone, "wx1", b"+8613580006667"),
    ] {
        assert!(!both.hashes(of, app, value).contains(&stored));
    }
}

#[test]
fn secrets_show_nothing() {
    let canary = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";
    let (number, secret) = parse_numbered_secret(&format!("k9:{canary}")).unwrap();
    assert_eq!(number, 9);
    assert!(!format!("{secret:?}").contains("QUJD") && !format!("{secret:?}").contains("65"));
    for bad in ["", "k", "9:AAAA", "k256:AAAA", "k1:AAAA", "k-1:", "k+1:", canary] {
        let error = parse_numbered_secret(bad).unwrap_err();
        assert!(bad.len() < 6 || !error.to_string().contains(bad), "{error}");
    }
}
