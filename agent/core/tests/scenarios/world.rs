//! The commands: what the watches show, what the server answers, what became of actions, and time.
//!
//! `show KIND NAME… [generation=] [replicas=] [version=] [left=] [problem=]`, `hide KIND NAME…`: an event of a watch.
//! `list KINDS [holding NAME…]`: a fresh list; after a doubted one it is the second look.
//! `full`, `news`: the next message, and what it reports. `received`: the directives that are held.
//! `directive NAME create|update|terminate|none [generation=] [desired=] [actual=] [echo=] [namespace=] [kind=]
//! [variables]`, `orphan NAME keep|remove`: goes with the next answer.
//! `answer`: the answer to the last message, and what follows. `lost`: there is none.
//! `done NAME applied|leaving|volumes-left|gone|failed|older`: an action ended.
//! `after SECONDS`: time passes. `term`: another term of leadership begins.

#[path = "objects.rs"]
mod objects;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use berth_agent_core::{Action, Agent, Identity, Outcome, Prepared, Task};
use berth_schema::reconcile::{
    ErrorDetails, ErrorType, Orphan, OrphanVerdict, ReconcileResponse, WorkspaceAgentInfo, WorkspaceDirective,
};
use berth_schema::variables::VariableBundle;
use berth_schema::{Generation, NamespaceName, WorkspaceId, WorkspaceName};
use berth_transcript::{Words, World, expand, workspace_id, workspace_name};

/// More reports than this are counted, not shown.
const SHOWN: usize = 5;

pub(crate) struct Cluster {
    agent: Agent,
    now: Instant,
    sent: Vec<WorkspaceAgentInfo>,
    directives: Vec<WorkspaceDirective>,
    orphans: Vec<Orphan>,
    running: BTreeMap<WorkspaceId, Action<Prepared>>,
}

impl World for Cluster {
    fn command(&mut self, words: &Words<'_>) -> Result<String, String> {
        match words.word(0)? {
            "show" => self.each(words, |agent, kind, name| {
                for observed in objects::observed(kind, name, words)? {
                    agent.index_mut().apply(observed);
                }
                Ok(())
            }),
            "hide" => self.each(words, |agent, kind, name| {
                for key in objects::keys(kind, name, words)? {
                    agent.index_mut().delete(&key);
                }
                Ok(())
            }),
            "list" => self.list(words),
            "full" => Ok(self.full()),
            "news" => {
                self.sent = self.agent.news();
                Ok(told(&self.sent))
            }
            "received" => Ok(self.received()),
            "directive" => {
                self.directives.push(objects::directive(words.word(1)?, words.word(2)?, words)?);
                Ok(String::new())
            }
            "orphan" => self.orphan(words),
            "answer" => Ok(self.answer()),
            "lost" => Ok(String::new()),
            "done" => self.done(words),
            "after" => self.after(words),
            "term" => {
                self.agent.begin_term();
                self.running.clear();
                Ok(String::new())
            }
            _ => Err("no such command".to_owned()),
        }
    }
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let identity = Identity::of(objects::AGENT);
        Self {
            agent: Agent::new(identity),
            now: Instant::now(),
            sent: vec![],
            directives: vec![],
            orphans: vec![],
            running: BTreeMap::new(),
        }
    }

    fn each(
        &mut self,
        words: &Words<'_>,
        mut event: impl FnMut(&mut Agent, &str, &str) -> Result<(), String>,
    ) -> Result<String, String> {
        for name in names(words, 2)? {
            event(&mut self.agent, words.word(1)?, &name)?;
        }
        Ok(self.tick())
    }

    fn list(&mut self, words: &Words<'_>) -> Result<String, String> {
        let watched = objects::watched(words.word(1)?)?;
        let mut held = vec![];
        for name in names(words, 3)? {
            held.extend(objects::observed(singular(words.word(1)?), &name, words)?);
        }
        let index = self.agent.index_mut();
        index.begin_list(watched);
        for observed in held {
            index.apply(observed);
        }
        let verdict = format!("{:?}", index.end_list(watched));
        Ok(format!("{verdict}\n{}", self.tick()))
    }

    fn full(&mut self) -> String {
        let pages: Vec<_> = self.agent.full().collect();
        self.sent = pages.iter().flat_map(|(_, infos)| infos.clone()).collect();
        if let [(None, _)] = pages.as_slice() {
            return told(&self.sent);
        }
        let page = |page: &(Option<_>, Vec<_>)| format!("{:?}: {} workspaces", page.0, page.1.len());
        pages.iter().map(page).collect::<Vec<_>>().join("\n")
    }

    fn received(&self) -> String {
        let held = self.agent.received();
        let lines = held
            .iter()
            .map(|held| format!("{}: generation {}", workspace_name(held.workspace_id), held.generation));
        or_nothing(&lines.collect::<Vec<_>>())
    }

    fn orphan(&mut self, words: &Words<'_>) -> Result<String, String> {
        let name = words.word(1)?;
        self.orphans.push(Orphan {
            workspace_id: workspace_id(name),
            name: WorkspaceName::new(name).map_err(|error| error.to_string())?,
            namespace: NamespaceName::new(objects::namespace(name)).map_err(|error| error.to_string())?,
            verdict: if words.has("remove") { OrphanVerdict::Remove } else { OrphanVerdict::Keep },
        });
        Ok(String::new())
    }

    fn answer(&mut self) -> String {
        let response = ReconcileResponse {
            workspaces: std::mem::take(&mut self.directives),
            orphans: std::mem::take(&mut self.orphans),
            ..ReconcileResponse::default()
        };
        let sealed = response.workspaces.iter().filter(|directive| directive.variables.is_some());
        let variables = sealed.map(|directive| (directive.workspace_id, VariableBundle::default())).collect();
        let sent = std::mem::take(&mut self.sent);
        let plan = self.agent.respond(&sent, response, variables, self.now, &mut || 0.0);
        let mut lines = vec![format!("{} of {} acknowledged", plan.acknowledged, sent.len())];
        let skipped = plan
            .skipped
            .iter()
            .map(|(workspace, skip)| format!("{}: not now, {skip:?}", workspace_name(*workspace)));
        lines.extend(skipped);
        lines.extend(plan.actions.into_iter().map(|action| self.start(action)));
        lines.join("\n")
    }

    fn start(&mut self, action: Action<Prepared>) -> String {
        let Prepared(task) = &action.stage;
        let what = match task {
            Task::Deliver(_) => "deliver credentials of".to_owned(),
            Task::Terminate => "terminate".to_owned(),
            Task::Apply(apply) => {
                let count = apply.first.len() + apply.then.len();
                let secrets = if apply.secrets.is_some() { " and both Secrets" } else { "" };
                format!("apply {count} objects{secrets} of")
            }
        };
        let line = format!("{}: {what} generation {}", action.name, action.generation);
        self.running.insert(action.workspace, action);
        line
    }

    fn done(&mut self, words: &Words<'_>) -> Result<String, String> {
        let action = self.running.remove(&workspace_id(words.word(1)?)).ok_or("no action runs")?;
        let outcome = match words.word(2)? {
            "applied" => Outcome::Applied,
            "leaving" => Outcome::Leaving,
            "volumes-left" => Outcome::VolumesLeft,
            "gone" => Outcome::Gone,
            "older" => Outcome::OlderThanLive { live: words.value("live")?.unwrap_or(Generation::of(9)) },
            "waits" => Outcome::Waits,
            "unanswered" => Outcome::Unanswered,
            "failed" => Outcome::Failed(ErrorDetails {
                error_type: ErrorType::Kubernetes,
                error_message: "admission webhook denied it".into(),
            }),
            _ => return Err("no such outcome".to_owned()),
        };
        self.agent.finish(action.done(outcome), self.now, 0.0);
        Ok(self.tick())
    }

    fn after(&mut self, words: &Words<'_>) -> Result<String, String> {
        let seconds: u64 = words.word(1)?.parse().map_err(|_| "no number of seconds")?;
        self.now += Duration::from_secs(seconds);
        Ok(self.tick())
    }

    /// As the loop does after every event.
    fn tick(&mut self) -> String {
        let due = self.agent.tick(self.now);
        let lines: Vec<String> = due.into_iter().map(|action| self.start(action)).collect();
        lines.join("\n")
    }
}

