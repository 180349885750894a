//! Groups: made, listed, renamed, moved, deleted. Whoever changes the tree holds the organisation, so that no two changes of it meet.

use berth_db::{
    Changed, CreatedKind, Cursor, GroupRow, IdlePlace, NewGroup, OrganizationConn, PageRequest, constraints,
};
use berth_planner::groups::may_move;
use berth_policy::Reach;
use berth_schema::api::Paged;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::groups::{ChangeGroup, CreateGroup, Group, GroupPath, MAX_GROUPS};
use berth_schema::{Action, FieldError, GroupId, ResourceKind};

use super::idempotency::{Creation, Idempotency, claim};
use super::paging::{self, pick};
use super::{admission, scopes, shift, tree};
use crate::identity::Member;
use crate::{Error, Op};

/// Makes a group: in the one that the request names, or below the organisation itself.
pub async fn create(
    op: &Op<Member>,
    wanted: CreateGroup,
    idempotency: Option<&Idempotency>,
) -> Result<Creation<Group>, Error> {
    let id = GroupId::random();
    op.change("create_group", async |conn| {
        if let Some(earlier) = claim(conn, op, idempotency, CreatedKind::Group, id.into()).await? {
            let row = found(conn, &earlier.to_string()).await?;
            return Ok(Changed::Not(Creation::Repeated(show(row))));
        }
        conn.organizations().lock().await?;
        let parent = match op.action {
            Some(Action::CreateSubgroup) => Some(tree::parent(conn, op.target()).await?),
            _ => None,
        };
        if conn.groups().count().await? >= MAX_GROUPS {
            let full = format!("the organization has {MAX_GROUPS}, which is the most");
            return Err(Error::QuotaExceeded(vec![FieldError::new("groups", full)]));
        }
        let path = GroupPath::below(parent.as_ref().map(|parent| &parent.path), &wanted.name);
        let path = path.map_err(|error| Error::field("name", error.to_string()))?;
        let details = Details::GroupCreated { parent: parent.as_ref().map(|parent| parent.id) };
        let new = NewGroup { id, name: wanted.name.clone(), parent };
        let row = conn.groups().insert(&new, op.now).await;
        let row = row.map_err(|error| taken(error, &path))?;
        Ok(Changed::So(Creation::New(show(row)), Event::new(Resource::group(id), details)))
    })
    .await
}

fn taken(error: berth_db::DbError, path: &GroupPath) -> Error {
    if error.violates(constraints::GROUP_PATH) {
        return Error::NameTaken { what: "a group", name: path.to_string() };
    }
    error.into()
}

/// A page of those that whoever asks may look at.
pub async fn list(op: &Op<Member>, page: &PageRequest) -> Result<Paged<Group>, Error> {
    let authority = &op.who.authority;
    let cursor = |row: &GroupRow| Cursor::new(row.created_at, row.id);
    let rows = op
        .read("list_groups", async |conn| {
            let grants = conn.role_grants().of_subject(op.who.subject).await?;
            Ok::<_, Error>(match authority.reach(Action::ReadGroup) {
                Reach::All if grants.is_empty() => conn.groups().list(page).await?,
                Reach::Nothing if grants.is_empty() => Vec::new(),
                _ => {
                    pick!(page, |part| conn.groups().list(part).await?, cursor, |rows| {
                        tree::seen_groups(conn, (authority, &grants), rows).await?
                    })
                }
            })
        })
        .await?;
    Ok(paging::page(rows, page, cursor, show))
}

pub async fn get(op: &Op<Member>, id: &str) -> Result<Group, Error> {
    op.read("get_group", async |conn| {
        let row = found(conn, id).await?;
        let agents = admission::seen_taking(conn, op, Some(&row.path)).await?;
        Ok(Group { agents: Some(agents), ..show(row) })
    })
    .await
}

/// Gives a group another path. What is in it comes along.
pub async fn change(op: &Op<Member>, id: &str, wanted: &ChangeGroup) -> Result<Group, Error> {
    let (to, name) = (&wanted.path, wanted.path.name());
    op.change("change_group", async |conn| {
        conn.organizations().lock().await?;
        let before = found(conn, id).await?;
        if before.path == *to {
            return Ok(Changed::Not(show(before)));
        }
        let below = conn.groups().below(&before.path).await?;
        may_move(&before.path, &below, to).map_err(|error| Error::field("path", error.to_string()))?;
        let stays = before.path.parent() == to.parent();
        let parent = match (stays, before.parent_id) {
            (true, Some(parent)) => Some(tree::parent(conn, &parent.to_string()).await?),
            (true, None) => None,
            (false, _) => {
                let by = (Action::CreateSubgroup, Action::CreateGroup);
                let parent = tree::destination(conn, op, to.parent(), by).await?;
                shift::of_move(conn, op, (before.path.parent().as_ref(), to.parent().as_ref())).await?;
                parent
            }
        };
        let details = Details::GroupChanged {
            before: before.parent_id.map(GroupId::from),
            parent: parent.as_ref().map(|parent| parent.id),
            renamed: before.path.name() != name,
        };
        let row = conn.groups().place(before.id, parent.as_ref(), &name).await;
        let row = row.map_err(|error| taken(error, to))?;
        if !stays {
            scopes::moved(conn).await?;
            conn.workspaces().look_again_at(IdlePlace::Group(before.id), op.now).await?;
        }
        Ok(Changed::So(show(row), Event::new(Resource::group(before.id), details)))
    })
    .await
}

/// Only where nothing is in it.
pub async fn delete(op: &Op<Member>, id: &str) -> Result<Group, Error> {
    op.change("delete_group", async |conn| {
        conn.organizations().lock().await?;
        let row = found(conn, id).await?;
        if !conn.groups().below(&row.path).await?.is_empty() {
            return Err(Error::GroupNotEmpty("other groups"));
        }
        if conn.projects().is_any_in(&row.path).await? {
            return Err(Error::GroupNotEmpty("projects"));
        }
        shift::of_end(conn, op, row.path.parent().as_ref()).await?;
        conn.groups().delete(row.id).await?;
        Ok(Changed::So(show(row.clone()), Event::new(Resource::group(row.id), Details::Nothing)))
    })
    .await
}

async fn found(conn: &OrganizationConn<'_>, id: &str) -> Result<GroupRow, Error> {
    let row = match id.parse() {
        Ok(id) => conn.groups().find(id).await?,
        Err(_) => None,
    };
    row.ok_or_else(|| Error::missing(ResourceKind::Group, id))
}

fn show(row: GroupRow) -> Group {
    Group {
        id: row.id,
        path: row.path,
        parent_id: row.parent_id.map(GroupId::from),
        created_at: row.created_at,
        agents: None,
    }
}
