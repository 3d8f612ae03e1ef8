//! Safe guards over the server: what other rooms need of it, each behind a small door.

pub mod compat;
pub mod datum;
pub mod discreet;
pub mod expression;
pub mod identity;
pub mod relation;
pub mod rows;
pub mod server;
pub mod shared;
pub mod snapshot;
pub mod sql;
pub mod subtransaction;
pub mod xact;
