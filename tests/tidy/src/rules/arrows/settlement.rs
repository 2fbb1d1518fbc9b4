//! Deliveries are settled in one place of the worker, so that one page shows when.

use crate::{file::File, offence::Offence, tree::Tree};

/// Where deliveries are taken.
const WORKER: &str = "worker/src";

/// The one module of it that settles them.
const SETTLEMENT: &str = "worker/src/settlement";

/// Methods that settle a delivery.
const METHODS: [&str; 1] = ["settle"];

/// Types that say how a delivery is settled.
const TYPES: [&str; 1] = ["Disposition"];

/// Finds places elsewhere that settle a delivery or decide how.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let mut found = Vec::new();
    if !tree.has_module(SETTLEMENT) {
        found.push(Offence::of(WORKER, format!("settle deliveries in {SETTLEMENT} alone")));
    }
    let elsewhere =
        tree.rust().filter(|file| file.is_under(WORKER) && !file.is_of_module(SETTLEMENT));
    found.extend(elsewhere.flat_map(of_file));
    found
}

fn of_file(file: &File) -> Vec<Offence> {
    let tokens: Vec<_> =
        file.tokens.iter().filter(|token| !token.in_test && !token.is_comment()).collect();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_call =
            at > 0 && tokens[at - 1].is(".") && METHODS.iter().any(|it| token.is_ident(it));
        let is_type = TYPES.iter().any(|it| token.is_ident(it));
        if is_call || is_type {
            let message = format!("`{}`: let {SETTLEMENT} settle the delivery", token.text);
            found.push(Offence::at(&file.path, token.line, message));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, source: &str) -> usize {
        check(&Tree::of(&[("worker/src/settlement.rs", ""), (path, source)])).len()
    }

    #[test]
    fn settling_elsewhere_is_found() {
        assert_eq!(found("worker/src/writer.rs", "delivery.settle(how);"), 1);
        assert_eq!(found("worker/src/writer.rs", "f(Disposition::Ack);"), 1);
    }

    #[test]
    fn settling_in_its_place_passes() {
        let source = "delivery.settle(Disposition::Ack);";
        assert_eq!(found("worker/src/settlement/in_flight.rs", source), 0);
        assert_eq!(found("backend/src/queue.rs", source), 0);
        assert_eq!(found("worker/src/writer.rs", "settlement::ack(delivery); fn settle() {}"), 0);
    }

    #[test]
    fn absence_of_the_place_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
