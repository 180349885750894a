//! What on record may end connections to workspaces: read on from where somebody knows it.

use berth_schema::Action;
use berth_schema::audit::{Concern, Internal, Record, Use, What};
use diesel::dsl::max;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::Audit;
use crate::error::DbError;
use crate::schema::audit_records;

/// What happened after a place in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesSince {
    /// The newest record's sequence; 0: there is none.
    pub head: i64,
    /// Whom what came after the place concerns, each once.
    pub concerns: Vec<Concern>,
}

impl Audit<'_> {
    /// The newest record's sequence; 0: there is none. Whatever is read after it, in the same transaction, has seen that record's change.
    pub async fn head(&self) -> Result<i64, DbError> {
        let query = audit_records::table
            .filter(audit_records::organization_id.eq(self.0.key()))
            .select(max(audit_records::sequence));
        let head: Option<i64> = self.0.run(query.get_result(&mut self.0.raw())).await?;
        Ok(head.unwrap_or(0))
    }

    /// Whom the records after `after` concern. More than `limit` of those concern everybody.
    pub async fn changes_since(&self, of: Use, after: i64, limit: i64) -> Result<ChangesSince, DbError> {
        let head = self.head().await?;
        if head <= after {
            return Ok(ChangesSince { head, concerns: Vec::new() });
        }
        // What this version does not know stays in: it concerns everybody.
        let query = audit_records::table
            .filter(audit_records::organization_id.eq(self.0.key()))
            .filter(audit_records::sequence.gt(after).and(audit_records::sequence.le(head)))
            .filter(audit_records::outcome.eq("done"))
            .filter(audit_records::action.ne_all(without_concern(of)))
            .select(audit_records::record)
            .order(audit_records::sequence.asc())
            .limit(limit + 1);
        let records: Vec<Vec<u8>> = self.0.run(query.load(&mut self.0.raw())).await?;
        if i64::try_from(records.len()).unwrap_or(i64::MAX) > limit {
            return Ok(ChangesSince { head, concerns: vec![Concern::Everybody] });
        }
        let mut concerns = Vec::new();
        for bytes in records {
            let concern = match serde_json::from_slice::<Record>(&bytes) {
                Ok(record) => record.concern(of),
                Err(_) => Some(Concern::Everybody),
            };
            concerns.extend(concern.filter(|concern| !concerns.contains(concern)));
        }
        Ok(ChangesSince { head, concerns })
    }
}

fn without_concern(of: Use) -> Vec<&'static str> {
    let actions = Action::ALL.iter().copied().map(What::Action);
    let all = actions.chain(Internal::ALL.iter().copied().map(What::Internal));
    all.filter(|what| what.concerns_nobody(of)).map(What::as_str).collect()
}
