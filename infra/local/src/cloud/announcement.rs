//! The announcement of a running cloud to programs of this machine: its URLs and credentials.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::Summary;
use crate::private;
use crate::tokens::Claims;

/// The file with the announcement.
const FILE: &str = "ready.json";
/// The file that is locked while the cloud runs.
const LOCK: &str = "ready.lock";

/// Attempts to take a lock that a reader may have for a moment.
const ATTEMPTS: usize = 10;
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// The URLs and credentials of a cloud, and the claims that sign its tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Its URLs and credentials.
    #[serde(flatten)]
    pub summary: Summary,
    /// The secret and the fixed claims of its tokens.
    pub signing: Claims,
}

impl Ready {
    /// The announcement in this folder, or `None` if no cloud runs.
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
            // The cloud is starting or stopping.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        let ready =
            serde_json::from_slice(&text).with_context(|| format!("{} is not an announcement", path.display()))?;
        Ok(Some(ready))
    }
}

/// An announcement, which stays until it is withdrawn.
pub(super) struct Announcement {
    path: PathBuf,
    _lock: File,
}

impl Announcement {
    /// Writes it into a folder, unless another cloud has announced itself there.
    pub(super) async fn leave(folder: &Path, ready: &Ready) -> anyhow::Result<Option<Self>> {
        private::make_folder(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
        let lock = private::file(&folder.join(LOCK)).with_context(|| format!("{}", folder.join(LOCK).display()))?;
        if !is_locked(&lock).await? {
            return Ok(None);
        }
        let path = folder.join(FILE);
        let text = serde_json::to_string(ready)? + "\n";
        private::write(&path, &text).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Some(Self { path, _lock: lock }))
    }

    /// Removes it: the cloud has stopped.
    pub(super) fn withdraw(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!("{} stays: {error}", self.path.display());
        }
    }
}

async fn is_locked(lock: &File) -> anyhow::Result<bool> {
    for _ in 0..ATTEMPTS {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(RETRY_PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Ok(false)
}
