//! Who belongs to an organisation: invited, given roles, suspended, removed.

use berth_schema::SubjectId;
use berth_schema::access::Role;
use berth_schema::api::{Paged, Workspace};
use berth_schema::members::{Invitation, InvitationState, Invited, Member};
use berth_server::services::sign_in;
use reqwest::Method;
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use crate::policy::join;
use crate::sign_in::signed_in;
use crate::support::{Admin, App, Reply, Requests, Visitor, send};

async fn invite(who: &Admin, name: &str, role: Role) -> Invited {
    who.post(&who.path("/invitations"), &json!({"name": name, "role": role})).await.expect(201)
}

fn token(invited: &Invited) -> &str {
    invited.link.split_once("token=").expect("a link").1
}

async fn accept(visitor: &mut Visitor, invited: &Invited, name: Option<&str>) -> Reply {
    let mut fields = vec![("token", token(invited))];
    fields.extend(name.map(|name| ("name", name)));
    visitor.submit("/invitation", &fields).await
}

async fn everybody(who: &Admin) -> Vec<Member> {
    who.get(&who.path("/members")).await.expect::<Paged<Member>>(200).items
}

async fn members(who: &Admin) -> Vec<(String, Role)> {
    everybody(who).await.into_iter().map(|member| (member.name, member.role)).collect()
}

async fn named(who: &Admin, name: &str) -> Member {
    let member = everybody(who).await.into_iter().find(|member| member.name == name).expect("a member");
    let alone: Member = who.get(&who.path(&format!("/members/{}", member.id))).await.expect(200);
    assert_eq!(alone, member);
    let by_name: Member =
        who.get(&who.path(&format!("/members/{}", name.replace(' ', "%20")))).await.expect(200);
    assert_eq!(by_name, member);
    member
}

async fn first_owner(who: &Admin) -> Member {
    everybody(who).await.into_iter().find(|member| member.role == Role::Owner).expect("an owner")
}

async fn change(who: &Admin, member: &Member, change: Value) -> Reply {
    let path = who.path(&format!("/members/{}", member.id));
    send(who.request(Method::PATCH, &path).json(&change)).await
}

async fn remove(who: &Admin, member: &Member) -> Reply {
    send(who.request(Method::DELETE, &who.path(&format!("/members/{}", member.id)))).await
}

/// Whoever joins chooses their own name, which must not be able to keep an owner out.
#[tokio::test]
async fn somebody_of_the_same_name_does_not_keep_an_owner_from_a_link() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        signed_in(app, "acme", "Administrator").await;
        let owner = named(&admin, "Administrator").await.id;
        let invited = invite(&admin, "Mallory", Role::Viewer).await;
        let joined = accept(&mut Visitor::new(app.address()), &invited, Some("Administrator")).await;
        assert_eq!(joined.status, 303, "{}", joined.text);

        let organizations = berth_db::every_organization(&app.database_url).await.expect("organisations");
        let (organization, random) = ("acme".parse().expect("a name"), SystemRandom::new());
        let link = async |name, id| {
            let (run, whose) = (app.at_the_machine(), (name, id));
            sign_in::recover(&run, &organizations, &organization, whose, &random).await
        };
        let (administrator, nobody) = (Some("Administrator"), SubjectId::random());
        let Err(refused) = link(administrator, None).await else { panic!("there are two of that name") };
        let refused = format!("{refused:?}");
        assert!(refused.contains(&format!("{owner} (owner)")), "{refused}");
        assert!(refused.contains("(viewer)"), "{refused}");
        assert!(!link(administrator, Some(owner)).await.expect("a link").is_new, "nobody new");
        assert!(link(administrator, Some(nobody)).await.is_err(), "nobody of that id");
        // Who has another name is found by the id alone, and by no wrong name beside it; nobody is made by an id.
        let invited = invite(&admin, "Ada", Role::Viewer).await;
        accept(&mut Visitor::new(app.address()), &invited, Some("Ada")).await;
        let ada = named(&admin, "Ada").await.id;
        let made = link(None, Some(ada)).await.expect("a link");
        assert_eq!((made.person.as_str(), made.is_new), ("Ada", false));
        assert!(link(administrator, Some(ada)).await.is_err() && link(None, Some(nobody)).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn somebody_new_joins_by_a_link_that_opens_once() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let invited = invite(&owner, "Ada Lovelace", Role::Developer).await;
        let mut ada = Visitor::new(app.address());
        for _ in 0..3 {
            let page = ada.get(&format!("/invitation?token={}", token(&invited))).await;
            assert!(page.text.contains("acme") && page.text.contains("developer"), "{}", page.text);
        }
        let joined = accept(&mut ada, &invited, Some("Ada")).await;
        let home = format!("/organizations/{}", owner.organization());
        assert_eq!((joined.status, joined.header("location")), (303, home.as_str()), "{}", joined.text);
        assert!(ada.get(&home).await.text.contains("developer"));
        assert!(members(&owner).await.contains(&("Ada".to_owned(), Role::Developer)));
        assert_eq!(accept(&mut Visitor::new(app.address()), &invited, Some("Eve")).await.status, 401);
        let page: Paged<Invitation> = owner.get(&owner.path("/invitations")).await.expect(200);
        assert_eq!(page.items[0].state, InvitationState::Accepted);
        assert_eq!(page.items[0].accepted_by, Some(named(&owner, "Ada").await.id));
    })
    .await;
}

