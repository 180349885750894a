//! What people would gain and lose by a move, or by the end, of a group or a project that they are something at or around.

use berth_db::{HolderRow, OrganizationConn, Spot};
use berth_planner::groups::{Holder, Shift, Undue};
use berth_policy::Resource;
use berth_schema::groups::GroupPath;
use berth_schema::{Action, ResourceKind, SubjectId};

use super::tree;
use crate::identity::Member;
use crate::{Error, Op};

/// Refuses the move of what the operation is done to, from one group (or the organisation itself) into another, where somebody
/// would gain or lose by it what the mover could not give or take by hand.
pub(super) async fn of_move(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    (from, to): (Option<&GroupPath>, Option<&GroupPath>),
) -> Result<(), Error> {
    let (from, to) = (above(conn, from).await?, above(conn, to).await?);
    let (stays, left): (Vec<_>, Vec<_>) = from.into_iter().partition(|spot| to.contains(spot));
    let entered = to.into_iter().filter(|spot| !stays.contains(spot)).collect();
    let kept = stays.into_iter().chain(tree::spot(op.resource.as_ref())).collect();
    check(conn, op, &Spots { left, entered, kept }).await
}

/// The same of its end.
pub(super) async fn of_end(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    within: Option<&GroupPath>,
) -> Result<(), Error> {
    let left = tree::spot(op.resource.as_ref()).into_iter().collect();
    let kept = above(conn, within).await?;
    check(conn, op, &Spots { left, entered: Vec::new(), kept }).await
}

/// A group and those that it is in.
async fn above(conn: &OrganizationConn<'_>, group: Option<&GroupPath>) -> Result<Vec<Spot>, Error> {
    let Some(group) = group else { return Ok(Vec::new()) };
    let above = conn.groups().above(std::slice::from_ref(group)).await?;
    Ok(above.into_iter().map(|parent| Spot::Group(parent.id)).collect())
}

/// As [`Shift`] has them.
struct Spots {
    left: Vec<Spot>,
    entered: Vec<Spot>,
    kept: Vec<Spot>,
}

async fn check(conn: &OrganizationConn<'_>, op: &Op<Member>, spots: &Spots) -> Result<(), Error> {
    let all: Vec<_> = [&spots.left, &spots.entered, &spots.kept].into_iter().flatten().copied().collect();
    let rows = conn.role_grants().holders(&all).await?;
    let [left, entered, kept] = [&spots.left, &spots.entered, &spots.kept].map(|spots| among(&rows, spots));
    let shift = Shift { left: &left, entered: &entered, kept: &kept };
    let Some(undue) = shift.undue(&op.who.subject, &hand(op)) else { return Ok(()) };
    let (holder, at) = match undue {
        Undue::Gains(holder) => (holder, &spots.entered),
        Undue::Loses(holder) => (holder, &spots.left),
    };
    let is_it =
        |row: &&HolderRow| row.subject == holder.who && row.role == holder.role && at.contains(&row.spot);
    let Some(row) = rows.iter().find(is_it) else { return Err(Error::internal("nobody holds the role")) };
    let (who, place) = told(conn, op, row).await?;
    let role = row.role;
    Err(Error::RoleInTheWay(match undue {
        Undue::Gains(_) => {
            format!(
                "{who} is {role} of {place} and would become so of what is moved, which you could not make them"
            )
        }
        Undue::Loses(_) if spots.entered.is_empty() && Some(row.spot) == tree::spot(op.resource.as_ref()) => {
            format!("{who} is {role} of it, which you could not take from them")
        }
        Undue::Loses(_) => {
            format!(
                "{who} is {role} of {place} and would cease to be so of what is moved, which you could not take from them"
            )
        }
    }))
}

fn among(rows: &[HolderRow], spots: &[Spot]) -> Vec<Holder<SubjectId>> {
    let there = rows.iter().filter(|row| spots.contains(&row.spot));
    there.map(|row| Holder { who: row.subject, role: row.role, everywhere: row.everywhere }).collect()
}

/// What whoever asks may give to others there, and take from them.
fn hand(op: &Op<Member>) -> Vec<berth_schema::access::Role> {
    let Some(thing) = op.resource.as_ref() else { return Vec::new() };
    let by_hand = match thing.kind {
        ResourceKind::Project => [Action::GiveRoleInProject, Action::TakeRoleInProject],
        _ => [Action::GiveRoleInGroup, Action::TakeRoleInGroup],
    };
    let may = by_hand.into_iter().all(|action| op.who.authority.decide(action, thing).allowed);
    if may { tree::roles(op, Some(thing)) } else { Vec::new() }
}

/// Who it is and where, as much of it as whoever asks may know.
async fn told(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    row: &HolderRow,
) -> Result<(String, String), Error> {
    let authority = &op.who.authority;
    let organization = Resource::organization(op.organization());
    let mut knows = authority.decide(Action::ListMembers, &organization).allowed;
    let mut place = "a place that you do not see".to_owned();
    match row.spot {
        Spot::Group(id) => {
            if let Some(group) = conn.groups().find(id).await? {
                let there = tree::group_resource(conn, &group, op.who.subject).await?;
                knows |= authority.decide(Action::ListGroupMembers, &there).allowed;
                if authority.decide(Action::ReadGroup, &there).allowed {
                    place = format!("group '{}'", group.path);
                }
            }
        }
        // Only of a project itself is one in the way.
        Spot::Project(_) => {
            let there = op.resource.as_ref().unwrap_or(&organization);
            knows |= authority.decide(Action::ListProjectMembers, there).allowed;
        }
    }
    Ok((if knows { format!("'{}'", row.name) } else { "somebody".to_owned() }, place))
}
