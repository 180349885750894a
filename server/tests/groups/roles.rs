//! What people are at groups and projects.

use berth_schema::access::Role;
use berth_schema::api::Paged;
use berth_schema::groups::{GivenRole, Group};
use berth_schema::policy::Permission;
use berth_schema::projects::Project;
use reqwest::Method;
use serde_json::{Value, json};

use super::{create, delete, escaped, forbid, get, group, moved, paths, project};
use crate::events::Stream;
use crate::policy::join;
use crate::support::{Admin, App, Reply, Requests, send};

pub(super) async fn member_id(owner: &Admin, name: &str) -> String {
    let path = owner.path(&format!("/members/{}", name.replace(' ', "%20")));
    let member: Value = owner.get(&path).await.expect(200);
    member["id"].as_str().expect("an id").to_owned()
}

pub(super) async fn give(who: &Admin, kind: &str, at: &str, member: &str, role: Role) -> Reply {
    let path = who.path(&format!("/{kind}/{}/members", escaped(at)));
    who.put(&path, &json!({"member": member, "role": role})).await
}

pub(super) async fn take(who: &Admin, kind: &str, at: &str, member: &str) -> Reply {
    let path = who.path(&format!("/{kind}/{}/members/remove", escaped(at)));
    who.post(&path, &json!({"member": member})).await
}

#[tokio::test]
async fn whoever_is_more_at_a_group_is_so_at_all_below_it_and_nowhere_else() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let replica = app.replica().await;
        let developer = join(&owner, Role::Developer).await;
        let there = Admin::new(replica.address(), developer.token.expose().parse().expect("a token"));
        for path in ["platform", "platform/payments", "platform/payments/cards", "other"] {
            group(&owner, path).await;
        }
        create(&developer, "groups", "platform/payments/mine").await.problem(403, "forbidden");
        let given: GivenRole =
            give(&owner, "groups", "platform/payments", "the developer", Role::Maintainer).await.expect(200);
        assert_eq!((given.name.as_str(), given.role), ("the developer", Role::Maintainer));
        // From the next request on, on every server.
        group(&there, "platform/payments/mine").await;
        project(&there, "platform/payments/cards/api").await;
        moved(&there, "groups", "platform/payments/mine", "platform/payments/cards/ours")
            .await
            .expect::<Group>(200);
        for elsewhere in ["platform/x", "other/x", "x"] {
            create(&developer, "groups", elsewhere).await.problem(403, "forbidden");
        }
        moved(&developer, "groups", "platform/payments/cards", "cards").await.problem(403, "forbidden");
        moved(&developer, "groups", "other", "platform/payments/other").await.problem(403, "forbidden");
        let asked = developer.path("/can-i?action=project.delete&resource=platform/payments/cards/api");
        let permission: Permission = developer.get(&asked).await.expect(200);
        assert!(permission.answer.allowed && permission.role == Role::Developer, "{permission:?}");
        let by = &permission.given[0];
        assert_eq!(
            (by.role, by.at.as_str(), by.path.as_str()),
            (Role::Maintainer, "group", "platform/payments")
        );
        // What somebody is somewhere goes with the place, and ends with it.
        moved(&owner, "groups", "platform/payments", "payments").await.expect::<Group>(200);
        group(&developer, "payments/more").await;
        let taken: GivenRole = take(&owner, "groups", "payments", "the developer").await.expect(200);
        assert_eq!(taken.role, Role::Maintainer);
        create(&there, "groups", "payments/last").await.problem(403, "forbidden");
        assert_eq!(take(&owner, "groups", "payments", "the developer").await.wrong_fields(), ["member"]);
    })
    .await;
}

