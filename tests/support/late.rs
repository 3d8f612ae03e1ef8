//! Sessions that stand still between their commit's becoming visible and its callbacks, as one does that
//! the machine gives no processor.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use postgres::Client;

use super::installation::run_to_end;

/// Where they wait. It is open from the beginning, and when the value is dropped.
pub struct Gate {
    file: PathBuf,
    library: PathBuf,
}

impl Gate {
    /// One whose files are in this folder.
    pub fn new(folder: &Path) -> Self {
        let gate = Self { file: folder.join("gate"), library: folder.join("late.so") };
        let pg_config = env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".to_owned());
        let headers = run_to_end(Command::new(pg_config).arg("--includedir-server"));
        run_to_end(
            Command::new("cc")
                .args(["-shared", "-fPIC", "-o"])
                .arg(&gate.library)
                .arg(format!("-I{headers}"))
                .arg(format!("-DGATE=\"{}\"", gate.file.display()))
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/late.c")),
        );
        gate
    }

    /// From now on, this session waits there.
    pub fn stop_here(&self, session: &mut Client) {
        let load = format!("LOAD '{}'", self.library.display());
        session.batch_execute(&load).unwrap_or_else(|e| panic!("{load}: {e:?}"));
    }

    pub fn close(&self) {
        fs::write(&self.file, "").expect("the folder is writable");
    }

    pub fn open(&self) {
        let _ = fs::remove_file(&self.file);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}
