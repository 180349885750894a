//! What a workspace may take as a whole.

use berth_schema::WorkspaceSpec;
use berth_schema::quantity::{self, Unit};
use berth_schema::spec::{CommandSpec, ContainerSpec, Resources};

use crate::Options;
use crate::cursor::Cursor;
use crate::resources::Of;

/// What the description may take as JSON: it goes into Kubernetes objects, which end at about 1.5 MiB.
const MAX_DESCRIPTION: usize = 512 * 1024;

/// What the commands of a start may take as scripts, which share one object with Berth's own.
const MAX_SCRIPTS: usize = 512 * 1024;

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

/// Reports what is too much: of CPU and memory at the container that asks for most, by its name in `places`.
pub(crate) fn check(at: &Cursor<'_>, places: &[(&str, Cursor<'_>)], spec: &WorkspaceSpec, options: &Options) {
    for resource in &resources(options) {
        resource.check(at, places, spec);
    }
    let size = serde_json::to_vec(spec).map_or(usize::MAX, |json| json.len());
    if size > MAX_DESCRIPTION {
        at.error(format!(
            "the description takes {size} bytes, at most {MAX_DESCRIPTION} fit into Kubernetes objects"
        ));
    }
    let scripts: usize = spec.events.post_start.iter().map(script_bytes).sum();
    if scripts > MAX_SCRIPTS {
        at.error(format!(
            "the commands of a start take {scripts} bytes as scripts, at most {MAX_SCRIPTS} fit into a Kubernetes object"
        ));
    }
}

/// What a text takes between a shell's single quotes.
pub(crate) fn quoted_bytes(text: &str) -> usize {
    text.len() + 3 * text.matches('\'').count() + 2
}

/// What a command's environment takes as a shell's lines.
pub(crate) fn exported_bytes(command: &CommandSpec) -> usize {
    let exports =
        command.env.iter().map(|(name, value)| "export =\n".len() + name.len() + quoted_bytes(value));
    exports.sum()
}

/// What a command of a start takes as a script; one with variables is kept as it is written, too.
fn script_bytes(command: &CommandSpec) -> usize {
    let times = if command.late { 2 } else { 1 };
    times * quoted_bytes(&command.command_line) + exported_bytes(command)
}

/// CPU or memory: where it stands, and how much of it there may be.
struct Bounded {
    name: &'static str,
    of: Of,
    unit: Unit,
    limit: fn(&Resources) -> Option<&String>,
    request: fn(&Resources) -> Option<&String>,
    /// The fields of the limit and of the request.
    fields: [&'static str; 2],
    most: Option<u64>,
    default: Option<u64>,
}

fn resources(options: &Options) -> [Bounded; 2] {
    [
        Bounded {
            name: "CPU",
            of: Of::Cpu,
            unit: Unit::Milli,
            limit: |resources| resources.cpu_limit.as_ref(),
            request: |resources| resources.cpu_request.as_ref(),
            fields: ["cpuLimit", "cpuRequest"],
            most: options.max_cpu_millis,
            default: options.default_cpu_millis,
        },
        Bounded {
            name: "memory",
            of: Of::Memory,
            unit: Unit::Whole,
            limit: |resources| resources.memory_limit.as_ref(),
            request: |resources| resources.memory_request.as_ref(),
            fields: ["memoryLimit", "memoryRequest"],
            most: options.max_memory_bytes,
            default: options.default_memory_bytes,
        },
    ]
}

impl Bounded {
    fn check(&self, at: &Cursor<'_>, places: &[(&str, Cursor<'_>)], spec: &WorkspaceSpec) {
        let Some(most) = self.most.map(u128::from) else { return };
        // Containers that run before the others have ended when those ask: each has to fit by itself.
        let (before, together): (Vec<_>, Vec<_>) =
            spec.containers.iter().partition(|container| container.init);
        let total: u128 = together.iter().map(|container| self.amount(&container.resources)).sum();
        let largest = |of: &[&ContainerSpec]| {
            of.iter()
                .max_by_key(|container| self.amount(&container.resources))
                .map(|found| found.name.clone())
        };
        let words = |amount| quantity::words(amount, self.unit);
        if total > most {
            let message = format!(
                "the containers get {} of {} together, at most {} are allowed",
                words(total),
                self.name,
                words(most)
            );
            self.place(at, places, largest(&together).as_deref()).error(message);
        }
        for container in before {
            let amount = self.amount(&container.resources);
            if amount > most {
                let message =
                    format!("gets {} of {}, at most {} are allowed", words(amount), self.name, words(most));
                self.place(at, places, Some(&container.name)).error(message);
            }
        }
    }

    fn amount(&self, resources: &Resources) -> u128 {
        let read = |text: Option<&String>| text.and_then(|text| self.of.amount(text).ok());
        // A default limit follows a request above it; `None` is below every amount.
        let without = self.default.map(u128::from).max(read((self.request)(resources)));
        read((self.limit)(resources)).or(without).unwrap_or(0)
    }

    /// The field of that container that says how much, or the container, or where all of them stand.
    fn place<'a>(&self, at: &Cursor<'a>, places: &[(&str, Cursor<'a>)], name: Option<&str>) -> Cursor<'a> {
        let Some((_, component)) = places.iter().find(|(known, _)| Some(*known) == name) else {
            return at.clone();
        };
        let container = component.descend("container").unwrap_or_else(|| component.clone());
        self.fields.iter().find_map(|field| container.descend(field)).unwrap_or(container)
    }
}
