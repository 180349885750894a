//! Signed codes that were exchanged.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DbError;
use crate::schema::spent_codes;
use crate::scope::OrganizationConn;

/// Those of the account.
#[derive(Debug)]
pub struct SpentCodes<'a>(pub(crate) &'a OrganizationConn<'a>);

impl SpentCodes<'_> {
    /// Remembers one until nobody believes it any more, and forgets those of before. Of several who spend it at once, one is told
    /// `true`.
    pub async fn spend(&self, id: Uuid, expires_at: Timestamp, now: Timestamp) -> Result<bool, DbError> {
        let account = spent_codes::account_id.eq(self.0.account_key());
        let over = diesel::delete(spent_codes::table)
            .filter(account)
            .filter(spent_codes::expires_at.le(jiff_diesel::Timestamp::from(now)));
        self.0.run(over.execute(&mut self.0.raw())).await?;
        let statement = diesel::insert_into(spent_codes::table)
            .values((
                account,
                spent_codes::id.eq(id),
                spent_codes::expires_at.eq(jiff_diesel::Timestamp::from(expires_at)),
            ))
            .on_conflict_do_nothing();
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }
}
