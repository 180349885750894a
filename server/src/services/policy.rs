//! The rules of an organisation: looked at, tried, set.

use berth_db::{Changed, Database, OrganizationConn, PolicyVersionRow};
use berth_policy::{
    Asked, Asker, At, BUILT_IN, Circumstances, Policies, Proof, Resource, RuleError, Rules, Who,
    organization_schema,
};
use berth_schema::access::{Role, SubjectKind};
use berth_schema::api::Paged;
use berth_schema::audit::{self, Details, Event};
use berth_schema::elevations::DEFAULT_SECONDS;
use berth_schema::groups::MAX_DEPTH;
use berth_schema::policy::{
    MAX_QUESTIONS, Policy, PolicyTested, PolicyVersion, Question, SetPolicy, TestPolicy,
};
use berth_schema::{Action, FieldError, OrganizationId, ResourceKind, SubjectId};
use tracing::info;
use uuid::Uuid;

use super::configuration::Change;
use super::permission;
use crate::identity::{Internal, Member};
use crate::{Error, Op};

/// The rules that hold, or those of a version.
pub async fn get(op: &Op<Member>, version: Option<i64>) -> Result<Policy, Error> {
    let row = op
        .read("get_policy", async |conn| {
            let versions = conn.policy_versions();
            match version {
                None | Some(0) if version.is_some() => Ok(None),
                None => versions.active().await.map_err(Error::from),
                Some(version) => {
                    let unknown = || Error::field("version", "is not one of this organization's");
                    versions.find(version).await?.ok_or_else(unknown).map(Some)
                }
            }
        })
        .await?;
    Ok(show(row))
}

/// The newest first, and which number goes on.
pub async fn history(op: &Op<Member>, below: Option<i64>, limit: i64) -> Result<Paged<PolicyVersion>, Error> {
    let mut rows = op
        .read("list_policy_versions", async |conn| {
            conn.policy_versions().list(below, limit).await.map_err(Error::from)
        })
        .await?;
    let shown = usize::try_from(limit - 1).unwrap_or(0);
    let more = rows.len() > shown;
    rows.truncate(shown);
    let next = rows.last().filter(|_| more).map(|row| row.version.to_string());
    Ok(Paged { items: rows.iter().map(details).collect(), next })
}

/// Replaces the rules whole. They hold from the next request on, on every server.
pub async fn set(op: &Op<Member>, wanted: SetPolicy, change: Change) -> Result<Policy, Error> {
    let rules = match (wanted.rules, wanted.built_in) {
        (Some(rules), false) => Some(rules),
        (None, true) => None,
        _ => return Err(Error::field("rules", "must be given, or 'built_in' set: one of both")),
    };
    let policies = checked(rules.clone()).await?;
    let row = op
        .change("set_policy", async |conn| {
            conn.organizations().lock().await?;
            let before = conn.policy_versions().active().await?;
            let version = before.as_ref().map_or(0, |row| row.version);
            if change.seen.is_some_and(|seen| seen != version) {
                return Err(Error::PolicyMismatch { current: version });
            }
            if !is_somebodys(conn, &policies, op).await? {
                let message =
                    "would leave no owner who may read and set the policy; keep a rule that permits it to them";
                return Err(Error::field("rules", message));
            }
            let is_so = before.as_ref().map_or(rules.is_none(), |row| row.rules == rules);
            if is_so || change.dry_run {
                return Ok(Changed::Not(before));
            }
            let versions = conn.policy_versions();
            let row = versions.set(version, rules.as_deref(), Some(op.who.subject), op.now).await?;
            let built_in = row.rules.is_none();
            let details = Details::PolicySet { before: version, version: row.version, built_in };
            let event = Event::new(audit::Resource::organization(op.organization()), details);
            Ok(Changed::So(Some(row), event))
        })
        .await?;
    let version = row.as_ref().map_or(0, |row| row.version);
    if !change.dry_run {
        info!(version, by = %op.who.subject, "policy set");
    }
    Ok(show(row))
}

/// Has the built-in rules hold, whatever holds now: for whoever is at the server's machine. The version that holds then.
pub async fn reset(op: &crate::identity::Op<Internal, Database>) -> Result<i64, Error> {
    op.change("reset_policy", async |conn| {
        conn.organizations().lock().await?;
        let before = conn
            .policy_versions()
            .active()
            .await?
            .map_or((0, true), |row| (row.version, row.rules.is_none()));
        let (before, is_so) = before;
        if is_so {
            return Ok(Changed::Not(before));
        }
        let row = conn.policy_versions().set(before, None, None, op.now).await?;
        let details = Details::PolicySet { before, version: row.version, built_in: true };
        let organization = audit::Resource::organization(op.organization());
        Ok(Changed::So(row.version, Event::internal(audit::Internal::ResetPolicy, organization, details)))
    })
    .await
}

