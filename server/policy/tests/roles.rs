//! The built-in rules, as a table that people review.

use std::fmt::Write as _;

use berth_policy::{BUILT_IN, Place, Policies, Reach, Reason, Resource};
use berth_schema::access::Role;
use berth_schema::{Action, GroupId, ProjectId, ResourceKind};
use uuid::Uuid;

use crate::asked::{asker, built_in, me, organization, policies as policies_of, signed_in, somebody, things};

/// Nobody decides about what they ask for themselves.
const DECIDES: [Action; 2] = [Action::ApproveElevation, Action::RefuseElevation];

/// `yes`; `own`: only where it is theirs, or for themselves; `others`: only where it is not; `-`. By a session that has begun just now.
fn cell(role: Role, action: Action) -> &'static str {
    let policies = built_in();
    let [mine, others] = things(action);
    let allowed = |thing| policies.decide(&signed_in(role), action, thing).allowed;
    match (allowed(&mine), allowed(&others)) {
        (true, true) => "yes",
        (true, false) => "own",
        (false, false) => "-",
        (false, true) if DECIDES.contains(&action) => "others",
        (false, true) => panic!("{role} may {action} with what is another's and not with their own"),
    }
}

#[test]
fn what_each_role_may_do_is_reviewed() {
    let mut table = format!("{:<32}", "");
    for role in Role::ALL {
        let _ = write!(table, "{role:<12}");
    }
    for place in Place::ALL.into_iter().filter(|place| place.is_in_organizations()) {
        let _ = write!(table, "\n\n{}\n", place.group());
        for action in Action::ALL.iter().filter(|action| Place::of(**action) == place) {
            let _ = write!(table, "  {action:<30}");
            for role in Role::ALL {
                let _ = write!(table, "{:<12}", cell(role, *action));
            }
            table.push('\n');
        }
    }
    let table: Vec<_> = table.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn a_role_includes_another_exactly_when_it_may_do_all_that_the_other_may() {
    let policies = built_in();
    let may = |role, action: Action| {
        things(action).map(|thing| policies.decide(&signed_in(role), action, &thing).allowed)
    };
    for one in Role::ALL {
        for other in Role::ALL {
            let all = Action::ALL.iter().all(|action| {
                may(one, *action).into_iter().zip(may(other, *action)).all(|(one, other)| one || !other)
            });
            assert_eq!(one.includes(other), all, "{one} and {other}");
        }
    }
}

#[test]
fn a_role_of_a_later_version_may_do_nothing() {
    let policies = built_in();
    for action in Action::ALL {
        for thing in things(*action) {
            let decision = policies.decide(&asker(Role::Unknown), *action, &thing);
            let is_for_agents = Place::of(*action).is_for_agents();
            let reason = if is_for_agents { Reason::IsNoAgent } else { Reason::UnknownRole };
            assert_eq!((decision.allowed, decision.reason), (false, reason), "{action}");
        }
    }
}

#[test]
fn a_list_holds_what_may_be_read() {
    let policies = built_in();
    let reach = |role, action| policies.reach(&asker(role), action);
    assert_eq!(reach(Role::Developer, Action::ReadWorkspace), Reach::Own(me()));
    assert_eq!(reach(Role::Viewer, Action::ReadWorkspace), Reach::All);
    assert_eq!(reach(Role::Maintainer, Action::ReadToken), Reach::Own(me()));
    assert_eq!(reach(Role::Auditor, Action::ReadToken), Reach::All);
    assert_eq!(reach(Role::Unknown, Action::ReadToken), Reach::Nothing);
    let particular = policies_of(&format!(
        "{BUILT_IN} @id(\"frozen\") forbid (principal, action, resource == Workspace::\"{}\");",
        somebody()
    ));
    assert_eq!(particular.reach(&asker(Role::Owner), Action::ReadWorkspace), Reach::Each);
    let none = Policies::nothing();
    assert_eq!(none.reach(&asker(Role::Owner), Action::ReadWorkspace), Reach::Nothing);
}

#[test]
fn what_somebody_is_at_a_place_counts_there_and_not_in_the_organisation() {
    let policies = built_in();
    let there = |action: Action, roles: &[Role]| {
        let [thing, _] = things(action);
        policies.decide(&asker(Role::Developer), action, &thing.given(roles.to_vec())).allowed
    };
    for action in
        [Action::ChangeGroup, Action::CreateProjectInGroup, Action::DeleteProject, Action::GiveRoleInGroup]
    {
        assert!(
            !there(action, &[]) && !there(action, &[Role::Viewer, Role::Auditor, Role::Unknown]),
            "{action}"
        );
        assert!(
            there(action, &[Role::Viewer, Role::Maintainer]) && there(action, &[Role::Owner]),
            "{action}"
        );
    }
    assert!(there(Action::ListProjectMembers, &[Role::Auditor]), "roles add up: none takes from another");
    // Whoever is of a later version's role in the organisation is nothing anywhere.
    let [thing, _] = things(Action::ReadGroup);
    let decision = policies.decide(&asker(Role::Unknown), Action::ReadGroup, &thing.given(vec![Role::Owner]));
    assert_eq!(decision.reason, Reason::UnknownRole);
}

#[test]
fn what_somebody_is_at_a_project_they_are_to_its_workspaces() {
    let policies = built_in();
    let [mine, anothers] = things(Action::StopWorkspace);
    let may = |role: Role, action: Action, thing: &Resource, roles: &[Role]| {
        policies.decide(&asker(role), action, &thing.clone().given(roles.to_vec())).allowed
    };
    for action in [Action::ReadWorkspace, Action::StartWorkspace, Action::StopWorkspace] {
        assert!(!may(Role::Developer, action, &anothers, &[]), "{action}");
        assert!(may(Role::Developer, action, &anothers, &[Role::Maintainer]), "{action}");
    }
    assert!(may(Role::Developer, Action::ReadWorkspace, &anothers, &[Role::Viewer]));
    assert!(!may(Role::Developer, Action::StopWorkspace, &anothers, &[Role::Viewer]));
    // Whoever only looks in the organisation, and develops there.
    for action in [Action::StartWorkspace, Action::OpenConnection] {
        assert!(!may(Role::Viewer, action, &mine, &[]), "{action}");
        assert!(may(Role::Viewer, action, &mine, &[Role::Developer]), "{action}");
        assert!(!may(Role::Viewer, action, &anothers, &[Role::Developer]), "{action}");
    }
    let [project, _] = things(Action::CreateWorkspaceInProject);
    assert!(!may(Role::Viewer, Action::CreateWorkspaceInProject, &project, &[]));
    assert!(may(Role::Viewer, Action::CreateWorkspaceInProject, &project, &[Role::Developer]));
    // Rules that name a project, or a group that it is in, mean its workspaces.
    let (project, group) = (ProjectId::from_uuid(Uuid::from_u128(7)), GroupId::from_uuid(Uuid::from_u128(8)));
    for place in [format!("Project::\"{project}\""), format!("Group::\"{group}\"")] {
        let closed = policies_of(&format!(
            "{BUILT_IN} @id(\"closed\") forbid (principal, action, resource in {place});"
        ));
        let inside = mine.clone().belonging_to(project).within(vec![group]);
        assert!(!closed.decide(&asker(Role::Owner), Action::StopWorkspace, &inside).allowed, "{place}");
        assert!(closed.decide(&asker(Role::Owner), Action::StopWorkspace, &mine).allowed, "{place}");
    }
}

#[test]
fn a_rule_that_names_a_group_means_all_that_is_in_it() {
    let (outer, inner) = (GroupId::from_uuid(Uuid::from_u128(4)), GroupId::from_uuid(Uuid::from_u128(5)));
    let rules = format!(
        "{BUILT_IN} @id(\"closed\") forbid (principal, action, resource in Group::\"{outer}\")
         unless {{ context.roles.contains(\"maintainer\") }};"
    );
    let policies = policies_of(&rules);
    let may = |action: Action, within: Vec<GroupId>, roles: Vec<Role>| {
        let thing = Resource::new(action.resource(), Uuid::from_u128(6).to_string(), organization());
        policies.decide(&asker(Role::Owner), action, &thing.within(within).given(roles)).allowed
    };
    for action in [Action::ReadProject, Action::ReadGroup] {
        assert!(may(action, vec![], vec![]) && may(action, vec![inner], vec![]), "{action}");
        assert!(!may(action, vec![outer, inner], vec![]), "{action}");
        assert!(may(action, vec![outer, inner], vec![Role::Maintainer]), "{action}");
    }
    // The group itself is what it names.
    let itself = Resource::new(Action::ReadGroup.resource(), outer.to_string(), organization());
    assert!(!policies.decide(&asker(Role::Owner), Action::ReadGroup, &itself).allowed);
}

#[test]
fn nothing_is_done_to_a_group_or_a_project_that_may_not_be_read() {
    let sight = |kind| match kind {
        ResourceKind::Group => Some(Action::ReadGroup),
        ResourceKind::Project => Some(Action::ReadProject),
        _ => None,
    };
    let in_tree = || Action::ALL.iter().filter_map(|action| Some((*action, sight(action.resource())?)));
    assert!(in_tree().count() >= 14, "the rules were tried with nothing");
    for (action, sight) in in_tree() {
        let hidden = format!(
            "{BUILT_IN} @id(\"hidden\") forbid (principal, action == Action::\"{sight}\", resource);"
        );
        let [thing, _] = things(action);
        let decision = policies_of(&hidden).decide(&signed_in(Role::Owner), action, &thing);
        assert_eq!((decision.allowed, decision.reason), (false, Reason::Forbidden), "{action}");
        assert_eq!(decision.rules, ["hidden"], "{action}");
        let decision = built_in().decide(&signed_in(Role::Owner), action, &thing);
        assert!(decision.rules.contains(&"owners".to_owned()), "{action}");
    }
    // Where the reading is not permitted, either.
    let blind =
        policies_of("@id(\"blind\") permit (principal, action in Action::\"group-members\", resource);");
    let [thing, _] = things(Action::GiveRoleInGroup);
    let decision = blind.decide(&asker(Role::Owner), Action::GiveRoleInGroup, &thing);
    assert_eq!((decision.allowed, decision.reason), (false, Reason::NotPermitted));
}
