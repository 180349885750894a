//! `hostRequirements`: the least that the container needs.

use berth_schema::spec::Resources;

use crate::cursor::Cursor;
use crate::diagnostic::shown;
use crate::resources::Of;

/// Requests, without limits.
pub(super) fn read(cursor: Option<&Cursor<'_>>) -> Resources {
    let Some(mut fields) = cursor.and_then(|cursor| cursor.fields("host requirements")) else {
        return Resources::default();
    };
    let cpu_request =
        fields.said("cpus").and_then(|cpus| quantity(&cpus, cpus.text_or_number()?.to_owned(), Of::Cpu));
    let memory_request = fields.said("memory").and_then(|memory| {
        let text = memory.text_or_number()?;
        let size = binary_size(text);
        if size.is_none() {
            memory.error(format!("is '{}', not a size such as '8gb'", shown(text)));
        }
        quantity(&memory, size?, Of::Memory)
    });
    fields.pass_over(
        "storage",
        "the agent sets the size of the workspace's volume; `berth resize --disk` changes it",
    );
    if let Some(gpu) = fields.said("gpu") {
        let is_optional = gpu.is_text() && gpu.text() == Some("optional");
        if is_optional {
            gpu.pass_over("workspaces have no graphics processor");
        } else {
            fields.refuse_unless_empty("gpu", "is not supported: workspaces have no graphics processor");
        }
    }
    fields.finish();
    Resources { cpu_request, memory_request, ..Resources::default() }
}

fn quantity(at: &Cursor<'_>, text: String, of: Of) -> Option<String> {
    match of.amount(&text) {
        Ok(_) => Some(text),
        Err(message) => {
            at.error(message);
            None
        }
    }
}

/// `8gb` as `8Gi`: the format's units are powers of 1024. Without a unit it is bytes.
fn binary_size(text: &str) -> Option<String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let suffix = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => "",
        "kb" => "Ki",
        "mb" => "Mi",
        "gb" => "Gi",
        "tb" => "Ti",
        _ => return None,
    };
    (!number.is_empty()).then(|| format!("{number}{suffix}"))
}
