//! What a workspace may take as a whole.

use berth_schema::WorkspaceSpec;
use berth_schema::spec::Resources;

use crate::Options;
use crate::cursor::Cursor;
use crate::resources::Of;

/// What the description may take as JSON: it goes into Kubernetes objects, which end at about 1.5 MiB.
const MAX_DESCRIPTION: usize = 512 * 1024;

/// The longest text. Linux takes an argument or an environment variable of 128 KiB, and its `$` may be doubled on the way.
const MAX_TEXT: usize = 32 * 1024;

/// Whether a text is short enough to reach a process; reported when it is not.
pub(crate) fn fits(at: &Cursor<'_>, text: &str) -> bool {
    let fits = text.len() <= MAX_TEXT;
    if !fits {
        at.error(format!("is {} bytes long, at most {MAX_TEXT} are allowed", text.len()));
    }
    fits
}

/// Reports at `at` what is too much.
pub(crate) fn check(at: &Cursor<'_>, spec: &WorkspaceSpec, options: &Options) {
    let cpu = total(spec, Of::Cpu, |r| r.cpu_limit.as_ref().or(r.cpu_request.as_ref()));
    if let Some(max) = options.max_cpu_millis.filter(|max| cpu > u128::from(*max)) {
        at.error(format!("the containers ask for {cpu}m of CPU together, at most {max}m are allowed"));
    }
    let memory = total(spec, Of::Memory, |r| r.memory_limit.as_ref().or(r.memory_request.as_ref()));
    if let Some(max) = options.max_memory_bytes.filter(|max| memory > u128::from(*max)) {
        at.error(format!(
            "the containers ask for {memory} bytes of memory together, at most {max} are allowed"
        ));
    }
    let size = serde_json::to_vec(spec).map_or(usize::MAX, |json| json.len());
    if size > MAX_DESCRIPTION {
        at.error(format!(
            "the description takes {size} bytes, at most {MAX_DESCRIPTION} fit into Kubernetes objects"
        ));
    }
}

/// Containers that run before the others have ended when those ask.
fn total(spec: &WorkspaceSpec, of: Of, figure: fn(&Resources) -> Option<&String>) -> u128 {
    let running = spec.containers.iter().filter(|container| !container.init);
    running.filter_map(|container| of.amount(figure(&container.resources)?).ok()).sum()
}
