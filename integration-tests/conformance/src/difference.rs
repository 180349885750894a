//! Where two tellings of the same script part.

use std::fmt;
use std::ops::Range;

/// The first line that differs, and what both told before.
#[derive(Debug)]
pub struct Difference {
    before: Vec<String>,
    simulated: String,
    real: String,
}

impl Difference {
    pub fn between(simulated: &str, real: &str) -> Option<Self> {
        let (mut simulated, mut real) = (simulated.lines(), real.lines());
        let mut before = vec![];
        loop {
            match (simulated.next(), real.next()) {
                (None, None) => return None,
                (Some(one), Some(other)) if one == other => before.push(one.to_owned()),
                (one, other) => {
                    let words = |line: Option<&str>| line.unwrap_or("(nothing)").to_owned();
                    return Some(Self { before, simulated: words(one), real: words(other) });
                }
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.before {
            writeln!(f, "    both:      {line}")?;
        }
        writeln!(f, "    simulated: {}", self.simulated)?;
        writeln!(f, "    real:      {}", self.real)
    }
}

/// The seeds to try: `BERTH_SEEDS=1000..2000`, or the first `usual` ones.
pub fn seeds(usual: u64) -> Range<u64> {
    let given = std::env::var("BERTH_SEEDS").ok();
    let range = given.as_deref().and_then(|text| text.split_once(".."));
    let parsed = range.and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed.unwrap_or(0..usual)
}
