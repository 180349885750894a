//! How variables look: everything of them but their values.

use std::borrow::Cow;

use berth_schema::scope::{ScopeVariable, VariableOrigin};
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::table::{Cell, Tone};

impl Show for ScopeVariable {
    fn name(&self) -> Cow<'_, str> {
        (&self.name).into()
    }

    fn columns(_wide: bool) -> &'static [&'static str] {
        &["NAME", "KIND", "VERSION", "OVERRIDING", "SET"]
    }

    fn row(&self, _wide: bool, now: Timestamp) -> Vec<Cell> {
        let overriding = if self.is_final { "forbidden" } else { "allowed" };
        vec![
            (&self.name).into(),
            self.kind.as_str().into(),
            self.version.into(),
            overriding.into(),
            format!("{} ago", age(self.updated_at, now)).into(),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["Name", "Kind", "Version", "Overriding", "Set"].into_iter().zip(self.row(true, now)).collect()
    }
}

impl Show for VariableOrigin {
    fn name(&self) -> Cow<'_, str> {
        (&self.name).into()
    }

    fn columns(_wide: bool) -> &'static [&'static str] {
        &["NAME", "KIND", "FROM", "VERSION", "SET", "FROZEN", "NOTE"]
    }

    fn row(&self, _wide: bool, now: Timestamp) -> Vec<Cell> {
        let note = match (self.is_final, self.overrides) {
            _ if self.is_set_by_devfile => "set by the devfile instead".to_owned(),
            (true, _) => "final".to_owned(),
            (false, Some(scope)) => format!("overrides the {scope}"),
            (false, None) => "-".to_owned(),
        };
        vec![
            (&self.name).into(),
            self.kind.as_str().into(),
            match &self.path {
                Some(path) => format!("{} {path}", self.scope).into(),
                None => self.scope.as_str().into(),
            },
            self.version.into(),
            format!("{} ago", age(self.set_at, now)).into(),
            format!("{} ago", age(self.frozen_at, now)).into(),
            Cell::new(note, Tone::Faint),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["Name", "Kind", "From", "Version", "Set", "Frozen", "Note"]
            .into_iter()
            .zip(self.row(true, now))
            .collect()
    }
}
