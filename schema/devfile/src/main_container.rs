//! The one container that gets the editor and the project.

use crate::component::Components;
use crate::container::Draft;
use crate::cursor::Cursor;

/// Marks it, or reports at `at`, the list of components, why there is none.
pub(crate) fn mark(at: &Cursor<'_>, components: &mut Components<'_>) {
    let Some(main) = choose(at, components) else {
        return;
    };
    components.containers[main].1.spec.main = true;
    for (_, draft) in &components.containers {
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
        ([], several) => {
            let count = several.len();
            at.error(format!(
                "holds {count} containers, one of which needs the attribute 'berth/inject-editor: true'"
            ));
            None
        }
    }
}

/// A command that would never run is a mistake.
fn check_command(draft: &Draft<'_>) {
    if draft.spec.init || !draft.spec.override_command.unwrap_or(draft.spec.main) {
        return;
    }
    for at in &draft.command {
        at.error("would not run: the container's command is overridden; set the attribute 'overrideCommand: false'");
    }
}
