//! Background workers: a launcher, and per database one process for each kind of work. This room is
//! lifecycle only: when to run, wait, stop, and what to do when something fails.

mod exactly;
mod heart;
pub mod hold;
pub mod keeper;
pub mod launcher;
pub mod lifecycle;
pub mod normalizer;
pub mod publisher;
