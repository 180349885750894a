//! The real counterparts of the simulated store and cluster, behind the same traits: `docs/simulation.md`.
//!
//! Whatever the simulation proves is worth as much as its parts are like the real ones. The cases in `tests/` are written
//! once and run on both.

pub mod difference;
pub mod kubernetes;
pub mod postgres;
