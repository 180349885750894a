//! Whether there is room for one more, or for more of one.

use berth_schema::configuration::{Quota, Quotas};
use berth_schema::quantity::{self, Unit};
use berth_schema::spec::{Demand, Resources};
use berth_schema::{DesiredState, FieldError};

/// What is used of everything that a quota may limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub workspaces: u128,
    pub running: u128,
    /// Of the running ones.
    pub cpu_millis: u128,
    /// Of the running ones.
    pub memory_bytes: u128,
}

impl Usage {
    /// What one workspace uses. Containers without a limit of their own get the default one.
    pub fn of(desired: DesiredState, demand: &Demand, defaults: &Resources) -> Self {
        let runs = matches!(desired, DesiredState::Running | DesiredState::RestartRequested);
        Self {
            workspaces: u128::from(desired != DesiredState::Terminated),
            running: u128::from(runs),
            ..if runs { Self::amounts(demand, defaults) } else { Self::default() }
        }
    }

    /// CPU and memory of what is asked for, with the defaults for what is not.
    pub fn amounts(demand: &Demand, defaults: &Resources) -> Self {
        let default = |text: &Option<String>, unit| {
            text.as_ref().and_then(|text| quantity::parse(text, unit)).unwrap_or(0)
        };
        let sum = |explicit: u64, missing: u32, default: u128| {
            u128::from(explicit).saturating_add(default.saturating_mul(missing.into()))
        };
        Self {
            cpu_millis: sum(
                demand.cpu_millis,
                demand.cpu_defaults,
                default(&defaults.cpu_limit, Unit::Milli),
            ),
            memory_bytes: sum(
                demand.memory_bytes,
                demand.memory_defaults,
                default(&defaults.memory_limit, Unit::Whole),
            ),
            ..Self::default()
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            workspaces: self.workspaces.saturating_add(other.workspaces),
            running: self.running.saturating_add(other.running),
            cpu_millis: self.cpu_millis.saturating_add(other.cpu_millis),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }
}

/// A change of one workspace: what it uses before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub before: Usage,
    pub after: Usage,
}

/// Every quota that the change would pass, each by its field and with the limit and the use. `agent` and `user` are what
/// all other workspaces use. A change that takes no more of something is never refused for it: somebody may have lowered
/// the quota meanwhile, and stopping must always be possible.
pub fn check(quotas: &Quotas, agent: Usage, user: Usage, change: Change) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (whose, quota, others) in [("agent", &quotas.agent, agent), ("user", &quotas.user, user)] {
        for dimension in dimensions(quota) {
            let (before, after) = ((dimension.of)(&change.before), (dimension.of)(&change.after));
            let others = (dimension.of)(&others);
            let Some(most) = dimension.most else { continue };
            if after > before && others.saturating_add(after) > most {
                let words = dimension.words;
                let taken = others.saturating_add(before);
                let message = format!(
                    "the {whose}'s quota of {} is {}, and {} of it are used; this needs {} more",
                    dimension.name,
                    words(most),
                    words(taken),
                    words(after - before),
                );
                errors.push(FieldError::new(format!("quotas.{whose}.{}", dimension.field), message));
            }
        }
    }
    errors
}

struct Dimension {
    field: &'static str,
    name: &'static str,
    most: Option<u128>,
    of: fn(&Usage) -> u128,
    words: fn(u128) -> String,
}

