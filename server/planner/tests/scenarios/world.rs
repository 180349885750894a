//! The commands: a table of workspaces, and messages that the planner answers.
//!
//! `workspace NAME [desired=] [actual=] [generation=] [applied=] [reported=EPOCH.SEQUENCE]`: a row.
//! `user NAME start|stop|restart|rebuild|terminate`: a user's change.
//! `meanwhile NAME WISH`: a user's change that comes after the rows of the next message were read.
//! `report NAME [applied=] [replicas=] [available=] [pods=] [version=] [progressing=] [problem=] [error=]
//! [progress=Terminating|Terminated] [stale] [missing-variables]`: goes with the next message.
//! `orphan NAME [hours=] [allowed]`: it is on record since then.
//! `received NAME GENERATION`: a directive that the agent holds already.
//! `reconcile full|partial [epoch=] [sequence=] [page=] [last] [present=NAME,…] [relisted]`: the message; what it changes is
//! stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use berth_planner::intent::{Transition, Wish, transition};
use berth_planner::{
    AgentConfig, OrphanRecord, Plan, Snapshot, Workspace, WorkspaceUpdate, census, is_complete, reconcile,
};
use berth_schema::api::SuspectedLoss;
use berth_schema::reconcile::{
    DeploymentCondition, DeploymentInfo, DeploymentStatus, ErrorDetails, ErrorType, Page, PodProblem,
    Received, ReconcileRequest, TerminationProgress, UpdateType, WorkspaceAgentInfo,
};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, OrganizationId, WorkspaceId,
    WorkspaceName, WorkspaceSpec,
};
use berth_transcript::{Words, World, expand, workspace_id, workspace_name};
use jiff::{SignedDuration, Timestamp};

pub(crate) struct Planner {
    rows: BTreeMap<WorkspaceId, Workspace>,
    infos: Vec<WorkspaceAgentInfo>,
    received: Vec<Received>,
    meanwhile: Vec<(WorkspaceId, Wish)>,
    position: (i64, i64),
    loss: Option<SuspectedLoss>,
    orphans: Vec<OrphanRecord>,
}

impl World for Planner {
    fn command(&mut self, words: &Words<'_>) -> Result<String, String> {
        match words.word(0)? {
            "workspace" => {
                for name in expand(words.word(1)?)? {
                    let row = row(&name, words)?;
                    self.rows.insert(row.id, row);
                }
                Ok(String::new())
            }
            "user" => {
                let (id, wish) = wished(words)?;
                self.wish(id, wish)
            }
            "meanwhile" => {
                self.meanwhile.push(wished(words)?);
                Ok(String::new())
            }
            "report" => {
                for name in expand(words.word(1)?)? {
                    self.infos.push(info(&name, words)?);
                }
                Ok(String::new())
            }
            "orphan" => {
                let hours = words.value("hours")?.unwrap_or_default();
                self.orphans.push(OrphanRecord {
                    workspace_id: workspace_id(words.word(1)?),
                    first_seen_at: Timestamp::UNIX_EPOCH - SignedDuration::from_hours(hours),
                    removal_allowed: words.has("allowed"),
                });
                Ok(String::new())
            }
            "received" => {
                let generation = words.word(2)?.parse().map_err(|_| "no generation")?;
                self.received.push(Received { workspace_id: workspace_id(words.word(1)?), generation });
                Ok(String::new())
            }
            "reconcile" => self.reconcile(words),
            _ => Err("no such command".to_owned()),
        }
    }
}

impl Planner {
    pub(crate) fn new() -> Self {
        Self {
            rows: BTreeMap::new(),
            infos: vec![],
            received: vec![],
            meanwhile: vec![],
            position: (1, 0),
            loss: None,
            orphans: vec![],
        }
    }

    fn applied(&self) -> Vec<WorkspaceId> {
        let there = self.rows.values().filter(|row| {
            row.applied_generation > Generation::default() && row.desired_state != DesiredState::Terminated
        });
        there.map(|row| row.id).collect()
    }

    fn wish(&mut self, id: WorkspaceId, wish: Wish) -> Result<String, String> {
        let row = self.rows.get_mut(&id).ok_or("no such workspace")?;
        Ok(match transition(row.desired_state, row.actual_state, wish) {
            Ok(Transition::Change(desired_state)) => {
                row.desired_state = desired_state;
                row.generation = row.generation.next();
                format!("{}: {desired_state} wanted, generation {}", row.name, row.generation)
            }
            Ok(Transition::AlreadySo) => format!("{}: already so", row.name),
            Err(error) => format!("{}: {error}", row.name),
        })
    }

