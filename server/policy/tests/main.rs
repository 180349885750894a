//! What is permitted to whom, whatever an organisation writes.

mod asked;
mod hostile;
mod property;
mod roles;
mod rules;
