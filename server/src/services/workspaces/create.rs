//! Creating a workspace: checked whole, sealed, stored at once with its variables, its agent woken.

use berth_db::{
    AgentRow, Changed, CreatedKind, NewWorkspace, OrganizationConn, ProjectRow, SealedVariable, Source,
    WorkspaceView, constraints,
};
use berth_planner::config::settle;
use berth_planner::quota::{Change, Usage};
use berth_schema::api::Workspace;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::kubernetes::own_namespace;
use berth_schema::{
    Action, AgentName, DesiredState, FieldError, NamespaceName, ProjectId, ResourceKind, WorkspaceId,
    WorkspaceName, WorkspaceSpec,
};
use ring::rand::SecureRandom;
use tracing::info;

use super::form::{Checked, CreateForm, MadeFor, Variable, of_creation};
use super::freeze::{FIRST_VERSION, Frozen, freeze};
use super::{find, idle, limits, project, repository, rules_of, whole};
use crate::crypto::{self, CryptoError, DataKey, KeyRing, Owner};
use crate::identity::Member;
use crate::services::admission::{self, Wish, chosen};
use crate::services::idempotency::{Creation, Idempotency, claim};
use crate::services::{scopes, variables};
use crate::{Error, Op};

/// How often another name is drawn when the drawn one is taken. 32,768 names: ten misses in a row mean that most are taken.
const DRAWS: u32 = 10;

/// Creates a workspace. When anything is wrong, everything that is wrong is told and nothing is stored.
pub async fn create(
    op: &Op<Member>,
    mut form: CreateForm,
    idempotency: Option<&Idempotency>,
) -> Result<Creation<Workspace>, Error> {
    let id = WorkspaceId::random();
    let found = repository::look(op, &mut form, (id, made_for(op)), idempotency).await?;
    let form = form.check(&op.context.default_spec, (op.context.projects, made_for(op)), &found);
    let given = form.as_ref().ok().and_then(|form| form.name.clone());
    let attempt = Attempt { op, id, form: &form, idempotency };
    for _ in 0..DRAWS {
        let name = match &given {
            Some(name) => name.clone(),
            None => WorkspaceName::generate(draw(op.context.random.as_ref())?),
        };
        match attempt.store(&name).await {
            Err(Failure::NameTaken) if given.is_none() => {}
            Err(Failure::NameTaken) => {
                return Err(Error::NameTaken { what: "a workspace", name: name.to_string() });
            }
            Err(Failure::Other(error)) => return Err(error),
            Ok(created) => return Ok(created),
        }
    }
    Err(Error::field("name", "is needed: nearly every name that could be drawn is taken"))
}

/// What a workspace would be made of. Nothing is stored.
///
/// # Errors
/// [`Error::Invalid`] with everything that is wrong and is seen before it is known where it would run.
pub async fn check(op: &Op<Member>, mut form: CreateForm) -> Result<WorkspaceSpec, Error> {
    let found = repository::look(op, &mut form, (WorkspaceId::random(), made_for(op)), None).await?;
    match form.check(&op.context.default_spec, (op.context.projects, made_for(op)), &found) {
        Ok(checked) => Ok(checked.spec.spec),
        Err((_, errors)) => Err(Error::Invalid(errors)),
    }
}

/// Where the request names a project, it is made for that.
fn made_for(op: &Op<Member>) -> MadeFor {
    match op.action {
        Some(Action::CreateWorkspaceInProject) => MadeFor::AProject,
        _ => MadeFor::Itself,
    }
}

fn draw(random: &dyn SecureRandom) -> Result<u64, Error> {
    let mut bytes = [0; 8];
    random.fill(&mut bytes).map_err(|_| Error::internal(CryptoError::Random))?;
    Ok(u64::from_be_bytes(bytes))
}

