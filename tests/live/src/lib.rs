//! A real server of channels, Sockudo, and pages that listen to it with the real `pusher-js`, where `tests/live/install` put
//! both. Nothing of them is left when who started them ends, however that happens.

mod page;
mod server;

use std::path::{Path, PathBuf};

use anyhow::ensure;
use local::channels;

pub use page::{Page, Told};
pub use server::Server;

/// This folder.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// What `tests/live/install` installed.
#[derive(Debug, Clone)]
pub struct Tools(PathBuf);

impl Tools {
    /// Where it did; nothing if it was not run.
    ///
    /// # Errors
    /// In CI it must have been run.
    pub fn installed() -> anyhow::Result<Option<Self>> {
        let tools = channels::tools().map(Self);
        let tools = tools.filter(|tools| tools.sockudo().exists() && tools.modules().exists());
        ensure!(tools.is_some() || std::env::var_os("CI").is_none(), "tests/live/install was not run");
        Ok(tools)
    }

    fn sockudo(&self) -> PathBuf {
        channels::program(&self.0)
    }

    fn modules(&self) -> PathBuf {
        self.0.join("pages/node_modules")
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(HERE).join(name)
}
