//! Signatures of callbacks. Their headers and bodies are tested where the worker makes them.

use super::{
    file::{list, text},
    product,
};

#[test]
fn signatures_of_callbacks_are_as_before() {
    for entry in list("webhooks.json", "signatures") {
        assert_eq!(product::webhook_signature(&entry), text(&entry, "signature"), "{entry}");
    }
}
