//! Carries what both sides say, message by message. Neither channels nor their windows are understood, nor counted: they are between the
//! two. A side that does not take what is meant for it is waited for, by not reading what the other one says.

use std::time::Duration;

use berth_ssh::{Direction, Transport, passes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::socket::{Ended, flush, read, write};

/// While so much has not gone out to one side, the other is not read.
const ROOM: usize = 512 * 1_024;
/// How long the last words may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// One of both sides.
#[derive(Debug)]
pub(super) struct End<R, W> {
    pub(super) reader: R,
    pub(super) writer: W,
    pub(super) transport: Transport,
}

/// Until one of both ends it. What the other one was still to be told is told.
pub(super) async fn carry<R1, W1, R2, W2>(person: &mut End<R1, W1>, workspace: &mut End<R2, W2>) -> Ended
where
    R1: AsyncRead + Unpin,
    W1: AsyncWrite + Unpin,
    R2: AsyncRead + Unpin,
    W2: AsyncWrite + Unpin,
{
    let ended = loop {
        if let Err(ended) = step(person, workspace).await {
            break ended;
        }
    };
    let last = async {
        // Whichever is still there; of the other nothing is expected.
        let _ = flush(&mut workspace.writer, &mut workspace.transport).await;
        let _ = flush(&mut person.writer, &mut person.transport).await;
    };
    let _ = timeout(GOODBYE, last).await;
    ended
}

async fn step<R1, W1, R2, W2>(person: &mut End<R1, W1>, workspace: &mut End<R2, W2>) -> Result<(), Ended>
where
    R1: AsyncRead + Unpin,
    W1: AsyncWrite + Unpin,
    R2: AsyncRead + Unpin,
    W2: AsyncWrite + Unpin,
{
    hand_over(&mut person.transport, &mut workspace.transport, Direction::ToWorkspace)?;
    hand_over(&mut workspace.transport, &mut person.transport, Direction::ToPerson)?;
    let hears_person = is_heard(&person.transport, &workspace.transport);
    let hears_workspace = is_heard(&workspace.transport, &person.transport);
    let (from_person, to_person) = person.transport.buffers();
    let (from_workspace, to_workspace) = workspace.transport.buffers();
    let (tells_person, tells_workspace) = (!to_person.is_empty(), !to_workspace.is_empty());
    tokio::select! {
        written = write(&mut person.writer, to_person), if tells_person => written,
        written = write(&mut workspace.writer, to_workspace), if tells_workspace => written,
        came = read(&mut person.reader, from_person), if hears_person => came,
        came = read(&mut workspace.reader, from_workspace), if hears_workspace => came,
    }
}

/// Whether there is room for what one side says. While keys are exchanged with it, it has to be heard for that to end; it says little else.
fn is_heard(from: &Transport, to: &Transport) -> bool {
    from.is_exchanging() || to.backlog() < ROOM
}

/// What one side has said is said to the other, as long as there is room for it.
fn hand_over(from: &mut Transport, to: &mut Transport, direction: Direction) -> Result<(), Ended> {
    while is_heard(from, to)
        && let Some(payload) = from.receive()?
    {
        if passes(&payload, direction) {
            to.send(&payload)?;
        }
    }
    Ok(())
}
