//! What is permitted to whom, whatever an organisation writes.

mod asked;
mod elevation;
mod hostile;
mod property;
mod roles;
mod rules;
