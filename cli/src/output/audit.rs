//! How a record of what happened looks. It is read without knowing its kinds: a newer server has others.

use std::borrow::Cow;

use berth_schema::OrganizationId;
use berth_schema::audit::{Entry, Listed, Told};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Show;
use super::table::{Cell, Tone};

/// An entry, with its sequence as its name.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Recorded {
    listed: Listed<Value>,
    #[serde(skip)]
    name: String,
}

impl Recorded {
    pub(crate) fn new(listed: Listed<Value>) -> Self {
        let name = listed.entry.record["sequence"].to_string();
        Self { listed, name }
    }

    pub(crate) const fn entry(&self) -> &Entry<Value> {
        &self.listed.entry
    }

    /// 0: it has none.
    pub(crate) fn sequence(&self) -> u64 {
        self.entry().record["sequence"].as_u64().unwrap_or(0)
    }

    pub(crate) fn organization(&self) -> Option<OrganizationId> {
        self.text("organization").parse().ok()
    }

    const fn told(&self) -> Told<'_> {
        Told(&self.entry().record)
    }

    fn text(&self, field: &str) -> &str {
        self.told().text(field)
    }

    /// By name, where that is told.
    fn who(&self) -> String {
        self.listed.actor_name.clone().unwrap_or_else(|| self.told().who())
    }

    fn outcome(&self) -> Cell {
        match self.told().outcome() {
            Ok(done) => Cell::new(done, Tone::Good),
            Err(why) => Cell::new(format!("denied: {why}"), Tone::Bad),
        }
    }
}

impl Show for Recorded {
    fn name(&self) -> Cow<'_, str> {
        (&self.name).into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        const ALL: [&str; 11] = [
            "SEQUENCE", "TIME", "WHO", "ACTION", "RESOURCE", "OUTCOME", "DETAILS", "ACTOR", "FROM",
            "REQUEST", "HASH",
        ];
        if wide { &ALL } else { &ALL[..7] }
    }

    fn row(&self, wide: bool, _now: Timestamp) -> Vec<Cell> {
        let mut row: Vec<Cell> = vec![
            self.name.as_str().into(),
            self.text("time").into(),
            self.who().into(),
            self.text("action").into(),
            self.told().resource().into(),
            self.outcome(),
            self.told().what().into(),
        ];
        if wide {
            row.extend([
                self.told().who().into(),
                self.text("peer").into(),
                self.text("request").into(),
                self.entry().hash.into(),
            ]);
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        Self::columns(true).iter().copied().zip(self.row(true, now)).collect()
    }
}
