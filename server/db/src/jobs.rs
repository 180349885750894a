//! What concerns the whole database, asked by a role that sees ids alone (`berth_jobs`).

use std::collections::BTreeMap;

use berth_schema::OrganizationId;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DbError;
use crate::schema::{
    elevations, organizations, proxy_copies, scope_data_keys, signing_keys, workspace_data_keys,
};
use crate::{connect, roles};

/// How many organisations are named for each generation of the key-encryption key.
const NAMED: usize = 8;

/// Every organisation's id, for a job that then works in the scope of each.
pub async fn every_organization(url: &str) -> Result<Vec<OrganizationId>, DbError> {
    let mut connection = connect::as_jobs(&connect::parse(url)?).await?;
    let ids: Vec<Uuid> =
        organizations::table.select(organizations::id).order(organizations::id).load(&mut connection).await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// In which organisations a role for a time ends, or nobody may decide about one any more, and the record does not say so yet.
pub async fn organizations_with_due_elevations(
    url: &str,
    now: Timestamp,
) -> Result<Vec<OrganizationId>, DbError> {
    let mut connection = connect::as_jobs(&connect::parse(url)?).await?;
    let ids: Vec<Uuid> = elevations::table
        .filter(elevations::due_at.le(jiff_diesel::Timestamp::from(now)))
        .select(elevations::organization_id)
        .distinct()
        .order(elevations::organization_id)
        .load(&mut connection)
        .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// Forgets the copies of proxies that have told nothing since then, and with them whoever was connected through them. Answers with how
/// many copies that were.
pub async fn forget_silent_proxies(url: &str, silent_since: Timestamp) -> Result<usize, DbError> {
    let mut connection = connect::as_jobs(&connect::parse(url)?).await?;
    let silent = diesel::delete(proxy_copies::table)
        .filter(proxy_copies::told_at.lt(jiff_diesel::Timestamp::from(silent_since)));
    Ok(silent.execute(&mut connection).await?)
}

/// The generations of the key-encryption key that wrap anything, each with a few organisations whose data keys it wraps: none
/// where only signing keys are under it.
pub async fn generations_in_use(url: &str) -> Result<BTreeMap<String, Vec<OrganizationId>>, DbError> {
    let mut connection = connect::as_jobs(&connect::parse(url)?).await?;
    let of_workspaces: Vec<(String, Uuid)> = workspace_data_keys::table
        .select((workspace_data_keys::kek_id, workspace_data_keys::organization_id))
        .distinct()
        .load(&mut connection)
        .await?;
    let of_scopes: Vec<(String, Uuid)> = scope_data_keys::table
        .select((scope_data_keys::kek_id, scope_data_keys::organization_id))
        .distinct()
        .load(&mut connection)
        .await?;
    let of_signing_keys: Vec<String> =
        signing_keys::table.select(signing_keys::kek_id).distinct().load(&mut connection).await?;
    let mut generations: BTreeMap<String, Vec<OrganizationId>> =
        of_signing_keys.into_iter().map(|generation| (generation, Vec::new())).collect();
    for (generation, organization) in of_workspaces.into_iter().chain(of_scopes) {
        let named = generations.entry(generation).or_default();
        let organization = OrganizationId::from(organization);
        if named.len() < NAMED && !named.contains(&organization) {
            named.push(organization);
        }
    }
    Ok(generations)
}

/// What a whole copy of a database has and this one lacks: rows that another row cannot be without. `None`: nothing. A copy that
/// was made with the rights of somebody from whom policies hide rows looks like that.
pub async fn missing_rows(url: &str) -> Result<Option<String>, DbError> {
    let client = roles::client(url).await?;
    client.batch_execute("SET ROLE berth_jobs; SET statement_timeout = 60000").await?;
    Ok(client.query_one(MISSING_ROWS, &[]).await?.get(0))
}

/// An organisation is made together with a token, and neither tokens nor agents are ever deleted.
const MISSING_ROWS: &str = "
SELECT CASE
    WHEN EXISTS (SELECT FROM installation) AND NOT EXISTS (SELECT FROM organizations) THEN 'the organizations'
    WHEN EXISTS (SELECT FROM organizations o
                 WHERE NOT EXISTS (SELECT FROM access_tokens t WHERE t.organization_id = o.id))
        THEN 'the access tokens of an organization'
    WHEN EXISTS (SELECT FROM workspaces w
                 WHERE NOT EXISTS (SELECT FROM agents a WHERE a.organization_id = w.organization_id AND a.id = w.agent_id))
        THEN 'the agent of a workspace'
END";
