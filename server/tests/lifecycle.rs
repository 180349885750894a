//! Lifecycle rules on a real server, with the time as an argument.

use berth_db::LifecycleQueue;
use berth_schema::api::{Paged, Workspace};
use berth_schema::lifecycle::{LifecycleAction, LifecycleRule};
use berth_schema::state::TransitionCause;
use berth_schema::timeline::Transition;
use berth_schema::why::{Actor, Situation, Why};
use berth_schema::{DesiredState, Generation};
use berth_server::lifecycle::{self, Pass};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::cluster::settled;
use crate::support::{Admin, App, Requests, postgres};

fn queue(app: &App) -> LifecycleQueue {
    lifecycle::queue(&app.database_url).expect("a URL")
}

async fn pass(app: &App, now: Timestamp) -> Pass {
    lifecycle::pass(&app.run_at(now), &mut queue(app)).await.expect("a pass")
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

async fn newest(admin: &Admin, workspace: &str) -> Transition {
    let path = admin.path(&format!("/workspaces/{workspace}/timeline?limit=1"));
    admin.get(&path).await.expect::<Paged<Transition>>(200).items.remove(0)
}

#[tokio::test]
async fn a_workspace_is_stopped_after_36_hours_and_terminated_after_744_more() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let created = admin.create_workspace("w").await;
        let begin = created.created_at;

        // Looks that come too early write when to look next, and then nothing.
        let nothing = Pass { looked: 1, largest_batch: 1, ..Pass::default() };
        assert_eq!(pass(app, begin + hours(2)).await, nothing);
        assert_eq!(pass(app, begin + hours(35)).await, Pass::default());
        let stopped = pass(app, begin + hours(36)).await;
        assert_eq!((stopped.looked, stopped.stopped, stopped.terminated), (1, 1, 0));
        let workspace = admin.workspace("w").await;
        assert_eq!(
            (workspace.desired_state, workspace.generation),
            (DesiredState::Stopped, Generation::of(2))
        );
        assert_eq!(newest(&admin, "w").await.cause, TransitionCause::Lifecycle);
        // Its agent hears of it like of any other change.
        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        assert_eq!(
            (directive.desired_state, directive.generation),
            (DesiredState::Stopped, Generation::of(2))
        );

        let next = workspace.lifecycle.expect("a deadline");
        assert_eq!((next.action, next.at), (LifecycleAction::Terminate, begin + hours(36 + 744)));
        assert_eq!(pass(app, begin + hours(36 + 743)).await.terminated, 0);
        assert_eq!(pass(app, begin + hours(36 + 744)).await.terminated, 1);
        let workspace = admin.workspace("w").await;
        assert_eq!((workspace.desired_state, workspace.lifecycle), (DesiredState::Terminated, None));
        assert_eq!(pass(app, begin + hours(100_000)).await, Pass::default());
    })
    .await;
}

#[tokio::test]
async fn a_workspace_beyond_its_age_is_terminated_while_it_runs() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let created = admin.create_workspace("w").await;
        let owner = postgres::client(&app.database_url).await;
        owner
            .batch_execute("UPDATE workspaces SET created_at = created_at - interval '8759 hours'")
            .await
            .expect("old");
        let next = admin.workspace("w").await.lifecycle.expect("a deadline");
        assert_eq!((next.rule, next.at), (LifecycleRule::MaxAgeHours, created.created_at + hours(1)));
        assert_eq!(pass(app, created.created_at + hours(1)).await.terminated, 1);
    })
    .await;
}

#[tokio::test]
async fn a_workspace_past_two_limits_is_terminated_by_the_first_look() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let created = admin.create_workspace("w").await;
        let owner = postgres::client(&app.database_url).await;
        let older = "UPDATE workspaces SET created_at = created_at - interval '8761 hours',
                     desired_state_changed_at = desired_state_changed_at - interval '40 hours'";
        owner.batch_execute(older).await.expect("old");
        let done = pass(app, created.created_at + hours(1)).await;
        assert_eq!((done.stopped, done.terminated), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn what_a_rule_stops_is_looked_at_again_when_it_reaches_its_age() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let created = admin.create_workspace("w").await;
        let begin = created.created_at;
        let owner = postgres::client(&app.database_url).await;
        let older = "UPDATE workspaces SET created_at = created_at - interval '8723 hours 30 minutes'";
        owner.batch_execute(older).await.expect("old");
        assert_eq!(pass(app, begin + hours(36)).await.stopped, 1);
        let age = begin + hours(36) + SignedDuration::from_mins(30);
        assert_eq!(pass(app, age).await.terminated, 1, "before an hour is over");
    })
    .await;
}

