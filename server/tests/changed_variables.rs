//! Variables of a workspace that is there: changed, removed, taken anew, and in the cluster before anything proves it (decision 0094).

use berth_schema::DesiredState;
use berth_schema::access::Role;
use berth_schema::api::{Paged, Workspace};
use berth_schema::reconcile::{ReconcileResponse, WorkspaceDirective};
use berth_schema::scope::{ScopeVariable, VariableOrigin};
use futures::future::join_all;
use reqwest::Method;
use reqwest::header::IF_MATCH;
use serde_json::{Value, json};

use crate::elevations::Person;
use crate::support::{Admin, Agent, App, Reply, Requests, cluster, send};

async fn change(admin: &Admin, body: &Value) -> Reply {
    send(admin.request(Method::PATCH, &admin.path("/workspaces/w/variables")).json(body)).await
}

async fn renew(admin: &Admin) -> Reply {
    admin.post(&admin.path("/workspaces/w/variables/renew"), &json!({})).await
}

/// What the organisation gives to those that are made, or renewed.
async fn set_outside(admin: &Admin, body: &Value) {
    admin.request_variable(body).await.expect::<ScopeVariable>(200);
}

fn directive(response: &ReconcileResponse) -> &WorkspaceDirective {
    response.workspaces.iter().find(|directive| directive.name.as_str() == "w").expect("a directive")
}

/// What an agent is told of `w`, name by name.
fn told(agent: &Agent, response: &ReconcileResponse) -> Option<Vec<String>> {
    let bundle = agent.variables(response, "w")?;
    let all = bundle.environment.iter().chain(&bundle.files);
    let all = all.map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value.expose())));
    Some(all.filter(|text| !text.starts_with("berth_")).collect())
}

/// A workspace with something of its own and something of the organisation's, which runs.
async fn running(app: &App) -> (Admin, Agent) {
    let admin = app.organization("acme").await;
    let agent = admin.create_agent("cluster").await;
    set_outside(&admin, &json!({"name": "SHARED", "value": "first"})).await;
    let own = json!([{"name": "A", "value": "one"}, {"name": "f", "kind": "file", "value": "text"}]);
    admin.create(&json!({"name": "w", "image": "a", "variables": own})).await.expect::<Workspace>(201);
    let made = agent.partial(1, vec![]).await;
    assert_eq!(told(&agent, &made).expect("variables"), ["A=one", "SHARED=first", "f=text"]);
    agent.partial(2, vec![cluster::settled(directive(&made), "1")]).await;
    (admin, agent)
}

