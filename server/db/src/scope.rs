//! A transaction's view: one organisation's rows.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use berth_schema::scope::ScopeId;
use berth_schema::{AccountId, OrganizationId};
use diesel::result::Error as DieselError;
use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use uuid::Uuid;

use crate::error::{DbError, DbErrorKind};
use crate::{
    Accounts, Activity, AgentEvents, AgentGroups, AgentPrerequisites, Agents, Audit, AuthorizationCodes,
    DataKeys, DeviceRequests, Devices, Elevations, GitCredentials, Groups, IdempotencyKeys, Identities,
    IdentityProviders, IdleRules, Invitations, NetworkChecks, Notifications, OpenConnections, OpenedPorts,
    Organizations, Orphans, Passkeys, PolicyVersions, PortShares, Projects, RoleGrants, ScopeGitCredentials,
    ScopeVariables, SealedScopes, SealingKeys, SessionProofs, Sessions, SignInAttempts, SignInLinks,
    SigningKeys, SpentCodes, SshKeys, Subjects, Tokens, Transitions, Variables, Workspaces,
};

/// Whose rows a transaction may see: an organisation's, an account's, or both. Row-level security hides all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    organization: OrganizationId,
    account: Option<AccountId>,
}

impl Reach {
    /// What is neither an organisation's nor an account's.
    pub const fn installation() -> Self {
        Self { organization: OrganizationId::from_uuid(Uuid::nil()), account: None }
    }

    /// The statement that says it to Postgres until the transaction ends. Ids are formatted from their bytes and so cannot hold a quote.
    pub(crate) fn statement(&self) -> String {
        let organization = format!("set_config('berth.organization', '{}', true)", self.organization);
        let account = self.account.map(|account| format!(", set_config('berth.account', '{account}', true)"));
        format!("SELECT {organization}{}", account.unwrap_or_default())
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.account {
            Some(account) if self.organization.as_uuid().is_nil() => write!(f, "account {account}"),
            None if self.organization.as_uuid().is_nil() => f.write_str("installation"),
            _ => write!(f, "{}", self.organization),
        }
    }
}

impl From<OrganizationId> for Reach {
    fn from(organization: OrganizationId) -> Self {
        Self { organization, account: None }
    }
}

/// No organisation's rows but what the account is there.
impl From<AccountId> for Reach {
    fn from(account: AccountId) -> Self {
        Self { organization: OrganizationId::from_uuid(Uuid::nil()), account: Some(account) }
    }
}

impl From<(OrganizationId, AccountId)> for Reach {
    fn from((organization, account): (OrganizationId, AccountId)) -> Self {
        Self { organization, account: Some(account) }
    }
}

/// The rows of one organisation within one transaction: the only way to a tenant's table.
///
/// Several of its operations may run at the same time (`futures::try_join!`); their statements then share a round trip.
pub struct OrganizationConn<'a> {
    connection: &'a AsyncPgConnection,
    reach: Reach,
    /// Of the transaction, whichever of its views a statement went through.
    course: Arc<Course>,
}

/// What has become of a transaction's statements so far.
#[derive(Debug, Default)]
struct Course {
    failed: AtomicBool,
    collided: AtomicBool,
}

impl fmt::Debug for OrganizationConn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrganizationConn").field("reach", &self.reach).finish_non_exhaustive()
    }
}

impl<'a> OrganizationConn<'a> {
    pub(crate) fn new(connection: &'a AsyncPgConnection, reach: Reach) -> Self {
        Self { connection, reach, course: Arc::default() }
    }

    pub const fn organization(&self) -> OrganizationId {
        self.reach.organization
    }

