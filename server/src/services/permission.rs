//! Whether a request may be made: what it names is found, decided about, and refused as much as the asker may know of it.

use std::net::IpAddr;

use berth_db::{DbError, MembershipRow, OrganizationConn, OrganizationRow, OrganizationSession};
use berth_oidc::is_multi_factor;
use berth_policy::{
    Asked, Asker, At, Circumstances, Decision, Elevation, Proof, Reach, Reason, Resource, Who,
};
use berth_schema::access::Role;
use berth_schema::elevations::DEFAULT_SECONDS;
use berth_schema::git::GitHost;
use berth_schema::policy::{Answer, Permission};
use berth_schema::variables::VariableKind;
use berth_schema::{
    Action, AgentId, AgentName, ResourceKind, SubjectId, TokenId, WorkspaceId, WorkspaceName,
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DenyReason;
use crate::identity::{Authority, Member, Standing};
use crate::services::{admission, elevations, places, tree};
use crate::uses::Uses;
use crate::{Context, Error, Op};

/// What a request names, by the parameters of its path.
#[derive(Debug)]
pub(crate) struct Named {
    kind: ResourceKind,
    /// In the order of [`ResourceKind::path_parameters`].
    names: Vec<String>,
}

impl Named {
    /// The caller's own.
    pub(crate) const fn organization() -> Self {
        Self { kind: ResourceKind::Organization, names: Vec::new() }
    }

    pub(crate) fn of<'a>(kind: ResourceKind, parameter: impl Fn(&str) -> Option<&'a str>) -> Self {
        let names = kind.path_parameters().iter().map(|name| parameter(name).unwrap_or_default().to_owned());
        Self { kind, names: names.collect() }
    }

    fn missing(&self) -> Error {
        Error::missing(self.kind, self.names.last().map_or("", String::as_str))
    }
}

/// What was found by its name.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    One(Resource),
    /// A name that several tokens or members have.
    Several,
}

/// Looks for what is named, for somebody who was proven, with what they are there.
pub(crate) async fn find(
    conn: &OrganizationConn<'_>,
    named: &Named,
    asker: SubjectId,
) -> Result<Found, DbError> {
    let organization = conn.organization();
    let thing = |id: String| Resource::new(named.kind, id, organization);
    let first = named.names.first().map_or("", String::as_str);
    let found = match named.kind {
        ResourceKind::Organization => Some(Resource::organization(organization)),
        ResourceKind::Workspace => {
            let found = match (first.parse::<WorkspaceId>(), WorkspaceName::new(first)) {
                (Ok(id), _) => conn.workspaces().owned(id).await?,
                (_, Ok(name)) => conn.workspaces().owned_by_name(&name).await?,
                _ => None,
            };
            match found {
                Some(workspace) => Some(places::workspace(conn, &workspace, asker).await?),
                None => None,
            }
        }
        ResourceKind::Token => {
            let found = match first.parse::<TokenId>() {
                Ok(id) => conn.tokens().find(id).await?,
                Err(_) => match conn.tokens().named(first, 2).await?.as_slice() {
                    [one, other] if one.revoked_at.is_none() == other.revoked_at.is_none() => {
                        return Ok(Found::Several);
                    }
                    found => found.first().cloned(),
                },
            };
            found.map(|row| thing(row.id.to_string()).owned_by(row.subject_id))
        }
        ResourceKind::Agent => agent(conn, first).await?.map(|id| thing(id.to_string())),
        ResourceKind::Orphan => {
            let id = named.names.get(1).and_then(|id| id.parse::<WorkspaceId>().ok());
            let found = agent(conn, first).await?.zip(id);
            found.map(|(agent, id)| thing(id.to_string()).found_by(agent))
        }
        ResourceKind::Member => {
            let found = match first.parse::<SubjectId>() {
                Ok(id) => conn.subjects().find(id).await?,
                Err(_) => match conn.subjects().named(first, 2).await?.as_slice() {
                    [_, _] => return Ok(Found::Several),
                    found => found.first().cloned(),
                },
            };
            let found = found.filter(|row| row.removed_at.is_none());
            found.map(|row| thing(row.id.to_string()))
        }
        ResourceKind::Invitation => {
            let found = match first.parse() {
                Ok(id) => conn.invitations().find(id).await?,
                Err(_) => None,
            };
            found.map(|row| thing(row.id.to_string()))
        }
        ResourceKind::Group => tree::group(conn, first, asker).await?,
        ResourceKind::Project => tree::project(conn, first, asker).await?,
        ResourceKind::Elevation => elevations::named(conn, first, asker).await?,
        // What is outside of organisations is in none.
        ResourceKind::Account | ResourceKind::Session => None,
        // Whether it is there is seen when it is changed; their names are no secret to whoever may list them.
        ResourceKind::Variable => {
            let name = named.names.get(1).map_or("", String::as_str);
            let kind = first.parse::<VariableKind>();
            Some(thing(format!("{}/{name}", kind.as_ref().map_or(first, |kind| kind.as_str()))))
        }
        // By its name, which is free for whoever may set one.
        ResourceKind::IdentityProvider => Some(thing(first.to_owned())),
        // As rules name it, however it was written.
        ResourceKind::GitCredential => {
            Some(thing(first.parse::<GitHost>().map_or_else(|_| first.to_owned(), |host| host.to_string())))
        }
    };
    Ok(found.map_or(Found::Nothing, Found::One))
}

