//! pg_manifold joins the Salesforce orgs that Heroku Connect syncs into one database into one set
//! of canonical tables and one family of Kafka topics. See README.md and docs/.
//!
//! Changes flow down this list once: capture → log → (normalize | publish).

use pgrx::prelude::*;

pub mod api;
pub mod capture;
pub mod catalog;
pub mod error;
pub mod kafka;
pub mod log;
pub mod normalize;
pub mod pg;
pub mod publish;
pub mod row;
pub mod settings;
pub mod worker;

pgrx::pg_module_magic!(name, version);

extension_sql_file!("../sql/tables.sql", name = "tables", bootstrap);
extension_sql_file!("../sql/capture.sql", name = "capture", requires = ["tables"]);
extension_sql_file!(
    "../sql/views.sql",
    name = "views",
    requires = ["capture", api::log::log_table]
);
extension_sql_file!(
    "../sql/problems.sql",
    name = "problems",
    requires = ["views", api::remedy::remedy]
);
extension_sql_file!(
    "../sql/rules.sql",
    name = "rules",
    requires = ["problems", api::rule::rule_catalogue]
);
extension_sql_file!(
    "../sql/comments.sql",
    name = "comments",
    requires = ["views", "problems", "rules"]
);
extension_sql_file!("../sql/finish.sql", name = "finish", finalize);

/// Called once by the postmaster (shared_preload_libraries), or by a backend that meets one of our
/// functions without it; then capture still works, but there are no workers to consume the log.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::define();
    pg::discreet::install();
    pg::xact::register();
    capture::nesting::register();
    // SAFETY: plain reads of globals that the server sets before it loads libraries.
    let preloading = unsafe { pgrx::pg_sys::process_shared_preload_libraries_in_progress };
    let upgrading = unsafe { pgrx::pg_sys::IsBinaryUpgrade };
    if preloading && !upgrading {
        pg::shared::request();
        worker::launcher::register();
        worker::hold::install();
    }
}
