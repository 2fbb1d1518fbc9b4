//! What a client of the product sees, over HTTP alone.

mod bad_input;
mod commands;
mod duplicates;
mod errcodes;
mod isolation;
mod leaks;
mod load;
mod official_example;
mod operations;
mod refused;
mod store_lost;
mod submit;
mod trouble;
mod worker_lost;
