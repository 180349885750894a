//! How an organisation looks to somebody who belongs to it.

use std::borrow::Cow;

use berth_schema::api::account::AccountOrganization;
use jiff::Timestamp;
use serde::Serialize;

use super::Show;
use super::table::{Cell, Tone};
use crate::names::OrganizationRef;

/// An organisation of an account, and whether commands act in it.
#[derive(Debug, Serialize)]
pub(crate) struct Membership {
    #[serde(flatten)]
    organization: AccountOrganization,
    current: bool,
}

impl Membership {
    pub(crate) fn new(organization: AccountOrganization, current: Option<&OrganizationRef>) -> Self {
        let current = current.is_some_and(|current| {
            current.as_str() == organization.name.as_str() || current.as_str() == organization.id.to_string()
        });
        Self { organization, current }
    }

    fn state(&self) -> Cell {
        if self.organization.suspended {
            Cell::new("Suspended", Tone::Bad)
        } else {
            Cell::new("Active", Tone::Good)
        }
    }
}

impl Show for Membership {
    fn name(&self) -> Cow<'_, str> {
        self.organization.name.as_str().into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        const ALL: [&str; 5] = ["CURRENT", "NAME", "ROLE", "STATE", "ID"];
        if wide { &ALL } else { &ALL[..4] }
    }

    fn row(&self, wide: bool, _now: Timestamp) -> Vec<Cell> {
        let AccountOrganization { id, name, role, .. } = &self.organization;
        let mark = if self.current { "*" } else { "" };
        let mut row: Vec<Cell> = vec![mark.into(), name.into(), role.into(), self.state()];
        if wide {
            row.push(id.into());
        }
        row
    }

    fn details(&self, _now: Timestamp) -> Vec<(&'static str, Cell)> {
        let AccountOrganization { id, name, role, .. } = &self.organization;
        vec![("Name", name.into()), ("Role", role.into()), ("State", self.state()), ("Id", id.into())]
    }
}