enum Failure {
    NameTaken,
    Other(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

type Form = Result<Checked, (Option<String>, Vec<FieldError>)>;

/// What a new workspace is made of, and where.
struct MadeOf {
    spec: WorkspaceSpec,
    shared_namespace: Option<NamespaceName>,
}

/// One try under one name.
struct Attempt<'a> {
    op: &'a Op<Member>,
    /// Whatever name it gets: Git hosts may have been told it already.
    id: WorkspaceId,
    form: &'a Form,
    idempotency: Option<&'a Idempotency>,
}

impl Attempt<'_> {
    async fn store(&self, name: &WorkspaceName) -> Result<Creation<Workspace>, Failure> {
        let id = self.id;
        let created = self
            .op
            .change("create_workspace", async |conn| {
                // 1. What was done before is answered, not done again, whatever has changed since.
                let kind = CreatedKind::Workspace;
                let earlier = claim(conn, self.op, self.idempotency, kind, id.into()).await?;
                if let Some(earlier) = earlier {
                    let view = find(conn, &earlier.to_string()).await?;
                    return Ok(Changed::Not(Creation::Repeated(
                        whole(conn, view, &self.op.context, self.op.now).await?,
                    )));
                }
                // 2. What only the database knows to be wrong.
                let project = self.project(conn).await?;
                let (form, agent) = self.complete(conn, project.as_ref()).await?;
                let made_of = self.allow(conn, (form, project.as_ref()), &agent).await?;
                // 3. All of it, or nothing.
                let parts = (form, made_of, project.as_ref());
                let view = self.insert(conn, id, name, parts, &agent).await?;
                let details = Details::WorkspaceCreated {
                    agent: agent.id,
                    generation: view.workspace.generation,
                    variables: view.variables.len() as u64,
                    project: project.map(|project| project.id),
                };
                let event = Event::new(Resource::workspace(id), details);
                Ok::<_, Failure>(Changed::So(
                    Creation::New(whole(conn, view, &self.op.context, self.op.now).await?),
                    event,
                ))
            })
            .await?;
        if let Creation::New(workspace) = &created {
            info!(workspace = %id, %name, agent = %workspace.agent_id, "workspace created");
        }
        Ok(created)
    }

    /// What it is made for, as the transaction finds it.
    async fn project(&self, conn: &OrganizationConn<'_>) -> Result<Option<ProjectRow>, Failure> {
        if made_for(self.op) == MadeFor::Itself {
            return Ok(None);
        }
        let which = self.op.target();
        let found = match which.parse::<ProjectId>() {
            Ok(id) => conn.projects().find(id).await?,
            Err(_) => None,
        };
        Ok(Some(found.ok_or_else(|| Error::missing(ResourceKind::Project, which))?))
    }

    /// The form with its agent, or everything that is wrong with both.
    async fn complete(
        &self,
        conn: &OrganizationConn<'_>,
        project: Option<&ProjectRow>,
    ) -> Result<(&Checked, AgentRow), Failure> {
        let errors = self.form.as_ref().map_or_else(|(_, errors)| errors.as_slice(), |_| &[]);
        match (self.form, chosen(conn, self.op, self.wish(project)).await?) {
            (Ok(form), Ok(agent)) => Ok((form, agent)),
            (_, agent) => {
                let wrong_agent = agent.err().map(|unchosen| FieldError::new("agent", unchosen.told()));
                Err(Error::Invalid(errors.iter().cloned().chain(wrong_agent).collect()).into())
            }
        }
    }

    /// Where it is to run: what names no agent runs where its project says.
    fn wish<'a>(&'a self, project: Option<&'a ProjectRow>) -> Wish<'a> {
        let wanted = match self.form {
            Ok(form) => form.agent.as_deref(),
            Err((wanted, _)) => wanted.as_deref(),
        };
        let of_project = project.and_then(|project| project.settings.as_ref()?.agent.as_ref());
        Wish {
            agent: wanted.or(of_project.map(AgentName::as_str)),
            is_projects: wanted.is_none(),
            project: project.map(|project| &project.path),
        }
    }

    /// What the workspace is made of, under its agent's configuration; or what of it that does not allow. The agent's row
    /// is held from here: a change of the configuration at the same time either is what this is made from or raises its
    /// generation, and the same holds of its allowances.
    async fn allow(
        &self,
        conn: &OrganizationConn<'_>,
        (form, project): (&Checked, Option<&ProjectRow>),
        agent: &AgentRow,
    ) -> Result<MadeOf, Error> {
        let defaults = &self.op.context.agent_defaults;
        let configuration = limits::configuration(conn, agent.id, defaults).await?;
        admission::demand_of_new(conn, self.op, agent, self.wish(project)).await?;
        let errors = limits::size(&form.spec, &configuration);
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        let mut spec = form.spec.spec.clone();
        if let Some(project) = project {
            let unread = || Error::field("project", "says what this version of the server cannot read");
            let settings = project.settings.as_ref().ok_or_else(unread)?;
            let (named, reference) = (spec.project.take(), form.reference.as_ref());
            let cloned = project::of_project(settings, named, reference, self.op.context.projects);
            spec.project = cloned.map_err(|error| Error::Invalid(vec![error]))?;
        }
        settle(&mut spec, &configuration, defaults);
        let after = Usage::of(DesiredState::Running, &spec.demand(), &configuration.default_resources);
        let change = Change { before: Usage::default(), after };
        let owner = berth_db::Owner::Creator(self.op.who.subject);
        limits::quotas(conn, agent.id, owner, &configuration, change).await?;
        Ok(MadeOf { spec, shared_namespace: configuration.shared_namespace })
    }