fn dimensions(quota: &Quota) -> [Dimension; 4] {
    let amount = |text: &Option<String>, unit| text.as_ref().and_then(|text| quantity::parse(text, unit));
    [
        Dimension {
            field: "workspaces",
            name: "workspaces",
            most: quota.workspaces.map(u128::from),
            of: |usage| usage.workspaces,
            words: |count| count.to_string(),
        },
        Dimension {
            field: "running",
            name: "running workspaces",
            most: quota.running.map(u128::from),
            of: |usage| usage.running,
            words: |count| count.to_string(),
        },
        Dimension {
            field: "cpu",
            name: "CPU",
            most: amount(&quota.cpu, Unit::Milli),
            of: |usage| usage.cpu_millis,
            words: |amount| quantity::words(amount, Unit::Milli),
        },
        Dimension {
            field: "memory",
            name: "memory",
            most: amount(&quota.memory, Unit::Whole),
            of: |usage| usage.memory_bytes,
            words: |amount| quantity::words(amount, Unit::Whole),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use DesiredState::{RestartRequested, Running, Stopped, Terminated};

    const GIB: u128 = 1 << 30;

    fn quotas() -> Quotas {
        let text = |text: &str| Some(text.to_owned());
        Quotas {
            agent: Quota { workspaces: Some(20), running: Some(10), cpu: text("8"), memory: text("16Gi") },
            user: Quota { workspaces: Some(2), ..Quota::default() },
        }
    }

    fn usage(workspaces: u128, running: u128) -> Usage {
        Usage { workspaces, running, cpu_millis: running * 500, memory_bytes: running * GIB }
    }

    fn creation() -> Change {
        Change { before: Usage::default(), after: usage(1, 1) }
    }

    fn fields(errors: &[FieldError]) -> Vec<&str> {
        errors.iter().map(|error| error.field.as_str()).collect()
    }

    #[test]
    fn the_last_place_is_given_and_no_other() {
        assert_eq!(check(&quotas(), usage(19, 9), usage(1, 1), creation()), []);
        let errors = check(&quotas(), usage(20, 9), usage(2, 1), creation());
        assert_eq!(fields(&errors), ["quotas.agent.workspaces", "quotas.user.workspaces"]);
        assert_eq!(
            errors[0].message,
            "the agent's quota of workspaces is 20, and 20 of it are used; this needs 1 more"
        );
    }

    #[test]
    fn amounts_are_told_in_their_units() {
        let others = Usage { cpu_millis: 7_600, memory_bytes: 16 * GIB - 1, ..Usage::default() };
        let errors = check(&quotas(), others, Usage::default(), creation());
        assert_eq!(fields(&errors), ["quotas.agent.cpu", "quotas.agent.memory"]);
        assert!(errors[0].message.contains("is 8, and 7600m of it"), "{}", errors[0].message);
        assert!(errors[1].message.contains("is 16Gi"), "{}", errors[1].message);
    }

    #[test]
    fn what_a_workspace_has_already_is_told_as_used() {
        let before = Usage { cpu_millis: 1_000, ..usage(1, 1) };
        let after = Usage { cpu_millis: 3_000, ..before };
        let others = Usage { cpu_millis: 6_000, ..Usage::default() };
        let errors = check(&quotas(), others, Usage::default(), Change { before, after });
        let expected = "the agent's quota of CPU is 8, and 7 of it are used; this needs 2 more";
        assert_eq!((errors.len(), errors[0].message.as_str()), (1, expected));
    }

    #[test]
    fn what_takes_no_more_is_not_refused() {
        let (demand, defaults) =
            (Demand { cpu_defaults: 1, memory_defaults: 1, ..Demand::default() }, Resources::default());
        let of = |desired| Usage::of(desired, &demand, &defaults);
        let beyond = usage(50, 50);
        for (before, after) in
            [(Running, Stopped), (Stopped, Terminated), (Running, RestartRequested), (Stopped, Stopped)]
        {
            let change = Change { before: of(before), after: of(after) };
            assert_eq!(check(&quotas(), beyond, beyond, change), [], "{before} to {after}");
        }
        let start = Change { before: of(Stopped), after: of(Running) };
        assert_eq!(fields(&check(&quotas(), beyond, beyond, start)), ["quotas.agent.running"]);
    }

    #[test]
    fn a_container_that_says_nothing_counts_with_the_default() {
        let defaults = Resources {
            cpu_limit: Some("1".to_owned()),
            memory_limit: Some("512Mi".to_owned()),
            ..Resources::default()
        };
        let demand = Demand { cpu_millis: 250, cpu_defaults: 2, memory_bytes: 0, memory_defaults: 1 };
        let used = Usage::of(Running, &demand, &defaults);
        assert_eq!((used.cpu_millis, used.memory_bytes), (2_250, GIB / 2));
        assert_eq!(Usage::of(Stopped, &demand, &defaults).cpu_millis, 0, "what is stopped takes none");
    }
}