    pub fn accounts(&self) -> Accounts<'_> {
        Accounts(self)
    }

    pub fn sign_in_links(&self) -> SignInLinks<'_> {
        SignInLinks(self)
    }

    pub fn authorization_codes(&self) -> AuthorizationCodes<'_> {
        AuthorizationCodes(self)
    }

    pub fn spent_codes(&self) -> SpentCodes<'_> {
        SpentCodes(self)
    }

    pub fn device_requests(&self) -> DeviceRequests<'_> {
        DeviceRequests(self)
    }

    pub fn signing_keys(&self) -> SigningKeys<'_> {
        SigningKeys(self)
    }

    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }

    pub fn session_proofs(&self) -> SessionProofs<'_> {
        SessionProofs(self)
    }

    pub fn identities(&self) -> Identities<'_> {
        Identities(self)
    }

    pub fn identity_providers(&self) -> IdentityProviders<'_> {
        IdentityProviders(self)
    }

    pub fn devices(&self) -> Devices<'_> {
        Devices(self)
    }

    pub fn passkeys(&self) -> Passkeys<'_> {
        Passkeys(self)
    }

    pub fn ssh_keys(&self) -> SshKeys<'_> {
        SshKeys(self)
    }

    pub fn sign_in_attempts(&self) -> SignInAttempts<'_> {
        SignInAttempts(self)
    }

    pub fn organizations(&self) -> Organizations<'_> {
        Organizations(self)
    }

    pub fn subjects(&self) -> Subjects<'_> {
        Subjects(self)
    }

    pub fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }

    pub fn agents(&self) -> Agents<'_> {
        Agents(self, None)
    }

    pub fn agent_groups(&self) -> AgentGroups<'_> {
        AgentGroups(self)
    }

    pub fn open_connections(&self) -> OpenConnections<'_> {
        OpenConnections(self)
    }

    pub fn opened_ports(&self) -> OpenedPorts<'_> {
        OpenedPorts(self)
    }

    pub fn port_shares(&self) -> PortShares<'_> {
        PortShares(self)
    }

    pub fn agent_events(&self) -> AgentEvents<'_> {
        AgentEvents(self)
    }

    pub fn activity(&self) -> Activity<'_> {
        Activity(self)
    }

    pub fn idle_rules(&self) -> IdleRules<'_> {
        IdleRules(self)
    }

    pub fn agent_prerequisites(&self) -> AgentPrerequisites<'_> {
        AgentPrerequisites(self)
    }

    pub fn network_checks(&self) -> NetworkChecks<'_> {
        NetworkChecks(self)
    }

    pub fn orphans(&self) -> Orphans<'_> {
        Orphans(self)
    }

    pub fn sealing_keys(&self) -> SealingKeys<'_> {
        SealingKeys(self)
    }

    pub fn workspaces(&self) -> Workspaces<'_> {
        Workspaces(self)
    }

    pub fn transitions(&self) -> Transitions<'_> {
        Transitions(self)
    }

    pub fn variables(&self) -> Variables<'_> {
        Variables(self)
    }

    pub fn idempotency_keys(&self) -> IdempotencyKeys<'_> {
        IdempotencyKeys(self)
    }

    pub fn audit(&self) -> Audit<'_> {
        Audit(self)
    }

    pub fn notifications(&self) -> Notifications<'_> {
        Notifications(self)
    }

    /// The variables of what is around workspaces.
    pub fn scope_variables(&self, scope: ScopeId) -> ScopeVariables<'_> {
        ScopeVariables::new(self, scope)
    }

    /// The Git hosts of what is around workspaces.
    pub fn scope_git_credentials(&self, scope: ScopeId) -> ScopeGitCredentials<'_> {
        ScopeGitCredentials::new(self, scope)
    }

    pub fn sealed_scopes(&self) -> SealedScopes<'_> {
        SealedScopes(self)
    }

    pub fn invitations(&self) -> Invitations<'_> {
        Invitations(self)
    }

    pub fn groups(&self) -> Groups<'_> {
        Groups(self)
    }

    pub fn projects(&self) -> Projects<'_> {
        Projects(self)
    }

    pub fn role_grants(&self) -> RoleGrants<'_> {
        RoleGrants(self)
    }

    pub fn elevations(&self) -> Elevations<'_> {
        Elevations(self)
    }

    pub fn policy_versions(&self) -> PolicyVersions<'_> {
        PolicyVersions(self)
    }

    pub fn git_credentials(&self) -> GitCredentials<'_> {
        GitCredentials(self)
    }

    pub fn data_keys(&self) -> DataKeys<'_> {
        DataKeys(self)
    }

    /// What Diesel sends statements through.
    pub(crate) fn raw(&self) -> &'a AsyncPgConnection {
        self.connection
    }

    /// The organisation as a column has it.
    pub(crate) fn key(&self) -> Uuid {
        self.reach.organization.into()
    }

    /// The account as a column has it. Where the transaction is nobody's, no row is theirs.
    pub(crate) fn account_key(&self) -> Uuid {
        self.reach.account.map_or(Uuid::nil(), Uuid::from)
    }

    /// A statement's result. Every statement passes here, so that its failure ends the transaction.
    pub(crate) async fn run<T>(&self, statement: impl Future<Output = QueryResult<T>>) -> Result<T, DbError> {
        statement.await.map_err(|error| {
            // Diesel's NotFound is an answer; what Postgres refuses leaves the transaction aborted.
            if !matches!(error, DieselError::NotFound) {
                self.course.failed.store(true, Ordering::Relaxed);
            }
            let error = DbError::from(error);
            if error.kind == DbErrorKind::Contention {
                self.course.collided.store(true, Ordering::Relaxed);
            }
            error
        })
    }

    /// The same for a row that may not be there.
    pub(crate) async fn run_optional<T>(
        &self,
        statement: impl Future<Output = QueryResult<T>>,
    ) -> Result<Option<T>, DbError> {
        self.run(async { statement.await.optional() }).await
    }

    /// The rest of the transaction sees the rows of another organisation, together with those of the same account: one that the
    /// account was found in.
    pub async fn moved_to(&self, organization: OrganizationId) -> Result<Self, DbError> {
        let reach = Reach { organization, ..self.reach };
        let mut connection = self.connection;
        self.run(connection.batch_execute(&reach.statement())).await?;
        Ok(Self { connection: self.connection, reach, course: Arc::clone(&self.course) })
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.course.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn has_collided(&self) -> bool {
        self.course.collided.load(Ordering::Relaxed)
    }
}
