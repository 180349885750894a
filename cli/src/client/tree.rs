//! The organisation's tree: its groups and projects.

use berth_schema::Generation;
use berth_schema::access::Role;
use berth_schema::api::Paged;
use berth_schema::groups::{ChangeGroup, CreateGroup, GiveRole, GivenRole, Group, GroupPath, TakeRole};
use berth_schema::projects::{ChangeProject, CreateProject, Project, ProjectPath, ProjectSettings};

use super::api::if_match;
use super::{Call, Listing, Organization, Repeat};
use crate::error::Error;
use crate::names::{GroupRef, ProjectRef};

impl Organization {
    /// The group that a path says, in the one before its last name.
    pub(crate) async fn create_group(&self, path: &GroupPath) -> Result<Group, Error> {
        let parent = path.parent();
        let url = match &parent {
            Some(parent) => self.url(["groups", parent.as_str(), "groups"]),
            None => self.url(["groups"]),
        };
        let call = Call::post(format!("create group '{path}'"), url);
        self.client.send(call.body(&CreateGroup { name: path.name() })?.idempotent()).await
    }

    pub(crate) async fn groups(&self, listing: &Listing) -> Result<Paged<Group>, Error> {
        self.list("list the groups", &self.url(["groups"]), listing).await
    }

    pub(crate) async fn group(&self, group: &GroupRef) -> Result<Group, Error> {
        let url = self.url(["groups", group.as_str()]);
        self.client.send(Call::get(format!("get group '{group}'"), url)).await
    }

    pub(crate) async fn change_group(&self, group: &GroupRef, change: &ChangeGroup) -> Result<Group, Error> {
        let call = Call::patch(format!("move group '{group}'"), self.url(["groups", group.as_str()]));
        self.client.send(call.body(change)?).await
    }

    pub(crate) async fn delete_group(&self, group: &GroupRef) -> Result<Group, Error> {
        let url = self.url(["groups", group.as_str()]);
        self.client.send(Call::delete(format!("delete group '{group}'"), url)).await
    }

    /// The project that a path says, in the group before its last name.
    pub(crate) async fn create_project(
        &self,
        path: &ProjectPath,
        settings: ProjectSettings,
    ) -> Result<Project, Error> {
        let group = path.group();
        let url = match &group {
            Some(group) => self.url(["groups", group.as_str(), "projects"]),
            None => self.url(["projects"]),
        };
        let call = Call::post(format!("create project '{path}'"), url);
        self.client.send(call.body(&CreateProject { name: path.name(), settings })?.idempotent()).await
    }

    pub(crate) async fn projects(&self, listing: &Listing) -> Result<Paged<Project>, Error> {
        self.list("list the projects", &self.url(["projects"]), listing).await
    }

    pub(crate) async fn project(&self, project: &ProjectRef) -> Result<Project, Error> {
        let url = self.url(["projects", project.as_str()]);
        self.client.send(Call::get(format!("get project '{project}'"), url)).await
    }

    /// With a version, only if that still holds.
    pub(crate) async fn change_project(
        &self,
        project: &ProjectRef,
        change: &ChangeProject,
        expected: Option<i64>,
    ) -> Result<Project, Error> {
        let url = self.url(["projects", project.as_str()]);
        let mut call = Call::patch(format!("change project '{project}'"), url).body(change)?;
        if expected.is_some() {
            // Were the first answer lost, the repetition would find a version of its own making.
            call.repeat = Repeat::WhenUnsent;
        }
        self.client.send(if_match(call, expected.map(Generation::of))).await
    }

    pub(crate) async fn delete_project(&self, project: &ProjectRef) -> Result<Project, Error> {
        let url = self.url(["projects", project.as_str()]);
        self.client.send(Call::delete(format!("delete project '{project}'"), url)).await
    }

    /// Those who are something there itself.
    pub(crate) async fn given_roles(&self, at: &At, listing: &Listing) -> Result<Paged<GivenRole>, Error> {
        let (kind, which) = at.parts();
        self.list(&format!("list the members of '{which}'"), &self.url([kind, which, "members"]), listing)
            .await
    }

    pub(crate) async fn give_role(&self, at: &At, member: &str, role: Role) -> Result<GivenRole, Error> {
        let (kind, which) = at.parts();
        let call = Call::put(format!("give a role at '{which}'"), self.url([kind, which, "members"]));
        self.client.send(call.body(&GiveRole { member: member.to_owned(), role })?).await
    }

    pub(crate) async fn take_role(&self, at: &At, member: &str) -> Result<GivenRole, Error> {
        let (kind, which) = at.parts();
        let url = self.url([kind, which, "members", "remove"]);
        let call = Call::post(format!("take a role at '{which}'"), url);
        self.client.send(call.body(&TakeRole { member: member.to_owned() })?).await
    }
}

/// Where somebody is something.
#[derive(Clone, Debug)]
pub(crate) enum At {
    Group(GroupRef),
    Project(ProjectRef),
}

impl At {
    pub(super) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Group(group) => ("groups", group.as_str()),
            Self::Project(project) => ("projects", project.as_str()),
        }
    }
}
