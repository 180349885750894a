//! The reader from outside: cases as files, properties, and what it costs.

mod cases;
mod corpus;
mod cost;
mod generated;
mod properties;
