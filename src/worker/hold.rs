//! Getting out of the way: DROP DATABASE and its like need a database without connections. Our
//! workers leave it when such a statement begins, and stay out until it has ended; the statement
//! itself waits up to five seconds for others to leave (`CountOtherDBBackends`).

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::pg::{compat, discreet, shared, xact};

static mut PREVIOUS: pg_sys::ProcessUtility_hook_type = None;

pub fn install() {
    // SAFETY: in the postmaster, while it preloads libraries; hooks are chained.
    unsafe {
        PREVIOUS = pg_sys::ProcessUtility_hook;
        pg_sys::ProcessUtility_hook = Some(process_utility);
    }
}

/// Runs around every utility statement of every session. It has nothing to drop and no guard, so
/// that an ERROR of the statement passes through it as it is: a guard would strip it of its context,
/// its constraint and its position.
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
    // SAFETY: called by the server with a valid statement; what came before us is called in turn, with a
    // copy of it where others are not to see its text.
    unsafe {
        if concerns_databases((*statement).utilityStmt) {
            hold_for((*statement).utilityStmt);
        }
        let mut hidden = *statement;
        let (mut statement, mut query) = (statement, query);
        let instead = discreet::hide(hidden.utilityStmt);
        if !instead.is_null() {
            (hidden.stmt_location, hidden.stmt_len) = (0, 0);
            (statement, query) = (&mut hidden, instead);
        }
        let next = PREVIOUS.unwrap_or(compat::standard_process_utility());
        next(
            statement,
            query,
            read_only_tree,
            context,
            params,
            environment,
            destination,
            completion,
        );
    }
}

unsafe fn concerns_databases(node: *const pg_sys::Node) -> bool {
    use pg_sys::NodeTag::*;
    // SAFETY: a valid node.
    let tag = unsafe { (*node).type_ };
    matches!(tag, T_DropdbStmt | T_RenameStmt | T_AlterDatabaseStmt | T_CreatedbStmt)
}

/// Has our workers leave the database that a statement of its owner needs for itself, until the transaction
/// ends, however it ends (such statements are transactions of their own).
#[pg_guard]
unsafe extern "C-unwind" fn hold_for(node: *mut pg_sys::Node) {
    // SAFETY: a valid node; catalog look-ups in a transaction.
    let database = unsafe {
        emptied_database(node).and_then(|name| {
            let oid = pg_sys::get_database_oid(name, true);
            shared::database(oid)
                .filter(|_| oid != pg_sys::InvalidOid && compat::owns_database(oid))
        })
    };
    if let Some(database) = database {
        xact::hold(database);
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
