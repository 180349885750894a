//! How the API's objects look.

use std::borrow::Cow;

use berth_schema::agents::AgentEvent;
use berth_schema::api::shape::ContainerSize;
use berth_schema::api::{Agent, Orphan, SealingKey, SuspectedLoss, Workspace};
use berth_schema::lifecycle::{Deadline, LifecycleAction};
use berth_schema::network_check::{NetworkCheck, NetworkVerdict};
use berth_schema::prerequisites::{Prerequisites, Stray};
use berth_schema::{ActualState, DesiredState, Word};
use jiff::{SignedDuration, Timestamp};

use super::age::age;
use super::table::{Cell, Tone};
use super::{Show, idle};

const NONE: &str = "-";
/// An agent speaks at least once in [`berth_schema::reconcile::MAX_WAIT_SECONDS`]; two missed times are silence.
const SILENCE: SignedDuration = SignedDuration::from_secs(2 * 60);

impl Show for Workspace {
    fn name(&self) -> Cow<'_, str> {
        self.name.as_str().into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        const ALL: [&str; 12] = [
            "NAME",
            "DESIRED",
            "STATE",
            "REASON",
            "AGENT",
            "AGE",
            "CREATOR",
            "ACTIVE",
            "GENERATION",
            "IMAGE",
            "NAMESPACE",
            "ID",
        ];
        if wide { &ALL } else { &ALL[..6] }
    }

    fn row(&self, wide: bool, now: Timestamp) -> Vec<Cell> {
        let mut row: Vec<Cell> = vec![
            (&self.name).into(),
            self.desired_state.into(),
            state(self),
            self.reason.as_ref().map_or_else(|| NONE.to_owned(), |reason| reason.reason.to_string()).into(),
            (&self.agent).into(),
            age(self.created_at, now).into(),
        ];
        if wide {
            row.extend([
                self.creator.as_ref().map_or_else(|| NONE.to_owned(), |creator| creator.name.clone()).into(),
                self.last_active_at.map_or_else(|| NONE.to_owned(), |at| age(at, now)).into(),
                generation(self).into(),
                (&self.image).into(),
                (&self.namespace).into(),
                self.id.into(),
            ]);
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let since = |time: Timestamp| format!(", for {}", age(time, now));
        let desired = format!("{}{}", self.desired_state, since(self.desired_state_changed_at));
        let actual = match self.agent_silent_since {
            Some(silent) => format!(
                "{}: agent '{}' has not been heard of for {}; it was {} then",
                ActualState::Unknown,
                self.agent,
                age(silent, now),
                self.actual_state
            ),
            None => format!("{}{}", self.actual_state, since(self.actual_state_changed_at)),
        };
        let shown = self.agent_silent_since.map_or(self.actual_state, |_| ActualState::Unknown);
        let mut details: Vec<(&'static str, Cell)> = vec![
            ("Name", (&self.name).into()),
            ("Desired state", desired.into()),
            ("State", Cell::new(actual, tone(shown))),
        ];
        if let Some(reason) = &self.reason {
            details.push(("Reason", format!("{}: {}", reason.reason, reason.message).into()));
        }
        let active = self.last_active_at.map(|at| format!("{at:.0} ({} ago)", age(at, now)));
        details.extend(active.map(|active| ("Last active", active.into())));
        details.extend(idle::details(self, now));
        details.extend(self.lifecycle.map(|next| ("Lifecycle", lifecycle(self, &next, now).into())));
        let variables: Vec<_> =
            self.variables.iter().map(|variable| format!("{} ({})", variable.name, variable.kind)).collect();
        let variables = if variables.is_empty() { NONE.to_owned() } else { variables.join(", ") };
        let image = ("Image", (&self.image).into());
        details.extend([("Agent", Cell::from(&self.agent)), image]);
        if let Some(project) = &self.belongs_to {
            details.push(("Project", project.path.as_str().to_owned().into()));
        }
        if let Some(project) = &self.project {
            let reference = project.reference.as_ref();
            let reference = reference.map(|reference| format!(" at {}", reference.as_str()));
            details.push(("Repository", format!("{}{}", project.url, reference.unwrap_or_default()).into()));
        }
        if let Some(found) = &self.found {
            details.push(("Made of", found.to_string().into()));
        }
        details.extend(self.sizes.iter().map(|size| ("Container", sized(size).into())));
        details.extend(self.disk.as_ref().map(|disk| ("Disk", disk.into())));
        details.extend([
            ("Variables", variables.into()),
            ("Namespace", (&self.namespace).into()),
            ("Generation", generation(self).into()),
            ("Created", created(self, now).into()),
            ("Id", self.id.into()),
        ]);
        details
    }
}

