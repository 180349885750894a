//! The tree of groups, and what the database itself keeps of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_db::{DbError, GroupRow, NewGroup, NewProject, PageRequest, Parent, constraints};
use berth_schema::groups::GroupPath;
use berth_schema::projects::{ProjectPath, ProjectSettings};
use berth_schema::{AgentId, GroupId, ProjectId};
use tokio_postgres::error::SqlState;

use crate::support::{World, after, client, start};

fn path(text: &str) -> GroupPath {
    GroupPath::new(text).expect("a path")
}

impl World {
    /// Makes the group of that path, in one that is there.
    async fn group(&self, text: &str) -> Result<GroupRow, DbError> {
        let path = path(text);
        self.database
            .transaction(self.organization, "test", async |conn| {
                let parent = match path.parent() {
                    Some(parent) => conn.groups().find_by_path(&parent).await?,
                    None => None,
                };
                let parent = parent.as_ref().map(Parent::from);
                conn.groups()
                    .insert(&NewGroup { id: GroupId::random(), name: path.name(), parent }, start())
                    .await
            })
            .await
    }

    async fn project(&self, text: &str) -> ProjectId {
        let path = ProjectPath::new(text).expect("a path");
        self.database
            .transaction(self.organization, "test", async |conn| {
                let group = match path.group() {
                    Some(group) => conn.groups().find_by_path(&group).await?,
                    None => None,
                };
                let group = group.as_ref().map(Parent::from);
                let (id, name, settings) = (ProjectId::random(), path.name(), ProjectSettings::default());
                let row = conn.projects().insert(&NewProject { id, name, group, settings }, start()).await?;
                Ok::<_, DbError>(row.id)
            })
            .await
            .expect("a project")
    }

    async fn paths(&self) -> Vec<String> {
        let rows = self.database.read(self.organization, "test", async |conn| {
            conn.groups().list(&PageRequest::first(1_000)).await
        });
        let mut paths: Vec<String> =
            rows.await.expect("works").into_iter().map(|row| row.path.into()).collect();
        paths.sort();
        paths
    }

    async fn moved(&self, id: GroupId, to: &str) -> Result<GroupRow, DbError> {
        let to = path(to);
        self.database
            .transaction(self.organization, "test", async |conn| {
                let parent = match to.parent() {
                    Some(parent) => conn.groups().find_by_path(&parent).await?,
                    None => None,
                };
                conn.groups().place(id, parent.as_ref().map(Parent::from).as_ref(), &to.name()).await
            })
            .await
    }
}

#[tokio::test]
async fn what_is_moved_or_renamed_takes_along_all_that_is_in_it() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    neighbour.group("a").await.expect("a group");
    let a = world.group("a").await.expect("a group").id;
    for text in ["a/b", "a/b/c", "ab", "d"] {
        world.group(text).await.expect("a group");
    }
    let project = world.project("a/b/c/api").await;
    world.moved(a, "d/e").await.expect("it is moved");
    assert_eq!(world.paths().await, ["ab", "d", "d/e", "d/e/b", "d/e/b/c"]);
    assert_eq!(neighbour.paths().await, ["a"]);
    let found = world.database.read(world.organization, "test", async |conn| {
        let above = conn.groups().above(&[path("d/e/b"), path("d/e"), path("gone")]).await?;
        let below = conn.groups().below(&path("d/e")).await?;
        let any =
            (conn.projects().is_any_in(&path("d")).await?, conn.projects().is_any_in(&path("ab")).await?);
        Ok::<_, DbError>((conn.projects().find(project).await?, above, below, any))
    });
    let (project, above, below, any) = found.await.expect("works");
    assert_eq!(project.expect("it is there").path.as_str(), "d/e/b/c/api");
    assert_eq!(above.iter().map(|group| group.path.as_str()).collect::<Vec<_>>(), ["d", "d/e", "d/e/b"]);
    assert_eq!(below, [path("d/e/b"), path("d/e/b/c")]);
    assert_eq!(any, (true, false));
}

#[tokio::test]
async fn no_two_have_one_path_and_what_holds_something_is_not_deleted() {
    let world = World::new().await;
    let a = world.group("a").await.expect("a group").id;
    let b = world.group("a/b").await.expect("a group").id;
    world.group("b").await.expect("the name of another place is free");
    let taken = |error: DbError| error.violates(constraints::GROUP_PATH);
    assert!(taken(world.group("a").await.expect_err("taken")));
    assert!(taken(world.moved(b, "b").await.expect_err("taken")));
    let delete = async |id| {
        let deleted = world
            .database
            .transaction(world.organization, "test", async |conn| conn.groups().delete(id).await);
        deleted.await.is_ok()
    };
    assert!(!delete(a).await, "a group is in it");
    let project = world.project("a/b/api").await;
    assert!(!delete(b).await, "a project is in it");
    world
        .database
        .transaction(world.organization, "test", async |conn| conn.projects().delete(project).await)
        .await
        .expect("it is deleted");
    assert!(delete(b).await && delete(a).await);
}

