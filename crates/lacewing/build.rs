//! Compiles the demo's native function, one file on `std` alone, with the compiler that builds this crate, so that
//! `lacewing demo` has a real executable to deploy wherever it runs: no compiler, no cargo, no network needed there.

use std::env;
use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "demo/native.rs";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"));
    let program = PathBuf::from(variable("OUT_DIR")).join("demo-native");
    let mut compile = Command::new(variable("RUSTC"));
    compile.args(["--edition=2024", "--crate-type=bin", "--crate-name=demo_native"]);
    compile.args(["-Copt-level=s", "-Cpanic=abort", "-Clto=fat", "-Cstrip=symbols"]);
    compile.arg("--target").arg(variable("TARGET")).arg("-o").arg(&program).arg(SOURCE);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut flag = std::ffi::OsString::from("-Clinker=");
        flag.push(linker);
        compile.arg(flag);
    }
    let status = compile.status().unwrap_or_else(|error| panic!("{compile:?}: {error}"));
    assert!(status.success(), "{compile:?} failed: {status}");
}