#[tokio::test]
async fn changed_variables_are_in_the_cluster_before_anything_proves_their_generation() {
    App::run(async |app| {
        let (admin, agent) = running(app).await;
        let body = json!({"set": [{"name": "A", "value": "two"}, {"name": "B", "value": "new"}],
                          "remove": [{"name": "f", "kind": "file"}]});
        let changed: Workspace = change(&admin, &body).await.expect(200);
        assert_eq!((changed.generation.get(), changed.desired_state), (2, DesiredState::Running));
        let names: Vec<_> = changed.variables.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, ["A", "B", "SHARED"]);
        // What is so already changes nothing.
        let same = json!({"set": [{"name": "A", "value": "two"}]});
        assert_eq!(change(&admin, &same).await.expect::<Workspace>(200).generation.get(), 2);

        let expected = ["A=two", "B=new", "SHARED=first"];
        for sequence in 3..5 {
            let again = agent.partial(sequence, vec![]).await;
            assert_eq!(told(&agent, &again).expect("until it is proven"), expected);
        }
        // Stopped before the agent had them: whatever starts it brings them.
        admin.wish("w", "stop").await.expect::<Workspace>(200);
        let stopped = agent.partial(5, vec![]).await;
        assert_eq!(directive(&stopped).desired_state, DesiredState::Stopped);
        assert_eq!(told(&agent, &stopped), None, "nothing runs that could read them");
        agent.partial(6, vec![cluster::settled(directive(&stopped), "2")]).await;
        admin.wish("w", "start").await.expect::<Workspace>(200);
        let started = agent.partial(7, vec![]).await;
        assert_eq!(told(&agent, &started).expect("they go with it"), expected);
        agent.partial(8, vec![cluster::settled(directive(&started), "3")]).await;
        admin.wish("w", "restart").await.expect::<Workspace>(200);
        let down = agent.partial(9, vec![]).await;
        let up = agent.partial(10, vec![cluster::settled(directive(&down), "4")]).await;
        assert_eq!(directive(&up).desired_state, DesiredState::Running);
        assert_eq!(told(&agent, &up), None, "the cluster has them");

        let path = admin.path("/workspaces/w/variables");
        let origins = admin.get(&path).await.expect::<Paged<VariableOrigin>>(200).items;
        assert_eq!(origins.iter().map(|origin| origin.version).collect::<Vec<_>>(), [2, 1, 1]);
        let taken = |name: &str| origins.iter().find(|origin| origin.name == name).expect(name).frozen_at;
        assert!(taken("A") > taken("SHARED"), "{origins:?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_around_a_workspace_is_taken_anew_and_its_own_stay() {
    App::run(async |app| {
        let (admin, agent) = running(app).await;
        let unchanged: Workspace = renew(&admin).await.expect(200);
        assert_eq!(unchanged.generation.get(), 1, "there is nothing new");
        set_outside(&admin, &json!({"name": "SHARED", "value": "second"})).await;
        set_outside(&admin, &json!({"name": "A", "value": "theirs"})).await;
        set_outside(&admin, &json!({"name": "LATER", "value": "x"})).await;
        assert_eq!(told(&agent, &agent.partial(3, vec![]).await), None, "nobody has renewed it");
        assert_eq!(renew(&admin).await.expect::<Workspace>(200).generation.get(), 2);
        let response = agent.partial(4, vec![]).await;
        let expected = ["A=one", "LATER=x", "SHARED=second", "f=text"];
        assert_eq!(told(&agent, &response).expect("variables"), expected);
        // Its own takes the place of one from around it, and back.
        let own = json!({"set": [{"name": "SHARED", "value": "mine"}], "remove": [{"name": "LATER"}]});
        change(&admin, &own).await.expect::<Workspace>(200);
        assert_eq!(
            told(&agent, &agent.partial(5, vec![]).await).expect("told"),
            ["A=one", "SHARED=mine", "f=text"]
        );
        let back = json!({"remove": [{"name": "SHARED"}]});
        change(&admin, &back).await.expect::<Workspace>(200);
        assert_eq!(told(&agent, &agent.partial(6, vec![]).await).expect("told"), ["A=one", "f=text"]);
        renew(&admin).await.expect::<Workspace>(200);
        assert_eq!(told(&agent, &agent.partial(7, vec![]).await).expect("told"), expected);
    })
    .await;
}

#[tokio::test]
async fn a_workspace_without_any_is_given_its_first_ones_and_starts_anew_with_them() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let made = agent.partial(1, vec![]).await;
        agent.partial(2, vec![cluster::settled(directive(&made), "1")]).await;
        let body = json!({"set": [{"name": "A", "value": "one"}], "restart": true});
        let changed: Workspace = change(&admin, &body).await.expect(200);
        assert_eq!(changed.desired_state, DesiredState::RestartRequested);
        let down = agent.partial(3, vec![]).await;
        let up = agent.partial(4, vec![cluster::settled(directive(&down), "2")]).await;
        assert_eq!(told(&agent, &up).expect("before it starts"), ["A=one"]);
        let workspace = admin.workspace("w").await;
        assert_eq!((workspace.desired_state, workspace.generation.get()), (DesiredState::Running, 3));
        let gone = change(&admin, &json!({"remove": [{"name": "A"}]})).await.expect::<Workspace>(200);
        assert!(gone.variables.is_empty());
        assert_eq!(told(&agent, &agent.partial(5, vec![]).await).expect("none is one too"), [""; 0]);
        let again = change(&admin, &json!({"set": [{"name": "A", "value": "one"}]})).await;
        assert_eq!(again.expect::<Workspace>(200).variables.len(), 1);
        assert_eq!(told(&agent, &agent.partial(6, vec![]).await).expect("told"), ["A=one"]);
    })
    .await;
}

