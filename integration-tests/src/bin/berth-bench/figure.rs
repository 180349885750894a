//! A measured figure, its floor and its goal.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) measured: f64,
    /// The same work without Berth, in the same run.
    pub(crate) floor: Option<f64>,
    pub(crate) goal: Goal,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    AtMost(f64),
    /// At most so many times the floor.
    TimesFloor(f64),
    /// At least this share of the floor, which is a speed.
    ShareOfFloor(f64),
    /// Nobody has set one: it is there to explain another.
    None,
}

impl Figure {
    fn met(&self) -> Option<bool> {
        match (self.goal, self.floor) {
            (Goal::AtMost(limit), _) => Some(self.measured <= limit),
            (Goal::TimesFloor(times), Some(floor)) => Some(self.measured <= times * floor),
            (Goal::ShareOfFloor(share), Some(floor)) => Some(self.measured >= share * floor),
            (Goal::TimesFloor(_) | Goal::ShareOfFloor(_), None) | (Goal::None, _) => None,
        }
    }
}

#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Figures(Vec<Figure>);

impl Figures {
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        unit: &'static str,
        measured: f64,
        floor: Option<f64>,
        goal: Goal,
    ) {
        let figure = Figure { what: what.into(), unit, measured, floor, goal };
        eprintln!("{figure}");
        self.0.push(figure);
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let floor = self.floor.map_or(String::new(), |floor| format!("{floor:.2}"));
        let ratio = self.floor.map_or(String::new(), |floor| format!("{:.2} x", self.measured / floor));
        let goal = match self.goal {
            Goal::AtMost(limit) => format!("<= {limit}"),
            Goal::TimesFloor(times) => format!("<= {times} x"),
            Goal::ShareOfFloor(share) => format!(">= {share} x"),
            Goal::None => String::new(),
        };
        let met = match self.met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let Self { what, unit, measured, .. } = self;
        write!(f, "{what:<58} {measured:>10.2} {unit:<5} {floor:>10} {ratio:>9} {goal:>9}  {met}")
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<58} {:>10} {:<5} {:>10} {:>9} {:>9}",
            "figure", "measured", "unit", "floor", "ratio", "goal"
        )?;
        self.0.iter().try_for_each(|figure| writeln!(f, "{figure}"))
    }
}

/// The value that `share` (0 to 1) of the samples do not exceed, in milliseconds.
pub(crate) fn percentile(samples: &mut [Duration], share: f64) -> f64 {
    samples.sort_unstable();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((samples.len() - 1) as f64 * share).round() as usize;
    samples[index].as_secs_f64() * 1_000.0
}