#[tokio::test]
async fn nobody_gives_or_takes_more_than_they_are_themselves_there() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let developer = join(&owner, Role::Developer).await;
        let viewer = join(&owner, Role::Viewer).await;
        let (me, them) = (member_id(&owner, "the developer").await, member_id(&owner, "the viewer").await);
        for path in ["a", "a/b", "own"] {
            group(&owner, path).await;
        }
        project(&owner, "a/b/api").await;
        give(&developer, "groups", "a", &them, Role::Viewer).await.problem(403, "forbidden");
        give(&owner, "groups", "a", &me, Role::Maintainer).await.expect::<GivenRole>(200);
        for role in [Role::Owner, Role::Auditor] {
            for (kind, at) in [("groups", "a"), ("groups", "a/b"), ("projects", "a/b/api")] {
                for whom in [&me, &them] {
                    assert_eq!(give(&developer, kind, at, whom, role).await.wrong_fields(), ["role"]);
                }
            }
        }
        // They are told of nobody by a name.
        let known = give(&developer, "groups", "a", "the viewer", Role::Viewer).await.problem(422, "invalid");
        let unknown = give(&developer, "groups", "a", "nobody", Role::Viewer).await.problem(422, "invalid");
        assert_eq!(known.detail, unknown.detail);
        give(&developer, "projects", "a/b/api", &them, Role::Maintainer).await.expect::<GivenRole>(200);
        owner.create_agent("b").await;
        let settings = send(
            viewer
                .request(Method::PATCH, &viewer.path("/projects/a%2Fb%2Fapi"))
                .json(&json!({"settings": {"agent": "b"}})),
        );
        settings.await.expect::<Project>(200);
        create(&viewer, "projects", "a/b/other").await.problem(403, "forbidden");
        // Whoever is more is not made less.
        give(&owner, "groups", "a/b", &them, Role::Owner).await.expect::<GivenRole>(200);
        assert_eq!(take(&developer, "groups", "a/b", &them).await.wrong_fields(), ["member"]);
        assert_eq!(give(&developer, "groups", "a/b", &them, Role::Viewer).await.wrong_fields(), ["member"]);
        // Nor are things moved to where they are one's own.
        give(&owner, "groups", "own", &me, Role::Owner).await.expect::<GivenRole>(200);
        assert_eq!(moved(&developer, "groups", "a/b", "own/b").await.wrong_fields(), ["path"]);
        assert_eq!(moved(&developer, "projects", "a/b/api", "own/api").await.wrong_fields(), ["path"]);
        moved(&owner, "projects", "a/b/api", "own/api").await.expect::<Project>(200);
        let members = async |who: &Admin, at: &str| who.get(&who.path(&format!("/{at}/members"))).await;
        let listed: Paged<GivenRole> = members(&developer, "groups/a").await.expect(200);
        assert_eq!(listed.items.iter().map(|given| given.role).collect::<Vec<_>>(), [Role::Maintainer]);
        members(&viewer, "groups/own").await.problem(403, "forbidden");
        assert_eq!(give(&owner, "groups", "a", &me, Role::Unknown).await.wrong_fields(), ["role"]);
    })
    .await;
}

/// Nothing is looked at by the clock here.
#[tokio::test]
async fn what_somebody_watches_ends_when_they_lose_a_role_at_a_group_or_it_moves() {
    App::run_with(
        |options| options.stream_recheck_seconds = 60,
        async |app| {
            let owner = app.organization("acme").await;
            let developer = join(&owner, Role::Developer).await;
            let me = member_id(&owner, "the developer").await;
            group(&owner, "a").await;
            group(&owner, "a/b").await;
            give(&owner, "groups", "a", &me, Role::Maintainer).await.expect::<GivenRole>(200);
            let watch = async || {
                let mut stream = Stream::of_organization(&developer, None).await;
                assert_eq!(stream.expect().await.name, "open");
                stream
            };
            let mut stream = watch().await;
            take(&owner, "groups", "a", &me).await.expect::<Value>(200);
            stream.ends().await;
            let mut stream = watch().await;
            moved(&owner, "groups", "a/b", "b").await.expect::<Group>(200);
            stream.ends().await;
        },
    )
    .await;
}