fn singular(kinds: &str) -> &str {
    match kinds {
        "secrets" => "secrets",
        "persistentvolumeclaims" => "claim",
        _ => kinds.trim_end_matches('s'),
    }
}

fn names(words: &Words<'_>, from: usize) -> Result<Vec<String>, String> {
    let expanded: Result<Vec<_>, _> = words.rest(from).map(expand).collect();
    Ok(expanded?.into_iter().flatten().collect())
}

fn or_nothing(lines: &[String]) -> String {
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

fn told(infos: &[WorkspaceAgentInfo]) -> String {
    if infos.len() > SHOWN {
        return format!("{} workspaces", infos.len());
    }
    or_nothing(&infos.iter().map(info).collect::<Vec<_>>())
}

fn info(info: &WorkspaceAgentInfo) -> String {
    let mut parts = vec![];
    if let Some(progress) = info.termination_progress {
        parts.push(format!("{progress:?}"));
    }
    if let Some(details) = &info.error_details {
        parts.push(format!("{:?} error '{}'", details.error_type, details.error_message));
    }
    if let Some(deployment) = &info.latest_k8s_deployment_info {
        let applied = info.applied_generation.map_or("none".to_owned(), |generation| generation.to_string());
        let replicas = deployment.replicas.unwrap_or_default();
        let version = deployment.resource_version.as_deref().unwrap_or_default();
        parts.push(format!("applied {applied}, replicas {replicas}, {version}"));
    }
    parts.extend(info.pod_problems.iter().map(|problem| format!("{}: {}", problem.reason, problem.message)));
    if info.live_pods > 0 {
        parts.push(format!("{} pods", info.live_pods));
    }
    if info.variables_missing {
        parts.push("variables missing".to_owned());
    }
    if parts.is_empty() {
        parts.push("not in the cluster".to_owned());
    }
    format!("{}: {}", info.name, parts.join("; "))
}
