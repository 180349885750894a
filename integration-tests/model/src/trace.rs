//! Steps in words, for a counterexample that a person reads.

use crate::agent::Phase;
use crate::network::{Answer, Info, Request};
use crate::state::State;
use crate::step::Step;

/// What a step does to the state before it.
pub fn describe(state: &State, step: &Step) -> String {
    let agent = |process: &usize| format!("agent of epoch {}", state.processes[*process].epoch);
    match step {
        Step::User { workspace, wish } => {
            format!("a user asks workspace {workspace} to {}", wish.as_str())
        }
        Step::Begin { workspace, wish } => {
            format!("a user's transaction to {} workspace {workspace} takes its timestamp", wish.as_str())
        }
        Step::Commit { workspace } => format!("the user's transaction on workspace {workspace} commits"),
        Step::Elect => format!("a process is elected: epoch {}", state.lease + 1),
        Step::Crash { process } => format!("{} crashes", agent(process)),
        Step::Send { process } => send(state, *process),
        Step::GiveUp { process } => format!("{} waits for the answer no longer", agent(process)),
        Step::Load { request } => {
            format!("the server reads the rows for {}", request_text(&state.requests[*request]))
        }
        Step::LoadAndRepeat { request } => {
            format!(
                "the network repeats {}, and the server reads the rows for it",
                request_text(&state.requests[*request])
            )
        }
        Step::Lose { request } => format!("the network loses {}", request_text(&state.requests[*request])),
        Step::Store => "the server decides, stores and answers".to_owned(),
        Step::Deliver { response } => deliver(state, *response),
        Step::Watch { process, workspace } => {
            format!("the watch shows {} workspace {workspace}", agent(process))
        }
        Step::Act { process, workspace } => act(state, *process, *workspace),
        Step::TimeOut { process, workspace } => {
            format!("{} has waited long enough for workspace {workspace}", agent(process))
        }
        Step::Kubernetes { workspace } => format!("Kubernetes follows in workspace {workspace}"),
        Step::ScaleByHand { workspace } => format!("somebody scales the Deployment of workspace {workspace}"),
        Step::DeleteByHand { workspace } => {
            format!("somebody deletes the namespace of workspace {workspace}")
        }
    }
}

fn request_text(request: &Request) -> String {
    let (epoch, sequence) = request.position();
    format!("the {} request {sequence} of epoch {epoch}", request.update_type.as_str())
}

fn send(state: &State, process: usize) -> String {
    let process = &state.processes[process];
    let told: Vec<String> = process.minds.iter().map(|mind| info_text(mind.news())).collect();
    let kind = if process.full_due { "in full" } else { "what is new" };
    format!("agent of epoch {} reports {kind}: {}", process.epoch, told.join("; "))
}

fn info_text(info: Option<Info>) -> String {
    let Some(info) = info else { return "nothing".to_owned() };
    if let Some(progress) = info.progress {
        return format!("{progress:?}");
    }
    let object = info.object.map(|object| {
        let replicas = u8::from(object.scaled_up);
        format!(
            "generation {} applied, {replicas} replicas, {} pods",
            object.generation,
            u8::from(object.pod)
        )
    });
    object.unwrap_or_else(|| "not in the cluster".to_owned())
}

fn deliver(state: &State, response: usize) -> String {
    let response = &state.responses[response];
    let text = match &response.answer {
        Answer::Stale => "409 stale-epoch".to_owned(),
        Answer::Directives(directives) => {
            let one = |directive: &Option<_>| {
                directive.as_ref().map_or("nothing".to_owned(), |directive: &crate::network::Directive| {
                    format!(
                        "{} generation {} ({})",
                        directive.action.as_str(),
                        directive.generation,
                        directive.desired_state
                    )
                })
            };
            directives.iter().map(one).collect::<Vec<_>>().join("; ")
        }
    };
    format!("agent of epoch {} is answered: {text}", response.epoch)
}

fn act(state: &State, process: usize, workspace: usize) -> String {
    let process = &state.processes[process];
    let entry = process.minds[workspace].entry;
    let deed = match entry.map(|entry| entry.phase) {
        Some(Phase::Looked { .. }) => "writes",
        _ => "looks, and deletes where that is its task,",
    };
    let generation = entry.map_or(0, |entry| entry.generation);
    format!("agent of epoch {} {deed} workspace {workspace} for generation {generation}", process.epoch)
}
