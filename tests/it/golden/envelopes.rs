//! Envelopes, one by one and several in a message.

use serde_json::Value;

use super::{
    file::{base64, list, small, text},
    product::{self, Where},
    sealed::layout,
};

/// Version, number of the id's secret, key.
const FIXED_BYTES: usize = 1 + 1 + 16;

/// Splits an envelope into what is in the clear and its box.
fn split<'a>(entry: &Value, body: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let app = text(&entry["job"], "app");
    let head = &body[..FIXED_BYTES + 1 + app.len()];
    assert_eq!(usize::from(head[FIXED_BYTES]), app.len());
    assert_eq!(&head[FIXED_BYTES + 1..], app.as_bytes());
    body.split_at(head.len())
}

/// Opens an envelope's box with the vault alone.
fn text_inside(entry: &Value, body: &[u8]) -> String {
    let (head, sealed) = split(entry, body);
    let app = text(&entry["job"], "app").to_owned();
    let place = Where { table: "queue".to_owned(), key: head.to_vec(), app };
    place.open(sealed, &[1, 2]).unwrap()
}

fn assert_opens(entry: &Value) {
    let (name, body) = (&entry["name"], base64(entry, "body"));
    assert_eq!(body[0], small(entry, "version"), "{name}");
    assert_eq!(text_inside(entry, &body), text(entry, "text"), "{name}");
    let opened = product::open_envelope(&body, &[2, 1]);
    assert_eq!(opened, Ok(product::job(&entry["job"])), "{name}");
    assert_eq!(product::claimed_id(&body).as_deref(), Some(text(entry, "shown")), "{name}");
    let id = product::job_id(&entry["job"], &[small(entry, "key_number")]);
    assert_eq!(id.wire, text(&entry["job"], "id"), "{name}");
}

fn of_version(version: u8) -> Vec<Value> {
    let all = list("envelopes.json", "envelopes").into_iter();
    let found: Vec<_> = all.filter(|entry| small(entry, "version") == version).collect();
    assert!(!found.is_empty(), "none of version {version}");
    found
}

#[test]
fn envelope_of_version_1_still_opens() {
    of_version(1).iter().for_each(assert_opens);
}

#[test]
fn envelope_of_version_2_still_opens() {
    let all = of_version(2);
    for kind in ["login", "login_and_decrypt", "stored_session", "phone_code"] {
        assert!(all.iter().any(|entry| entry["job"]["work"]["kind"] == kind), "none with {kind}");
    }
    all.iter().for_each(assert_opens);
}

#[test]
fn envelopes_are_of_two_versions() {
    let all = list("envelopes.json", "envelopes");
    assert_eq!(of_version(1).len() + of_version(2).len(), all.len());
}

#[test]
fn new_envelope_has_the_form_of_version_2() {
    for entry in of_version(2) {
        let number = small(&entry, "key_number");
        let before = base64(&entry, "body");
        let made = product::seal_envelope(&entry["job"], number);
        let ((old_head, old_box), (head, sealed)) = (split(&entry, &before), split(&entry, &made));
        assert_eq!(head, old_head, "{}", entry["name"]);
        assert_eq!(layout(sealed), layout(old_box), "{}", entry["name"]);
        assert_eq!(text_inside(&entry, &made), text(&entry, "text"), "{}", entry["name"]);
    }
}

#[test]
fn batch_of_envelopes_is_as_before() {
    for entry in list("batches.json", "batches") {
        let (name, body) = (&entry["name"], base64(&entry, "body"));
        let envelopes = product::envelopes(&entry, "envelopes");
        assert_eq!(product::unpack(&body), envelopes, "{name}");
        assert_eq!(product::pack(&envelopes), body, "{name}");
        for envelope in envelopes {
            assert!(product::open_envelope(&envelope, &[1, 2]).is_ok(), "{name}");
        }
    }
}
