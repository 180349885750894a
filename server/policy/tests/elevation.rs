//! Roles for a time: where they count, for what, and what they do not lift.

use std::fmt::Write as _;

use berth_policy::{Asked, Asker, At, Elevation, Place, Proof, Reach, Reason, Resource};
use berth_schema::access::Role;
use berth_schema::{Action, ElevationId, GroupId, ProjectId, ResourceKind};
use jiff::Timestamp;
use uuid::Uuid;

use crate::asked::{asker, built_in, me, organization, policies, signed_in, somebody, things};

fn elevation(id: u128, role: Role, at: At) -> Elevation {
    Elevation { id: ElevationId::from_uuid(Uuid::from_u128(id)), role, at, ends_at: Timestamp::UNIX_EPOCH }
}

/// Somebody of a role who is another one for a time.
fn elevated(role: Role, elevations: &[Elevation]) -> Asker {
    Asker { elevations: elevations.to_vec(), ..signed_in(role) }
}

fn asks_for(owner_is_me: bool, at: At) -> Resource {
    let thing = Resource::new(ResourceKind::Elevation, Uuid::from_u128(8).to_string(), organization());
    let owner = if owner_is_me { me() } else { somebody() };
    thing.owned_by(owner).asking(Asked { role: Role::Developer, seconds: 3600, at })
}

#[test]
fn what_an_owner_for_a_time_may_not_do_is_reviewed() {
    let policies = built_in();
    let [lasting, passing] =
        [signed_in(Role::Owner), elevated(Role::Viewer, &[elevation(1, Role::Owner, At::Organization)])];
    let mut without = String::new();
    for action in Action::ALL.iter().filter(|action| Place::of(**action).is_in_organizations()) {
        let may = |who: &Asker| things(*action).map(|thing| policies.decide(who, *action, &thing).allowed);
        if may(&lasting) != may(&passing) {
            writeln!(without, "{action}").expect("a string grows");
        }
    }
    insta::assert_snapshot!(without);
}

#[test]
fn a_role_for_a_time_holds_at_its_place_and_in_all_that_is_in_it() {
    let policies = built_in();
    let (group, project) =
        (GroupId::from_uuid(Uuid::from_u128(10)), ProjectId::from_uuid(Uuid::from_u128(11)));
    let workspace =
        Resource::new(ResourceKind::Workspace, "w".to_owned(), organization()).owned_by(somebody());
    let inside = workspace.clone().belonging_to(project).within(vec![group]);
    let may = |at: At, thing: &Resource| {
        let who = elevated(Role::Developer, &[elevation(1, Role::Maintainer, at)]);
        policies.decide(&who, Action::StopWorkspace, thing).allowed
    };
    assert!(may(At::Organization, &workspace) && may(At::Organization, &inside));
    assert!(may(At::Group(group), &inside) && !may(At::Group(group), &workspace));
    assert!(may(At::Project(project), &inside) && !may(At::Project(project), &workspace));
    let itself = Resource::new(ResourceKind::Group, group.to_string(), organization());
    let who = elevated(Role::Developer, &[elevation(1, Role::Maintainer, At::Group(group))]);
    assert!(policies.decide(&who, Action::ChangeGroup, &itself).allowed);
    let another = Resource::new(ResourceKind::Group, Uuid::from_u128(12).to_string(), organization());
    assert!(!policies.decide(&who, Action::ChangeGroup, &another).allowed);
    assert_eq!(policies.reach(&who, Action::ReadWorkspace), Reach::Each);
    let everywhere = elevated(Role::Developer, &[elevation(1, Role::Maintainer, At::Organization)]);
    assert_eq!(policies.reach(&everywhere, Action::ReadWorkspace), Reach::All);
}

#[test]
fn rules_see_that_somebody_is_something_for_a_time() {
    let [thing, _] = things(Action::SetVariable);
    let decide = |rule: &str, who: &Asker| {
        let policies =
            policies(&format!("@id(\"only\") permit (principal, action, resource) when {{ {rule} }};"));
        policies.decide(who, Action::SetVariable, &thing).allowed
    };
    let up = elevated(Role::Developer, &[elevation(1, Role::Maintainer, At::Organization)]);
    let aside = elevated(Role::Developer, &[elevation(1, Role::Auditor, At::Organization)]);
    assert!(decide("principal.role == \"maintainer\"", &up));
    assert!(decide("context.elevated", &up) && !decide("context.elevated", &signed_in(Role::Developer)));
    assert!(decide("context.roles.containsAll([\"developer\", \"maintainer\"])", &up));
    // A role that has not all of the other one stands beside it.
    assert!(decide("principal.role == \"developer\" && context.roles.contains(\"auditor\")", &aside));
    // One of a later version is nothing.
    let unknown = elevated(Role::Developer, &[elevation(1, Role::Unknown, At::Organization)]);
    assert!(decide("principal.role == \"developer\" && !context.roles.contains(\"unknown\")", &unknown));
    // A place that the thing is not in is none of it.
    let elsewhere =
        elevated(Role::Developer, &[elevation(1, Role::Owner, At::Group(GroupId::from_uuid(Uuid::nil())))]);
    assert!(!decide("context.elevated", &elsewhere));
}

