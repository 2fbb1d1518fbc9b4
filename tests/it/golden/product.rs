//! What the golden tests use of the product: all of its names are in here and in the files
//! beside. The product may rename what it likes; the data files stay as they are.

mod finished;
mod id;
mod job;
mod secret;
mod seams;
mod store;
mod webhook;

pub(super) use self::{finished::*, id::*, job::*, seams::*, secret::*, store::*, webhook::*};