async fn agent(conn: &OrganizationConn<'_>, name_or_id: &str) -> Result<Option<AgentId>, DbError> {
    let row = match (name_or_id.parse::<AgentId>(), AgentName::new(name_or_id)) {
        (Ok(id), _) => conn.agents().find(id).await?,
        (_, Ok(name)) => conn.agents().last_of_name(&name).await?,
        _ => None,
    };
    Ok(row.map(|row| row.id))
}

/// What somebody may do in the organisation as it is now, by how they ask and by what they are for a time.
pub(crate) async fn authority(
    context: &Context,
    (organization, membership): (&OrganizationRow, &MembershipRow),
    (circumstances, elevations): (Circumstances, Vec<Elevation>),
) -> Result<Authority, Error> {
    let Standing { who, version, .. } = Standing::new(membership, organization.policy_version, &elevations);
    Ok(Authority {
        asker: Asker { who, organization: organization.id, circumstances, elevations },
        is_provided: membership.is_provided,
        policies: context.rules.of(&context.database, organization.id, organization.policy_version).await?,
        version,
    })
}

/// By a session: how long ago somebody signed in, and with what. Where a provider of the organisation has proven it, by what that
/// has said, whatever was proven elsewhere since. What has not been yet by this server's clock is of now.
pub(crate) fn by_session(
    found: &OrganizationSession,
    uses: &Uses,
    address: Option<IpAddr>,
    now: Timestamp,
) -> Circumstances {
    let (mut since, mut mfa) = match &found.proof {
        Some(proof) => {
            (proof.auth_time.unwrap_or(proof.created_at), is_multi_factor(proof.acr.as_deref(), &proof.amr))
        }
        None => (found.session.authenticated_at, false),
    };
    // An authenticator that has made sure who is there is two factors; but whom a provider has brought in, that alone vouches for.
    if let Some(at) = found.session.verified_at
        && !found.membership.is_provided
    {
        (since, mfa) = (since.max(at), true);
    }
    // A key is one factor, whatever was shown when it was registered.
    mfa &= !found.session.is_of_an_ssh_key();
    let ago = |time: Timestamp| u64::try_from(now.duration_since(time).as_secs()).unwrap_or(0);
    // Whoever has just come, or has confirmed who they are, is not idle.
    let begun = Some(found.session.created_at).max(found.session.verified_at);
    let last = begun.max(found.last_used_at).max(uses.last((*found.session.id.as_uuid()).into()));
    let proof = Proof::Session { age_seconds: ago(since), idle_seconds: last.map_or(0, ago) };
    Circumstances { proof, mfa, address }
}

/// Why something is not done.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// As much of it as whoever asks may know.
    pub(crate) error: Error,
    /// What they may not know: why they were denied it, and the id of what is there. For the record.
    pub(crate) hidden: Option<(&'static str, String)>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, hidden: None }
    }
}

