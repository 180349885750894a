//! What cannot be read of one workspace: in what its agent reports, or in its row. It stays for good, like an odd annotation, a
//! registry's answer, or what another version of the server wrote.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use berth_schema::WorkspaceId;
use berth_schema::reconcile::ReconcileRequest;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::store::Row;

/// Numbers choose among the known cases, modulo how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Poison {
    /// Every text of its reports holds what cannot be stored.
    Text,
    /// Its reports prove a generation that nobody of ours has written.
    Generation(usize),
    /// Its reports hold something of a wrong type, or out of its range.
    Field(usize),
    /// This version of the server cannot read a column of its row.
    Row,
}

const HOSTILE: &str = "\0\u{202e}\u{1b}[31m\n";

fn generations() -> [Value; 8] {
    [
        json!(-1),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1_i64 << 53),
        json!(1_i64 << 40),
        json!(1.5),
        json!(1e300),
    ]
}

fn fields() -> [(&'static str, Value); 9] {
    [
        ("name", json!(7)),
        ("name", json!("a\0b")),
        ("namespace", json!({})),
        ("live_pods", json!("many")),
        ("live_pods", json!(-1)),
        ("live_pods", json!(1_u64 << 32)),
        ("variables_missing", json!("\0")),
        ("error_details", json!([1])),
        ("termination_progress", json!("Evaporated")),
    ]
}

impl Poison {
    pub(crate) fn draw(dice: &Dice) -> Self {
        match dice.below(4) {
            0 => Self::Text,
            1 => Self::Generation(dice.below(generations().len())),
            2 => Self::Field(dice.below(fields().len())),
            _ => Self::Row,
        }
    }

    fn spoil(self, report: &mut Value) {
        match self {
            Self::Text => spoil_texts(report),
            Self::Generation(number) => {
                let known = generations();
                report["applied_generation"] = known[number % known.len()].clone();
            }
            Self::Field(number) => {
                let known = fields();
                let (field, value) = &known[number % known.len()];
                report[*field] = value.clone();
            }
            Self::Row => {}
        }
    }
}

/// The words of others: not those by which the agent knows that it was answered.
fn spoil_texts(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (field, inner) in fields.iter_mut() {
                match inner {
                    Value::String(text) if field == "message" || field == "error_message" => {
                        text.insert_str(0, HOSTILE);
                    }
                    _ => spoil_texts(inner),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(spoil_texts),
        _ => {}
    }
}

/// What is poisoned in a world. One per world.
#[derive(Debug, Default)]
pub struct Poisons {
    all: RefCell<BTreeMap<WorkspaceId, BTreeSet<Poison>>>,
    /// Whose reports could not be read when they were heard last.
    unread: RefCell<BTreeSet<WorkspaceId>>,
}

impl Poisons {
    pub fn add(&self, workspace: WorkspaceId, poison: Poison) {
        self.all.borrow_mut().entry(workspace).or_default().insert(poison);
    }

    fn any(&self, workspace: WorkspaceId, wanted: impl Fn(&Poison) -> bool) -> bool {
        self.all.borrow().get(&workspace).is_some_and(|poisons| poisons.iter().any(wanted))
    }

    /// Whether its row cannot be read.
    pub fn row(&self, workspace: WorkspaceId) -> bool {
        self.any(workspace, |poison| *poison == Poison::Row)
    }

    /// Whether it can never be seen to be as wanted.
    pub fn hides(&self, workspace: WorkspaceId) -> bool {
        self.any(workspace, |poison| *poison != Poison::Text)
    }

    /// Whether what was heard of it last could not be read.
    pub fn is_unread(&self, workspace: WorkspaceId) -> bool {
        self.unread.borrow().contains(&workspace)
    }

    /// A message as it arrives: as JSON where something of it is poisoned. What says that a workspace is gone says nothing
    /// of what was wrong with it.
    pub fn hear(&self, request: &ReconcileRequest) -> Option<ReconcileRequest> {
        let all = self.all.borrow();
        let spoilt = request.workspace_agent_infos.ids().any(|id| all.contains_key(&id));
        if !spoilt {
            return None;
        }
        let mut message = serde_json::to_value(request).ok()?;
        for report in message["workspace_agent_infos"].as_array_mut()? {
            let id = serde_json::from_value(report["workspace_id"].clone()).ok()?;
            if report["termination_progress"] == "Terminated" {
                continue;
            }
            for poison in all.get(&id).into_iter().flatten() {
                poison.spoil(report);
            }
        }
        let heard: ReconcileRequest = serde_json::from_value(message).ok()?;
        let mut unread = self.unread.borrow_mut();
        for id in heard.workspace_agent_infos.ids() {
            match heard.workspace_agent_infos.unreadable(id) {
                Some(_) => unread.insert(id),
                None => unread.remove(&id),
            };
        }
        Some(heard)
    }

    /// A row as this version of the server reads it.
    pub fn read(&self, mut row: Row) -> Row {
        if self.row(row.workspace.id) {
            row.unreadable();
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::reconcile::WorkspaceAgentInfo;

    fn report() -> Value {
        json!({
            "workspace_id": uuid::Uuid::nil(), "name": "w", "namespace": "berth-w", "applied_generation": 1, "live_pods": 1,
            "error_details": {"error_type": "kubernetes", "error_message": "größer als erlaubt"},
        })
    }

    #[test]
    fn a_poisoned_field_cannot_be_read_and_everything_else_can() {
        for number in 0..fields().len() {
            let mut poisoned = report();
            Poison::Field(number).spoil(&mut poisoned);
            assert!(serde_json::from_value::<WorkspaceAgentInfo>(poisoned.clone()).is_err(), "{poisoned}");
        }
        for number in 0..generations().len() {
            let mut poisoned = report();
            Poison::Generation(number).spoil(&mut poisoned);
            assert!(serde_json::from_value::<WorkspaceAgentInfo>(poisoned.clone()).is_ok(), "{poisoned}");
        }
        let mut poisoned = report();
        Poison::Text.spoil(&mut poisoned);
        assert_ne!(poisoned, report());
        assert!(serde_json::from_value::<WorkspaceAgentInfo>(poisoned).is_ok());
    }
}
