//! The rules of WeChat: what its identifiers, codes, keys, tokens and errors are and how they
//! behave. Nothing here knows HTTP.

pub(crate) mod endpoint;
pub(crate) mod errcode;
pub(crate) mod identifier;
pub(crate) mod code;
pub(crate) mod session_key;
pub(crate) mod cipher;
pub(crate) mod phone_payload;
pub(crate) mod access_token;
pub(crate) mod component;