#[test]
fn the_one_that_is_needed_is_named_and_none_where_none_is() {
    let policies = built_in();
    let [thing, _] = things(Action::SetVariable);
    let (useless, useful) =
        (elevation(1, Role::Auditor, At::Organization), elevation(2, Role::Maintainer, At::Organization));
    let who = elevated(Role::Developer, &[useless, useful]);
    assert_eq!(policies.needed_elevation(&who, Action::SetVariable, &thing), Some(useful.id));
    let [own, _] = things(Action::StopWorkspace);
    assert_eq!(policies.needed_elevation(&who, Action::StopWorkspace, &own), None);
    assert_eq!(policies.needed_elevation(&signed_in(Role::Owner), Action::SetVariable, &thing), None);
}

#[test]
fn who_asks_or_gives_is_there_and_gives_nothing_to_themselves() {
    // Whatever the organisation says.
    let policies = policies("@id(\"all\") permit (principal, action, resource);");
    let aged = |age_seconds| {
        let before = signed_in(Role::Owner);
        let circumstances = berth_policy::Circumstances {
            proof: Proof::Session { age_seconds, idle_seconds: 0 },
            ..before.circumstances
        };
        Asker { circumstances, ..before }
    };
    let theirs = asks_for(false, At::Organization);
    let reason = |who: &Asker, action, thing: &Resource| policies.decide(who, action, thing).reason;
    assert_eq!(reason(&aged(600), Action::ApproveElevation, &theirs), Reason::Permitted);
    assert_eq!(reason(&aged(601), Action::ApproveElevation, &theirs), Reason::StepUp);
    assert_eq!(reason(&asker(Role::Owner), Action::ApproveElevation, &theirs), Reason::StepUp);
    assert_eq!(reason(&aged(601), Action::RefuseElevation, &theirs), Reason::Permitted);
    for action in [Action::ApproveElevation, Action::RefuseElevation] {
        assert_eq!(reason(&aged(0), action, &asks_for(true, At::Organization)), Reason::OwnElevation);
    }
    for action in
        [Action::RequestElevation, Action::RequestElevationInGroup, Action::RequestElevationInProject]
    {
        let [thing, _] = things(action);
        assert_eq!(reason(&aged(600), action, &thing), Reason::Permitted, "{action}");
        assert_eq!(reason(&asker(Role::Owner), action, &thing), Reason::StepUp, "{action}");
        // What an answer to the same question as if just confirmed is asked by; a token has none.
        assert!(aged(601).stepped_up().is_some_and(|who| policies.decide(&who, action, &thing).allowed));
    }
    assert_eq!(asker(Role::Owner).stepped_up(), None);
}

#[test]
fn maintainers_decide_at_their_places_and_not_in_the_organisation() {
    let policies = built_in();
    let group = GroupId::from_uuid(Uuid::from_u128(10));
    let there = asks_for(false, At::Group(group)).within(vec![group]).given(vec![Role::Maintainer]);
    let viewer = signed_in(Role::Viewer);
    for action in
        [Action::ReadElevation, Action::ApproveElevation, Action::RefuseElevation, Action::EndElevation]
    {
        assert!(policies.decide(&viewer, action, &there).allowed, "{action}");
        assert!(!policies.decide(&viewer, action, &asks_for(false, At::Group(group))).allowed, "{action}");
        let organizations = asks_for(false, At::Organization);
        assert!(!policies.decide(&signed_in(Role::Maintainer), action, &organizations).allowed, "{action}");
        assert!(policies.decide(&signed_in(Role::Owner), action, &organizations).allowed, "{action}");
    }
}

#[test]
fn a_rule_may_say_for_how_long_and_what() {
    let policies = policies(
        "@id(\"all\") permit (principal, action, resource); \
         @id(\"short\") forbid (principal, action == Action::\"elevation.approve\", resource) \
         when { resource.seconds > 1800 || resource.role == \"owner\" };",
    );
    let decision = policies.decide(
        &signed_in(Role::Owner),
        Action::ApproveElevation,
        &asks_for(false, At::Organization),
    );
    assert_eq!((decision.reason, decision.rules), (Reason::Forbidden, vec!["short".to_owned()]));
}