#[tokio::test]
async fn what_somebody_was_at_places_ends_with_the_place_and_with_their_membership() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let stranger = app.organization("stranger").await;
        let developer = join(&owner, Role::Developer).await;
        let me = member_id(&owner, "the developer").await;
        for path in ["a", "b"] {
            group(&owner, path).await;
            give(&owner, "groups", path, &me, Role::Owner).await.expect::<GivenRole>(200);
        }
        assert_eq!(give(&stranger, "groups", "a", &me, Role::Owner).await.status, 404);
        group(&stranger, "a").await;
        assert_eq!(give(&stranger, "groups", "a", &me, Role::Owner).await.wrong_fields(), ["member"]);
        delete(&developer, "groups", "a").await.expect::<Group>(200);
        group(&owner, "a").await;
        create(&developer, "groups", "a/x").await.problem(403, "forbidden");
        group(&developer, "b/x").await;
        let remove = owner.request(Method::DELETE, &owner.path(&format!("/members/{me}")));
        send(remove).await.expect::<Value>(200);
        let left: Paged<GivenRole> = owner.get(&owner.path("/groups/b/members")).await.expect(200);
        assert_eq!(left.items, []);
        assert_eq!(give(&owner, "groups", "b", &me, Role::Viewer).await.wrong_fields(), ["member"]);
    })
    .await;
}

