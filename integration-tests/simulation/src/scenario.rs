//! What a run is made of: everything that users do and everything that goes wrong, each at its time.

use std::time::Duration;

use berth_planner::Brake;
use berth_planner::intent::Wish;

use crate::dice::Dice;
use crate::faults::{Fault, Kinds};
use crate::poison::Poison;
use crate::runtime::Moment;

/// What a workspace's image is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    Good,
    /// Its image cannot be pulled.
    Missing,
    /// The API server refuses its Deployment.
    Poison,
}

impl Image {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "registry/good",
            Self::Missing => "registry/missing",
            Self::Poison => "registry/poison",
        }
    }

    fn draw(dice: &Dice) -> Self {
        match dice.below(10) {
            0 => Self::Missing,
            1 => Self::Poison,
            _ => Self::Good,
        }
    }
}

/// What a user does with the workspace at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserDeed {
    Create {
        image: Image,
    },
    /// `image` is for a rebuild. `insists`: with If-Match on the generation that the user saw last.
    Wish {
        wish: Wish,
        image: Image,
        insists: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    User {
        place: usize,
        deed: UserDeed,
    },
    Fault(Fault),
    /// Something of the workspace at a place cannot be read from then on.
    Poison {
        place: usize,
        poison: Poison,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    pub at: Moment,
    pub what: What,
}

/// How large the world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Identities, each with a cluster of its own.
    pub agents: usize,
    /// Processes of each agent.
    pub replicas: usize,
    /// Servers on the one database.
    pub servers: usize,
    pub workspaces: usize,
    /// Workspaces of one message: full reports may have several pages.
    pub per_message: usize,
    /// How many workspaces may be missing at once without a second look.
    pub brake: Brake,
}

impl Shape {
    /// One of each.
    pub fn smallest() -> Self {
        Self { agents: 1, replicas: 1, servers: 1, workspaces: 1, per_message: 500, brake: Brake::default() }
    }
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub shape: Shape,
    /// When faults and users end.
    pub quiet_from: Moment,
    /// In the order of their times.
    pub deeds: Vec<Deed>,
}

/// The fewest faults of a run that are sure to happen.
const SURE: usize = 10;

impl Scenario {
    /// The scenario of a seed.
    pub fn new(seed: u64) -> Self {
        let dice = Dice::new(seed ^ 0x5ce0_a210_0000_0000);
        let shape = Shape {
            agents: dice.pick(&[1, 1, 1, 2]),
            replicas: dice.pick(&[1, 1, 2]),
            servers: dice.pick(&[1, 1, 2]),
            workspaces: dice.pick(&[1, 1, 2, 3]),
            per_message: dice.pick(&[500, 500, 1, 2]),
            // Each one that is missing is too many in some worlds.
            brake: dice.pick(&[Brake::default(), Brake { count: 0, percent: 20 }]),
        };
        let quiet_from = Duration::from_secs(dice.within(20..=120));
        let mut deeds = vec![];
        let mut at = |what| deeds.push(Deed { at: dice.millis(0..=whole_millis(quiet_from)), what });
        let kinds = Kinds::draw(&dice);
        for _ in 0..SURE {
            at(What::Fault(kinds.blow(&dice)));
        }
        for _ in 0..dice.within(4..=24) {
            at(What::Fault(kinds.one(&dice)));
        }
        for place in 0..shape.workspaces {
            let image = Image::draw(&dice);
            deeds.push(Deed {
                at: dice.millis(0..=5_000),
                what: What::User { place, deed: UserDeed::Create { image } },
            });
        }
        for _ in 0..dice.within(2..=8) * shape.workspaces as u64 {
            let place = dice.below(shape.workspaces);
            let deed = UserDeed::Wish {
                wish: draw_wish(&dice),
                image: Image::draw(&dice),
                insists: dice.chance(20),
            };
            deeds.push(Deed { at: user_time(&dice, &deeds, quiet_from), what: What::User { place, deed } });
        }
        poison(seed, shape, quiet_from, &mut deeds);
        deeds.sort_by_key(|deed| deed.at);
        Self { seed, shape, quiet_from, deeds }
    }
}

/// A quarter of the worlds has poison, drawn by dice of its own: the others are what they would be without.
fn poison(seed: u64, shape: Shape, quiet_from: Moment, deeds: &mut Vec<Deed>) {
    let dice = Dice::new(seed ^ 0x9015_0000_0000_0000);
    if !dice.chance(25) {
        return;
    }
    for _ in 0..dice.within(1..=2) {
        let place = dice.below(shape.workspaces);
        let at = dice.millis(0..=whole_millis(quiet_from));
        deeds.push(Deed { at, what: What::Poison { place, poison: Poison::draw(&dice) } });
        // Whatever is wrong with it, it can be removed.
        if dice.chance(40) {
            let deed = UserDeed::Wish { wish: Wish::Terminate, image: Image::Good, insists: false };
            let at = (at + dice.millis(0..=30_000)).min(quiet_from);
            deeds.push(Deed { at, what: What::User { place, deed } });
        }
    }
}

fn draw_wish(dice: &Dice) -> Wish {
    match dice.below(20) {
        0..=5 => Wish::Stop,
        6..=11 => Wish::Start,
        12..=15 => Wish::Restart,
        16..=18 => Wish::Rebuild,
        _ => Wish::Terminate,
    }
}

/// At any time, or hard on the heels of something else: that is where races are.
fn user_time(dice: &Dice, deeds: &[Deed], quiet_from: Moment) -> Moment {
    if dice.chance(40) {
        let other = deeds[dice.below(deeds.len())].at;
        return (other + dice.millis(0..=300)).min(quiet_from);
    }
    dice.millis(0..=whole_millis(quiet_from))
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
