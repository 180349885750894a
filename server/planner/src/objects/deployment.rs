//! The Deployment: one hardened pod, or none.

use std::collections::BTreeMap;

use berth_schema::configuration;
use berth_schema::kubernetes::{self, GIT_PATH, OWN_PORTS, PROJECTS_PATH, VARIABLE_FILES_PATH};
use berth_schema::quantity::{self, Unit};
use berth_schema::spec::{CommandSpec, ContainerSpec};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    EnvFromSource, EnvVar, ExecAction, Lifecycle, LifecycleHandler, PersistentVolumeClaimVolumeSource,
    PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec, PodTemplateSpec, ProjectedVolumeSource,
    ResourceRequirements, SeccompProfile, SecretEnvSource, SecretProjection, SecurityContext, Toleration,
    Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::{
    Context, GRACE_PERIOD_SECONDS, MIN_READY_SECONDS, PROGRESS_DEADLINE_SECONDS, commands, git, scripts,
    storage, tools,
};

pub(super) fn deployment(context: &Context<'_>) -> Deployment {
    Deployment {
        metadata: context.metadata(context.name()),
        spec: Some(DeploymentSpec {
            replicas: Some(context.workspace.desired_state.replicas().unwrap_or(0)),
            // The old pod has to let go of the volume before the new one takes it.
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }),
            selector: LabelSelector { match_labels: Some(context.selector()), ..LabelSelector::default() },
            progress_deadline_seconds: Some(PROGRESS_DEADLINE_SECONDS),
            min_ready_seconds: Some(MIN_READY_SECONDS),
            revision_history_limit: Some(1),
            template: PodTemplateSpec { metadata: Some(pod_metadata(context)), spec: Some(pod(context)) },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// Not the generation: a change that leaves the pod as it is must not restart it.
fn pod_metadata(context: &Context<'_>) -> ObjectMeta {
    let annotations = &context.config().annotations;
    ObjectMeta {
        labels: Some(context.labels()),
        annotations: (!annotations.is_empty()).then(|| annotations.clone()),
        ..ObjectMeta::default()
    }
}

pub(super) fn pod(context: &Context<'_>) -> PodSpec {
    let config = context.config();
    let spec = &context.workspace.spec;
    PodSpec {
        service_account_name: Some(context.name()),
        automount_service_account_token: Some(false),
        // The environment holds what the user put there, not the addresses of every Service.
        enable_service_links: Some(false),
        host_users: config.user_namespaces.then_some(false),
        runtime_class_name: config.runtime_class.clone(),
        termination_grace_period_seconds: Some(GRACE_PERIOD_SECONDS),
        affinity: context.is_shared().then(|| alone(context)),
        node_selector: (!config.node_selector.is_empty()).then(|| config.node_selector.clone()),
        tolerations: none_if_empty(config.tolerations.iter().map(toleration).collect()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(spec.user.unwrap_or(config.unsettled_user)),
            run_as_group: Some(0),
            fs_group: Some(0),
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(runtime_default()),
            ..PodSecurityContext::default()
        }),
        // The tools first: the user's own commands may already use them.
        init_containers: none_if_empty(
            tools::injector(context)
                .into_iter()
                .chain(spec.events.pre_start.iter().filter_map(|command| init_container(context, command)))
                .collect(),
        ),
        containers: staying(context).map(|container| main_container(context, container)).collect(),
        volumes: Some(volumes(context)),
        ..PodSpec::default()
    }
}

/// The containers that run as long as the pod does, and not those that a `preStart` command runs to their end.
pub(super) fn staying<'a>(context: &'a Context<'_>) -> impl Iterator<Item = &'a ContainerSpec> {
    context.workspace.spec.containers.iter().filter(|container| !container.init)
}

fn none_if_empty<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

/// Never beside another pod of the same workspace. In a namespace of its own the quota sees to that, which a shared one does
/// not have; that the volume is not attached to a second node, Kubernetes sees to.
fn alone(context: &Context<'_>) -> Affinity {
    let term = PodAffinityTerm {
        label_selector: Some(LabelSelector {
            match_labels: Some(context.selector()),
            ..LabelSelector::default()
        }),
        topology_key: "kubernetes.io/hostname".to_owned(),
        ..PodAffinityTerm::default()
    };
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            required_during_scheduling_ignored_during_execution: Some(vec![term]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn toleration(given: &configuration::Toleration) -> Toleration {
    Toleration {
        key: given.key.clone(),
        operator: Some(given.operator.as_str().to_owned()),
        value: given.value.clone(),
        effect: given.effect.map(|effect| effect.as_str().to_owned()),
        toleration_seconds: given.toleration_seconds,
    }
}

pub(super) fn runtime_default() -> SeccompProfile {
    SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }
}

fn main_container(context: &Context<'_>, spec: &ContainerSpec) -> Container {
    let mut container = container(context, spec);
    (container.command, container.args) = if overrides_command(spec) {
        (Some(vec!["/bin/sh".to_owned(), format!("{}/idle.sh", scripts::PATH)]), None)
    } else {
        (none_if_empty(spec.command.clone()), none_if_empty(spec.args.clone()))
    };
    container.ports = none_if_empty(ports(spec));
    if spec.main {
        container.env.get_or_insert_default().extend(tools::pod_address(context));
    }
    container.lifecycle = scripts::has_start(context, spec).then(|| start(spec));
    container
}

/// A devfile `preStart` command: the same container, before all others, running that command alone.
fn init_container(context: &Context<'_>, command: &CommandSpec) -> Option<Container> {
    let spec =
        context.workspace.spec.containers.iter().find(|container| container.name == command.component)?;
    let mut container = container(context, spec);
    // A reserved prefix, so that no component of the devfile can have the name.
    container.name = format!("berth-pre-start-{}", command.id);
    // `$` is doubled: Kubernetes would expand $(X) before the shell sees it.
    let script = scripts::before(context, command).replace('$', "$$");
    container.command = Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), script]);
    Some(container)
}