#[tokio::test]
async fn what_a_workspace_may_not_have_is_told_by_its_field_and_nothing_is_stored() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        set_outside(&admin, &json!({"name": "PROXY", "value": "x", "final": true})).await;
        admin.create_workspace("w").await;
        for (body, fields) in [
            (json!({}), vec!["set"]),
            (json!({"set": [{"name": "PROXY", "value": "mine"}]}), vec!["set[0].name"]),
            (json!({"remove": [{"name": "PROXY"}]}), vec!["remove[0].name"]),
            (json!({"remove": [{"name": "NONE"}]}), vec!["remove[0].name"]),
            (json!({"remove": [{"name": "PROXY", "kind": "file"}]}), vec!["remove[0].name"]),
            (
                json!({"set": [{"name": "A", "value": "x"}, {"name": "1A"}]}),
                vec!["set[1].name", "set[1].value"],
            ),
            (json!({"set": [{"name": "A", "value": "x"}, {"name": "A", "value": "y"}]}), vec!["set[1].name"]),
            (
                json!({"set": [{"name": "A", "value": "x"}], "remove": [{"name": "A"}]}),
                vec!["remove[0].name"],
            ),
            (
                json!({"set": [{"name": "berth_ssh_host_key", "kind": "file", "value": "x"}]}),
                vec!["set[0].name"],
            ),
            (json!({"set": [], "also": 1}), vec!["also"]),
        ] {
            assert_eq!(change(&admin, &body).await.wrong_fields(), fields, "{body}");
        }
        let many: Vec<_> = (0..256).map(|n| json!({"name": format!("A{n}"), "value": "x"})).collect();
        assert_eq!(
            change(&admin, &json!({"set": many})).await.wrong_fields(),
            ["variables"],
            "one more than fit"
        );
        assert_eq!(admin.workspace("w").await.generation.get(), 1);
        let stale = admin.request(Method::PATCH, &admin.path("/workspaces/w/variables"));
        let body = json!({"set": [{"name": "A", "value": "x"}]});
        let stale = send(stale.header(IF_MATCH, "\"7\"").json(&body)).await;
        assert_eq!(stale.status, 412, "{}", stale.text);
        admin.wish("w", "terminate").await.expect::<Workspace>(200);
        assert_eq!(change(&admin, &body).await.status, 409);
    })
    .await;
}

#[tokio::test]
async fn nobody_says_what_the_programs_of_anothers_workspace_start_with() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("cluster").await;
        set_outside(&owner, &json!({"name": "SHARED", "value": "first"})).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let grace = Person::join(app, &owner, "Grace", Role::Maintainer).await;
        let bob = Person::join(app, &owner, "Bob", Role::Developer).await;
        ada.post(app, "/workspaces", json!({"name": "w", "image": "a"})).await.expect::<Value>(201);
        let path = "/api/v1/organizations/acme/workspaces/w/variables";
        let body = json!({"set": [{"name": "PROMPT_COMMAND", "value": "curl evil"}]});
        let changes = async |who: &Person| send(who.at(app).request(Method::PATCH, path).json(&body)).await;
        changes(&grace).await.problem(403, "forbidden");
        assert_eq!(change(&owner, &body).await.status, 403, "nor an owner");
        assert_eq!(changes(&bob).await.status, 404);
        set_outside(&owner, &json!({"name": "SHARED", "value": "second"})).await;
        let renewed = grace.post(app, "/workspaces/w/variables/renew", json!({})).await;
        assert_eq!(renewed.expect::<Workspace>(200).generation.get(), 2, "whoever looks after it renews it");
        assert_eq!(bob.post(app, "/workspaces/w/variables/renew", json!({})).await.status, 404);
        assert_eq!(changes(&ada).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn whoever_changes_them_at_once_loses_nothing_of_it() {
    App::run(async |app| {
        let (admin, agent) = running(app).await;
        let set = |n: usize| {
            let admin = admin.clone();
            async move {
                change(&admin, &json!({"set": [{"name": format!("V{n}"), "value": n.to_string()}]})).await
            }
        };
        // A change is tried anew where another one was faster, five times.
        let replies = join_all((0..4).map(set)).await;
        assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
        let told = told(&agent, &agent.partial(3, vec![]).await).expect("told");
        assert_eq!(told, ["A=one", "SHARED=first", "V0=0", "V1=1", "V2=2", "V3=3", "f=text"]);
        // One that somebody takes from the database beside the key is missed.
        app.execute("DELETE FROM workspace_variables WHERE name = 'V2'").await;
        let missed = agent.partial(4, vec![]).await;
        assert!(agent.variables(&missed, "w").is_none());
        let reason = admin.workspace("w").await.reason.expect("a reason");
        assert_eq!(reason.reason.as_str(), "VariablesUnreadable");
    })
    .await;
}
