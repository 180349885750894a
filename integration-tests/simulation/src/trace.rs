//! What happened, step by step. Kept only when somebody wants to read it: a run can be had again at any time.

use std::cell::RefCell;

use crate::runtime::Runtime;

/// Where the steps go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Nowhere: most runs find nothing.
    #[default]
    Nothing,
    /// Into the result.
    Lines,
}

#[derive(Debug)]
pub struct Trace {
    runtime: Runtime,
    keep: Keep,
    lines: RefCell<Vec<String>>,
}

impl Trace {
    pub const fn new(runtime: Runtime, keep: Keep) -> Self {
        Self { runtime, keep, lines: RefCell::new(vec![]) }
    }

    /// Notes a step: its number, its time, who and what.
    pub fn say(&self, who: &str, what: impl FnOnce() -> String) {
        if self.keep == Keep::Lines {
            let (step, now) = (self.runtime.steps(), self.runtime.now().as_secs_f64());
            self.lines.borrow_mut().push(format!("{step:>7} {now:>9.4} {who:<10} {}", what()));
        }
    }

    pub fn take(&self) -> Vec<String> {
        self.lines.take()
    }
}
