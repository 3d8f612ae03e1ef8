//! pg_manifold: see README.md and docs/.

pub mod log;
pub mod row;

use pgrx::prelude::*;
pgrx::pg_module_magic!();
#[pg_extern]
fn hello() -> i32 {
    1
}
