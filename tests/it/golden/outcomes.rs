//! Outcomes on their way from a worker that could not commit them to one that can.

use serde_json::Value;

use super::{
    file::{base64, list, small, text},
    product::{self, Where},
    sealed::layout,
};

/// What is in front of an outcome's box.
const VERSION: u8 = 0x81;

/// Opens an outcome's box with the vault alone.
fn text_inside(body: &[u8]) -> String {
    let (version, sealed) = body.split_at(1);
    assert_eq!(version, [VERSION]);
    let place = Where { table: "resume".to_owned(), key: vec![VERSION], app: String::new() };
    place.open(sealed, &[1, 2]).unwrap()
}

fn all() -> Vec<Value> {
    list("outcomes.json", "outcomes")
}

#[test]
fn outcome_on_its_way_still_opens() {
    for entry in all() {
        let (name, body) = (&entry["name"], base64(&entry, "body"));
        assert_eq!(text_inside(&body), text(&entry, "text"), "{name}");
        let (id, opened) = product::open_outcome(&body, &[2, 1]).unwrap();
        assert_eq!(id, text(&entry, "id"), "{name}");
        let expected = product::finished(&entry["finished"]);
        assert_eq!(product::whole(&opened), product::whole(&expected), "{name}");
    }
}

#[test]
fn new_outcome_has_the_form_of_before() {
    for entry in all() {
        let (name, before) = (&entry["name"], base64(&entry, "body"));
        let made = product::seal_outcome(&entry, small(&entry, "key_number"));
        assert_eq!(text_inside(&made), text(&entry, "text"), "{name}");
        assert_eq!(layout(&made[1..]), layout(&before[1..]), "{name}");
    }
}
