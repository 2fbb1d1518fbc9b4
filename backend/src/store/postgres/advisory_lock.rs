//! Keeps commits of outcomes and records of erasures apart.
//!
//! A commit asks `erasures` once and writes by the answer. A record that was committed in
//! between would be missed by it, and the erasure that follows would not see its rows yet.
//! So every commit holds a lock of the database together with other commits, and a record is
//! made while no commit is under way: whatever began before it is there to be erased, and
//! whatever begins after it knows.
//!
//! Both are taken within the message that begins the transaction, which costs no further
//! round trip, and before its first statement, which reads the database as it is then. They
//! end with the transaction. Waiting for them has the limit of every lock.

/// Begins a commit of outcomes. The number is that of the bytes `quhaoera`.
pub(super) const BEGIN_COMMIT: &str =
    "begin; select pg_advisory_xact_lock_shared(8175555466251039329)";

/// Begins a record of an erasure: short, because it holds up all commits.
pub(super) const BEGIN_RECORD: &str = "begin; select pg_advisory_xact_lock(8175555466251039329)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_take_the_same_lock() {
        let number = i64::from_be_bytes(*b"quhaoera");
        assert_eq!(BEGIN_COMMIT, format!("begin; select pg_advisory_xact_lock_shared({number})"));
        assert_eq!(BEGIN_RECORD, format!("begin; select pg_advisory_xact_lock({number})"));
    }
}
