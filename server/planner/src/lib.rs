//! Decides, without IO: what a workspace's actual state is, what an agent is told, which Kubernetes objects a workspace is
//! made of, and what a user's wish does to the desired state.
//!
//! The one way in for an agent's message is [`reconcile`]; for a user's wish it is [`intent::transition`].

pub mod actual_state;
pub mod config;
pub mod intent;
pub mod lifecycle;
pub mod model;
pub mod objects;
mod reconcile;
pub mod why;

pub use config::AgentConfig;
pub use model::{
    Cause, Explanation, IntentChange, Plan, PlannedDirective, Snapshot, Workspace, WorkspaceUpdate,
};
pub use reconcile::reconcile;
