//! Boxes of the vault and keyed hashes. Session keys are tested where the worker seals them.

use serde_json::Value;

use super::{
    file::{base64, hex_16, list, small, text},
    product,
};

/// Key number, nonce, tag.
const OVERHEAD_BYTES: usize = 1 + 12 + 16;

/// Returns the number of the key that a box names, and how long the box is.
pub(super) fn layout(sealed: &[u8]) -> (u8, usize) {
    (sealed[0], sealed.len())
}

fn numbers(entry: &Value) -> [u8; 2] {
    // The newest is the other one: a box says itself what opens it.
    let number = small(entry, "key_number");
    [3 - number, number]
}

#[test]
fn box_of_every_table_still_opens() {
    let boxes = list("vault.json", "boxes");
    for table in ["queue", "jobs", "sessions", "resume"] {
        let of_table = boxes.iter().filter(|entry| entry["place"]["table"] == table);
        assert_eq!(of_table.count(), 2, "a box of {table} under each of two keys");
    }
    for entry in &boxes {
        let place = product::Where::of(&entry["place"]);
        let opened = place.open(&base64(entry, "sealed"), &numbers(entry));
        assert_eq!(opened.as_deref(), Ok(text(entry, "text")), "{place:?}");
    }
}

#[test]
fn box_opens_in_its_place_alone() {
    for entry in list("vault.json", "boxes") {
        let (place, sealed) = (product::Where::of(&entry["place"]), base64(&entry, "sealed"));
        let numbers = numbers(&entry);
        let other = |change: fn(&mut product::Where)| {
            let mut place = place.clone();
            change(&mut place);
            place.open(&sealed, &numbers)
        };
        assert!(other(|place| place.table.push('x')).is_err(), "another table");
        assert!(other(|place| place.key.push(0)).is_err(), "another key");
        assert!(other(|place| place.app.push('x')).is_err(), "another app");
        let missing = place.open(&sealed, &numbers[..1]).unwrap_err();
        assert!(missing.contains(&format!("k{}", numbers[1])), "{missing}");
    }
}

#[test]
fn new_box_has_the_form_of_before() {
    for entry in list("vault.json", "boxes") {
        let (place, number) = (product::Where::of(&entry["place"]), small(&entry, "key_number"));
        let (before, words) = (base64(&entry, "sealed"), text(&entry, "text"));
        let sealed = place.seal(words.as_bytes(), number);
        assert_eq!(layout(&sealed), layout(&before));
        assert_eq!(layout(&sealed), (number, OVERHEAD_BYTES + words.len()));
        assert_eq!(place.open(&sealed, &[number]).as_deref(), Ok(words));
    }
}

#[test]
fn keyed_hashes_are_as_before() {
    let hashes = list("vault.json", "hashes");
    for of in ["phone", "guest", "login_code"] {
        let number_of = hashes.iter().filter(|entry| entry["of"] == of).count();
        assert_eq!(number_of, 2, "{of} under each of two keys");
    }
    for entry in hashes {
        let (app, value) = (text(&entry, "app"), text(&entry, "value"));
        let hash = product::keyed_hash(text(&entry, "of"), app, value, small(&entry, "key_number"));
        assert_eq!(hash, hex_16(&entry, "hash"), "{entry}");
    }
}
