//! Variables of a workspace that exists: given to it or taken from it by whose it is, or taken anew from what is around it. See decision 0094.

use std::collections::{BTreeMap, BTreeSet};

use berth_db::{
    DataKey as WrappedKey, KeyOwner, OrganizationConn, SealedVariable, Source, WorkspaceRow, WorkspaceView,
};
use berth_planner::inheritance::Link;
use berth_schema::api::ChangeVariables;
use berth_schema::scope::{RemoveVariable, Scope};
use berth_schema::variables::{SecretValue, VariableKind, check_name};
use berth_schema::{AgentId, FieldError, WorkspaceId};
use jiff::Timestamp;

use super::form::{Variable, check_variables};
use super::freeze::{FIRST_VERSION, Frozen, Own, check_size, freeze};
use crate::crypto::{self, CryptoError, DataKey, Owner};
use crate::identity::Member;
use crate::services::variables::Opened;
use crate::services::{scopes, variables};
use crate::{Error, Op};

/// What is to become of a workspace's variables.
pub(super) enum Wanted {
    Changed {
        set: Vec<Variable>,
        remove: Vec<RemoveVariable>,
    },
    /// What it has from what is around it is what that is now. Its own stay.
    Renewed,
}

impl Wanted {
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong and needs no database to be seen.
    pub(super) fn of(form: ChangeVariables) -> Result<Self, Error> {
        let mut errors = Vec::new();
        let set = check_variables(("set", &form.set), &mut errors);
        let mut named: BTreeSet<_> = form.set.iter().map(|input| (input.kind, input.name.as_str())).collect();
        for (index, gone) in form.remove.iter().enumerate() {
            let field = format!("remove[{index}].name");
            if let Err(error) = check_name(gone.kind, &gone.name) {
                errors.push(FieldError::new(field, error.to_string()));
            } else if !named.insert((gone.kind, gone.name.as_str())) {
                errors.push(FieldError::new(field, "is set or removed beside"));
            }
        }
        if form.set.is_empty() && form.remove.is_empty() {
            errors.push(FieldError::new("set", "or 'remove' has to name a variable"));
        }
        if errors.is_empty() {
            Ok(Self::Changed { set, remove: form.remove })
        } else {
            Err(Error::Invalid(errors))
        }
    }
}

/// One that the workspace has, opened.
struct Held {
    sealed: SealedVariable,
    value: SecretValue,
    source: Source,
}

impl Held {
    fn named(&self) -> (VariableKind, &str) {
        (self.sealed.kind, &self.sealed.name)
    }

    fn is_own(&self) -> bool {
        self.source.scope == Scope::Workspace
    }

    fn as_own(&self) -> Own<'_> {
        let (kind, name) = self.named();
        Own { name, kind, value: &self.value }
    }

    fn keep(&self) -> Frozen<'_> {
        let (kind, name) = self.named();
        Frozen { name, kind, value: &self.value, source: self.source.clone() }
    }
}

/// What is to be stored.
pub(super) struct Prepared {
    whose: (AgentId, WorkspaceId),
    /// In the place of others, or new.
    others: Vec<(SealedVariable, Source)>,
    /// Those in whose place others come, and those that are gone.
    gone: Vec<(VariableKind, String)>,
    keys: Vec<WrappedKey>,
    /// The workspace had none.
    is_first_key: bool,
}

impl Prepared {
    pub(super) fn is_nothing(&self) -> bool {
        self.others.is_empty() && self.gone.is_empty()
    }

    /// How many are others, and how many are there no more.
    pub(super) fn changes(&self) -> (u64, u64) {
        let removed = self.gone.iter().filter(|(kind, name)| {
            !self.others.iter().any(|(other, _)| (other.kind, &other.name) == (*kind, name))
        });
        (self.others.len() as u64, removed.count() as u64)
    }