/// What may be done to what was found, or why not: what the asker may not know of is refused like what does not exist.
pub(crate) fn permit(
    authority: &Authority,
    action: Action,
    named: &Named,
    found: Found,
) -> Result<Resource, Refusal> {
    let resource = match found {
        Found::One(resource) => resource,
        Found::Several if named.kind == ResourceKind::Member => {
            return Err(Error::field("member", "names several members; give the id of one of them").into());
        }
        Found::Several if authority.reach(Action::ReadToken) == Reach::All => {
            return Err(Error::field("token", "names several tokens; give the id of one of them").into());
        }
        Found::Nothing | Found::Several => {
            let nobody = SubjectId::from_uuid(Uuid::nil());
            let nothing = nothing(authority, named.kind);
            let decision = authority.decide(action, &nothing.owned_by(nobody));
            return Err(if decision.reason.is_of_the_asker() {
                denied(action, decision)
            } else if is_blind(authority, named.kind) {
                stepped_up(authority, action, None)
            } else {
                named.missing()
            }
            .into());
        }
    };
    let decision = authority.decide(action, &resource);
    if decision.allowed {
        Ok(resource)
    } else if decision.reason.is_of_the_asker() || is_seen(authority, &resource) {
        Err(refused(authority, action, (decision, &resource)).into())
    } else if is_blind(authority, named.kind) {
        Err(stepped_up(authority, action, None).into())
    } else {
        let hidden = Some((decision.reason.as_str(), resource.id));
        Err(Refusal { error: named.missing(), hidden })
    }
}

/// What there is not, for questions about it.
fn nothing(authority: &Authority, kind: ResourceKind) -> Resource {
    let nothing = Resource::new(kind, Uuid::nil().to_string(), authority.asker.organization);
    if kind == ResourceKind::Elevation {
        let asked = Asked { role: Role::Viewer, seconds: DEFAULT_SECONDS, at: At::Organization };
        return nothing.asking(asked);
    }
    nothing
}

/// Whether somebody would see what is theirs of a kind, if they proved anew who they are. They are told that whatever it is that they
/// ask for, and whether it is there or not: else the answer would tell.
fn is_blind(authority: &Authority, kind: ResourceKind) -> bool {
    let (Some(sight), Who::Subject { id, .. }) = (sight(kind), authority.asker.who) else { return false };
    if sight.resource() != kind {
        return false;
    }
    let own = nothing(authority, kind).owned_by(id);
    !authority.decide(sight, &own).allowed && authority.would_step_up(sight, &own)
}

/// The refusal of somebody who may know of it, and who may do it once they have proven anew who they are, or not at all.
pub(crate) fn refused(
    authority: &Authority,
    action: Action,
    (decision, resource): (Decision, &Resource),
) -> Error {
    if authority.would_step_up(action, resource) {
        return stepped_up(authority, action, of_organization(decision));
    }
    let is_by_token = matches!(authority.asker.circumstances.proof, Proof::Token(_));
    match denied(action, decision) {
        Error::Forbidden { reason: DenyReason::StepUp, .. } if is_by_token => {
            Error::denied(action, DenyReason::IsNoAccount)
        }
        refusal => refusal,
    }
}

fn stepped_up(authority: &Authority, action: Action, rule: Option<String>) -> Error {
    Error::Forbidden { action, reason: DenyReason::step_up(authority.is_provided), rule }
}

/// The name of the organisation's rule that decided, where one did.
fn of_organization(decision: Decision) -> Option<String> {
    let is_told = matches!(decision.reason, Reason::Forbidden | Reason::Failed);
    decision.rules.into_iter().next().filter(|_| is_told)
}

/// The refusal of somebody who may know of it.
pub(crate) fn denied(action: Action, decision: Decision) -> Error {
    let reason = match decision.reason {
        Reason::ReadOnlyToken => DenyReason::ReadOnlyToken,
        Reason::IsAgent => DenyReason::IsAgent,
        Reason::IsNoAgent => DenyReason::IsNoAgent,
        Reason::OwnElevation => DenyReason::OwnElevation,
        Reason::StepUp => DenyReason::StepUp,
        Reason::IsNotTheirs => DenyReason::IsNotTheirs,
        Reason::Suspended => DenyReason::Suspended,
        Reason::UnknownRole => DenyReason::UnknownRole,
        Reason::Forbidden => DenyReason::Rule,
        Reason::Failed => DenyReason::RuleFailed,
        Reason::NotPermitted | Reason::Permitted | Reason::OtherOrganization => DenyReason::NotPermitted,
    };
    Error::Forbidden { action, reason, rule: of_organization(decision) }
}