/// What a workspace's containers have in common.
fn container(context: &Context<'_>, spec: &ContainerSpec) -> Container {
    Container {
        name: spec.name.clone(),
        image: Some(spec.image.clone()),
        // By default a restart does not depend on the registry.
        image_pull_policy: Some(context.config().image_pull_policy.as_str().to_owned()),
        env: Some(environment(context, spec)),
        // From a Secret the values arrive byte for byte; only literal values are expanded by Kubernetes.
        env_from: Some(vec![EnvFromSource {
            secret_ref: Some(SecretEnvSource {
                name: kubernetes::environment_secret(context.name()),
                optional: None,
            }),
            ..EnvFromSource::default()
        }]),
        resources: Some(resources(context, spec)),
        security_context: Some(security_context(context)),
        volume_mounts: Some(mounts(spec)),
        ..Container::default()
    }
}

/// `sudo` needs the runtime's usual capabilities too: where it is allowed they are not dropped.
fn security_context(context: &Context<'_>) -> SecurityContext {
    let escalation = context.config().allow_privilege_escalation;
    let drop_all = Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None };
    SecurityContext {
        allow_privilege_escalation: Some(escalation),
        privileged: Some(false),
        capabilities: (!escalation).then_some(drop_all),
        run_as_non_root: Some(true),
        seccomp_profile: Some(runtime_default()),
        ..SecurityContext::default()
    }
}

/// Devfile rule: the main container's command is replaced unless it says otherwise.
fn overrides_command(spec: &ContainerSpec) -> bool {
    spec.override_command.unwrap_or(spec.main && spec.command.is_empty() && spec.args.is_empty())
}

fn start(spec: &ContainerSpec) -> Lifecycle {
    let script = format!("{}/{}", scripts::PATH, scripts::start_file(spec));
    // In the background: Kubernetes holds the container in Waiting for as long as the hook runs.
    let command = format!("/bin/sh {script} >/dev/null 2>&1 &");
    Lifecycle {
        post_start: Some(LifecycleHandler {
            exec: Some(ExecAction { command: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), command]) }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    }
}

/// Berth's own first, then the devfile's, which may replace `HOME`.
fn environment(context: &Context<'_>, spec: &ContainerSpec) -> Vec<EnvVar> {
    let own = BTreeMap::from([
        ("BERTH_HOST_TEMPLATE".to_owned(), context.host_template()),
        ("BERTH_WORKSPACE".to_owned(), context.workspace.name.to_string()),
        ("BERTH_WORKSPACE_ID".to_owned(), context.workspace.id.to_string()),
        // An arbitrary UID has no home directory in the image; this one is kept between pods.
        ("HOME".to_owned(), PROJECTS_PATH.to_owned()),
        ("PROJECTS_ROOT".to_owned(), PROJECTS_PATH.to_owned()),
        ("PROJECT_SOURCE".to_owned(), commands::project_directory(context)),
        git::environment(),
    ]);
    let mut all = own;
    let late = spec.late_env.iter().map(|(name, text)| (name.clone(), commands::filled(context, text)));
    let written = spec.env.iter().map(|(name, value)| (name.clone(), value.clone()));
    // `$` is doubled, so that a value arrives as it was written and never as another variable's value.
    all.extend(written.chain(late).map(|(name, value)| (name, value.replace('$', "$$"))));
    all.into_iter().map(|(name, value)| EnvVar { name, value: Some(value), value_from: None }).collect()
}

