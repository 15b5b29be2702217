//! Finds the data and tools that some tests need. A test whose need is not met is ignored, with the need as its reason;
//! CI runs ignored tests too, and they fail there.
#![allow(clippy::print_stdout, reason = "a build script talks to Cargo by printing")]

use std::env::var_os;
use std::path::{Path, PathBuf};

/// Where `tests/live/install` installs its tools.
fn tools() -> PathBuf {
    for name in ["TALLY_TOOLS", "XDG_CACHE_HOME", "HOME"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let folder = |name| var_os(name).map(PathBuf::from);
    let cache = || folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    folder("TALLY_TOOLS").or_else(|| Some(cache()?.join("tally"))).unwrap_or_default()
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let (data, tools) = (Path::new("../../shared/data"), tools());
    for (name, file) in [
        ("has_access_log", data.join("apache_access_10k.log")),
        ("has_invoices", data.join("online_retail_10k.csv")),
        ("has_pusher_js", tools.join("pages/node_modules/pusher-js/package.json")),
        ("has_sockudo", tools.join("sockudo/bin/sockudo")),
    ] {
        println!("cargo::rustc-check-cfg=cfg({name})");
        // Cargo would run this script, and compile the tests, at each build because of a file that does not exist.
        if file.exists() {
            println!("cargo::rustc-cfg={name}\ncargo::rerun-if-changed={}", file.display());
        }
    }
}
