//! Keeps the schema metadata that `cargo pgrx` reads from the shared object: the linker would
//! discard it as unreferenced. Given here rather than as RUSTFLAGS, so that the library, the tests
//! and the lints share one set of compiled dependencies.
fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,--no-gc-sections");
    println!("cargo:rerun-if-changed=build.rs");
}
