//! Pages that listen with the real `pusher-js`, and a real server of channels, Sockudo, where `tests/live/install` installed
//! them. Both end with their starter, however that one ends.

mod page;
mod sockudo;

use std::path::{Path, PathBuf};

use anyhow::ensure;

pub use page::{Page, Told};
pub use sockudo::Sockudo;

/// This folder.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// The folder of `tests/live/install`.
#[derive(Debug, Clone)]
pub struct Tools(PathBuf);

/// Where a page finds a server of channels, on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its port.
    pub port: u16,
    /// The public key of the application.
    pub key: String,
}

impl Tools {
    /// The tools, if `pusher-js` and Node are there; nothing if `tests/live/install` was not run.
    ///
    /// # Errors
    /// In CI it must have been run.
    pub fn installed() -> anyhow::Result<Option<Self>> {
        let tools = folder().map(Self).filter(|tools| tools.modules().exists());
        ensure!(tools.is_some() || !is_ci(), "tests/live/install was not run");
        Ok(tools)
    }

    /// The program of Sockudo, if it is there as well.
    ///
    /// # Errors
    /// In CI it must be.
    pub fn sockudo(&self) -> anyhow::Result<Option<PathBuf>> {
        let program = self.0.join("sockudo/bin/sockudo");
        ensure!(program.exists() || !is_ci(), "tests/live/install did not install Sockudo");
        Ok(program.exists().then_some(program))
    }

    fn modules(&self) -> PathBuf {
        self.0.join("pages/node_modules")
    }
}

fn is_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// Where `tests/live/install` keeps what it installs.
fn folder() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = || Some(var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?.join("tally"));
    var("TALLY_TOOLS").or_else(cache)
}

fn script(name: &str) -> PathBuf {
    Path::new(HERE).join(name)
}
