//! The one container that gets the editor and the project.

use crate::component::Components;
use crate::container::Draft;
use crate::cursor::Cursor;
use crate::idle;

/// Marks it, or reports at `at`, the list of components, why there is none.
pub(crate) fn mark(at: &Cursor<'_>, components: &mut Components<'_>) {
    let Some(main) = choose(at, components) else {
        return;
    };
    components.containers[main].1.spec.main = true;
    for (_, draft) in &mut components.containers {
        check_command(draft);
    }
}

fn choose(at: &Cursor<'_>, components: &Components<'_>) -> Option<usize> {
    let running: Vec<(usize, &Draft<'_>)> = components
        .containers
        .iter()
        .map(|(_, draft)| draft)
        .enumerate()
        .filter(|(_, draft)| !draft.spec.init)
        .collect();
    let marked = |draft: &Draft<'_>| matches!(draft.attributes.inject_editor, Some((true, _)));
    let marks: Vec<_> = running.iter().filter(|(_, draft)| marked(draft)).collect();
    let of_gitlab: Vec<_> = running.iter().filter(|(_, draft)| draft.attributes.of_gitlab).collect();
    match (marks.as_slice(), running.as_slice()) {
        ([(main, _)], _) => Some(*main),
        ([_, others @ ..], _) => {
            for (_, mark) in others.iter().filter_map(|(_, draft)| draft.attributes.inject_editor.as_ref()) {
                mark.error("marks a second component, only one gets the editor");
            }
            None
        }
        ([], [(lone, draft)]) => {
            if let Some((false, mark)) = &draft.attributes.inject_editor {
                mark.error("must not be false: the only container gets the editor");
            }
            Some(*lone)
        }
        // A component that could not be read may have been the one.
        ([], _) if components.broken => None,
        ([], []) => {
            at.error("must hold a container that stays running");
            None
        }
        ([], several) => by_default(at, several, &of_gitlab),
    }
}

/// Without a mark: the one that GitLab's own mark names, or else the first that is not marked otherwise.
fn by_default(
    at: &Cursor<'_>,
    running: &[(usize, &Draft<'_>)],
    of_gitlab: &[&(usize, &Draft<'_>)],
) -> Option<usize> {
    if let [(main, _)] = of_gitlab {
        return Some(*main);
    }
    let first = running.iter().find(|(_, draft)| draft.attributes.inject_editor.is_none());
    if let Some((main, draft)) = first {
        at.warn(
            &format!("'{}' gets the editor", draft.spec.name),
            "it is the first container; the attribute 'berth/inject-editor: true' marks another",
        );
        Some(*main)
    } else {
        at.error("holds no container that may get the editor: one needs 'berth/inject-editor: true'");
        None
    }
}

/// A command that would never run is a mistake, but for one that only waits: so does Berth's own.
fn check_command(draft: &mut Draft<'_>) {
    if draft.spec.init || !draft.spec.override_command.unwrap_or(draft.spec.main) {
        return;
    }
    let words = draft.spec.command.iter().chain(&draft.spec.args).map(String::as_str);
    if idle::is_idle(words) {
        (draft.spec.command, draft.spec.args) = (Vec::new(), Vec::new());
        return;
    }
    for at in &draft.command {
        at.error("would not run: the container's command is overridden; set the attribute 'overrideCommand: false'");
    }
}
