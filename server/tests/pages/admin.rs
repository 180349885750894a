//! Agents, members, invitations and the record.

use serde_json::{Value, json};

use super::{acme, colleague, make};
use crate::support::{App, Requests as _};

#[tokio::test]
async fn an_agents_page_says_how_it_is_and_what_its_cluster_has() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let ada = crate::sign_in::signed_in(app, "acme", "Ada").await;
        let empty = ada.get("/organizations/acme/agents").await.text;
        assert!(empty.contains("There is none yet") && empty.contains("berth agents create"), "{empty}");
        let agent = admin.create_agent("cluster").await;
        let list = ada.get("/organizations/acme/agents").await.text;
        assert!(list.contains("cluster") && list.contains("Not heard of"), "{list}");
        crate::adoption::tell(&agent, Some("c1"), &[]).await;
        let list = ada.get("/organizations/acme/agents").await.text;
        assert!(list.contains("class=\"state good\">Connected<"), "{list}");
        let page = ada.get("/organizations/acme/agents/cluster").await;
        assert_eq!(page.status, 200);
        assert!(
            page.text.contains("Agent&#39;s version") || page.text.contains("Agent's version"),
            "{}",
            page.text
        );
        admin.post(&admin.path("/agents/cluster/revoke"), &json!({})).await.expect::<Value>(200);
        assert!(ada.get("/organizations/acme/agents/cluster").await.text.contains("Revoked"));
    })
    .await;
}

