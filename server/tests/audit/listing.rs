//! The list of what is on record.

use berth_schema::access::Token;
use berth_schema::api::Paged;
use berth_schema::audit::{Entry, Listed};
use serde_json::Value;

use crate::policy::set;
use crate::support::{App, Requests};

#[tokio::test]
async fn whose_doing_it_is_is_told_by_name_to_whoever_may_see_the_members() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let names = async || {
            let page: Paged<Listed<Value>> =
                admin.get(&admin.path("/audit?from=1&limit=3")).await.expect(200);
            page.items.into_iter().map(|listed| listed.actor_name).collect::<Vec<_>>()
        };
        // Whoever made the organisation is a command at the server's machine.
        let admin_name = Some("Administrator".to_owned());
        assert_eq!(names().await, [None, admin_name, None]);
        let hidden = "@id(\"hidden\") forbid (principal, action == Action::\"member.list\", resource);";
        assert_eq!(set(&admin, &format!("{}\n{hidden}", berth_policy::BUILT_IN)).await.status, 200);
        assert_eq!(names().await, [None, None, None]);
    })
    .await;
}

#[tokio::test]
async fn a_list_is_filtered_paged_and_followed() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let me: Token = admin.get(&admin.path("/tokens/first%20administrator")).await.expect(200);
        let explained = admin.get(&admin.path("/workspaces/w/variables")).await;
        explained.expect::<Value>(200);
        let list = async |query: &str| {
            let page: Paged<Entry> = admin.get(&admin.path(&format!("/audit?{query}"))).await.expect(200);
            let shown = page.items.iter().map(|entry| entry.record.action.as_str()).collect::<Vec<_>>();
            (shown.join(" "), page.next)
        };
        let all =
            "workspace.read-variables workspace.create agent.register-key agent.create organization.create";
        assert_eq!(list("").await, (all.to_owned(), None));
        let (first, next) = list("limit=2").await;
        assert_eq!(
            (first.as_str(), next.as_deref()),
            ("workspace.read-variables workspace.create", Some("4"))
        );
        assert_eq!(list("limit=2&after=4").await.0, "agent.register-key agent.create");
        assert_eq!(list("from=5").await, ("workspace.read-variables".to_owned(), Some("6".to_owned())));
        assert_eq!(list("from=6").await, (String::new(), Some("6".to_owned())));
        assert_eq!(list("action=agent.create").await.0, "agent.create");
        assert_eq!(list("resource=workspace").await.0, "workspace.read-variables workspace.create");
        assert_eq!(list("resource=organization&outcome=denied").await.0, "");
        assert_eq!(list("until=2020-01-01T00:00:00Z").await.0, "");
        let subject = me.subject_id.expect("a subject");
        let mine = "workspace.read-variables workspace.create agent.create";
        assert_eq!(list(&format!("actor={subject}")).await.0, mine);
        let wrong = admin.get(&admin.path("/audit?action=explode&actor=me&from=0")).await;
        assert_eq!(wrong.wrong_fields(), ["from", "actor", "action"]);
    })
    .await;
}