/// Where an organisation's own rules let people see what they are members of, and nothing else.
#[tokio::test]
async fn lists_hold_what_somebody_may_see_by_what_they_are_there() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let developer = join(&owner, Role::Developer).await;
        for path in ["a", "a/b", "c"] {
            group(&owner, path).await;
        }
        project(&owner, "a/b/api").await;
        project(&owner, "c/api").await;
        forbid(
            &owner,
            "@id(\"members-only\") forbid (principal, action in [Action::\"group.read\", Action::\"project.read\"], resource)
             unless { context.roles.containsAny([\"owner\", \"maintainer\"]) };",
        )
        .await;
        assert_eq!(paths(&developer, "groups").await, [""; 0]);
        get(&developer, "groups", "a").await.problem(404, "not-found");
        give(&owner, "groups", "a", "the developer", Role::Maintainer).await.expect::<GivenRole>(200);
        assert_eq!(paths(&developer, "groups").await, ["a", "a/b"]);
        assert_eq!(paths(&developer, "projects").await, ["a/b/api"]);
        assert_eq!(get(&developer, "projects", "a/b/api").await.status, 200);
        get(&developer, "groups", "c").await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn what_may_not_be_read_has_no_members_either() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let maintainer = join(&owner, Role::Maintainer).await;
        let me = member_id(&owner, "the maintainer").await;
        for path in ["hidden", "hidden/deep", "open"] {
            group(&owner, path).await;
        }
        project(&owner, "hidden/api").await;
        let id = get(&owner, "groups", "hidden").await.expect::<Group>(200).id;
        forbid(
            &owner,
            &format!(
                "@id(\"hidden\") forbid (principal, action in [Action::\"group.read\", Action::\"project.read\"], resource in Group::\"{id}\")
                 unless {{ principal.role == \"owner\" }};"
            ),
        )
        .await;
        for (kind, at) in [("groups", "hidden"), ("groups", "hidden/deep"), ("projects", "hidden/api")] {
            let members = maintainer.path(&format!("/{kind}/{}/members", escaped(at)));
            maintainer.get(&members).await.problem(404, "not-found");
            give(&maintainer, kind, at, &me, Role::Viewer).await.problem(404, "not-found");
            take(&maintainer, kind, at, &me).await.problem(404, "not-found");
            delete(&maintainer, kind, at).await.problem(404, "not-found");
            moved(&maintainer, kind, at, "open/x").await.problem(404, "not-found");
            let action = if kind == "groups" { "group.give-role" } else { "project.give-role" };
            let asked = maintainer.path(&format!("/can-i?action={action}&resource={at}"));
            maintainer.get(&asked).await.problem(404, "not-found");
            give(&owner, kind, at, &me, Role::Viewer).await.expect::<GivenRole>(200);
        }
        create(&maintainer, "groups", "hidden/mine").await.problem(404, "not-found");
        create(&maintainer, "projects", "hidden/mine").await.problem(404, "not-found");
        moved(&maintainer, "groups", "open", "hidden/open").await.problem(422, "invalid");
        give(&maintainer, "groups", "open", &me, Role::Viewer).await.expect::<GivenRole>(200);
        // A name beside it is taken, and told as such: what is below it is not.
        create(&maintainer, "groups", "hidden").await.problem(409, "name-taken");
    })
    .await;
}

#[tokio::test]
async fn nothing_is_moved_or_ended_that_changes_roles_which_the_mover_could_not_change() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let maintainer = join(&owner, Role::Maintainer).await;
        let developer = join(&owner, Role::Developer).await;
        join(&owner, Role::Viewer).await;
        let them = member_id(&owner, "the developer").await;
        for path in ["from", "from/thing", "to", "to/deep", "plain"] {
            group(&owner, path).await;
        }
        project(&owner, "from/api").await;
        give(&owner, "groups", "to", "the developer", Role::Owner).await.expect::<GivenRole>(200);
        // They would be its owner.
        for (kind, at, to) in [("groups", "from/thing", "to/thing"), ("projects", "from/api", "to/deep/api")]
        {
            let problem = moved(&maintainer, kind, at, to).await.problem(409, "role-in-the-way");
            assert!(
                problem.detail.starts_with("'the developer' is owner of group 'to' and would become so"),
                "{}",
                problem.detail
            );
            moved(&maintainer, kind, at, &to.replace("to", "plain").replace("/deep", ""))
                .await
                .expect::<Value>(200);
        }
        // They would be so no more.
        let problem =
            moved(&maintainer, "groups", "to/deep", "plain/deep").await.problem(409, "role-in-the-way");
        assert!(problem.detail.contains("which you could not take from them"), "{}", problem.detail);
        moved(&maintainer, "groups", "to/deep", "to/deeper").await.expect::<Group>(200);
        // Nor are they by its end.
        delete(&owner, "groups", "to/deeper").await.expect::<Group>(200);
        let problem = delete(&maintainer, "groups", "to").await.problem(409, "role-in-the-way");
        assert!(problem.detail.starts_with("'the developer' is owner of it"), "{}", problem.detail);
        give(&owner, "projects", "plain/api", &them, Role::Auditor).await.expect::<GivenRole>(200);
        delete(&maintainer, "projects", "plain/api").await.problem(409, "role-in-the-way");
        // What whoever moves could give by hand is given by it.
        give(&owner, "groups", "to", "the developer", Role::Maintainer).await.expect::<GivenRole>(200);
        moved(&maintainer, "groups", "plain/thing", "to/thing").await.expect::<Group>(200);
        moved(&maintainer, "projects", "plain/api", "to/api").await.expect::<Project>(200);
        // Nobody is named to who may not know: neither the person nor the place.
        let viewer = member_id(&owner, "the viewer").await;
        give(&owner, "groups", "to", &viewer, Role::Owner).await.expect::<GivenRole>(200);
        group(&owner, "mine").await;
        give(&owner, "groups", "mine", &them, Role::Maintainer).await.expect::<GivenRole>(200);
        give(&owner, "groups", "to/thing", &them, Role::Maintainer).await.expect::<GivenRole>(200);
        give(&owner, "groups", "to", &them, Role::Viewer).await.expect::<GivenRole>(200);
        let problem =
            moved(&developer, "groups", "to/thing", "mine/thing").await.problem(409, "role-in-the-way");
        assert!(problem.detail.starts_with("somebody is owner of group 'to'"), "{}", problem.detail);
    })
    .await;
}
