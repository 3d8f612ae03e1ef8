//! Keys and certificates, made by openssl for one test run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::installation::run_to_end;

/// A certificate authority in a folder of its own.
pub struct Authority {
    folder: PathBuf,
    name: String,
}

/// A key and the certificate for it, as PEM files.
pub struct Certificate {
    pub key: PathBuf,
    pub certificate: PathBuf,
}

/// What a certificate says, but for the subject's name.
pub struct Terms<'a> {
    /// Subject alternative names, such as `IP:127.0.0.1`.
    pub names: &'a str,
    /// Days of validity; a negative number ended it long ago.
    pub days: i32,
}

impl Authority {
    pub fn new(folder: &Path, name: &str) -> Self {
        fs::create_dir_all(folder).expect("run folder is writable");
        let authority = Self { folder: folder.to_owned(), name: name.to_owned() };
        authority.key(name);
        openssl(folder, &["req", "-x509", "-new", "-key", &format!("{name}.key"), "-days", "30"])
            .args(["-subj", &format!("/CN={name}"), "-out", &format!("{name}.pem")])
            .run();
        authority
    }

    /// Its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// A key with a certificate for `CN=name`, valid for the given names.
    pub fn sign(&self, name: &str, terms: &Terms<'_>) -> Certificate {
        let (key, request, certificate) =
            (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        self.key(name);
        openssl(&self.folder, &["req", "-new", "-key", &key, "-out", &request])
            .args(["-subj", &format!("/CN={name}")])
            .run();
        let extensions = self.folder.join(format!("{name}.ext"));
        let usage = "extendedKeyUsage=serverAuth,clientAuth";
        fs::write(&extensions, format!("subjectAltName={}\n{usage}\n", terms.names))
            .expect("run folder is writable");
        openssl(&self.folder, &["x509", "-req", "-in", &request, "-out", &certificate])
            .args(["-CA", &format!("{}.pem", self.name), "-CAkey", &format!("{}.key", self.name)])
            .args(["-CAcreateserial", "-days", &terms.days.to_string()])
            .args(["-extfile", &format!("{name}.ext")])
            .run();
        Certificate { key: self.folder.join(key), certificate: self.folder.join(certificate) }
    }

    fn key(&self, name: &str) {
        openssl(&self.folder, &["genpkey", "-algorithm", "EC"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-out", &format!("{name}.key")])
            .run();
    }
}

impl Certificate {
    /// Key and certificate in one file, as Kafka's PEM stores have them.
    pub fn store(&self) -> PathBuf {
        let store = self.certificate.with_extension("store.pem");
        fs::write(&store, read(&self.key) + &read(&self.certificate)).expect("folder is writable");
        store
    }
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

struct Openssl(Command);

fn openssl(folder: &Path, arguments: &[&str]) -> Openssl {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments);
    Openssl(command)
}

impl Openssl {
    fn args<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.0.args(arguments);
        self
    }

    fn run(mut self) {
        run_to_end(&mut self.0);
    }
}
