//! How a record of what happened looks. It is read without knowing its kinds: a newer server has others.

use berth_schema::OrganizationId;
use berth_schema::audit::Entry;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Show;
use super::table::{Cell, Tone};

/// An entry, with its sequence as its name.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Recorded {
    entry: Entry<Value>,
    #[serde(skip)]
    name: String,
}

impl Recorded {
    pub(crate) fn new(entry: Entry<Value>) -> Self {
        let name = entry.record["sequence"].to_string();
        Self { entry, name }
    }

    pub(crate) const fn entry(&self) -> &Entry<Value> {
        &self.entry
    }

    /// 0: it has none.
    pub(crate) fn sequence(&self) -> u64 {
        self.entry.record["sequence"].as_u64().unwrap_or(0)
    }

    pub(crate) fn organization(&self) -> Option<OrganizationId> {
        self.text("organization").parse().ok()
    }

    fn text(&self, field: &str) -> &str {
        self.entry.record[field].as_str().unwrap_or("-")
    }

    /// `subject ID`, `agent ID`, `task NAME`, `command NAME`.
    fn who(&self) -> String {
        let who = &self.entry.record["who"];
        let kind = who["kind"].as_str().unwrap_or("-");
        let id = who.get(kind).or_else(|| who.get("name")).and_then(Value::as_str).unwrap_or("-");
        format!("{kind} {id}")
    }

    fn resource(&self) -> String {
        let resource = &self.entry.record["resource"];
        let kind = resource["kind"].as_str().unwrap_or("-");
        match resource["id"].as_str() {
            Some(id) => format!("{kind}:{id}"),
            None => kind.to_owned(),
        }
    }

    fn outcome(&self) -> Cell {
        match &self.entry.record["outcome"] {
            Value::String(done) => Cell::new(done, Tone::Good),
            outcome => {
                let why = outcome["denied"].as_str().unwrap_or("-");
                Cell::new(format!("denied: {why}"), Tone::Bad)
            }
        }
    }

    /// `name=value` of each detail.
    fn what(&self) -> String {
        let Some((_, Value::Object(fields))) =
            self.entry.record["details"].as_object().and_then(|details| details.iter().next())
        else {
            return "-".to_owned();
        };
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fields = fields.iter().map(|(name, value)| format!("{name}={}", plain(value)));
        fields.collect::<Vec<_>>().join(" ")
    }
}

impl Show for Recorded {
    fn name(&self) -> &str {
        &self.name
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        const ALL: [&str; 10] = [
            "SEQUENCE", "TIME", "WHO", "ACTION", "RESOURCE", "OUTCOME", "DETAILS", "FROM", "REQUEST", "HASH",
        ];
        if wide { &ALL } else { &ALL[..7] }
    }

    fn row(&self, wide: bool, _now: Timestamp) -> Vec<Cell> {
        let mut row: Vec<Cell> = vec![
            self.name.as_str().into(),
            self.text("time").into(),
            self.who().into(),
            self.text("action").into(),
            self.resource().into(),
            self.outcome(),
            self.what().into(),
        ];
        if wide {
            row.extend([self.text("peer").into(), self.text("request").into(), self.entry.hash.into()]);
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        Self::columns(true).iter().copied().zip(self.row(true, now)).collect()
    }
}
