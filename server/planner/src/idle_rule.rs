//! Which rule of idleness holds for a workspace, where several places say something.
//!
//! The nearest says how long: the workspace, its project, the groups from within, the organisation. Nobody says longer than the strictest
//! maximum of all that is around it. An agent's figure is both: it was the rule of all its workspaces, and nobody could lift it.

use berth_schema::FieldError;
use berth_schema::configuration::LifecycleRules;
use berth_schema::idle::{IdleAfter, IdleBy, IdleInForce, IdleMax, IdleRule, IdleSaid, MAX_MINUTES, MINUTES};
use berth_schema::names::AgentName;

/// What one place says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub by: IdleBy,
    pub rule: IdleRule,
}

impl Said {
    /// Of an agent whose configuration has that figure.
    pub fn of_agent(name: AgentName, minutes: Option<u32>) -> Self {
        let rule = IdleRule { stop_after: minutes.map(IdleAfter::Minutes), max_minutes: minutes };
        Self { by: IdleBy::Agent(name), rule }
    }
}

/// What holds where all of a chain is around a workspace, the outermost first and the workspace itself last; `None`: nobody says anything.
pub fn in_force(chain: &[Said]) -> Option<IdleInForce> {
    let wished = chain.iter().rev().find_map(|said| {
        let stop_after = said.rule.stop_after?;
        Some(IdleSaid { stop_after, by: said.by.clone() })
    });
    let max = strictest(chain);
    let at_most = max.clone().map(|max| IdleSaid { stop_after: IdleAfter::Minutes(max.minutes), by: max.by });
    let (said, in_place_of) = match (wished, at_most) {
        (Some(wished), Some(most)) if wished.stop_after > most.stop_after => (most, Some(wished)),
        (Some(wished), _) => (wished, None),
        // Whoever says how long at most, and nobody how long, has said how long.
        (None, Some(most)) => (most, None),
        (None, None) => return None,
    };
    Some(IdleInForce { said, in_place_of, max })
}

/// The lifecycle rules of an agent for a workspace of it for which that rule of idleness holds.
pub fn over(rules: LifecycleRules, in_force: Option<&IdleInForce>) -> LifecycleRules {
    let idle_minutes_before_stop = in_force.and_then(|rule| rule.said.stop_after.minutes());
    LifecycleRules { idle_minutes_before_stop, ..rules }
}

/// The lowest maximum; of several that are alike the outermost.
fn strictest(chain: &[Said]) -> Option<IdleMax> {
    let all = chain
        .iter()
        .filter_map(|said| Some(IdleMax { minutes: said.rule.max_minutes?, by: said.by.clone() }));
    all.min_by_key(|max| max.minutes)
}

/// What of a rule those around it do not allow, `around` as above and without itself.
pub fn objections(around: &[Said], rule: &IdleRule) -> Vec<FieldError> {
    let Some(max) = strictest(around) else { return Vec::new() };
    let asked = [(MINUTES, rule.stop_after), (MAX_MINUTES, rule.max_minutes.map(IdleAfter::Minutes))];
    let beyond = asked
        .into_iter()
        .filter(|(_, asked)| asked.is_some_and(|asked| asked > IdleAfter::Minutes(max.minutes)));
    let told = |(field, _)| {
        FieldError::new(
            field,
            format!("must be at most {} minutes: {} sets that maximum", max.minutes, max.by),
        )
    };
    beyond.map(told).collect()
}

#[cfg(test)]
#[path = "idle_rule_tests.rs"]
mod tests;
