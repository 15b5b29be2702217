//! What a running cloud tells programs of this machine: where it is, and how to get in.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::Summary;
use crate::private;
use crate::tokens::Claims;

/// The file that says it.
const FILE: &str = "ready.json";
/// The file that is locked as long as the cloud runs.
const LOCK: &str = "ready.lock";

/// How often a lock is tried that somebody may hold for a moment only, to see whether a cloud runs.
const TRIES: usize = 10;
const REST: Duration = Duration::from_millis(20);

/// Where a cloud is reached, and what its tokens are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Where it is reached, and with what.
    #[serde(flatten)]
    pub summary: Summary,
    /// What its tokens are signed with.
    pub signing: Claims,
}

impl Ready {
    /// What the cloud says that announces itself in this folder; nothing if none runs.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of_running(folder: &Path) -> anyhow::Result<Option<Self>> {
        let lock = match File::open(folder.join(LOCK)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", folder.display())),
        };
        if lock.try_lock_shared().is_ok() {
            return Ok(None);
        }
        let path = folder.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            // It is about to start, or to end.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        let ready = serde_json::from_slice(&text).with_context(|| format!("{} is not a cloud's", path.display()))?;
        Ok(Some(ready))
    }
}

/// A cloud's announcement, which is there until it is withdrawn.
pub(super) struct Announcement {
    path: PathBuf,
    _lock: File,
}

impl Announcement {
    /// Leaves it in a folder, unless another cloud has its own there.
    pub(super) async fn leave(folder: &Path, ready: &Ready) -> anyhow::Result<Option<Self>> {
        private::make_folder(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let lock = private::file(&folder.join(LOCK)).with_context(|| format!("{}", folder.join(LOCK).display()))?;
        if !is_locked(&lock).await? {
            return Ok(None);
        }
        let path = folder.join(FILE);
        let text = serde_json::to_string(ready)? + "\n";
        private::write(&path, &text).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Some(Self { path, _lock: lock }))
    }

    /// Takes it away: nobody answers there any more.
    pub(super) fn withdraw(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!("{} stays: {error}", self.path.display());
        }
    }
}

async fn is_locked(lock: &File) -> anyhow::Result<bool> {
    for _ in 0..TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(REST).await,
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Ok(false)
}
