//! The advisory lock that keeps commits of outcomes and records of erasures apart.
//!
//! A commit reads table `erasures` once and writes accordingly. It would miss a record that is
//! committed in between, and the erasure that follows would not see the commit's rows yet. So
//! all commits share a lock of the database, and a record is made while no commit is under
//! way: the rows of a commit that began before it are there to be erased, and a commit that
//! begins after it reads the record.
//!
//! Both locks are taken within the message that begins the transaction, which costs no further
//! round trip. That is before its first statement, which reads the database as it is then.
//! They end with the transaction. Waiting for them has the time limit of every lock.

/// Begins a commit of outcomes. The number is made of the bytes `quhaoera`.
pub(super) const BEGIN_COMMIT: &str =
    "begin; select pg_advisory_xact_lock_shared(8175555466251039329)";

/// Begins a record of an erasure. It has to be short, because it holds up all commits.
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
