//! Planner and agent core, unchanged, in one deterministic world full of faults: `docs/simulation.md`.
//!
//! A run is a function of its scenario, and a scenario of its seed. Everything happens in one thread in virtual time;
//! invariants are checked after every step, and at the end that what users want has come to be.

pub mod agent;
pub mod bugs;
pub mod check;
pub mod clock;
pub mod cluster;
pub mod dice;
pub mod environment;
pub mod faults;
pub mod fleet;
pub mod network;
pub mod poison;
pub mod run;
pub mod runtime;
pub mod scenario;
pub mod server;
pub mod shrink;
pub mod store;
pub mod trace;
pub mod world;
