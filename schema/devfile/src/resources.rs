//! CPU, memory and disk: Kubernetes quantities within what makes sense.

use berth_schema::quantity::{self, Unit};
use berth_schema::spec::Resources;

use crate::cursor::{Cursor, Fields};
use crate::diagnostic::shown;
use crate::variables::Variables;

/// More would be a mistake of units: `2000` where `2000m` is meant.
const MAX_CPU_MILLIS: u128 = 1_024_000;
const MEBIBYTE: u128 = 1 << 20;
const MAX_BYTES: u128 = 1 << 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Cpu,
    Memory,
    Disk,
}

impl Of {
    /// The amount in thousandths of a CPU or in bytes, when it makes sense.
    pub(crate) fn amount(self, text: &str) -> Result<u128, String> {
        let unit = if self == Self::Cpu { Unit::Milli } else { Unit::Whole };
        let example = if self == Self::Cpu { "'500m' or '2'" } else { "'512Mi' or '4Gi'" };
        let amount = quantity::parse(text, unit)
            .ok_or_else(|| format!("is '{}', not a Kubernetes quantity such as {example}", shown(text)))?;
        match self {
            Self::Cpu if amount == 0 => Err("must be more than zero".to_owned()),
            Self::Cpu if amount > MAX_CPU_MILLIS => {
                Err(format!("is {} CPUs; did you mean '{}m'?", amount / 1_000, amount / 1_000))
            }
            Self::Memory | Self::Disk if amount < MEBIBYTE => {
                Err(format!("is {amount} bytes, less than 1Mi; write a unit, as in {example}"))
            }
            Self::Memory | Self::Disk if amount > MAX_BYTES => Err("is more than 1Pi".to_owned()),
            _ => Ok(amount),
        }
    }
}

/// A quantity that was read: as it was written, and its amount.
struct Read<'a> {
    cursor: Cursor<'a>,
    text: String,
    amount: u128,
}

fn read<'a>(cursor: Option<Cursor<'a>>, of: Of, variables: &Variables) -> Option<Read<'a>> {
    let cursor = cursor.filter(|cursor| !cursor.is_null())?;
    let text = variables.fill(&cursor, cursor.text_or_number()?)?;
    if of != Of::Disk && quantity::parse(&text, Unit::Milli) == Some(0) {
        cursor.pass_over("nothing can be asked for or allowed; the agent's defaults hold");
        return None;
    }
    match of.amount(&text) {
        Ok(amount) => Some(Read { cursor, text, amount }),
        Err(message) => {
            cursor.error(message);
            None
        }
    }
}

/// The four fields of a container.
pub(crate) fn container(fields: &mut Fields<'_>, variables: &Variables) -> Resources {
    let mut take = |name, of| read(fields.optional(name), of, variables);
    let (cpu_request, cpu_limit) = (take("cpuRequest", Of::Cpu), take("cpuLimit", Of::Cpu));
    let (memory_request, memory_limit) = (take("memoryRequest", Of::Memory), take("memoryLimit", Of::Memory));
    for (request, limit) in [(&cpu_request, &cpu_limit), (&memory_request, &memory_limit)] {
        if let (Some(request), Some(limit)) = (request, limit)
            && request.amount > limit.amount
        {
            request.cursor.error(format!("is '{}', more than the limit of '{}'", request.text, limit.text));
        }
    }
    let text = |read: Option<Read<'_>>| read.map(|read| read.text);
    Resources {
        cpu_request: text(cpu_request),
        cpu_limit: text(cpu_limit),
        memory_request: text(memory_request),
        memory_limit: text(memory_limit),
    }
}

/// The size of a volume.
pub(crate) fn size(cursor: Option<Cursor<'_>>, variables: &Variables) -> Option<String> {
    read(cursor, Of::Disk, variables).map(|read| read.text)
}