    async fn insert(
        &self,
        conn: &OrganizationConn<'_>,
        id: WorkspaceId,
        name: &WorkspaceName,
        (form, made_of, project): (&Checked, MadeOf, Option<&ProjectRow>),
        agent: &AgentRow,
    ) -> Result<WorkspaceView, Failure> {
        let now = self.op.now;
        let workspace = NewWorkspace {
            id,
            agent_id: agent.id,
            name: name.clone(),
            namespace: namespace_of(name, id, made_of.shared_namespace)?,
            desired_state: DesiredState::Running,
            spec: made_of.spec,
            devfile: form.spec.devfile.clone(),
            created_by: self.op.who.author(),
            project: project.map(|project| project.id),
        };
        conn.workspaces().insert(&workspace, now).await.map_err(|error| {
            if error.violates(constraints::WORKSPACE_NAME) { Failure::NameTaken } else { error.into() }
        })?;
        if !form.idle.is_empty() {
            let rules = rules_of(conn, agent.id).await?.ok_or(Error::ConfigurationUnreadable)?;
            let stored = idle::store(conn, (id, &form.idle), (&agent.name, &rules), now).await?;
            stored.map_err(|errors| Error::Invalid(errors.into_iter().map(of_creation).collect()))?;
        }
        self.variables(conn, id, (form, project), agent).await?;
        conn.notifications().notify_agent(agent.id).await?;
        Ok(find(conn, &id.to_string()).await?)
    }

    /// Freezes the workspace's variables: its own, and those of the scopes around it as they are now.
    async fn variables(
        &self,
        conn: &OrganizationConn<'_>,
        id: WorkspaceId,
        (form, project): (&Checked, Option<&ProjectRow>),
        agent: &AgentRow,
    ) -> Result<(), Error> {
        let keys = self.op.context.keys.current();
        let organization = self.op.organization();
        let chain = scopes::of_workspace(conn, project, self.op.who.subject).await?;
        let mut around = Vec::with_capacity(chain.len());
        for (scope, link) in chain {
            around.push((link, variables::open(&keys, conn, scope).await?));
        }
        let own: Vec<_> = form.variables.iter().map(Variable::as_own).collect();
        let frozen = freeze(&around, &own, &form.spec.spec).map_err(Error::Invalid)?;
        if frozen.is_empty() {
            return Ok(());
        }
        let owner = Owner::of_workspace(organization, id);
        let random = self.op.context.random.as_ref();
        let (key, sealed) = seal(&keys, owner, &frozen, random).map_err(Error::internal)?;
        conn.variables().insert(agent.id, id, &key, &sealed, self.op.now).await?;
        Ok(())
    }
}

/// The shared one, or one of its own.
fn namespace_of(
    name: &WorkspaceName,
    id: WorkspaceId,
    shared: Option<NamespaceName>,
) -> Result<NamespaceName, Error> {
    match shared {
        Some(shared) => Ok(shared),
        None => NamespaceName::new(own_namespace(name, id)).map_err(Error::internal),
    }
}

fn seal(
    keys: &KeyRing,
    owner: Owner,
    variables: &[Frozen<'_>],
    random: &dyn SecureRandom,
) -> Result<(berth_db::DataKey, Vec<(SealedVariable, Source)>), CryptoError> {
    let (key, _) = DataKey::generate(keys, owner, random)?;
    let sealed = variables.iter().map(|variable| variable.seal(&key, FIRST_VERSION, random));
    let sealed = sealed.collect::<Result<Vec<_>, CryptoError>>()?;
    let contents = crypto::of_workspace(sealed.iter().map(|(variable, _)| variable));
    Ok((key.bind(keys, &contents, random)?, sealed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_of_the_longest_name_still_fits() {
        let name = WorkspaceName::new("a".repeat(WorkspaceName::MAX)).expect("a name");
        let id: WorkspaceId = "0123abcd-0000-4000-8000-000000000000".parse().expect("an id");
        let namespace = namespace_of(&name, id, None).expect("a namespace");
        assert_eq!(namespace.as_str(), format!("berth-{name}-0123abcd"));
    }
}
