//! What the server does, one module for each thing it does it to. No HTTP in here.

pub mod access;
pub mod adoption;
pub mod agent_tokens;
pub mod agents;
pub mod audit;
pub mod binding;
pub mod configuration;
pub mod connections;
pub mod git;
pub mod idempotency;
pub mod key_check;
pub mod login;
pub mod organizations;
pub mod orphans;
pub mod paging;
pub mod permission;
pub mod policy;
pub mod reconcile;
pub mod rewrap;
mod scope_key;
pub mod sessions;
pub mod sign_in;
pub mod signing_keys;
pub(crate) mod subjects;
pub mod tokens;
pub mod variables;
pub mod workspaces;
