//! Ids are deterministic, bound to client and app, and worthless when changed.

use proptest::prelude::*;

use super::*;
use crate::{
    crypto::keyring::{Keyring, Secret32},
    domain::{
        job::{Expect, IdInput, Metadata, Work},
        phone::{Encrypted, LoginCode},
    },
};

fn keys(numbers: &[u8]) -> IdKeys {
    let entries = numbers.iter().map(|n| (*n, Secret32::new([*n; 32]))).collect();
    IdKeys::new(Keyring::new(entries).unwrap())
}

fn client(name: &str) -> ClientName {
    ClientName::new(name).unwrap()
}

fn app(id: &str) -> AppId {
    AppId::new(id).unwrap()
}

fn login(code: &str) -> Work {
    Work::Login { code: LoginCode::new(code.to_owned()) }
}

fn id_of(keys: &IdKeys, work: &Work, idempotency_key: Option<&str>) -> JobId {
    IdInput { work, metadata: None, callback_url: None, idempotency_key }.id(
        keys,
        &client("orders"),
        &app("wx1"),
    )
}

proptest! {
    #[test]
    fn an_id_reads_back_and_proves_itself(code in "[!-~]{1,64}") {
        let keys = keys(&[1]);
        let id = id_of(&keys, &login(&code), None);
        let wire = id.wire();
        prop_assert_eq!(wire.len(), 44);
        let apps = [app("wx0"), app("wx1")];
        let (read, owner) = JobId::verify(&wire, &keys, &client("orders"), &apps).unwrap();
        prop_assert_eq!(read, id);
        prop_assert_eq!(owner, &apps[1]);
        prop_assert!(JobId::verify(&wire, &keys, &client("others"), &apps).is_none());
        prop_assert!(JobId::verify(&wire, &keys, &client("orders"), &apps[..1]).is_none());
    }

    #[test]
    fn an_id_with_a_changed_character_is_nobodys(code in "[!-~]{1,64}", at in 4_usize..44, to in 0_usize..32) {
        let keys = keys(&[1]);
        let mut wire = id_of(&keys, &login(&code), None).wire().into_bytes();
        let to = b"0123456789abcdefghjkmnpqrstvwxyz"[to];
        prop_assume!(wire[at] != to);
        wire[at] = to;
        let wire = String::from_utf8(wire).unwrap();
        prop_assert!(JobId::verify(&wire, &keys, &client("orders"), &[app("wx1")]).is_none());
    }

    #[test]
    fn verifying_any_text_never_panics(text in "\\PC{0,60}") {
        prop_assert!(JobId::verify(&text, &keys(&[1]), &client("orders"), &[app("wx1")]).is_none());
        let _ = parse_for_operator(&text);
    }

    #[test]
    fn every_part_of_a_submission_counts(
        code in "[!-~]{1,40}", other in "[!-~]{1,40}", data in any::<[u8; 32]>(), iv in any::<[u8; 16]>(),
    ) {
        let keys = keys(&[1]);
        let decrypt = |expect| Work::LoginAndDecrypt {
            code: LoginCode::new(code.clone()),
            encrypted: Encrypted::new(data.to_vec(), iv).unwrap(),
            expect,
        };
        let metadata = Metadata::new(serde_json::value::to_raw_value(&other).unwrap());
        let with_metadata = IdInput {
            work: &login(&code), metadata: Some(&metadata), callback_url: None,
            idempotency_key: None,
        }.id(&keys, &client("orders"), &app("wx1"));
        let ids = [
            id_of(&keys, &login(&code), None),
            id_of(&keys, &login(&code), Some(&other)),
            with_metadata,
            id_of(&keys, &decrypt(Expect::Phone), None),
            id_of(&keys, &decrypt(Expect::OpenData), None),
        ];
        for (at, id) in ids.iter().enumerate() {
            prop_assert!(!ids[..at].contains(id));
        }
        if code != other {
            prop_assert_ne!(ids[0], id_of(&keys, &login(&other), None));
        }
        prop_assert_eq!(ids[3], id_of(&keys, &decrypt(Expect::Phone), None));
    }
}

#[test]
fn old_ids_are_valid_while_their_key_is_listed() {
    let before = keys(&[1]);
    let id = id_of(&before, &login("code"), None);
    let during = keys(&[2, 1]);
    assert!(during.proves(&id, &client("orders"), &app("wx1")));
    let (newest, _) = parse_for_operator(&id_of(&during, &login("code"), None).wire()).unwrap();
    assert_eq!(newest, 2);
    assert!(!keys(&[2]).proves(&id, &client("orders"), &app("wx1")));
}

#[test]
fn logs_get_an_id_without_its_tag() {
    let id = id_of(&keys(&[1]), &login("code"), None);
    let shown = id.to_string();
    let wire = id.wire();
    assert_eq!(shown.len(), 4 + 28);
    assert_eq!(shown[..31], wire[..31]);
    assert_eq!(format!("{id:?}"), shown);
    assert_eq!(parse_for_operator(&shown), Some((1, id.key())));
    assert_eq!(parse_for_operator(&wire), Some((1, id.key())));
}