    fn reconcile(&mut self, words: &Words<'_>) -> Result<String, String> {
        let update_type = match words.word(1)? {
            "full" => UpdateType::Full,
            "partial" => UpdateType::Partial,
            _ => return Err("neither full nor partial".to_owned()),
        };
        let epoch = words.value("epoch")?.unwrap_or(self.position.0);
        let sequence = words.value("sequence")?.unwrap_or(self.position.1 + 1);
        self.position = self.position.max((epoch, sequence));
        let page = words.value("page")?.map(|number| Page { number, last: words.has("last") });
        let request = ReconcileRequest {
            update_type,
            epoch,
            sequence,
            workspace_agent_infos: std::mem::take(&mut self.infos).into(),
            received: std::mem::take(&mut self.received),
            page,
            present: words
                .text("present")
                .map(|names| names.split(',').map(workspace_id).collect())
                .unwrap_or_default(),
            relisted: words.has("relisted"),
            ..ReconcileRequest::default()
        };
        let census = is_complete(&request).then(|| census(&request, &self.applied()));
        let missing = census.iter().flat_map(|census| census.missing.iter().copied()).collect();
        let rows = self.rows.values().filter(|row| is_asked_for(row, &request, &missing)).cloned();
        let (organization, agent) =
            (OrganizationId::from_uuid(uuid::Uuid::nil()), AgentId::from_uuid(uuid::Uuid::nil()));
        let snapshot = Snapshot {
            census,
            loss: self.loss.take(),
            orphans: self.orphans.clone(),
            ..Snapshot::new(organization, agent, AgentConfig::default(), rows.collect())
        };
        let plan = reconcile(&snapshot, &request, Timestamp::UNIX_EPOCH);
        let mut lines = directives(&plan);
        for (id, wish) in std::mem::take(&mut self.meanwhile) {
            lines.push(format!("meanwhile {}", self.wish(id, wish)?));
        }
        lines.extend(plan.updates.iter().map(|update| self.store(update, (epoch, sequence))));
        lines.extend(
            plan.orphans.iter().map(|orphan| format!("{}: orphan, {:?}", orphan.name, orphan.verdict)),
        );
        lines.extend(plan.orphan_changes.seen.iter().map(|orphan| format!("{}: put on record", orphan.name)));
        let gone =
            plan.orphan_changes.gone.iter().map(|id| format!("{}: record deleted", workspace_name(*id)));
        lines.extend(gone);
        if let Some(loss) = &plan.loss {
            let person = if loss.needs_confirmation { ", needs confirmation" } else { "" };
            lines.push(format!("loss of {} of {} suspected{person}", loss.missing, loss.applied));
        }
        if plan.full_reconcile_requested {
            lines.push("full reconcile requested".to_owned());
        }
        self.loss = plan.loss;
        lines.push(if plan.has_news { "news" } else { "no news" }.to_owned());
        Ok(lines.join("\n"))
    }

    /// As the database stores: an observation always, a change of intent only upon the generation it was decided for.
    fn store(&mut self, update: &WorkspaceUpdate, reported: (i64, i64)) -> String {
        let Some(row) = self.rows.get_mut(&update.workspace_id) else { return String::new() };
        if update.intent.is_some() && row.generation != update.seen_generation {
            return format!("{}: outdated, neither stored nor answered", row.name);
        }
        row.actual_state = update.actual_state;
        row.reason.clone_from(&update.reason);
        row.applied_generation = update.applied_generation;
        row.deployment_resource_version.clone_from(&update.deployment_resource_version);
        row.reported = Some(reported);
        let mut line =
            format!("{}: stored {}, applied {}", row.name, row.actual_state, row.applied_generation);
        if let Some(reason) = &row.reason {
            let _ = write!(line, " ({}: {})", reason.reason, reason.message);
        }
        if let Some(intent) = update.intent {
            (row.desired_state, row.generation) = (intent.desired_state, intent.generation);
            let _ = write!(line, "; {} wanted, generation {}", intent.desired_state, intent.generation);
        }
        line
    }
}

/// Which rows the database reads for a message. A page that is not the last asks only for what it reports.
fn is_asked_for(row: &Workspace, request: &ReconcileRequest, missing: &BTreeSet<WorkspaceId>) -> bool {
    let asks = request.update_type == UpdateType::Partial || request.page.is_none_or(|page| page.last);
    let reported = request.workspace_agent_infos.iter().any(|info| info.workspace_id == row.id);
    reported || (asks && row.is_pending()) || missing.contains(&row.id)
}

