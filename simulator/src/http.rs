//! The HTTP side: connections, routes, the four endpoints, and the control routes.

pub(crate) mod server;
mod connection;
mod routes;
mod jscode2session;
mod stable_token;
mod getuserphonenumber;
mod in_flight;
mod control;
mod body;
mod response;
