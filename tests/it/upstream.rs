//! The platform: its errors, its tokens, its outages, and the codes and payloads it gives.

mod decrypt;
mod errcodes;
mod no_answer;
mod official_example;
mod outage;
mod phone_codes;
mod third_party_platform;
mod tokens;
