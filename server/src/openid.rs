//! What is asked of identity providers, within bounds: where, how long, how much. What they say is believed by `berth_oidc` or not at all.

mod cache;
mod fetch;

pub use cache::{Client, Fault, Granted, Providers};
pub use fetch::{FetchError, Fetcher};
