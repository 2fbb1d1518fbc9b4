//! Answers, as their rows keep them.

use serde_json::Value;

use super::{
    file::{base64, hex, hex_16, list, small, text},
    product::{self, Where},
    sealed::layout,
};

/// Opens an answer's box with the vault alone.
fn text_inside(entry: &Value, sealed: &[u8]) -> String {
    let app = text(&entry["job"], "app").to_owned();
    let place = Where { table: "jobs".to_owned(), key: hex(entry, "key"), app };
    place.open(sealed, &[1, 2]).unwrap()
}

#[test]
fn sealed_answer_still_opens() {
    for entry in list("answers.json", "answers") {
        let (name, sealed) = (&entry["name"], base64(&entry, "sealed"));
        assert_eq!(text_inside(&entry, &sealed), text(&entry, "text"), "{name}");
        let (key, app) = (hex_16(&entry, "key"), text(&entry["job"], "app"));
        let opened = product::open_answer(&sealed, key, app, &[2, 1]).unwrap();
        let id = product::job_id(&entry["job"], &[small(&entry, "key_number")]);
        assert_eq!((id.wire.as_str(), id.key), (text(&entry["job"], "id"), hex(&entry, "key")));
        // Written once more, it is the same to the letter: nothing was lost or guessed.
        assert_eq!(product::answer_text(&opened), text(&entry, "text"), "{name}");
    }
}

#[test]
fn new_answer_has_the_form_of_before() {
    for entry in list("answers.json", "answers") {
        let (name, number) = (&entry["name"], small(&entry, "key_number"));
        let made = product::answer(&entry);
        assert_eq!(product::answer_text(&made), text(&entry, "text"), "{name}");
        let sealed = product::seal_answer(&entry, number);
        assert_eq!(layout(&sealed), layout(&base64(&entry, "sealed")), "{name}");
        assert_eq!(text_inside(&entry, &sealed), text(&entry, "text"), "{name}");
    }
}

#[test]
fn every_failure_of_before_has_its_name() {
    let answers = list("answers.json", "answers");
    let failures = answers.iter().filter_map(|entry| entry["outcome"]["code"].as_str());
    let mut failures: Vec<_> = failures.collect();
    failures.sort_unstable();
    failures.dedup();
    assert_eq!(failures.len(), 17, "the failures of the build that made the file");
    let known = product::failure_names();
    let unknown: Vec<_> = failures.iter().filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
