//! Finds the invoices that a test reads. The test is ignored without them; CI runs ignored tests too, and they fail there.
#![allow(clippy::print_stdout, reason = "a build script talks to Cargo by printing")]

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs\ncargo::rustc-check-cfg=cfg(has_invoices)");
    let file = Path::new("../../../shared/data/online_retail_10k.csv");
    if file.exists() {
        println!("cargo::rustc-cfg=has_invoices\ncargo::rerun-if-changed={}", file.display());
    }
}
