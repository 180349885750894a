//! Other resources for a workspace that exists.

use berth_schema::api::ResizeWorkspace;
use berth_schema::prerequisites::StorageClass;
use berth_schema::quantity::{self, Unit};
use berth_schema::spec::{Growth, StorageSpec, WorkspaceSpec};
use berth_schema::{AgentConfiguration, FieldError, Generation};

use crate::quota::Usage;
use crate::{config, volumes};

/// Where the workspace stands when its resize is decided.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub generation: Generation,
    /// What the cluster proved last.
    pub applied_generation: Generation,
    /// What the cluster has told of its storage classes.
    pub classes: &'a [StorageClass],
}

/// The spec with the wished resources, or everything that is wrong with the wish. `configuration` is what holds for the
/// agent, `defaults` are the server's own options.
pub fn resize(
    spec: &WorkspaceSpec,
    wish: &ResizeWorkspace,
    standing: Standing<'_>,
    configuration: &AgentConfiguration,
    defaults: &AgentConfiguration,
) -> Result<WorkspaceSpec, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut resized = spec.clone();
    if wish.cpu.is_none() && wish.memory.is_none() && wish.disk.is_none() {
        errors.push(FieldError::new("body", "one of 'cpu', 'memory' and 'disk' is needed"));
    }
    let mut checked = |field: &str, text: &Option<String>, check: fn(&str) -> Result<(), String>| {
        let text = text.as_ref()?;
        check(text)
            .map_err(|message| errors.push(FieldError::new(field, message)))
            .ok()
            .map(|()| text.clone())
    };
    let cpu = checked("cpu", &wish.cpu, berth_schema::configuration::check_cpu);
    let memory = checked("memory", &wish.memory, berth_schema::configuration::check_bytes);
    let disk = checked("disk", &wish.disk, berth_schema::configuration::check_bytes);
    if let Some(main) = resized.containers.iter_mut().find(|container| container.main) {
        let own = &mut main.resources;
        errors.extend(below_request("cpu", cpu.as_ref(), own.cpu_request.as_ref(), Unit::Milli));
        errors.extend(below_request("memory", memory.as_ref(), own.memory_request.as_ref(), Unit::Whole));
        own.cpu_limit = cpu.or(own.cpu_limit.take());
        own.memory_limit = memory.or(own.memory_limit.take());
    }
    resized.settle_limits(&configuration.default_resources);
    if let Some(disk) = disk {
        let before = spec.storage.clone().unwrap_or_else(|| config::storage(defaults));
        match grow(before, disk, standing) {
            Ok(storage) => resized.storage = Some(storage),
            Err(message) => errors.push(FieldError::new("disk", message)),
        }
    }
    if errors.is_empty() {
        errors.extend(too_large(spec, &resized, configuration));
    }
    if errors.is_empty() { Ok(resized) } else { Err(errors) }
}

/// A limit below what the devfile requests: neither of them is cut in silence.
fn below_request(
    field: &str,
    limit: Option<&String>,
    request: Option<&String>,
    unit: Unit,
) -> Option<FieldError> {
    let (limit, request) = (limit?, request?);
    let message =
        format!("is less than the {request} that the devfile requests; rebuild with a smaller request");
    (quantity::parse(limit, unit) < quantity::parse(request, unit)).then(|| FieldError::new(field, message))
}

/// A volume only grows. A growth that was never proven may be taken back, as far as to where it began: the cluster may
/// have refused it. What was never in the cluster is made at any size.
fn grow(before: StorageSpec, size: String, standing: Standing<'_>) -> Result<StorageSpec, String> {
    let bytes = |text: &str| quantity::parse(text, Unit::Whole);
    let (old, new) = (bytes(&before.size), bytes(&size));
    if new >= old {
        // Whatever is unproven began where the first of it began.
        let unproven = before.grown.filter(|growth| standing.applied_generation < growth.generation);
        let from = unproven.map_or(before.size, |growth| growth.from);
        let fixed = volumes::fixed_class(before.class.as_deref(), standing.classes);
        let is_there = standing.applied_generation > Generation::default();
        if let Some(class) = fixed.filter(|_| is_there && new > bytes(&from)) {
            return Err(format!("is more than {from}, and the storage class '{class}' lets no volume grow"));
        }
        let generation = standing.generation.next();
        return Ok(StorageSpec { size, grown: Some(Growth { from, generation }), ..before });
    }
    match &before.grown {
        Some(growth) if standing.applied_generation < growth.generation && new >= bytes(&growth.from) => {
            Ok(StorageSpec { size, ..before })
        }
        _ => Err(format!("is less than the {} that the volume has; a volume cannot shrink", before.size)),
    }
}

