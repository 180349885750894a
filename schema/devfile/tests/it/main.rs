//! The reader from outside: cases as files, properties, and what it costs.

mod cases;
mod cost;
mod generated;
mod properties;