/// What one container may use; of what nothing is said it may use what the node has.
fn sized(size: &ContainerSize) -> String {
    let cpu = size.cpu.as_ref().map(|cpu| format!("{cpu} CPU"));
    let memory = size.memory.as_ref().map(|memory| format!("{memory} of memory"));
    let may: Vec<_> = cpu.into_iter().chain(memory).collect();
    if may.is_empty() { size.container.clone() } else { format!("{}: {}", size.container, may.join(", ")) }
}

fn created(workspace: &Workspace, now: Timestamp) -> String {
    let by = workspace.creator.as_ref().map(|creator| format!(", by {}", creator.name));
    let ago = age(workspace.created_at, now);
    format!("{} ({ago} ago){}", workspace.created_at, by.unwrap_or_default())
}

impl Show for Agent {
    fn name(&self) -> Cow<'_, str> {
        self.name.as_str().into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        const ALL: [&str; 6] = ["NAME", "STATE", "WORKSPACES", "LAST CONTACT", "AGE", "ID"];
        if wide { &ALL } else { &ALL[..5] }
    }

    fn row(&self, wide: bool, now: Timestamp) -> Vec<Cell> {
        let mut row = vec![
            (&self.name).into(),
            agent_state(self, now),
            self.workspaces.into(),
            last_contact(self, now),
            age(self.created_at, now).into(),
        ];
        if wide {
            row.push(self.id.into());
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let mut details = vec![
            ("Name", (&self.name).into()),
            ("State", agent_state(self, now)),
            ("Last contact", last_contact(self, now)),
            ("Workspaces", self.workspaces.into()),
        ];
        details.extend(self.takes.as_ref().map(|takes| ("Takes", takes.words().into())));
        details.extend(credential(self, now));
        details.extend(sealing_keys(self, now));
        details.extend(self.suspected_loss.as_ref().map(|loss| ("Suspected loss", suspected(loss, now))));
        details.extend(self.prerequisites.iter().flat_map(prerequisites));
        if self.prerequisites.is_some() || self.network_check.is_some() {
            details.push(("Network policy", network(self.network_check.as_ref(), now)));
        }
        details.extend(self.events.iter().map(|event| happened(event, now)));
        details.extend([
            ("Created", format!("{} ({} ago)", self.created_at, age(self.created_at, now)).into()),
            ("Id", self.id.into()),
        ]);
        details
    }
}

impl Show for Orphan {
    fn name(&self) -> Cow<'_, str> {
        self.name.as_str().into()
    }

    fn columns(wide: bool) -> &'static [&'static str] {
        const ALL: [&str; 6] = ["NAME", "NAMESPACE", "SEEN FOR", "REMOVED", "KEPT UNTIL", "ID"];
        if wide { &ALL } else { &ALL[..4] }
    }

    fn row(&self, wide: bool, now: Timestamp) -> Vec<Cell> {
        let mut row: Vec<Cell> = vec![
            (&self.name).into(),
            (&self.namespace).into(),
            age(self.first_seen_at, now).into(),
            removal(self, now).into(),
        ];
        if wide {
            row.extend([self.kept_until.to_string().into(), self.workspace_id.into()]);
        }
        row
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        vec![
            ("Name", (&self.name).into()),
            ("Namespace", (&self.namespace).into()),
            ("Seen for", age(self.first_seen_at, now).into()),
            ("Removed", removal(self, now).into()),
            ("Kept until", self.kept_until.to_string().into()),
            ("Id", self.workspace_id.into()),
        ]
    }
}

fn removal(orphan: &Orphan, now: Timestamp) -> &'static str {
    match (orphan.removal_allowed, orphan.kept_until <= now) {
        (false, _) => "no",
        (true, false) => "later",
        (true, true) => "now",
    }
}