/// Whatever the server believes: the database holds neither a circle nor a ninth level.
#[tokio::test]
async fn the_database_itself_refuses_a_circle_and_a_ninth_level() {
    let world = World::new().await;
    let a = world.group("a").await.expect("a group").id;
    world.group("a/b").await.expect("a group");
    for into in ["a/a", "a/b/a"] {
        assert!(world.moved(a, into).await.is_err(), "{into}");
    }
    let raw = client(&world.url).await;
    // With the parent's path as it would be in the end, and as nobody would write it.
    for parent_path in ["a", "a/b", "a/b/a", "b"] {
        let statement = format!(
            "UPDATE groups SET parent_path = '{parent_path}',
                parent_id = (SELECT id FROM groups WHERE path = 'a/b') WHERE id = '{a}'"
        );
        let error = raw.execute(&statement, &[]).await.expect_err(&statement);
        let code = error.code().expect("Postgres refuses");
        assert!(
            [SqlState::CHECK_VIOLATION, SqlState::FOREIGN_KEY_VIOLATION].contains(code),
            "{statement}: {error:?}"
        );
    }
    assert_eq!(world.paths().await, ["a", "a/b"]);
    let mut deep = "a/b".to_owned();
    for _ in 0..6 {
        deep.push_str("/x");
        world.group(&deep).await.expect("up to the eighth level");
    }
    world.group("top").await.expect("a group");
    assert!(world.moved(a, "top/a").await.is_err(), "its deepest would be on the ninth");
    assert_eq!(world.paths().await.len(), 9);
}

/// Two moves that are each right and together a circle, many at once.
#[tokio::test]
async fn groups_that_are_moved_into_each_other_at_once_stay_a_tree() {
    let world = Arc::new(World::new().await);
    let mut ids = BTreeMap::new();
    for name in ["a", "b", "c", "d"] {
        ids.insert(name, world.group(name).await.expect("a group").id);
    }
    let mut tasks = Vec::new();
    for round in 0..24 {
        let names = ["a", "b", "c", "d"];
        let (one, other) = (names[round % 4], names[(round * 7 / 4 + 1) % 4]);
        let (world, id, other) = (Arc::clone(&world), ids[one], ids[other]);
        tasks.push(tokio::spawn(async move {
            let moved = world.database.transaction(world.organization, "test", async |conn| {
                let Some(parent) = conn.groups().find(other).await? else { return Ok(()) };
                let Some(group) = conn.groups().find(id).await? else { return Ok(()) };
                let parent = (round % 3 != 0).then(|| Parent::from(&parent));
                conn.groups().place(id, parent.as_ref(), &group.path.name()).await.map(drop)
            });
            // A circle, or too many collisions: refused either way.
            let _: Result<(), DbError> = moved.await;
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    let raw = client(&world.url).await;
    let rows = raw.query("SELECT id, parent_id, path FROM groups", &[]).await.expect("works");
    let all: BTreeMap<uuid::Uuid, (Option<uuid::Uuid>, String)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    assert_eq!(all.len(), 4);
    for (parent, path) in all.values() {
        match parent {
            Some(parent) => {
                assert!(path.rsplit_once('/').is_some_and(|(above, _)| above == all[parent].1), "{all:?}");
            }
            None => assert!(!path.contains('/'), "{all:?}"),
        }
    }
}

#[tokio::test]
async fn a_project_has_another_version_with_each_change() {
    let world = World::new().await;
    let project = world.project("api").await;
    let changed = world.database.transaction(world.organization, "test", async |conn| {
        let group = conn
            .groups()
            .insert(&NewGroup { id: GroupId::random(), name: path("a").name(), parent: None }, start())
            .await?;
        let settings = ProjectSettings { agent: "cluster".parse().ok(), ..ProjectSettings::default() };
        let name = ProjectPath::new("api").expect("a path").name();
        let place = (Some(&Parent::from(&group)), &name);
        conn.projects().change(project, place, Some(&settings), after(1)).await?;
        conn.projects().change(project, place, None, after(2)).await
    });
    let row = changed.await.expect("works");
    assert_eq!((row.version, row.path.as_str(), row.updated_at), (3, "a/api", after(2)));
    assert!(row.settings.expect("readable").agent.is_some(), "what is not given stays");
    // What a later version wrote is not taken for something else.
    client(&world.url)
        .await
        .batch_execute("UPDATE projects SET settings = '{\"colour\": 1}'")
        .await
        .expect("works");
    let row =
        world.database.read(world.organization, "test", async |conn| conn.projects().find(project).await);
    assert_eq!(row.await.expect("works").expect("it is there").settings, None);
}

#[tokio::test]
async fn an_agent_is_for_everybody_until_somebody_says_otherwise_and_its_groups_go_with_themselves() {
    let world = World::new().await;
    let takes = async || {
        let read = world.database.read(world.organization, "test", async |conn| {
            conn.agent_groups().of(&[world.agent, AgentId::random()]).await
        });
        let mut all = read.await.expect("works");
        assert_eq!(all.len(), 1, "of those that there are");
        let row = all.remove(&world.agent).expect("the agent");
        let paths: Vec<String> = row.groups.iter().map(|group| group.path.to_string()).collect();
        (row.is_for_organization, paths, row.configured)
    };
    assert_eq!(takes().await, (true, vec![], Ok(vec![])));
    let platform = world.group("platform").await.expect("a group");
    let payments = world.group("platform/payments").await.expect("a group");
    let change = world.database.transaction(world.organization, "test", async |conn| {
        let all = conn.agent_groups();
        let first = (
            all.for_organization(world.agent, false).await?,
            all.add(world.agent, payments.id, start()).await?,
            all.add(world.agent, platform.id, start()).await?,
        );
        let again = (
            all.for_organization(world.agent, false).await?,
            all.add(world.agent, payments.id, start()).await?,
            all.remove(world.agent, platform.id).await?,
        );
        let last = all.remove(world.agent, platform.id).await?;
        conn.groups().place(platform.id, None, &path("base").name()).await?;
        Ok::<_, DbError>((first, again, last))
    });
    assert_eq!(change.await.expect("works"), ((true, true, true), (false, false, true), false));
    assert_eq!(takes().await, (false, vec!["base/payments".to_owned()], Ok(vec![])));
    let delete = world
        .database
        .transaction(world.organization, "test", async |conn| conn.groups().delete(payments.id).await);
    delete.await.expect("works");
    assert_eq!(takes().await, (false, vec![], Ok(vec![])));
}
