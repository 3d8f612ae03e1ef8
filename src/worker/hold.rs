//! Getting out of the way: DROP DATABASE and its like need a database without connections. Our
//! workers leave it when such a statement begins, and stay out until it has ended; the statement
//! itself waits up to five seconds for others to leave (`CountOtherDBBackends`).

use std::sync::atomic::Ordering;

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::pg::shared::{self, Database, Kind};

static mut PREVIOUS: pg_sys::ProcessUtility_hook_type = None;

pub fn install() {
    // SAFETY: in the postmaster, while it preloads libraries; hooks are chained.
    unsafe {
        PREVIOUS = pg_sys::ProcessUtility_hook;
        pg_sys::ProcessUtility_hook = Some(process_utility);
    }
}

/// Keeps our workers out of a database for as long as it lives, an ERROR included.
struct Hold(&'static Database);

impl Hold {
    fn take(database: &'static Database) -> Hold {
        database.holds.fetch_add(1, Ordering::AcqRel);
        for kind in Kind::ALL {
            database.wake(kind);
        }
        Hold(database)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // The launcher may have given the slot to another database meanwhile, with no holds.
        let _ = self
            .0
            .holds
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |holds| holds.checked_sub(1));
        shared::wake_launcher();
    }
}

#[pg_guard]
#[allow(clippy::too_many_arguments)]
unsafe extern "C-unwind" fn process_utility(
    statement: *mut pg_sys::PlannedStmt,
    query: *const std::ffi::c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    destination: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: called by the server with a valid statement; what came before us is called in turn.
    unsafe {
        let name = emptied_database((*statement).utilityStmt);
        let _hold = name.and_then(|name| {
            let oid = pg_sys::get_database_oid(name, true);
            shared::database(oid).filter(|_| oid != pg_sys::InvalidOid).map(Hold::take)
        });
        match PREVIOUS {
            // An ERROR comes back through the guard, so that the hold is let go.
            Some(previous) => pg_sys::ffi::pg_guard_ffi_boundary(|| {
                previous(
                    statement,
                    query,
                    read_only_tree,
                    context,
                    params,
                    environment,
                    destination,
                    completion,
                );
            }),
            None => pg_sys::standard_ProcessUtility(
                statement,
                query,
                read_only_tree,
                context,
                params,
                environment,
                destination,
                completion,
            ),
        }
    }
}

/// The database that a statement needs without connections.
unsafe fn emptied_database(node: *mut pg_sys::Node) -> Option<*const std::ffi::c_char> {
    // SAFETY: a node is of the type that its tag says.
    unsafe {
        let name = match (*node).type_ {
            pg_sys::NodeTag::T_DropdbStmt => (*node.cast::<pg_sys::DropdbStmt>()).dbname,
            pg_sys::NodeTag::T_RenameStmt => {
                let rename = &*node.cast::<pg_sys::RenameStmt>();
                if rename.renameType != pg_sys::ObjectType::OBJECT_DATABASE {
                    return None;
                }
                rename.subname
            }
            pg_sys::NodeTag::T_AlterDatabaseStmt => {
                let alter = &*node.cast::<pg_sys::AlterDatabaseStmt>();
                option(alter.options, c"tablespace")?;
                alter.dbname
            }
            pg_sys::NodeTag::T_CreatedbStmt => {
                let template = option((*node.cast::<pg_sys::CreatedbStmt>()).options, c"template")?;
                if (*template).arg.is_null() {
                    return None;
                }
                pg_sys::defGetString(template)
            }
            _ => return None,
        };
        (!name.is_null()).then_some(name.cast_const())
    }
}

unsafe fn option(
    options: *mut pg_sys::List,
    name: &std::ffi::CStr,
) -> Option<*mut pg_sys::DefElem> {
    // SAFETY: a list of DefElem, or none.
    unsafe {
        if options.is_null() {
            return None;
        }
        (0..(*options).length as usize)
            .map(|at| (*(*options).elements.add(at)).ptr_value.cast::<pg_sys::DefElem>())
            .find(|element| std::ffi::CStr::from_ptr((**element).defname) == name)
    }
}