/// What passes the maximum, and more of it than before: somebody may have lowered the maximum since.
fn too_large(
    before: &WorkspaceSpec,
    after: &WorkspaceSpec,
    configuration: &AgentConfiguration,
) -> Vec<FieldError> {
    let amounts = |spec: &WorkspaceSpec| Usage::amounts(&spec.demand(), &configuration.default_resources);
    let mut settled = before.clone();
    settled.settle_limits(&configuration.default_resources);
    let (before, after) = (amounts(&settled), amounts(after));
    let (max_cpu, max_memory) = configuration.max_resources.amounts();
    let of = |field: &str, name: &str, before: u128, after: u128, max: Option<u128>, unit| {
        let max = max.filter(|max| after > *max && after > before)?;
        let words = |amount| quantity::words(amount, unit);
        let message = format!(
            "would give the workspace's containers {} of {name} together, at most {} are allowed",
            words(after),
            words(max)
        );
        Some(FieldError::new(field, message))
    };
    let cpu = of("cpu", "CPU", before.cpu_millis, after.cpu_millis, max_cpu, Unit::Milli);
    let memory = of("memory", "memory", before.memory_bytes, after.memory_bytes, max_memory, Unit::Whole);
    cpu.into_iter().chain(memory).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn configuration(document: &Value) -> AgentConfiguration {
        let built_in = AgentConfiguration::built_in();
        AgentConfiguration::read(document, &built_in).expect("it is right").over(&built_in)
    }

    fn standing(generation: i64, applied: i64) -> Standing<'static> {
        Standing {
            generation: Generation::of(generation),
            applied_generation: Generation::of(applied),
            classes: &[],
        }
    }

    fn wish(document: &Value) -> ResizeWorkspace {
        serde_json::from_value(document.clone()).expect("a wish")
    }

    fn settled() -> WorkspaceSpec {
        let mut spec = WorkspaceSpec::from_image("a");
        config::settle(
            &mut spec,
            &configuration(&json!({"volume_size": "2Gi"})),
            &AgentConfiguration::built_in(),
        );
        spec
    }

    fn resized(
        spec: &WorkspaceSpec,
        document: &Value,
        at: Standing<'_>,
    ) -> Result<WorkspaceSpec, Vec<FieldError>> {
        let built_in = AgentConfiguration::built_in();
        let max = configuration(&json!({"max_resources": {"cpu": "4", "memory": "8Gi"}}));
        resize(spec, &wish(document), at, &max, &built_in)
    }

    fn refused(spec: &WorkspaceSpec, document: &Value, at: Standing<'_>) -> Vec<String> {
        let errors = resized(spec, document, at).expect_err("refused");
        errors.into_iter().map(|error| format!("{}: {}", error.field, error.message)).collect()
    }

    #[test]
    fn what_is_wished_is_changed_and_nothing_else() {
        let spec = resized(&settled(), &json!({"cpu": "2"}), standing(1, 1)).expect("allowed");
        let main = spec.main().expect("a main container");
        assert_eq!(main.resources.cpu_limit.as_deref(), Some("2"));
        assert_eq!(main.resources.memory_limit, None);
        assert_eq!(spec.storage, settled().storage);
        let spec = resized(&spec, &json!({"memory": "1Gi", "disk": "3Gi"}), standing(2, 2)).expect("allowed");
        let main = spec.main().expect("a main container");
        assert_eq!(main.resources.cpu_limit.as_deref(), Some("2"), "of the first time");
        assert_eq!(main.resources.memory_limit.as_deref(), Some("1Gi"));
        assert_eq!(spec.storage.expect("settled").size, "3Gi");
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let told = refused(&settled(), &json!({"cpu": "two", "memory": "1", "disk": "1Gi"}), standing(1, 1));
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(told[2], "disk: is less than the 2Gi that the volume has; a volume cannot shrink");
        assert_eq!(refused(&settled(), &json!({}), standing(1, 1)).len(), 1);
    }

    #[test]
    fn the_maximum_holds_for_what_grows() {
        let told = refused(&settled(), &json!({"cpu": "5", "memory": "9Gi"}), standing(1, 1));
        assert_eq!(
            told,
            [
                "cpu: would give the workspace's containers 5 of CPU together, at most 4 are allowed",
                "memory: would give the workspace's containers 9Gi of memory together, at most 8Gi are allowed",
            ]
        );
        let mut large = settled();
        large.containers[0].resources.cpu_limit = Some("16".to_owned());
        assert!(resized(&large, &json!({"cpu": "8"}), standing(1, 1)).is_ok(), "less than before");
    }

    #[test]
    fn a_limit_below_what_is_requested_is_refused_and_not_cut() {
        let mut spec = settled();
        spec.containers[0].resources.cpu_request = Some("2".to_owned());
        spec.containers[0].resources.memory_request = Some("4Gi".to_owned());
        assert_eq!(
            refused(&spec, &json!({"cpu": "1999m", "memory": "4095Mi"}), standing(1, 1)),
            [
                "cpu: is less than the 2 that the devfile requests; rebuild with a smaller request",
                "memory: is less than the 4Gi that the devfile requests; rebuild with a smaller request",
            ]
        );
        let spec = resized(&spec, &json!({"cpu": "2"}), standing(1, 1)).expect("allowed");
        let own = &spec.main().expect("a main container").resources;
        assert_eq!(own.cpu_limit.as_deref(), Some("2"));
        assert_eq!(own.memory_limit.as_deref(), Some("4Gi"), "the limit follows the request");
    }

    #[test]
    fn a_growth_that_was_refused_can_be_taken_back() {
        let grown = resized(&settled(), &json!({"disk": "9Gi"}), standing(1, 1)).expect("allowed");
        let again = resized(&grown, &json!({"disk": "12Gi"}), standing(2, 1)).expect("allowed");
        let back =
            resized(&again, &json!({"disk": "2Gi"}), standing(3, 1)).expect("generation 2 is not proven");
        assert_eq!(back.storage.expect("settled").size, "2Gi");
        assert!(
            !refused(&again, &json!({"disk": "1Gi"}), standing(3, 1)).is_empty(),
            "never below where it began"
        );
        assert!(!refused(&grown, &json!({"disk": "2Gi"}), standing(2, 2)).is_empty(), "proven is proven");
    }

    #[test]
    fn where_the_class_lets_no_volume_grow_that_is_said_and_nothing_is_tried() {
        let classes = |expandable| [StorageClass { name: "standard".into(), default: true, expandable }];
        let (fixed, free) = (classes(false), classes(true));
        let at = |standing, classes| Standing { classes, ..standing };
        let grown = json!({"disk": "9Gi"});
        let told = refused(&settled(), &grown, at(standing(1, 1), &fixed));
        assert_eq!(told, ["disk: is more than 2Gi, and the storage class 'standard' lets no volume grow"]);
        assert!(resized(&settled(), &grown, at(standing(1, 1), &free)).is_ok());
        assert!(resized(&settled(), &grown, at(standing(1, 0), &fixed)).is_ok(), "there is no volume yet");
        assert!(resized(&settled(), &json!({"disk": "2Gi"}), at(standing(1, 1), &fixed)).is_ok());
        // Asked for before the cluster had said so: it may be taken back.
        let unproven = resized(&settled(), &grown, standing(1, 1)).expect("allowed");
        assert!(resized(&unproven, &json!({"disk": "2Gi"}), at(standing(2, 1), &fixed)).is_ok());
        assert!(!refused(&unproven, &grown, at(standing(2, 1), &fixed)).is_empty());
    }

    #[test]
    fn what_was_never_settled_grows_from_the_servers_options() {
        let spec = WorkspaceSpec::from_image("a");
        assert!(!refused(&spec, &json!({"disk": "512Mi"}), standing(1, 1)).is_empty());
        let grown = resized(&spec, &json!({"disk": "5Gi"}), standing(1, 1)).expect("allowed").storage;
        assert_eq!(grown.expect("settled").grown.expect("a growth").from, "1Gi");
    }
}