#[tokio::test]
async fn of_many_who_open_an_invitation_at_once_one_joins() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let invited = invite(&owner, "Ada", Role::Viewer).await;
        let tries = (0..12)
            .map(|_| async { accept(&mut Visitor::new(app.address()), &invited, Some("Ada")).await.status });
        let mut answers = futures::future::join_all(tries).await;
        answers.sort_unstable();
        assert_eq!(answers, [[303].as_slice(), &[401; 11]].concat());
        assert_eq!(members(&owner).await.iter().filter(|(name, _)| name == "Ada").count(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_invitation_that_is_revoked_while_it_is_opened_is_the_one_or_the_other() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        for round in 0..12 {
            let name = format!("Ada {round}");
            let invited = invite(&owner, &name, Role::Developer).await;
            let path = owner.path(&format!("/invitations/{}/revoke", invited.details.id));
            let body = json!({});
            let ended = owner.post(&path, &body);
            let mut visitor = Visitor::new(app.address());
            let (revoked, joined) = tokio::join!(ended, accept(&mut visitor, &invited, Some(&name)));
            let outcome = (revoked.status, joined.status);
            assert!(matches!(outcome, (200, 401) | (409, 303)), "{outcome:?}: {}", joined.text);
            assert_eq!(joined.status == 303, members(&owner).await.iter().any(|(joined, _)| *joined == name));
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_is_signed_in_joins_as_the_same_person_once() {
    App::run(async |app| {
        app.organization("acme").await;
        let umbrella = app.organization("umbrella").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let invited = invite(&umbrella, "whoever", Role::Maintainer).await;
        let page = ada.get(&format!("/invitation?token={}", token(&invited))).await;
        assert!(page.text.contains("Join as Ada"), "{}", page.text);
        assert_eq!(accept(&mut ada, &invited, None).await.status, 303);
        let home = ada.get("/").await.text;
        assert!(home.contains("/organizations/acme") && home.contains("/organizations/umbrella"), "{home}");
        // A member stays what they are, and the invitation stays open for somebody else.
        let again = invite(&umbrella, "Ada", Role::Owner).await;
        assert_eq!(accept(&mut ada, &again, None).await.status, 409);
        assert_eq!(named(&umbrella, "Ada").await.role, Role::Maintainer);
        // Nobody joins as nobody.
        assert_eq!(accept(&mut Visitor::new(app.address()), &again, None).await.status, 303);
        assert_eq!(named(&umbrella, "Ada").await.role, Role::Maintainer);
    })
    .await;
}

#[tokio::test]
async fn links_that_are_over_or_wrong_open_nothing() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let revoked = invite(&owner, "a", Role::Viewer).await;
        let path = owner.path(&format!("/invitations/{}/revoke", revoked.details.id));
        let ended: Invitation = owner.post(&path, &json!({})).await.expect(200);
        assert_eq!(ended.state, InvitationState::Revoked);
        let late = invite(&owner, "b", Role::Viewer).await;
        app.execute("UPDATE invitations SET expires_at = now() WHERE name = 'b'").await;
        let wrong = invite(&owner, "c", Role::Viewer).await;
        let mut text = token(&wrong).to_owned();
        let last = text.pop().expect("a character");
        text.push(if last == 'A' { 'B' } else { 'A' });
        let wrong = Invited { link: format!("/invitation?token={text}"), ..wrong };
        for invited in [&revoked, &late, &wrong] {
            let mut visitor = Visitor::new(app.address());
            assert_eq!(accept(&mut visitor, invited, Some("Eve")).await.status, 401);
            assert!(visitor.cookie.is_none());
        }
        assert!(members(&owner).await.iter().all(|(name, _)| name != "Eve"));
    })
    .await;
}

