//! What is on record: exactly one record of each change, none of what was not done, and nothing in it that is secret.

mod changes;
mod denials;
mod listing;
mod own;
mod people;
mod world;

use berth_audit_chain::{Export, verify};
use berth_schema::api::Paged;
use berth_schema::audit::{Digest, Entry, Outcome, Record};
use serde_json::Value;

use crate::support::{Admin, Requests};

/// What must never be on record.
const CANARY: &str = "hunter2-canary-value";

/// Everything of an organisation, the oldest first, as one page after the other gives it. The chain holds.
pub(crate) async fn records(admin: &Admin) -> Vec<Record> {
    let mut entries: Vec<Entry<Value>> = Vec::new();
    loop {
        let from = entries.len() + 1;
        let path = admin.path(&format!("/audit?limit=100&from={from}"));
        let page: Paged<Entry<Value>> = admin.get(&path).await.expect(200);
        if page.items.is_empty() {
            break;
        }
        entries.extend(page.items);
    }
    let mut bytes = Vec::new();
    let mut export = Export::begin(&mut bytes, admin.organization(), 1, Digest::ZERO).expect("a head");
    for (sequence, entry) in (1..).zip(&entries) {
        export.entry(sequence, entry).expect("an entry");
    }
    export.end().expect("an end");
    let verified = verify(bytes.as_slice()).expect("the chain holds");
    assert_eq!(verified.last, entries.len() as u64);
    let read = |entry: Entry<Value>| serde_json::from_value(entry.record).expect("a record");
    entries.into_iter().map(read).collect()
}

/// What is on record since there were so many.
pub(crate) async fn since(admin: &Admin, before: usize) -> Vec<Record> {
    records(admin).await.split_off(before)
}
fn why(reason: &str) -> Outcome {
    Outcome::Denied(reason.to_owned())
}
