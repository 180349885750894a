//! Whether the time of a refusal tells anything: forged tokens, in pairs that ask for something that is there and for something that
//! is not.

use std::time::{Duration, Instant};

use anyhow::ensure;
use berth_harness::{Postgres, Server, ServerOptions};
use berth_schema::{AccessToken, AgentId, AgentToken, OpaqueAccessToken, OrganizationId, TokenId};

use crate::figure::{Figures, Goal};
use crate::population::{Owner, nothing_new};
use crate::wire::{Wire, list, reconcile};

const PAIRS: usize = 5_000;
const WORKSPACES: i32 = 61;
/// What a difference of nothing stays below in all but one of a hundred thousand runs.
const LIMIT: f64 = 4.5;
/// Of both sides together, so many are compared again: whatever else the machine does hits the others.
const QUIET: f64 = 0.9;

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let postgres = Postgres::start(None).await?;
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let mut options = ServerOptions::new(&url, dir.path()).for_load();
    // The wait of strangers would be all that is seen.
    for name in ["BERTH_UNPROVEN_PER_SECOND", "BERTH_UNPROVEN_BURST"] {
        options.environment.push((name.to_owned(), "1000000".to_owned()));
    }
    let server = Server::start(options).await?;
    let owner = Owner::connect(&url).await?;
    let agent = owner.populate(1, WORKSPACES).await?.remove(0);
    owner.settle().await?;
    let known = secrecy::ExposeSecret::expose_secret(&server.first_token()?).parse::<AccessToken>()?;
    let organization = known.organization();
    // Signed ones are refused by their signature, before anything is looked for.
    let token = |organization, id| OpaqueAccessToken::new(organization, id, &fresh()).expose().to_owned();
    let asks = |query: &str| list(&token(organization, TokenId::random()), organization, query);
    let of = |organization: OrganizationId| list(&token(organization, TokenId::random()), organization, "");
    let round = |id: AgentId| reconcile(&AgentToken::new(organization, id, &fresh()), &nothing_new(0));
    let name = owner.a_name().await?;

    let mut wire = Wire::connect(server.address()).await?;
    let mut pairs: Vec<(&str, Pair<'_>)> = vec![
        ("nothing (control)", Box::new(|_| Ok(asks("")))),
        (
            "organisation",
            Box::new(|there| Ok(of(if there { organization } else { OrganizationId::random() }))),
        ),
        (
            "agent",
            Box::new(|there| {
                Ok(asks(&format!("?agent={}", if there { agent.agent() } else { AgentId::random() })))
            }),
        ),
        (
            "name",
            Box::new(|there| {
                Ok(asks(&format!("?name={}", if there { &name } else { "nobody-has-this-one" })))
            }),
        ),
        (
            "state",
            Box::new(|there| Ok(asks(if there { "?actual_state=Running" } else { "?actual_state=Stopped" }))),
        ),
        (
            "workspace's name",
            Box::new(|there| {
                let path = format!("/{}", if there { &name } else { "nobody-has-this-one" });
                Ok(asks(&path))
            }),
        ),
        (
            "token's id",
            Box::new(|there| {
                let id = if there { known.token_id() } else { TokenId::random() };
                Ok(list(&token(organization, id), organization, ""))
            }),
        ),
        ("agent's id", Box::new(|there| round(if there { agent.agent() } else { AgentId::random() }))),
    ];
    for (what, pair) in &mut pairs {
        let mut times = [Vec::with_capacity(PAIRS), Vec::with_capacity(PAIRS)];
        for number in 0..PAIRS + 200 {
            let first = fastrand::bool();
            for there in [first, !first] {
                let request = pair(there)?;
                let started = Instant::now();
                let status = wire.ask(&request).await?.status;
                let took = started.elapsed();
                ensure!(status == 401, "status {status}");
                // The first ones warm up.
                if number >= 200 {
                    times[usize::from(there)].push(took);
                }
            }
        }
        let t = welch(&times);
        figures.add(
            format!("forged, there or not: {what}, |t| of {PAIRS} pairs"),
            "",
            t,
            None,
            Goal::AtMost(LIMIT),
        );
    }
    Ok(())
}

/// A request for something that is there, or is not.
type Pair<'a> = Box<dyn FnMut(bool) -> anyhow::Result<Vec<u8>> + 'a>;

/// A secret that nobody has.
fn fresh() -> [u8; 32] {
    let mut secret = [0; 32];
    fastrand::fill(&mut secret);
    secret
}

/// The larger of Welch's |t| over all times and over the quiet ones.
fn welch([absent, present]: &[Vec<Duration>; 2]) -> f64 {
    let seconds = |times: &[Duration]| times.iter().map(Duration::as_secs_f64).collect::<Vec<_>>();
    let (absent, present) = (seconds(absent), seconds(present));
    let mut all: Vec<f64> = absent.iter().chain(&present).copied().collect();
    all.sort_unstable_by(f64::total_cmp);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let quiet = all[((all.len() - 1) as f64 * QUIET) as usize];
    let below = |times: &[f64]| times.iter().copied().filter(|time| *time <= quiet).collect::<Vec<_>>();
    t(&absent, &present).max(t(&below(&absent), &below(&present)))
}

#[allow(clippy::cast_precision_loss, reason = "some thousands")]
fn t(one: &[f64], other: &[f64]) -> f64 {
    let moments = |times: &[f64]| {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((one, one_error), (other, other_error)) = (moments(one), moments(other));
    (one - other).abs() / (one_error + other_error).sqrt()
}