#[tokio::test]
async fn an_owner_says_by_forms_whose_workspaces_an_agent_takes() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        admin.post(&admin.path("/groups"), &json!({"name": "data"})).await.expect::<Value>(201);
        let in_group = admin.path("/groups/data/projects");
        admin.post(&in_group, &json!({"name": "lake"})).await.expect::<Value>(201);
        make(&mut ada, "bare").await;
        let path = "/organizations/acme/agents/cluster";
        let page = ada.get(path).await.text;
        assert!(page.contains("The whole organization") && page.contains("Allow it for the group"), "{page}");
        let refused = ada.submit(&format!("{path}/allow"), &[("group", "no/such")]).await;
        assert_eq!(refused.status, 422);
        let shown = ["value=\"no/such\"", "<strong>Nothing was changed", "is no group that you see", "<nav"];
        for part in shown {
            assert!(refused.text.contains(part), "{part}: {}", refused.text);
        }
        // What says nothing does not mean the most.
        for (action, fields) in [
            ("allow", &[][..]),
            ("allow", &[("stop_now", "true"), ("organization", "true")]),
            ("disallow", &[]),
            ("disallow", &[("stop_now", "true")]),
        ] {
            let reply = ada.submit(&format!("{path}/{action}"), fields).await;
            assert_eq!(reply.status, 422, "{action} {fields:?}: {}", reply.text);
        }
        assert_eq!(ada.submit(&format!("{path}/allow"), &[("group", "data")]).await.status, 303);
        let fields = [("organization", "true"), ("stop_now", "true")];
        let back = ada.submit(&format!("{path}/disallow"), &fields).await;
        assert_eq!(back.status, 200, "{}", back.text);
        assert!(back.text.contains("1 workspace is stopped."), "{}", back.text);
        assert_eq!(app.count("SELECT count(*) FROM workspaces WHERE desired_state = 'Stopped'").await, 1);
        let page = ada.get(path).await.text;
        assert!(page.contains("workspaces of projects in data"), "{page}");
        assert!(page.contains("Allow it for the whole organization"), "{page}");

        // Where it is not taken it is not offered, and what is sent all the same is told at its field.
        let offered = ">cluster</option>";
        let form = ada.get("/organizations/acme/new").await.text;
        assert!(!form.contains(offered), "{form}");
        assert!(form.contains("No agent takes it:") && form.contains("--whole-organization"), "{form}");
        let project = ada.get("/organizations/acme/projects/data%2Flake/new").await.text;
        assert!(project.contains(offered), "{project}");
        assert!(ada.get("/organizations/acme/groups/data").await.text.contains("cluster"));
        let fields = [("name", "w"), ("image", "a"), ("agent", "cluster"), ("intent", "create")];
        let told = ada.submit("/organizations/acme/workspaces", &fields).await;
        assert_eq!(told.status, 409);
        assert!(
            told.text.contains("Agent: &#39;cluster&#39; is not allowed for workspaces of no project"),
            "{}",
            told.text
        );

        let dev = colleague(app, "Dev", "developer").await;
        let page = dev.get(path).await.text;
        assert!(page.contains("workspaces of projects in data") && !page.contains("Take it back"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn a_member_is_given_another_role_suspended_and_removed_by_forms() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let dev = colleague(app, "Dev", "developer").await;
        let path = "/organizations/acme/members";
        let list = ada.get(path).await.text;
        let id = list
            .split("/members/")
            .find_map(|part| part.split_once("/change\""))
            .expect("a form")
            .0
            .to_owned();
        assert!(list.contains("Dev") && list.contains(">you<"), "{list}");
        let changed = ada.submit(&format!("{path}/{id}/change"), &[("role", "viewer")]).await;
        assert_eq!((changed.status, changed.header("location")), (303, path));
        assert_eq!(app.count("SELECT count(*) FROM subjects WHERE role = 'viewer'").await, 1);
        assert_eq!(ada.submit(&format!("{path}/{id}/change"), &[("suspended", "true")]).await.status, 303);
        assert_eq!(app.count("SELECT count(*) FROM subjects WHERE suspended_at IS NOT NULL").await, 1);
        assert_eq!(ada.submit(&format!("{path}/{id}/change"), &[("suspended", "false")]).await.status, 303);
        assert_eq!(ada.submit(&format!("{path}/{id}/change"), &[("role", "king")]).await.status, 422);
        assert_eq!(ada.submit(&format!("{path}/{id}/remove"), &[]).await.status, 303);
        assert_eq!(app.count("SELECT count(*) FROM subjects WHERE removed_at IS NOT NULL").await, 1);
        assert_eq!(dev.get("/organizations/acme/members").await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn an_invitations_link_is_shown_once_and_lets_somebody_in() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let path = "/organizations/acme/invitations";
        let made = ada.submit(path, &[("name", "Zoe"), ("role", "developer")]).await;
        assert_eq!(made.status, 200, "{}", made.text);
        let link = made.text.split("<code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a link");
        let token = link.split("token=").nth(1).expect("a token").to_owned();
        let list = ada.get(path).await.text;
        assert!(list.contains("Zoe") && !list.contains(&token), "{list}");
        let mut zoe = crate::support::Visitor::new(app.address());
        let joined = zoe.submit("/invitation", &[("token", &token), ("name", "Zoe")]).await;
        assert_eq!(joined.status, 303, "{}", joined.text);
        assert_eq!(zoe.get("/organizations/acme/workspaces").await.status, 200);

        let other = ada.submit(path, &[("name", "Bob"), ("role", "viewer")]).await;
        let token =
            other.text.split("token=").nth(1).and_then(|rest| rest.split('<').next()).expect("a token");
        let list = ada.get(path).await.text;
        let id = list
            .split("/invitations/")
            .find_map(|part| part.split_once("/revoke\""))
            .expect("a form")
            .0
            .to_owned();
        assert_eq!(ada.submit(&format!("{path}/{id}/revoke"), &[]).await.status, 303);
        let mut bob = crate::support::Visitor::new(app.address());
        assert_eq!(bob.submit("/invitation", &[("token", token), ("name", "Bob")]).await.status, 401);
        let wrong = ada.submit(path, &[("name", ""), ("role", "viewer")]).await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.text.contains("Nothing was changed"), "{}", wrong.text);
    })
    .await;
}

#[tokio::test]
async fn the_record_is_filtered_and_goes_on_page_by_page() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        for n in 0..3 {
            make(&mut ada, &format!("w-{n}")).await;
        }
        let mut viewer = colleague(app, "Vera", "viewer").await;
        viewer.submit("/organizations/acme/workspaces/w-0/stop", &[]).await;
        let audit = async |query: &str| ada.get(&format!("/organizations/acme/audit{query}")).await;
        let all = audit("").await;
        assert_eq!(all.status, 200);
        let created =
            audit("?action=workspace.create&resource=&outcome=done&since=&until=&actor=").await.text;
        assert_eq!(created.matches("<tr id=").count(), 3, "{created}");
        let denied = audit("?outcome=denied").await.text;
        assert!(denied.contains("workspace.stop") && denied.contains("state bad"), "{denied}");
        assert_eq!(audit("?since=yesterday").await.status, 422);
        assert_eq!(viewer.get("/organizations/acme/audit").await.status, 403);
    })
    .await;
}
