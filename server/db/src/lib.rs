//! Berth's Postgres: rows, queries, migrations.
//!
//! [`migrate`] once at start, then [`Database::connect`]. All work with rows passes [`Database::change`], which puts on record what
//! is changed, [`Database::transaction`] or [`Database::read`]. They give their closure an [`OrganizationConn`]: the rows within its
//! [`Reach`], the only way to them.
//!
//! ```no_run
//! # use berth_db::*; use berth_schema::*; use jiff::Timestamp;
//! # async fn example(database: &Database, organization: OrganizationId, id: WorkspaceId, by: Author) -> Result<(), DbError> {
//! let view = database
//!     .transaction(organization, "stop_workspace", async |conn| {
//!         let stop = Intent::Desired(DesiredState::Stopped);
//!         let by = ChangedBy::User(by);
//!         let view = conn.workspaces().change_intent(id, None, &stop, by, Timestamp::now()).await?;
//!         conn.notifications().notify_agent(view.workspace.agent_id).await?;
//!         Ok::<_, DbError>(view)
//!     })
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! | through `conn.` | operations |
//! |---|---|
//! | `organizations()` | `create`, `claim_first`, `find`; outside a scope [`is_empty`] |
//! | `accounts()` | `insert`, `insert_owner`, `find`, `memberships` |
//! | `sign_in_links()` | `insert`, `find`, `mark_used` |
//! | `authorization_codes()` | `insert`, `find`, `exchanged` |
//! | `spent_codes()` | `spend` |
//! | `device_requests()` | `insert`, `find`, `find_by_user_code`, `polled`, `decide`, `take`; in [`Reach::installation`] |
//! | `signing_keys()` | `list`, `list_locked`, `insert`, `reseal`, `revoke`, `delete`, `issuer_names`, `is_called`; in [`Reach::installation`] |
//! | `identity_providers()` | `list`, `find`, `find_by_name`, `count`, `put`, `delete`; in [`Reach::installation`] those of all are read |
//! | `identities()` | `insert`; in [`Reach::installation`] `find` |
//! | `sign_in_attempts()` | `insert`, `take`; in [`Reach::installation`] |
//! | `devices()` | `list`, `know`, `forget` |
//! | `passkeys()` | `insert`, `list`, `find_locked`, `used`, `remove` |
//! | `ssh_keys()` | `insert`, `list`, `find`, `remove` |
//! | `session_proofs()` | `insert`, `copy`; in [`Reach::installation`] `of_provider` |
//! | `sessions()` | `insert`, `find`, `find_in`, `list`, `end`, `touch`, `verified` |
//! | `subjects()` | `insert`, `insert_provided`, `list`, `find`, `named`, `change`, `remove`, `rejoin`, `able_owners`, `of_account`, `set_role`, `users_named`, `user`, `owners`, `fill_creators` |
//! | `tokens()` | `insert`, `find`, `valid`, `list`, `signed`, `rotate`, `revoke` |
//! | `activity()` | `tell`, `hear`, `contact`, `of`, `keep`, `stopped` |
//! | `idle_rules()` | `around`, `find`, `set` |
//! | `agent_prerequisites()` | `find`, `store` |
//! | `network_checks()` | `find`, `want`, `wanted`, `finish` |
//! | `orphans()` | `of_agent`, `insert`, `delete`, `allow_removal` |
//! | `sealing_keys()` | `register`, `current`, `of` |
//! | `agents()` | `insert`, `find`, `find_by_name`, `list`, `list_active`, `revoke`, `workspace_counts`, `raise_epoch`, `advance`, `standing`, `set_standing`, `configuration`, `set_configuration`, `count_rendered`, `raise_generations` |
//! | `agent_groups()` | `of`, `for_organization`, `add`, `remove` |
//! | `workspaces()` | `insert`, `find`, `door`, `owned`, `all_owned`, `count_in`, `find_all`, `find_by_name`, `list`, `devfile`, `change_intent`, `of_agent`, `applied`, `confirm_loss`, `pending`, `for_partial_reconcile`, `apply_updates`, `usage` |
//! | `transitions()` | `of_workspace`, `generation_asked_at`, `position`, `changed_since`, `forget_finished` |
//! | `variables()` | `insert`, `load`, `origins` |
//! | `scope_variables(scope)` | `data_key`, `insert_data_key`, `lock`, `list`, `put`, `delete` |
//! | `sealed_scopes()` | `list`, `among`, `note`, `forget_user` |
//! | `git_credentials()` | `list`, `version`, `change`, `put`, `delete` |
//! | `scope_git_credentials(scope)` | `list`, `put`, `delete` |
//! | `data_keys()` | `by_generation`, `samples`, `outdated_of_…`, `rewrap`; outside a scope [`every_organization`], [`generations_in_use`] |
//! | `idempotency_keys()` | `claim` |
//! | `groups()` | `insert`, `count`, `find`, `find_by_path`, `above`, `below`, `list`, `place`, `delete` |
//! | `projects()` | `insert`, `count`, `find`, `hold`, `paths`, `at`, `find_by_path`, `is_any_in`, `list`, `change`, `delete` |
//! | `role_grants()` | `of_subject`, `find`, `count`, `list`, `holders`, `set`, `remove`, `remove_all` |
//! | `elevations()` | `insert`, `count_open`, `find`, `find_locked`, `list`, `active`, `decide`, `end`, `end_all`, `take_due`; outside a scope [`organizations_with_due_elevations`] |
//! | `open_connections()` | `hear`, `tell`, `of_workspace`, `end`, `ends_of`; outside a scope [`forget_silent_proxies`] |
//! | `port_shares()` | `of_workspace`, `put`, `remove`, `remove_port`, `keep`, `forget_past`, `forget_user`, `public_at`, `held_by` |
//! | `opened_ports()` | `of_workspace`, `at`, `put`, `remove`, `keep` |
//! | `invitations()` | `insert`, `count_open`, `find`, `find_locked`, `list`, `revoke`, `accept` |
//! | `policy_versions()` | `find`, `active`, `list`, `set` |
//! | `audit()` | `list`; written by [`Database::change`] and [`Database::changes`] alone |
//! | `notifications()` | `notify_agent`; the other end is [`listen`]; outside a scope [`tell_of_contacts`] |
//!
//! One job works across organisations: [`LifecycleQueue`] tells it where to look, and what it does there passes the gateway.
//!
//! The closure may use what is around it by reference. It may be run several times (collisions), so it has no effects but
//! on the database. A failed statement loses the whole transaction: a name that is taken is tried anew in another one.
//!
//! Times are arguments; [`stored_time`] gives what Postgres keeps of one.

