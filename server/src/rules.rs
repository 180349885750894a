//! The rules of organisations, compiled once for each version.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use berth_db::{Database, DbError};
use berth_policy::{Policies, Rules};
use berth_schema::OrganizationId;
use tracing::error;

/// Organisations whose rules are kept; beyond it all are forgotten, and read again.
const KEPT: usize = 1_000;

type Kept = HashMap<OrganizationId, (i64, Arc<Policies>)>;

/// By organisation, the version that was asked for last. A version never changes, so that nothing here is ever stale: which
/// one holds is read with each proof.
#[derive(Clone, Debug)]
pub struct CompiledRules {
    built_in: Arc<Policies>,
    kept: Arc<Mutex<Kept>>,
}

impl Default for CompiledRules {
    fn default() -> Self {
        Self { built_in: Arc::new(compiled(None)), kept: Arc::default() }
    }
}

impl CompiledRules {
    /// What holds where an organisation has written nothing. The platform's rules are in every set.
    pub fn built_in(&self) -> &Policies {
        &self.built_in
    }

    /// The rules of an organisation's version; `None`: the built-in ones.
    pub async fn of(
        &self,
        database: &Database,
        organization: OrganizationId,
        version: Option<i64>,
    ) -> Result<Arc<Policies>, DbError> {
        let Some(version) = version else { return Ok(Arc::clone(&self.built_in)) };
        if let Some(policies) = self.find(organization, version) {
            return Ok(policies);
        }
        let row = database
            .read(organization, "load_policy", async |conn| conn.policy_versions().find(version).await)
            .await?;
        // A version that is not there is no leave to do anything.
        let policies = match row.map(|row| row.rules) {
            Some(None) => Arc::clone(&self.built_in),
            Some(Some(rules)) => Arc::new(compiled(Some(&rules))),
            None => Arc::new(Policies::nothing()),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(organization, (version, Arc::clone(&policies)));
        Ok(policies)
    }

    fn find(&self, organization: OrganizationId, version: i64) -> Option<Arc<Policies>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&organization).filter(|(kept, _)| *kept == version).map(|(_, policies)| Arc::clone(policies))
    }
}

/// Rules that were checked when they were taken; `None`: the built-in ones. What cannot be read permits nothing.
fn compiled(rules: Option<&str>) -> Policies {
    let read = match rules {
        None => Policies::built_in(),
        Some(rules) => Rules::read(rules).and_then(|rules| Policies::new(&rules)),
    };
    read.unwrap_or_else(|errors| {
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        error!(
            errors = errors.len(),
            first, "the rules of an organisation cannot be read: nothing is permitted"
        );
        Policies::nothing()
    })
}
