//! Decides, without IO, what an agent reports to its server and what it does in its cluster.
//!
//! Facts come in through [`Index`], answers of the server through [`Agent::respond`], results of actions through
//! [`Agent::finish`]; out come reports and [`Action`]s. Time and randomness are arguments, so that the same input always
//! gives the same output. The round, step by step (all of it pure; the `berth-agent` crate does the IO between):
//!
//! 1. [`Index`]: what the watches have shown, by workspace.
//! 2. [`Agent::news`], [`Agent::full`]: what the server has not acknowledged, or everything.
//! 3. [`Opened::of`]: the variables of an answer, which only this agent's keys open.
//! 4. [`Agent::respond`]: acknowledgements are remembered, directives become actions, or a reason why not.
//! 5. [`Agent::finish`]: what became of an action; an error rests its workspace alone and is reported.

mod agent;
mod backoff;
pub mod canary;
mod facts;
#[cfg(test)]
#[path = "../tests/fixtures/mod.rs"]
mod fixtures;
mod gate;
mod home;
mod index;
mod keys;
mod kinds;
mod known;
pub mod lease;
mod memory;
mod nodes;
mod plan;
mod policy;
pub mod prerequisites;
mod problems;
mod record;
mod renewals;
mod report;
mod sealing;
mod secrets;
mod settings;
mod weight;
mod work;
mod written;

pub use agent::Agent;
pub use backoff::Backoff;
pub use facts::{Delivered, DeploymentFact, Fact, ObjectKey, Observed, PodFact, Unusable, Watched};
pub use gate::{Admission, Template, put_on as put_gate_on};
pub use home::lives_there;
pub use index::{Index, ListVerdict};
pub use keys::{KeyPair, KeyRing, NoKeyRing};
pub use kinds::Kind;
pub use known::Known;
pub use nodes::Nodes;
pub use plan::{Action, Applied, Apply, Outcome, Plan, Prepared, SeenDeployment, Task};
pub use policy::{
    Allowances, Identity, Manifest, NAMESPACE, Owner, PROXY_NAMESPACE, PROXY_PRUNED, Place, Reach, Refusal,
    Trespass, certificate_secret, manifest_report,
};
pub use record::Record;
pub use report::Pages;
pub use sealing::Opened;
pub use secrets::{NO_VERSION, SecretManifest, SecretVersions};
pub use settings::sane;
pub use weight::weighs_at_most;
pub use work::Skip;
pub use written::{Left, Stamp, is_alone};
