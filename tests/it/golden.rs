//! What an earlier build wrote is read by this one, and this one writes the same.
//!
//! The files in `tests/golden` hold bytes that others keep: in databases, on queues, in the
//! hands of clients. They were made once and are never changed; a new form gets new entries.
//! What has no chance in it is made again and compared byte for byte. What has, as a sealed
//! box has its nonce, is opened, and a new one is compared as far as it can be.

mod amqp;
mod answers;
mod broker;
mod envelopes;
mod file;
mod ids;
mod notifications;
mod outcomes;
mod product;
mod rows;
mod running;
mod sealed;
mod tables;
mod webhooks;