/// By which action whoever may do it knows that a thing of that kind is there; `None`: whoever is of the organisation knows.
const fn sight(kind: ResourceKind) -> Option<Action> {
    match kind {
        ResourceKind::Organization | ResourceKind::Account | ResourceKind::Session => None,
        ResourceKind::Token => Some(Action::ReadToken),
        ResourceKind::Agent => Some(Action::ReadAgent),
        ResourceKind::Orphan => Some(Action::ListOrphans),
        ResourceKind::Member => Some(Action::ListMembers),
        ResourceKind::Invitation => Some(Action::ListInvitations),
        ResourceKind::Variable => Some(Action::ListVariables),
        ResourceKind::GitCredential => Some(Action::ListGitCredentials),
        ResourceKind::IdentityProvider => Some(Action::ListIdentityProviders),
        ResourceKind::Workspace => Some(Action::ReadWorkspace),
        ResourceKind::Group => Some(Action::ReadGroup),
        ResourceKind::Project => Some(Action::ReadProject),
        ResourceKind::Elevation => Some(Action::ReadElevation),
    }
}

fn is_seen(authority: &Authority, resource: &Resource) -> bool {
    let Some(action) = sight(resource.kind) else { return true };
    let home = resource.organization;
    let seen = match (action.resource(), resource.agent) {
        (ResourceKind::Organization, _) => Resource::organization(home),
        (ResourceKind::Agent, Some(agent)) => Resource::new(ResourceKind::Agent, agent.to_string(), home),
        _ => resource.clone(),
    };
    // By a token that only reads, what may be read is seen.
    authority.decide(action, &seen).allowed
}

/// Whether somebody may do something, and by which rule.
pub async fn ask(op: &Op<Member>, action: &str, resource: Option<&str>) -> Result<Permission, Error> {
    let unknown = || Error::field("action", "is not known; it must be as in 'workspace.stop'");
    let action = Action::of(action).ok_or_else(unknown)?;
    let kind = action.resource();
    let parameters = kind.path_parameters();
    let mut given = resource.map(|text| text.splitn(parameters.len().max(1), '/')).into_iter().flatten();
    let names: Vec<String> = parameters.iter().map_while(|_| given.next()).map(str::to_owned).collect();
    if names.len() != parameters.len() || (parameters.is_empty() && resource.is_some()) {
        let wanted = match parameters {
            [] => "must not be given: this is done to the organization".to_owned(),
            parameters => format!("must name the {kind}, as {}", parameters.join("/")),
        };
        return Err(Error::field("resource", wanted));
    }
    let asked = Named { kind, names };
    let (found, given, objection) = op
        .read("ask_permission", async |conn| {
            let found = find(conn, &asked, op.who.subject).await?;
            let (given, objection) = match &found {
                Found::One(resource) => (
                    tree::given(conn, op.who.subject, resource).await?,
                    admission::objection(conn, op, action, resource).await?,
                ),
                Found::Nothing | Found::Several => (Vec::new(), None),
            };
            Ok::<_, Error>((found, given, objection))
        })
        .await?;
    let authority = &op.who.authority;
    let Found::One(resource) = found else {
        // The reason is the same as for whoever would do it.
        let refused = permit(authority, action, &asked, found).map_err(|refusal| refusal.error);
        return refused.and(Err(asked.missing()));
    };
    let decision = authority.decide(action, &resource);
    if !decision.allowed && !decision.reason.is_of_the_asker() && !is_seen(authority, &resource) {
        return Err(asked.missing());
    }
    let there: Vec<_> = authority.asker.elevated_at(&resource).map(|elevation| elevation.id).collect();
    let elevations = op.who.elevations.iter().filter(|elevated| there.contains(&elevated.id));
    let elevations = elevations.cloned().collect();
    Ok(Permission {
        elevations,
        action: action.to_string(),
        resource: resource.id,
        role: op.who.role,
        given,
        policy_version: authority.version,
        objection: objection.filter(|_| decision.allowed),
        answer: answer(decision),
    })
}

pub(super) fn answer(decision: Decision) -> Answer {
    Answer { allowed: decision.allowed, reason: decision.reason.as_str().to_owned(), rules: decision.rules }
}