#[tokio::test]
async fn an_extension_is_granted_up_to_the_rules_own_hours() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let created = admin.create_workspace("w").await;
        let extend =
            async |hours| admin.post(&admin.path("/workspaces/w/extend"), &json!({"hours": hours})).await;
        let extended: Workspace = extend(10).await.expect(200);
        let next = extended.lifecycle.expect("a deadline");
        assert_eq!(
            (next.at, next.extended_hours, next.extendable_hours),
            (created.created_at + hours(46), 10, 26)
        );
        assert_eq!(extended.generation, created.generation, "the cluster has nothing to do with it");
        assert_eq!(extend(27).await.wrong_fields(), ["hours"]);
        assert_eq!(extend(0).await.wrong_fields(), ["hours"]);
        extend(26).await.expect::<Workspace>(200);
        assert_eq!(pass(app, created.created_at + hours(71)).await.stopped, 0);

        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        agent.partial(2, vec![settled(&directive, "1")]).await;
        let why: Why = admin.get(&admin.path("/workspaces/w/why")).await.expect(200);
        let step = why.next.expect("a step");
        assert_eq!((why.situation, step.actor), (Situation::Running, Actor::Server));
        assert_eq!(step.by, Some(created.created_at + hours(72)));

        assert_eq!(pass(app, created.created_at + hours(72)).await.stopped, 1);
        let next = admin.workspace("w").await.lifecycle.expect("a deadline");
        assert_eq!(next.extended_hours, 0, "it was of the period that ended");
        admin.wish("w", "terminate").await;
        extend(1).await.problem(409, "wrong-state");
        admin
            .post(&admin.path("/workspaces/nothing/extend"), &json!({"hours": 1}))
            .await
            .problem(404, "not-found");
    })
    .await;
}

async fn many(app: &App, admin: &Admin, count: usize) {
    let agent = admin.create_agent("cluster").await;
    postgres::client(&app.database_url)
        .await
        .batch_execute(&format!(
            "INSERT INTO workspaces (organization_id, agent_id, id, name, namespace, desired_state, actual_state, generation,
                spec, created_at, created_by, desired_state_changed_at, actual_state_changed_at, lifecycle_at)
             SELECT '{}', '{}', gen_random_uuid(), 'w' || n, 'n' || n, 'Running', 'Running', 1,
                '{{\"containers\": []}}', now(), '{}', now(), now(), now()
             FROM generate_series(1, {count}) n",
            admin.organization(),
            agent.id,
            admin.token.token_id()
        ))
        .await
        .expect("many workspaces");
}

#[tokio::test]
async fn ten_thousand_that_are_due_at_once_are_handled_in_bounded_batches_by_two_servers() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let other = app.organization("other").await;
        many(app, &admin, 9_000).await;
        many(app, &other, 1_000).await;
        let replica = app.replica().await;
        let now = Timestamp::now() + hours(37);
        let began = std::time::Instant::now();
        let (mut one, mut two) = (queue(app), queue(&replica));
        let (here, there) = (app.run_at(now), replica.run_at(now));
        let (one, two) = tokio::join!(lifecycle::pass(&here, &mut one), lifecycle::pass(&there, &mut two));
        let (one, two) = (one.expect("a pass"), two.expect("a pass"));
        // What one of them held when the other came by is left to the next pass.
        let rest = pass(app, now).await;
        println!("10,000 due workspaces in {:?}: {one:?} {two:?} {rest:?}", began.elapsed());
        assert_eq!(one.stopped + two.stopped + rest.stopped, 10_000);
        assert!(one.largest_batch.max(two.largest_batch).max(rest.largest_batch) <= 200);
        let twice = "SELECT count(*) FROM workspaces WHERE generation <> 2 OR desired_state <> 'Stopped'";
        assert_eq!(app.count(twice).await, 0, "each exactly once");
        let told = "SELECT count(*) FROM workspace_transitions WHERE cause = 'Lifecycle' AND number = 1";
        assert_eq!(app.count(told).await, 10_000);
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_pass_with_nothing_due_writes_nothing() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let created = admin.create_workspace("w").await;
        let now = created.created_at + hours(2);
        pass(app, now).await;
        // Rows written since the statistics were reset would show; the statistics of the looks themselves are flushed first.
        let written = "SELECT (n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables WHERE relname = 'workspaces'";
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        let before = app.count(written).await;
        for _ in 0..5 {
            assert_eq!(pass(app, now).await, Pass::default());
        }
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        assert_eq!(app.count(written).await, before);
    })
    .await;
}

#[tokio::test]
async fn one_organisation_that_cannot_be_looked_at_keeps_no_other_from_it() {
    App::run(async |app| {
        let sick = app.organization("sick").await;
        let well = app.organization("well").await;
        for admin in [&sick, &well] {
            admin.create_agent("cluster").await;
            admin.create_workspace("w").await;
        }
        // What is looked at there cannot be stored.
        let owner = postgres::client(&app.database_url).await;
        let broken = format!(
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'broken'; END $$;
             CREATE TRIGGER broken BEFORE UPDATE ON workspaces FOR EACH ROW
                 WHEN (NEW.organization_id = '{}') EXECUTE FUNCTION broken()",
            sick.organization()
        );
        owner.batch_execute(&broken).await.expect("broken");
        let pass = pass(app, Timestamp::now() + hours(37)).await;
        assert_eq!((pass.looked, pass.stopped), (1, 1));
        assert_eq!(well.workspace("w").await.desired_state, DesiredState::Stopped);
    })
    .await;
}