#[tokio::test]
async fn an_invitation_is_worth_what_whoever_made_it_could_give() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let other = join(&owner, Role::Owner).await;
        let invited = invite(&other, "a friend", Role::Owner).await;
        let maker = named(&owner, "the owner").await;
        let mut friend = Visitor::new(app.address());
        for wish in [json!({"suspended": true}), json!({"suspended": false, "role": "maintainer"})] {
            change(&owner, &maker, wish).await.expect::<Member>(200);
            assert_eq!(accept(&mut friend, &invited, Some("Eve")).await.status, 401);
        }
        change(&owner, &maker, json!({"role": "owner"})).await.expect::<Member>(200);
        assert_eq!(accept(&mut friend, &invited, Some("a friend")).await.status, 303);
        let invited = invite(&other, "another", Role::Viewer).await;
        remove(&owner, &maker).await.expect::<Member>(200);
        assert_eq!(accept(&mut Visitor::new(app.address()), &invited, Some("Eve")).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn nobody_makes_anybody_more_than_they_are() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let rules = "@id(\"m\") permit (principal, action in [Action::\"members\", Action::\"tokens\", Action::\"identity-providers\"], resource) when { principal.role == \"maintainer\" };";
        let rules = format!("{}\n{rules}", berth_policy::BUILT_IN);
        let policy = owner.request(Method::PUT, &owner.path("/policy"));
        send(policy.json(&json!({"rules": rules}))).await.expect::<Value>(200);
        let maintainer = join(&owner, Role::Maintainer).await;
        let developer = join(&owner, Role::Developer).await;
        let first = first_owner(&owner).await;
        let wanted = json!({"name": "x", "role": "owner"});
        maintainer.post(&maintainer.path("/invitations"), &wanted).await.problem(422, "invalid");
        change(&maintainer, &first, json!({"role": "viewer"})).await.problem(422, "invalid");
        change(&maintainer, &first, json!({"suspended": true})).await.problem(422, "invalid");
        remove(&maintainer, &first).await.problem(422, "invalid");
        let herself = named(&owner, "the maintainer").await;
        change(&maintainer, &herself, json!({"role": "owner"})).await.problem(422, "invalid");
        // Nor becomes them: by a token of theirs, or by a provider that says so.
        let token = maintainer.path("/tokens/first%20administrator");
        for wish in ["rotate", "revoke"] {
            let refused = maintainer.post(&format!("{token}/{wish}"), &json!({})).await;
            assert_eq!(refused.wrong_fields(), ["token"], "{wish}");
        }
        let provider = json!({"issuer": "https://id.example.com", "client_id": "berth", "admission":
            {"roles": [{"claim": "groups", "value": "x", "role": "owner"}]}});
        let refused = maintainer.put(&maintainer.path("/identity-providers/evil"), &provider).await;
        assert_eq!(refused.wrong_fields(), ["admission"]);
        developer.get(&developer.path("/members")).await.problem(403, "forbidden");
        developer.post(&developer.path("/invitations"), &wanted).await.problem(403, "forbidden");
    })
    .await;
}

