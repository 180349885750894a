//! Decides, without IO: what a workspace's actual state is, what an agent is told, which Kubernetes objects a workspace is
//! made of, and what a user's wish does to the desired state.
//!
//! The one way in for an agent's message is [`reconcile`]; for a user's wish it is [`intent::transition`].

mod abilities;
pub mod actual_state;
pub mod admission;
pub mod config;
pub mod connected;
mod drift;
pub mod elevation;
pub mod groups;
pub mod idle;
pub mod idle_rule;
pub mod inheritance;
pub mod intent;
pub mod leadership;
pub mod lifecycle;
pub mod logs;
mod loss;
pub mod model;
pub mod objects;
pub mod opened;
mod orphans;
mod proxy_config;
pub mod quota;
mod reconcile;
pub mod resize;
pub mod shape;
pub mod sharing;
mod vanished;
pub mod volumes;
pub mod why;

pub use abilities::Abilities;
pub use config::AgentConfig;
pub use loss::{LOSS_SUSPECTED, census, is_complete};
pub use model::{
    Brake, Cause, Census, Explanation, IntentChange, OrphanChanges, OrphanRecord, Plan, PlannedDirective,
    Snapshot, Workspace, WorkspaceUpdate,
};
pub use orphans::{OrphanRule, concerns_orphans};
pub use proxy_config::ProxyConfig;
pub use reconcile::{AGENT_HAS_NO_KEY, CONFIGURATION_UNREADABLE, REPORT_UNREADABLE, is_silent, reconcile};

pub use vanished::{NOT_IN_CLUSTER, remade};

#[cfg(test)]
mod poison_tests;