mod accounts;
mod activity;
mod agent_events;
mod agent_groups;
mod agent_tokens;
mod agents;
mod audit;
mod authorization_codes;
pub mod backup;
mod columns;
mod configuration;
mod connect;
mod data_keys;
mod device_requests;
mod devices;
mod elevations;
pub mod embedded;
mod error;
mod gateway;
mod git_credentials;
mod groups;
mod idempotency;
mod identities;
mod identity_providers;
mod idle_rules;
mod invitations;
mod jobs;
mod lifecycle;
mod migrate;
mod network_checks;
mod notify;
mod open_connections;
mod opened_ports;
mod organizations;
mod orphans;
mod page;
mod passkeys;
mod policies;
mod port_shares;
mod prerequisites;
mod projects;
mod role_grants;
pub mod roles;
mod schema;
mod scope;
mod scope_git_credentials;
mod scope_variables;
mod sealed_scopes;
mod sealing_keys;
mod session_proofs;
mod sessions;
mod shown;
mod sign_in_attempts;
mod sign_in_links;
mod signing_keys;
mod spent_codes;
mod ssh_keys;
mod subjects;
#[cfg(feature = "testing")]
pub mod testing;
mod tokens;
mod transaction;
mod transitions;
mod variables;
mod workspaces;

pub use accounts::{AccountRow, Accounts, MembershipRow, NewOwner};
pub use activity::{Activity, ActivityRow, ProxyContact, StoppedBy};
pub use agent_events::{AgentEventRow, AgentEvents, KEPT_EVENTS, NewAgentEvent};
pub use agent_groups::{AgentGroups, TakesRow};
pub use agent_tokens::AgentTokenRotation;
pub use agents::{AgentRow, Agents, Deposed, Epoch, Leader, NewAgent, Order, Standing};
pub use audit::{
    AccountEvent, Acting, Audit, AuditFilter, AuditPage, AuditRow, Basis, Changed, ChangesSince, Stamp,
};
pub use authorization_codes::{AuthorizationCodeRow, AuthorizationCodes, NewAuthorizationCode};
pub use columns::SecretHash;
pub use configuration::{ConfigurationRow, ConfigurationUnreadable, Hold};
pub use data_keys::{DataKeys, KeyOwner};
pub use device_requests::{DeviceRequestRow, DeviceRequests, NewDeviceRequest};
pub use devices::{DeviceOf, DeviceRow, Devices, TOLD};
pub use elevations::{ElevationRow, ElevationView, Elevations, NewElevation};
pub use error::{Conflict, DbError, DbErrorKind, constraints};
pub use gateway::{Database, DatabaseConfig, OperationSample, Outcome, PoolStatus};
pub use git_credentials::{GitCredentialRow, GitCredentials};
pub use groups::{GroupRow, Groups, NewGroup, Parent};
pub use idempotency::{Claim, Claimed, CreatedKind, IdempotencyKeys, REMEMBERED};
pub use identities::Identities;
pub use identity_providers::{IdentityProviderRow, IdentityProviders};
pub use idle_rules::{IdlePlace, IdleRules};
pub use invitations::{InvitationRow, Invitations, NewInvitation};
pub use jobs::{
    every_organization, forget_silent_proxies, generations_in_use, missing_rows,
    organizations_with_due_elevations,
};
pub use lifecycle::{DueWorkspace, LifecycleQueue, LifecycleRow};
pub use migrate::{check_migrated, migrate, revert_all, versions};
pub use network_checks::NetworkChecks;
pub use notify::{Event, Heard, Notifications, listen, tell_of_contacts};
pub use open_connections::{EndsOfSession, NewEnd, NewOpenConnection, OpenConnectionRow, OpenConnections};
pub use opened_ports::{AskedPort, NewOpenedPort, OpenedPortRow, OpenedPorts};
pub use organizations::{OrganizationRow, Organizations, is_empty};
pub use orphans::{MAX_ORPHANS, NewOrphan, OrphanRow, Orphans};
pub use page::{Cursor, PageRequest};
pub use passkeys::{NewPasskey, PasskeyRow, Passkeys};
pub use policies::{PolicyVersionRow, PolicyVersions};
pub use port_shares::{HeldPlace, NewPortShare, PortShareRow, PortShares};
pub use prerequisites::AgentPrerequisites;
pub use projects::{NewProject, ProjectRow, Projects};
pub use role_grants::{HolderRow, RoleGrantRow, RoleGrants, Spot};
pub use roles::{RoleError, check_login};
pub use scope::{OrganizationConn, Reach};
pub use scope_git_credentials::ScopeGitCredentials;
pub use scope_variables::{ScopeVariableRow, ScopeVariables};
pub use sealed_scopes::SealedScopes;
pub use sealing_keys::{Registration, SealingKeyRow, SealingKeys};
pub use session_proofs::{NewSessionProof, SessionProof, SessionProofs};
pub use sessions::{NewSession, OrganizationSession, SessionClient, SessionRow, Sessions};
pub use sign_in_attempts::{NewSignInAttempt, SignInAttemptRow, SignInAttempts};
pub use sign_in_links::{NewSignInLink, SignInLinkRow, SignInLinks};
pub use signing_keys::{SigningKeyRow, SigningKeys};
pub use spent_codes::SpentCodes;
pub use ssh_keys::{NewSshKey, SshKeyRow, SshKeys};
pub use subjects::{Author, MemberRow, NewSubject, Subjects, UserRow};
pub use tokens::{Holder, NewToken, TokenRotation, TokenRow, Tokens, Valid};
pub use transaction::Body;
pub use transitions::{By, ChangedBy, KEPT_TRANSITIONS, TransitionRow, Transitions};
pub use variables::{DataKey, SealedVariable, SealedVariables, Source, VariableOriginRow, Variables};
pub use workspaces::{
    AgentPage, AgentUsage, Intent, IntentChange, NewWorkspace, Owned, Owner, Report, UpdateOutcome, Usage,
    WorkspaceDoor, WorkspaceFilter, WorkspaceRow, WorkspaceUpdate, WorkspaceView, Workspaces,
};

use jiff::{Timestamp, Unit};

/// A time as Postgres keeps it: without what is below a microsecond, so that what is answered is what is read later.
pub fn stored_time(time: Timestamp) -> Timestamp {
    time.round(Unit::Microsecond).unwrap_or(time)
}