    /// Stores it. Whoever changes the same workspace was kept out before.
    pub(super) async fn store(&self, conn: &OrganizationConn<'_>, op: &Op<Member>) -> Result<(), Error> {
        let (agent, workspace) = self.whose;
        if let [key] = self.keys.as_slice()
            && self.is_first_key
        {
            return Ok(conn.variables().insert(agent, workspace, key, &self.others, op.now).await?);
        }
        conn.variables().replace(self.whose, &self.gone, &self.others, op.now).await?;
        let owner = KeyOwner::Workspace { agent: *agent.as_uuid(), workspace: *workspace.as_uuid() };
        for key in &self.keys {
            conn.data_keys().rewrap(owner, key).await?;
        }
        Ok(())
    }
}

/// What becomes of the variables of a workspace, sealed. Nothing is stored.
///
/// # Errors
/// [`Error::Invalid`] where it may not have them; where those that it has do not open.
pub(super) async fn prepare(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    view: &WorkspaceView,
    wanted: &Wanted,
) -> Result<Prepared, Error> {
    let row = &view.workspace;
    let whose = (row.agent_id, row.id);
    let owner = Owner::of_workspace(op.organization(), row.id);
    let sealed = conn.variables().load(row.agent_id, &[row.id]).await?.remove(&row.id).unwrap_or_default();
    let origins = conn.variables().origins(row.agent_id, row.id).await?;
    let sources: BTreeMap<_, _> = origins
        .into_iter()
        .map(|origin| ((origin.kind, origin.name.clone()), Source::from(origin)))
        .collect();
    let opened = op.context.keys.with_newest(|ring| {
        let mut held: Vec<Held> = Vec::with_capacity(sealed.variables.len());
        let keys = crypto::open_variables(ring, owner, &sealed, |variable, value| {
            let named = (variable.kind, variable.name.clone());
            let source = sources.get(&named).cloned().unwrap_or(Source::OWN);
            held.push(Held { sealed: variable.clone(), value, source });
        })?;
        Ok((keys, held))
    });
    let (keys, held) = opened.map_err(Error::internal)?;
    let around = match wanted {
        Wanted::Changed { .. } => Vec::new(),
        Wanted::Renewed => around(conn, op, view).await?,
    };
    let frozen = match wanted {
        Wanted::Changed { set, remove } => changed(&held, set, remove, op.now),
        Wanted::Renewed => renewed(&held, &around, row),
    };
    let frozen = frozen.map_err(Error::Invalid)?;
    seal(op, (whose, owner), (keys, &held), &frozen).map_err(Error::internal)
}

/// What is around the workspace now, the outermost first.
async fn around(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    view: &WorkspaceView,
) -> Result<Vec<(Link, Vec<Opened>)>, Error> {
    let project = match &view.belongs_to {
        Some(project) => conn.projects().find(project.id).await?,
        None => None,
    };
    let creator = view.creator.as_ref().map(|creator| creator.id);
    let creator = creator.ok_or_else(|| Error::internal("a workspace has no creator"))?;
    let keys = op.context.keys.current();
    let mut around = Vec::new();
    for (scope, link) in scopes::of_workspace(conn, project.as_ref(), creator).await? {
        around.push((link, variables::open(&keys, conn, scope).await?));
    }
    Ok(around)
}

fn renewed<'a>(
    held: &'a [Held],
    around: &'a [(Link, Vec<Opened>)],
    row: &WorkspaceRow,
) -> Result<Vec<Frozen<'a>>, Vec<FieldError>> {
    let own: Vec<_> = held.iter().filter(|held| held.is_own()).collect();
    let given: Vec<_> = own.iter().map(|held| held.as_own()).collect();
    let frozen = freeze(around, &given, &row.spec);
    // What is wrong is of no field of this request.
    let told = |error: FieldError| FieldError { field: "variables".into(), ..error };
    let mut frozen = frozen.map_err(|errors| errors.into_iter().map(told).collect::<Vec<_>>())?;
    for variable in frozen.iter_mut().filter(|variable| variable.source.scope == Scope::Workspace) {
        if let Some(held) = own.iter().find(|held| held.named() == (variable.kind, variable.name)) {
            variable.source.set_at = held.source.set_at;
        }
    }
    Ok(frozen)
}