/// What the agent's cluster has, and what is wrong with the proxy's objects in it.
fn prerequisites(has: &Prerequisites) -> Vec<(&'static str, Cell)> {
    let names = |all: Vec<&str>| if all.is_empty() { NONE.to_owned() } else { all.join(", ") };
    let words = |all: &[Word]| names(all.iter().map(Word::as_str).collect());
    let classes = has.storage_classes.iter().map(|class| {
        let marks = [(class.default, "default"), (class.expandable, "expandable")];
        let marks: Vec<_> = marks.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark).collect();
        if marks.is_empty() {
            class.name.to_string()
        } else {
            format!("{} ({})", class.name, marks.join(", "))
        }
    });
    let classes: Vec<String> = classes.collect();
    let mut details: Vec<(&'static str, Cell)> = vec![
        ("Agent version", has.agent_version.to_string().into()),
        ("Kubernetes", has.kubernetes_version.as_deref().unwrap_or(NONE).to_owned().into()),
        ("Storage classes", names(classes.iter().map(String::as_str).collect()).into()),
        ("Runtime classes", words(&has.runtime_classes).into()),
        ("Ingress classes", words(&has.ingress_classes).into()),
        ("Policy engines", words(&has.network_policy_engines).into()),
    ];
    let namespaces = match has.user_namespaces {
        Some(true) => "taken by the API server",
        Some(false) => "not by default",
        None => NONE,
    };
    details.push(("User namespaces", namespaces.into()));
    if let Some(nodes) = has.nodes {
        let (cpus, gib) = (nodes.cpu_millis / 1_000, nodes.memory_bytes >> 30);
        let text = format!("{}: {cpus} CPUs, {gib} GiB, {} pods", nodes.count, nodes.pods);
        details.push(("Nodes", text.into()));
    }
    if !has.unreadable.is_empty() {
        details.push(("Not readable", Cell::new(words(&has.unreadable), Tone::Bad)));
    }
    let errors = has.manifests.iter().filter_map(|report| {
        let error = report.error.as_ref()?;
        Some(("Proxy", Cell::new(format!("{}/{}: {error}", report.kind, report.name), Tone::Bad)))
    });
    details.extend(errors);
    let strays = has.strays.iter().map(|stray| {
        let Stray { workspace_id, namespace, kind, name } = stray;
        let text =
            format!("{kind}/{name} in {namespace} carries the labels of {workspace_id}, and is left alone");
        ("Stray", Cell::new(text, Tone::Bad))
    });
    details.extend(strays);
    details
}

/// Whether the cluster enforces NetworkPolicy, as far as it was tried.
fn network(check: Option<&NetworkCheck>, now: Timestamp) -> Cell {
    let asked = check.and_then(|check| check.requested_at);
    let asked = asked.map(|at| format!("; a check was asked for {} ago", age(at, now))).unwrap_or_default();
    let Some(result) = check.and_then(|check| check.result.as_ref()) else {
        let hint = if asked.is_empty() { "; `berth agents check-network` tries it" } else { "" };
        return format!("not checked{hint}{asked}").into();
    };
    let (words, tone) = match result.verdict {
        NetworkVerdict::Enforced => ("enforced", Tone::Good),
        NetworkVerdict::NotEnforced => ("NOT enforced", Tone::Bad),
        NetworkVerdict::Unknown => ("unknown", Tone::Bad),
    };
    let when = age(result.checked_at, now);
    Cell::new(format!("{words}, {when} ago: {}{asked}", result.reason), tone)
}

/// What is missing, and who is to do something about it.
fn suspected(loss: &SuspectedLoss, now: Timestamp) -> Cell {
    let next = if loss.needs_confirmation {
        "bring the cluster back, or `berth agents confirm-loss`"
    } else {
        "the agent looks again"
    };
    let (missing, applied) = (loss.missing, loss.applied);
    let text = format!("{missing} of {applied} workspaces are missing for {}; {next}", age(loss.since, now));
    Cell::new(text, Tone::Bad)
}

/// How old the token is, and whether the one before it still opens.
fn credential(agent: &Agent, now: Timestamp) -> Vec<(&'static str, Cell)> {
    let Some(credential) = agent.credential.filter(|_| agent.revoked_at.is_none()) else { return vec![] };
    let made = ("Token", format!("made {} ago", age(credential.made_at, now)).into());
    let old = credential.previous_valid_until.map(|until| {
        let text = format!("opens until the new one is used, or {until}");
        ("Old token", Cell::new(text, Tone::Busy))
    });
    std::iter::once(made).chain(old).collect()
}