#[tokio::test]
async fn the_last_owner_who_gets_in_stays() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let first = first_owner(&owner).await;
        // Owners who cannot act do not count.
        let other = join(&owner, Role::Owner).await;
        let second = named(&owner, "the owner").await;
        change(&owner, &second, json!({"suspended": true})).await.expect::<Member>(200);
        for wish in [json!({"role": "developer"}), json!({"suspended": true})] {
            change(&owner, &first, wish).await.problem(409, "last-owner");
        }
        remove(&owner, &first).await.problem(409, "last-owner");
        change(&owner, &second, json!({"suspended": false})).await.expect::<Member>(200);
        change(&other, &first, json!({"role": "developer"})).await.expect::<Member>(200);
        change(&other, &second, json!({})).await.problem(422, "invalid");
        // Nor does whoever alone may set other rules leave.
        change(&other, &first, json!({"role": "owner"})).await.expect::<Member>(200);
        let rules =
            format!("@id(\"hers\") permit (principal == Subject::\"{}\", action, resource);", second.id);
        let set = other.put(&other.path("/policy"), &json!({"rules": rules})).await;
        set.expect::<Value>(200);
        for wish in [json!({"role": "developer"}), json!({"suspended": true})] {
            change(&other, &second, wish).await.problem(409, "last-owner");
        }
        remove(&other, &second).await.problem(409, "last-owner");
    })
    .await;
}

#[tokio::test]
async fn what_a_member_may_do_changes_with_the_next_request_on_every_server() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let developer = join(&owner, Role::Developer).await;
        let member = named(&owner, "the developer").await;
        let other = app.replica().await;
        let there = other.admin(&developer);
        there.get(&there.path("/workspaces")).await.expect::<Value>(200);
        change(&owner, &member, json!({"suspended": true})).await.expect::<Member>(200);
        assert_eq!(there.get(&there.path("/workspaces")).await.status, 401);
        change(&owner, &member, json!({"suspended": false, "role": "owner"})).await.expect::<Member>(200);
        there.get(&there.path("/members")).await.expect::<Value>(200);
        remove(&owner, &member).await.expect::<Member>(200);
        assert_eq!(there.get(&there.path("/workspaces")).await.status, 401);
        other.stop().await;
    })
    .await;
}

#[tokio::test]
async fn whoever_is_removed_has_nothing_that_runs_and_comes_back_as_the_same_one() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("cluster").await;
        let mut ada = Visitor::new(app.address());
        let invited = invite(&owner, "Ada", Role::Developer).await;
        accept(&mut ada, &invited, Some("Ada")).await;
        let developer = join(&owner, Role::Developer).await;
        let made: Workspace = developer.create(&json!({"name": "api", "image": "a"})).await.expect(201);
        let member = named(&owner, "the developer").await;
        remove(&owner, &member).await.expect::<Member>(200);
        let stopped: Workspace =
            owner.get(&owner.path(&format!("/workspaces/{}", made.id))).await.expect(200);
        assert_eq!(stopped.desired_state.as_str(), "Stopped");
        owner.get(&owner.path(&format!("/members/{}", member.id))).await.problem(404, "not-found");
        remove(&owner, &member).await.problem(404, "not-found");

        let before = named(&owner, "Ada").await;
        assert_eq!(ada.get(&format!("/organizations/{}", owner.organization())).await.status, 200);
        remove(&owner, &before).await.expect::<Member>(200);
        assert!(!ada.get("/").await.text.contains("/organizations/acme"));
        let invited = invite(&owner, "Ada", Role::Viewer).await;
        assert_eq!(accept(&mut ada, &invited, None).await.status, 303);
        // In the browser of before.
        assert!(ada.get("/").await.text.contains("/organizations/acme"));
        let home = format!("/organizations/{}", owner.organization());
        assert_eq!(ada.get(&home).await.status, 200);
        let back = named(&owner, "Ada").await;
        assert_eq!((back.id, back.role, back.suspended_at), (before.id, Role::Viewer, None));
    })
    .await;
}
