//! Who calls, and acting as the extension's owner.

use pgrx::pg_sys;

use super::relation::Table;
use crate::error::{Error, Result};

const ADMIN: &std::ffi::CStr = c"manifold_admin";

/// Requires membership in `manifold_admin` (superusers are members of everything).
pub fn require_admin() -> Result<()> {
    // SAFETY: catalog look-ups in a transaction.
    let allowed = unsafe {
        let role = pg_sys::get_role_oid(ADMIN.as_ptr(), true);
        pg_sys::superuser()
            || (role != pg_sys::InvalidOid && pg_sys::has_privs_of_role(pg_sys::GetUserId(), role))
    };
    if allowed {
        return Ok(());
    }
    // SAFETY: the current user exists.
    let user = unsafe {
        let name = pg_sys::GetUserNameFromId(pg_sys::GetUserId(), false);
        std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
    };
    Err(Error::Denied {
        message: format!("role \"{user}\" is no member of manifold_admin"),
        hint: format!("Ask a superuser for: GRANT manifold_admin TO {user}"),
    })
}

/// Whether the user is a superuser, before [`AsUser`] makes it one.
pub fn is_superuser() -> bool {
    // SAFETY: a catalog look-up in a transaction.
    unsafe { pg_sys::superuser() }
}

/// Acts as another user until dropped. The session cannot change roles meanwhile.
pub struct AsUser {
    user: pg_sys::Oid,
    context: i32,
}

impl AsUser {
    /// The superuser that the server was made with.
    pub fn superuser() -> AsUser {
        AsUser::enter(pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID), 0)
    }

    /// The owner of a table, for what names may make him run.
    pub fn owner_of(table: &Table) -> AsUser {
        // SAFETY: the relation is open.
        let owner = unsafe { (*(*table.0).rd_rel).relowner };
        AsUser::enter(owner, pg_sys::SECURITY_RESTRICTED_OPERATION as i32)
    }

    fn enter(other: pg_sys::Oid, more: i32) -> AsUser {
        // SAFETY: reads and sets the session's user as SECURITY DEFINER functions do; on ERROR the
        // server puts it back when the transaction ends.
        unsafe {
            let mut user = pg_sys::InvalidOid;
            let mut context = 0;
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            let new_context = context | more | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32;
            pg_sys::SetUserIdAndSecContext(other, new_context);
            AsUser { user, context }
        }
    }
}

impl Drop for AsUser {
    fn drop(&mut self) {
        // SAFETY: what `enter` found.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) }
    }
}

/// OID of the extension in this database; another one after DROP and CREATE EXTENSION.
pub fn extension() -> Option<pg_sys::Oid> {
    // SAFETY: a catalog look-up in a transaction.
    let oid = unsafe { pg_sys::get_extension_oid(c"pg_manifold".as_ptr(), true) };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// OID of the schema `manifold`, where the extension is installed in this database.
pub fn schema() -> Option<pg_sys::Oid> {
    // SAFETY: catalog look-ups in a transaction.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"manifold".as_ptr(), true);
        (extension().is_some() && schema != pg_sys::InvalidOid).then_some(schema)
    }
}

/// Name of the database that this process is connected to.
pub fn database() -> String {
    // SAFETY: the current database exists; the result is ours.
    unsafe {
        let name = pg_sys::get_database_name(pg_sys::MyDatabaseId);
        if name.is_null() {
            return String::new();
        }
        std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}