fn changed<'a>(
    held: &'a [Held],
    set: &'a [Variable],
    remove: &[RemoveVariable],
    now: Timestamp,
) -> Result<Vec<Frozen<'a>>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut all: BTreeMap<_, _> = held.iter().map(|held| (held.named(), held.keep())).collect();
    for (index, RemoveVariable { name, kind }) in remove.iter().enumerate() {
        let mut wrong = |message| errors.push(FieldError::new(format!("remove[{index}].name"), message));
        match all.remove(&(*kind, name.as_str())) {
            Some(before) if before.source.is_final => wrong(is_final(&before)),
            Some(_) => {}
            None => wrong(format!("names no variable of kind '{kind}' that the workspace has")),
        }
    }
    for (index, variable) in set.iter().enumerate() {
        let Own { name, kind, value } = variable.as_own();
        let before = all.get(&(kind, name));
        if let Some(before) = before.filter(|before| before.source.is_final) {
            errors.push(FieldError::new(format!("set[{index}].name"), is_final(before)));
            continue;
        }
        let own = before.filter(|before| before.source.scope == Scope::Workspace);
        if own.is_some_and(|own| own.value.expose() == value.expose()) {
            continue;
        }
        let overrides = match (own, before) {
            (Some(own), _) => own.source.overrides,
            (None, before) => before.map(|before| before.source.scope),
        };
        let source = Source { set_at: Some(now), overrides, ..Source::OWN };
        all.insert((kind, name), Frozen { name, kind, value, source });
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let frozen: Vec<_> = all.into_values().collect();
    check_size(&frozen)?;
    Ok(frozen)
}

fn is_final(variable: &Frozen<'_>) -> String {
    let Source { scope, id, path, .. } = variable.source.clone();
    format!("'{}' is final in the {}", variable.name, Link { scope, id, path })
}

/// Seals what is another than before, and binds all of it into the keys.
fn seal(
    op: &Op<Member>,
    (whose, owner): ((AgentId, WorkspaceId), Owner),
    (keys, held): (Vec<DataKey>, &[Held]),
    frozen: &[Frozen<'_>],
) -> Result<Prepared, CryptoError> {
    let (ring, random) = (op.context.keys.current(), op.context.random.as_ref());
    let before: BTreeMap<_, _> = held.iter().map(|held| (held.named(), held)).collect();
    let of = |variable: &Frozen<'_>| before.get(&(variable.kind, variable.name)).copied();
    let is_same = |variable: &&Frozen<'_>| {
        of(variable).is_some_and(|held| {
            held.source == variable.source && held.value.expose() == variable.value.expose()
        })
    };
    let is_first_key = keys.is_empty();
    let keys = if is_first_key { vec![DataKey::generate(&ring, owner, random)?.0] } else { keys };
    let key = keys.first().ok_or(CryptoError::DataKey)?;
    let others = frozen.iter().filter(|variable| !is_same(variable));
    let others = others.map(|variable| {
        variable.seal(key, of(variable).map_or(FIRST_VERSION, |held| held.sealed.version + 1), random)
    });
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let same: BTreeSet<_> =
        frozen.iter().filter(is_same).map(|variable| (variable.kind, variable.name)).collect();
    let (kept, gone): (Vec<_>, Vec<_>) = held.iter().partition(|held| same.contains(&held.named()));
    let all = kept.iter().map(|held| &held.sealed).chain(others.iter().map(|(variable, _)| variable));
    let contents = crypto::of_workspace(all);
    let keys = keys.iter().map(|key| key.bind(&ring, &contents, random)).collect::<Result<Vec<_>, _>>()?;
    let gone = gone.into_iter().map(|held| (held.sealed.kind, held.sealed.name.clone())).collect();
    Ok(Prepared { whose, others, gone, keys, is_first_key })
}
