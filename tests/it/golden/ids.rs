//! Ids of jobs, handles of sessions, and URLs, which clients hold.

use serde_json::Value;

use super::{
    file::{hex, list, number, small, text},
    product::{self, Written},
};

/// An app of nobody here.
const ELSEWHERE: &str = "wx00000000000000e1";

fn written(entry: &Value) -> Written {
    Written {
        wire: text(entry, "wire").to_owned(),
        shown: text(entry, "shown").to_owned(),
        key: hex(entry, "key"),
    }
}

#[test]
fn ids_of_jobs_are_as_before() {
    for entry in list("ids.json", "jobs") {
        let made = product::job_id(&entry, &[small(&entry, "key_number")]);
        assert_eq!(made, written(&entry), "{}", entry["name"]);
    }
}

#[test]
fn handles_of_sessions_are_as_before() {
    for entry in list("ids.json", "handles") {
        let made = product::session_handle(&entry, &[small(&entry, "key_number")]);
        assert_eq!(made, written(&entry), "{}", entry["name"]);
    }
}

/// What verifies the texts of a list of `ids.json`.
type Verify = fn(&str, &str, &[&str], &[u8]) -> Option<(Vec<u8>, String)>;

#[test]
fn ids_and_handles_verify_for_their_owner_alone() {
    let kinds: [(&str, Verify); 2] =
        [("jobs", product::verify_job), ("handles", product::verify_session)];
    for (kind, verify) in kinds {
        for entry in list("ids.json", kind) {
            let (wire, owner, app) =
                (text(&entry, "wire"), text(&entry, "client"), text(&entry, "app"));
            let number = small(&entry, "key_number");
            let its_own = Some((hex(&entry, "key"), app.to_owned()));
            assert_eq!(verify(wire, owner, &[ELSEWHERE, app], &[number]), its_own, "{entry}");
            assert_eq!(verify(wire, owner, &[app], &[3 - number, number]), its_own, "{entry}");
            assert_eq!(verify(wire, owner, &[app], &[3 - number]), None, "without its secret");
            assert_eq!(verify(wire, "elsewhere", &[app], &[number]), None, "another client");
            assert_eq!(verify(wire, owner, &[ELSEWHERE], &[number]), None, "another app");
            assert_eq!(verify(text(&entry, "shown"), owner, &[app], &[number]), None, "tagless");
        }
    }
}

#[test]
fn operators_read_ids_in_both_forms() {
    for entry in list("ids.json", "jobs") {
        let expected = Some((small(&entry, "key_number"), hex(&entry, "key")));
        assert_eq!(product::as_operator(text(&entry, "wire")), expected);
        assert_eq!(product::as_operator(text(&entry, "shown")), expected);
    }
}

#[test]
fn urls_of_jobs_are_as_before() {
    for entry in list("poll_urls.json", "urls") {
        let url = product::poll_url(text(&entry, "id"), number(&entry, "expires_ms"));
        assert_eq!(url, text(&entry, "url"));
    }
}
