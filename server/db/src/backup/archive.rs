//! What an archive of `pg_dump` holds, counted.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::programs::Program;
use super::{BackupError, Counts};

/// The rows of each table in an archive.
pub async fn rows_of_archive(file: &Path) -> Result<Counts, BackupError> {
    const PROGRAM: &str = "pg_restore";
    let io = |source| BackupError::Io { what: format!("{} cannot be read", file.display()), source };
    let mut command = Program::find(PROGRAM)?.command();
    command.args(["--data-only", "--file=-"]).arg(file).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(io)?;
    let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io(std::io::Error::other("it has no output")));
    };
    let mut said = Vec::new();
    let (counts, _) =
        tokio::try_join!(count(BufReader::new(stdout)), stderr.read_to_end(&mut said)).map_err(io)?;
    if child.wait().await.map_err(io)?.success() {
        return Ok(counts);
    }
    Err(BackupError::Failed { program: PROGRAM, said: String::from_utf8_lossy(&said).trim().to_owned() })
}

/// Counts in a script: `COPY public.<table> (…) FROM stdin;`, a line for each row, `\.`. A row is one line, whatever is in it.
async fn count(mut script: impl AsyncBufRead + Unpin) -> std::io::Result<Counts> {
    let mut counts = Counts::new();
    let mut table: Option<String> = None;
    let mut line = Vec::new();
    while script.read_until(b'\n', &mut line).await? > 0 {
        match &table {
            Some(_) if line == b"\\.\n" => table = None,
            Some(name) => *counts.entry(name.clone()).or_default() += 1,
            None => table = copied(&line),
        }
        line.clear();
    }
    Ok(counts)
}

/// The table of a line that begins a COPY.
fn copied(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix("COPY public.")?;
    line.trim_end().ends_with(" FROM stdin;").then_some(())?;
    Some(line.split(" (").next()?.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_are_counted_by_table_and_no_content_is_taken_for_a_command() {
        let script = "SET x;\nCOPY public.a (one, \"two\") FROM stdin;\nCOPY public.b (x) FROM stdin;\n\\\\.\n\\.\n\nCOPY public.b (x) FROM stdin;\n\\.\nCOPY public.\"C\" (x) FROM stdin;\n1\n\\.\n";
        let counts = count(script.as_bytes()).await.expect("a script");
        assert_eq!(counts, Counts::from([("a".to_owned(), 2), ("C".to_owned(), 1)]));
    }
}
