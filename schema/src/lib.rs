//! What travels between Berth's processes: ids, names, states, messages and REST bodies.
//!
//! This crate decides nothing and does no IO. Everything here is a type with its validation, so that a value that
//! exists is a value that may be used. The JSON shapes are pinned by `tests/golden.rs`.

pub mod access;
pub mod action;
pub mod activity;
pub mod agents;
pub mod api;
pub mod audit;
pub mod command;
pub mod configuration;
pub mod connected;
pub mod connection;
pub mod elevations;
pub mod generation;
pub mod git;
pub mod groups;
pub mod identity_providers;
pub mod idle;
pub mod ids;
pub mod kubernetes;
pub mod late;
pub mod lifecycle;
pub mod logs;
pub mod members;
pub mod names;
pub mod network_check;
pub mod policy;
pub mod ports;
pub mod prerequisites;
pub mod problem;
pub mod project;
pub mod projects;
pub mod quantity;
pub mod reconcile;
pub mod reports;
pub mod repository;
pub mod scope;
pub mod sealing;
pub mod server_url;
pub mod spec;
pub mod ssh;
pub mod state;
pub mod text;
pub mod timeline;
pub mod token;
pub mod variables;
pub mod warning;
pub mod why;

pub use action::{Action, Effect, ResourceKind};
pub use configuration::{AgentConfiguration, LifecycleRules};
pub use generation::Generation;
pub use ids::{
    AccountId, AgentId, AuthorizationCodeId, ConnectionId, ElevationId, GroupId, IdentityProviderId,
    InvitationId, NetworkCheckId, OrganizationId, PasskeyId, ProjectId, ProxyCopyId, SessionId, SignInLinkId,
    SshKeyId, SubjectId, TermId, TokenId, WorkspaceId,
};
pub use names::{
    AgentName, GroupName, NameError, NamespaceName, OrganizationName, PortName, ProjectName, WorkspaceName,
};
pub use problem::{FieldError, Problem};
pub use project::{GitReference, ProjectSpec, ProjectUrl};
pub use reports::Reports;
pub use repository::{FoundIn, RepositoryPath};
pub use server_url::{ServerUrl, TokenUrl};
pub use spec::WorkspaceSpec;
pub use state::{ActualState, DesiredState, State};
pub use text::{Message, ResourceVersion, Text, Word};
pub use token::{
    AccessToken, AgentToken, AuthorizationCode, InvitationToken, OpaqueAccessToken, SessionToken, SignInToken,
};
pub use warning::Warning;