/// Whether there is an owner who can read the rules and set others, asking as the one who asks does now.
pub(super) async fn is_somebodys(
    conn: &OrganizationConn<'_>,
    policies: &Policies,
    op: &Op<Member>,
) -> Result<bool, Error> {
    let organization = Resource::organization(op.organization());
    let owners = conn.subjects().owners().await?;
    let may = |(id, kind): (SubjectId, SubjectKind)| {
        let who = Who::Subject { id, kind, role: Role::Owner, suspended: false };
        let asker = Asker { who, ..op.who.authority.asker.lasting() };
        [Action::ReadPolicy, Action::SetPolicy]
            .into_iter()
            .all(|action| policies.decide(&asker, action, &organization).allowed)
    };
    Ok(owners.into_iter().any(may))
}

/// What rules would answer.
pub async fn test(op: &Op<Member>, wanted: TestPolicy) -> Result<PolicyTested, Error> {
    if wanted.questions.len() > MAX_QUESTIONS {
        return Err(Error::field("questions", format!("must be at most {MAX_QUESTIONS}")));
    }
    let questions: Vec<_> = wanted
        .questions
        .iter()
        .enumerate()
        .map(|(number, question)| asked(question, op.organization(), number))
        .collect();
    let errors: Vec<_> = questions.iter().filter_map(|question| question.as_ref().err().cloned()).collect();
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    let given = match wanted.rules {
        Some(rules) => Some(checked(Some(rules)).await?),
        None => None,
    };
    let policies = given.as_ref().unwrap_or(&op.who.authority.policies);
    let answers = questions
        .into_iter()
        .flatten()
        .map(|(asker, action, resource)| permission::answer(policies.decide(&asker, action, &resource)));
    Ok(PolicyTested { answers: answers.collect() })
}

/// A question in the engine's words.
fn asked(
    question: &Question,
    organization: OrganizationId,
    number: usize,
) -> Result<(Asker, Action, Resource), FieldError> {
    let action = Action::of(&question.action).ok_or_else(|| {
        FieldError::new(
            format!("questions[{number}].action"),
            "is not known; it must be as in 'workspace.stop'",
        )
    })?;
    // Ids that no rule names, and that are two.
    let (somebody, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let subject = question.subject.unwrap_or(SubjectId::from_uuid(somebody));
    let proof = match question.session_age_seconds {
        Some(age_seconds) => {
            Proof::Session { age_seconds, idle_seconds: question.session_idle_seconds.unwrap_or(0) }
        }
        None => Proof::Token(question.scope),
    };
    let circumstances = Circumstances { proof, mfa: question.mfa, address: question.address };
    let (role, suspended, kind) = (question.role, question.suspended, question.kind);
    let who = Who::Subject { id: subject, kind, role, suspended };
    let asker = Asker { who, organization, circumstances, elevations: Vec::new() };
    let kind = action.resource();
    let resource = match kind {
        ResourceKind::Organization => Resource::organization(organization),
        kind => {
            let id = question.resource.clone().unwrap_or_else(|| somebody.to_string());
            Resource::new(kind, id, organization)
        }
    };
    let most = MAX_DEPTH + 1;
    if question.groups.len() > most || question.given.len() > most {
        let message = format!("must be at most {most}, as must be those of 'given'");
        return Err(FieldError::new(format!("questions[{number}].groups"), message));
    }
    let resource = resource.within(question.groups.clone()).given(question.given.clone());
    let owner = if question.own { subject } else { SubjectId::from_uuid(other) };
    let resource = match kind {
        ResourceKind::Token | ResourceKind::Workspace => resource.owned_by(owner),
        ResourceKind::Elevation => {
            let wish = Asked { role: Role::Maintainer, seconds: DEFAULT_SECONDS, at: At::Organization };
            resource.owned_by(owner).asking(wish)
        }
        _ if action == Action::CreateToken && !question.own => resource.for_another(),
        _ => resource,
    };
    Ok((asker, action, resource))
}

/// Rules that are right. Checking them takes a while.
async fn checked(rules: Option<String>) -> Result<Policies, Error> {
    let check = move || match rules {
        None => Policies::built_in(),
        Some(rules) => Rules::check(&rules).and_then(|rules| Policies::new(&rules)),
    };
    let checked = tokio::task::spawn_blocking(check).await.map_err(Error::internal)?;
    checked.map_err(|errors| Error::Invalid(errors.iter().map(wrong).collect()))
}

fn wrong(error: &RuleError) -> FieldError {
    let message = format!("{} (line {}, column {})", error.message, error.line, error.column);
    FieldError::new("rules", message).at(error.line, error.column)
}

fn details(row: &PolicyVersionRow) -> PolicyVersion {
    PolicyVersion {
        version: row.version,
        built_in: row.rules.is_none(),
        created_at: Some(row.created_at),
        created_by: row.created_by.map(SubjectId::from),
    }
}

fn show(row: Option<PolicyVersionRow>) -> Policy {
    let nothing = PolicyVersion { version: 0, built_in: true, created_at: None, created_by: None };
    let details = row.as_ref().map_or(nothing, details);
    let rules = row.and_then(|row| row.rules).unwrap_or_else(|| BUILT_IN.to_owned());
    Policy { details, rules, schema: organization_schema() }
}
