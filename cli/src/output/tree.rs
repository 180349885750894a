//! How groups and projects look.

use std::borrow::Cow;

use berth_schema::AgentName;
use berth_schema::groups::{GivenRole, Group};
use berth_schema::projects::Project;
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::table::Cell;

impl Show for Group {
    fn name(&self) -> Cow<'_, str> {
        self.path.as_str().into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        const ALL: [&str; 3] = ["PATH", "AGE", "ID"];
        if wide { &ALL } else { &ALL[..2] }
    }

    fn row(&self, wide: bool, now: Timestamp) -> Vec<Cell> {
        let mut row: Vec<Cell> = vec![self.path.as_str().into(), age(self.created_at, now).into()];
        if wide {
            row.push(self.id.into());
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let mut details: Vec<_> = ["Path", "Age", "Id"].into_iter().zip(self.row(true, now)).collect();
        details.extend(self.agents.as_ref().map(|agents| ("Agents", names(agents).into())));
        details
    }
}

fn names(agents: &[AgentName]) -> String {
    if agents.is_empty() {
        return "none that you see takes its workspaces".to_owned();
    }
    agents.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", ")
}

impl Show for Project {
    fn name(&self) -> Cow<'_, str> {
        self.path.as_str().into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        const ALL: [&str; 7] = ["PATH", "REPOSITORY", "REF", "AGENT", "AGE", "VERSION", "ID"];
        if wide { &ALL } else { &ALL[..5] }
    }

    fn row(&self, wide: bool, now: Timestamp) -> Vec<Cell> {
        let or_none = |text: Option<String>| -> Cell { text.unwrap_or_else(|| "-".to_owned()).into() };
        let repository = self.settings.repository.as_ref();
        let mut row: Vec<Cell> = vec![
            self.path.as_str().into(),
            or_none(repository.map(|project| project.url.to_string())),
            or_none(
                repository
                    .and_then(|project| project.reference.as_ref())
                    .map(|reference| reference.as_str().to_owned()),
            ),
            or_none(self.settings.agent.as_ref().map(ToString::to_string)),
            age(self.created_at, now).into(),
        ];
        if wide {
            row.extend([self.version.into(), self.id.into()]);
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let names = ["Path", "Repository", "Ref", "Agent", "Age", "Version", "Id"];
        let mut details: Vec<_> = names.into_iter().zip(self.row(true, now)).collect();
        if let Some(path) = &self.settings.devfile_path {
            // Behind the repository that it is in.
            details.insert(3, ("Devfile", path.to_string().into()));
        }
        details
    }
}

impl Show for GivenRole {
    fn name(&self) -> Cow<'_, str> {
        (&self.name).into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        const ALL: [&str; 3] = ["NAME", "ROLE", "ID"];
        if wide { &ALL } else { &ALL[..2] }
    }

    fn row(&self, wide: bool, _now: Timestamp) -> Vec<Cell> {
        let mut row: Vec<Cell> = vec![self.name.as_str().into(), self.role.as_str().into()];
        if wide {
            row.push(self.member.into());
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["Name", "Role", "Id"].into_iter().zip(self.row(true, now)).collect()
    }
}
