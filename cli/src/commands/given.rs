//! Who is what at a group or a project: the same commands for both.

use berth_schema::access::Role;

use crate::args::Global;
use crate::client::At;
use crate::commands::page::{PageArgs, tell_of_more};
use crate::error::Error;
use crate::output::Format;
use crate::session::{Session, now};

pub(crate) async fn list(global: &Global, at: &At, page: &PageArgs, format: Format) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let page = session.organization.given_roles(at, &page.listing()).await?;
    session.printer.list(&page, format, now())?;
    tell_of_more(&page, session.talk);
    Ok(())
}

pub(crate) async fn give(global: &Global, at: &At, member: &str, role: Role) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let given = session.organization.give_role(at, member, role).await?;
    session.talk.say(&format!("'{}' is {} there, and at all below it.", given.name, given.role));
    Ok(())
}

pub(crate) async fn take(global: &Global, at: &At, member: &str) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let taken = session.organization.take_role(at, member).await?;
    session.talk.say(&format!("'{}' is not {} there any more.", taken.name, taken.role));
    Ok(())
}