fn directives(plan: &Plan) -> Vec<String> {
    let lines = plan.directives.iter().zip(&plan.report).map(|(planned, explanation)| {
        let directive = &planned.directive;
        let mut line = format!(
            "{}: {} generation {} for {} ({}), on record {}",
            directive.name,
            directive.action.as_str(),
            directive.generation,
            directive.desired_state,
            explanation.cause.as_str(),
            directive.actual_state
        );
        if let Some(deployment) = directive.config_to_apply.as_ref().and_then(|objects| objects.last()) {
            let _ = write!(line, "; replicas {}", deployment["spec"]["replicas"]);
        }
        if planned.variables_wanted {
            line.push_str(", with variables");
        }
        if let Some(version) = &directive.deployment_resource_version {
            let _ = write!(line, ", echo {version}");
        }
        line
    });
    lines.collect()
}

fn wished(words: &Words<'_>) -> Result<(WorkspaceId, Wish), String> {
    let name = words.word(2)?;
    let wish = Wish::ALL.into_iter().find(|wish| wish.as_str() == name).ok_or("no such wish")?;
    Ok((workspace_id(words.word(1)?), wish))
}

fn row(name: &str, words: &Words<'_>) -> Result<Workspace, String> {
    let reported = words.text("reported").map(|text| {
        let (epoch, sequence) = text.split_once('.').ok_or("reported=EPOCH.SEQUENCE")?;
        let number = |text: &str| text.parse::<i64>().map_err(|_| "no number");
        Ok::<_, &str>((number(epoch)?, number(sequence)?))
    });
    Ok(Workspace {
        id: workspace_id(name),
        name: WorkspaceName::new(name).map_err(|error| error.to_string())?,
        namespace: NamespaceName::new(format!("ws-{name}")).map_err(|error| error.to_string())?,
        desired_state: words.value("desired")?.unwrap_or(DesiredState::Running),
        actual_state: words.value("actual")?.unwrap_or(ActualState::CreationRequested),
        reason: None,
        generation: words.value("generation")?.unwrap_or(Generation::FIRST),
        applied_generation: words.value("applied")?.unwrap_or_default(),
        variables_generation: Generation::default(),
        deployment_resource_version: None,
        reported: reported.transpose()?,
        spec: WorkspaceSpec::from_image("registry.example/dev:1"),
        unreadable: false,
    })
}

fn info(name: &str, words: &Words<'_>) -> Result<WorkspaceAgentInfo, String> {
    let applied: Option<Generation> = words.value("applied")?;
    let replicas: Option<i32> = words.value("replicas")?;
    let progress = match words.text("progress") {
        None => None,
        Some("Terminating") => Some(TerminationProgress::Terminating),
        Some("Terminated") => Some(TerminationProgress::Terminated),
        Some(_) => return Err("no such progress".to_owned()),
    };
    Ok(WorkspaceAgentInfo {
        workspace_id: workspace_id(name),
        name: WorkspaceName::new(name).map_err(|error| error.to_string())?,
        namespace: NamespaceName::new(format!("ws-{name}")).map_err(|error| error.to_string())?,
        applied_generation: applied,
        latest_k8s_deployment_info: replicas.map(|replicas| deployment(replicas, words)).transpose()?,
        pod_problems: words.text("problem").map(problem).into_iter().collect(),
        termination_progress: progress,
        error_details: words.text("error").map(|text| ErrorDetails {
            error_type: ErrorType::Kubernetes,
            error_message: text.replace('_', " ").into(),
        }),
        live_pods: words.value("pods")?.unwrap_or(u32::try_from(replicas.unwrap_or(0)).unwrap_or(0)),
        variables_missing: words.has("missing-variables"),
        drift: vec![],
        lost: None,
    })
}

fn problem(reason: &str) -> PodProblem {
    PodProblem {
        container: Some("main".into()),
        reason: reason.into(),
        message: "in the kubelet's words".into(),
        since: None,
    }
}

fn deployment(replicas: i32, words: &Words<'_>) -> Result<DeploymentInfo, String> {
    let available = words.value("available")?.unwrap_or(replicas);
    let condition = |kind: &str, reason: &str| DeploymentCondition {
        kind: kind.into(),
        status: "True".into(),
        reason: Some(reason.into()),
        message: None,
    };
    let progressing = words.text("progressing").unwrap_or("NewReplicaSetAvailable");
    Ok(DeploymentInfo {
        resource_version: Some(words.text("version").unwrap_or("v1").into()),
        generation: Some(2),
        replicas: Some(replicas),
        status: Some(DeploymentStatus {
            observed_generation: Some(if words.has("stale") { 1 } else { 2 }),
            replicas: Some(replicas),
            updated_replicas: Some(words.value("updated")?.unwrap_or(replicas)),
            available_replicas: Some(available),
            unavailable_replicas: Some((replicas - available).max(0)),
            conditions: vec![
                condition("Progressing", progressing),
                condition("Available", "MinimumReplicasAvailable"),
            ],
        }),
    })
}