fn ports(spec: &ContainerSpec) -> Vec<ContainerPort> {
    let own = OWN_PORTS.map(|(name, port)| (name.to_owned(), port)).into_iter().filter(|_| spec.main);
    own.chain(spec.endpoints.iter().map(|endpoint| (endpoint.name.clone(), endpoint.port)))
        .map(|(name, port)| ContainerPort {
            name: Some(name),
            container_port: i32::from(port),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        })
        .collect()
}

const VARIABLES: &str = "berth-variables";
const SCRIPTS: &str = "berth-scripts";
const GIT: &str = "berth-git";
pub(super) const DATA: &str = "berth-data";

fn mounts(spec: &ContainerSpec) -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    [
        mount(DATA, PROJECTS_PATH, false),
        mount(VARIABLES, VARIABLE_FILES_PATH, true),
        mount(SCRIPTS, scripts::PATH, true),
        mount(GIT, GIT_PATH, true),
    ]
    .into_iter()
    .chain(spec.mounts.iter().map(|extra| mount(&extra.volume, &extra.path, false)))
    .collect()
}

fn volumes(context: &Context<'_>) -> Vec<Volume> {
    let claim = |name: &str, suffix: &str| Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: context.named(suffix),
            read_only: None,
        }),
        ..Volume::default()
    };
    let further = context.workspace.spec.volumes.iter().map(|(name, volume)| {
        if volume.ephemeral {
            Volume {
                name: name.clone(),
                empty_dir: Some(EmptyDirVolumeSource {
                    size_limit: volume.size.clone().map(Quantity),
                    ..EmptyDirVolumeSource::default()
                }),
                ..Volume::default()
            }
        } else {
            claim(name, name)
        }
    });
    let own = [
        claim(DATA, storage::DATA),
        variables_volume(context),
        scripts_volume(context),
        git::volume(context, GIT),
    ];
    own.into_iter().chain(further).collect()
}

fn variables_volume(context: &Context<'_>) -> Volume {
    Volume {
        name: VARIABLES.to_owned(),
        projected: Some(ProjectedVolumeSource {
            // Group 0 reads; nobody else does.
            default_mode: Some(0o440),
            sources: Some(vec![VolumeProjection {
                secret: Some(SecretProjection {
                    name: kubernetes::file_secret(context.name()),
                    ..SecretProjection::default()
                }),
                ..VolumeProjection::default()
            }]),
        }),
        ..Volume::default()
    }
}

fn scripts_volume(context: &Context<'_>) -> Volume {
    Volume {
        name: SCRIPTS.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: context.named(scripts::SCRIPTS),
            default_mode: Some(0o555),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// The four figures of a container: what the devfile says, else the agent's default.
fn figures(context: &Context<'_>, spec: &ContainerSpec) -> [(&'static str, Option<String>); 4] {
    let all = spec.resources.over(&context.config().default_resources);
    [
        ("limits.cpu", all.cpu_limit),
        ("limits.memory", all.memory_limit),
        ("requests.cpu", all.cpu_request),
        ("requests.memory", all.memory_request),
    ]
}

fn resources(context: &Context<'_>, spec: &ContainerSpec) -> ResourceRequirements {
    let [cpu_limit, memory_limit, cpu_request, memory_request] = figures(context, spec);
    let pair = |cpu: Option<String>, memory: Option<String>| {
        let quantities = [("cpu", cpu), ("memory", memory)];
        Some(quantities.into_iter().filter_map(|(k, v)| Some((k.to_owned(), Quantity(v?)))).collect())
    };
    ResourceRequirements {
        limits: pair(cpu_limit.1, memory_limit.1),
        requests: pair(cpu_request.1, memory_request.1),
        ..ResourceRequirements::default()
    }
}

/// What one pod of the workspace counts against the quota, as Kubernetes counts: the sum of what runs together, or the
/// largest of what runs before, alone.
pub(super) fn pod_totals(context: &Context<'_>) -> BTreeMap<&'static str, Quantity> {
    let mut totals: BTreeMap<&'static str, (u128, Unit)> = BTreeMap::new();
    let before = |container: &&ContainerSpec| container.init;
    for container in staying(context).chain(context.workspace.spec.containers.iter().filter(before)) {
        for (resource, figure) in figures(context, container) {
            let unit = if resource.ends_with("cpu") { Unit::Milli } else { Unit::Whole };
            if let Some(amount) = figure.and_then(|figure| quantity::parse(&figure, unit)) {
                let total = &mut totals.entry(resource).or_insert((0, unit)).0;
                *total = if container.init { amount.max(*total) } else { amount.saturating_add(*total) };
            }
        }
    }
    tools::raise(context, &mut totals);
    totals
        .into_iter()
        .map(|(resource, (total, unit))| (resource, Quantity(quantity::print(total, unit))))
        .collect()
}