/// A line of what happened to the agent's identity.
fn happened(event: &AgentEvent, now: Timestamp) -> (&'static str, Cell) {
    let by = event.by.as_ref().map(|by| format!(" (by '{by}')")).unwrap_or_default();
    let text = format!("{} ago: {}{by}", age(event.at, now), event.message);
    if event.warning { ("Warning", Cell::new(text, Tone::Bad)) } else { ("Event", text.into()) }
}

/// The key in use, and those before it: a key that changed without a reason is worth a question.
fn sealing_keys(agent: &Agent, now: Timestamp) -> Vec<(&'static str, Cell)> {
    if agent.sealing_keys.is_empty() {
        return vec![("Sealing key", Cell::new("none yet: its workspaces wait for it", Tone::Bad))];
    }
    let line = |key: &SealingKey| match key.superseded_at {
        None => {
            let since = age(key.registered_at, now);
            ("Sealing key", format!("{}, for {since}", key.public_key).into())
        }
        Some(until) => ("Key before", format!("{}, until {} ago", key.public_key, age(until, now)).into()),
    };
    agent.sealing_keys.iter().map(line).collect()
}

/// What a rule does, as something that is done to the workspace.
pub(crate) const fn done(action: LifecycleAction) -> &'static str {
    match action {
        LifecycleAction::Stop => "stopped",
        LifecycleAction::Terminate => "deleted",
    }
}

fn lifecycle(workspace: &Workspace, next: &Deadline, now: Timestamp) -> String {
    let left = if next.at > now { format!("in {}", age(now, next.at)) } else { "now".to_owned() };
    let extended = match next.extended_hours {
        0 => String::new(),
        hours => format!("; extended by {hours} h"),
    };
    let more = match next.extendable_hours {
        0 => String::new(),
        hours => {
            let joint = if extended.is_empty() { ';' } else { ',' };
            format!("{joint} up to {hours} h more with `berth extend {} --hours N`", workspace.name)
        }
    };
    format!("{} at {} ({left}) by the rule {}{extended}{more}", done(next.action), next.at, next.rule)
}

/// The proven generation where it lags behind the wanted one.
fn generation(workspace: &Workspace) -> String {
    if workspace.applied_generation < workspace.generation
        && workspace.desired_state != DesiredState::Terminated
    {
        format!("{} (applied: {})", workspace.generation, workspace.applied_generation)
    } else {
        workspace.generation.to_string()
    }
}

/// What is there, as far as that is known.
fn state(workspace: &Workspace) -> Cell {
    match workspace.agent_silent_since {
        Some(_) => Cell::new(ActualState::Unknown.as_str(), tone(ActualState::Unknown)),
        None => Cell::new(workspace.actual_state.as_str(), tone(workspace.actual_state)),
    }
}

pub(super) fn tone(state: ActualState) -> Tone {
    match state {
        ActualState::Running => Tone::Good,
        ActualState::CreationRequested
        | ActualState::Starting
        | ActualState::Stopping
        | ActualState::Terminating
        | ActualState::RestartRequested => Tone::Busy,
        ActualState::Failed | ActualState::Error | ActualState::Unknown => Tone::Bad,
        ActualState::Stopped | ActualState::Terminated => Tone::Faint,
    }
}

fn agent_state(agent: &Agent, now: Timestamp) -> Cell {
    let heard = agent.last_contact_at.is_some_and(|time| now.duration_since(time) < SILENCE);
    match (agent.revoked_at, heard) {
        (Some(_), _) => Cell::new("Revoked", Tone::Faint),
        // Somebody else may be using its token.
        (None, _) if agent.events.iter().any(|event| event.warning) => Cell::new("Contested", Tone::Bad),
        (None, true) => Cell::new("Active", Tone::Good),
        // With its first word it says what secrets are sealed to.
        (None, false) if agent.last_contact_at.is_none() && agent.sealing_keys.is_empty() => {
            Cell::new("Never connected", Tone::Bad)
        }
        (None, false) => Cell::new("Silent", Tone::Bad),
    }
}

fn last_contact(agent: &Agent, now: Timestamp) -> Cell {
    agent.last_contact_at.map_or_else(|| NONE.to_owned(), |time| format!("{} ago", age(time, now))).into()
}
