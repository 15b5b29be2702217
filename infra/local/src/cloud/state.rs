//! The folder that keeps a cloud's state across restarts.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Summary;
use crate::tokens::Secrets;

/// A folder that this process alone uses, as long as this value lives.
pub(super) struct State {
    folder: PathBuf,
    _lock: File,
}

impl State {
    /// Takes the folder, making it if it is not there, and empties it if it is to be fresh.
    pub(super) fn take(folder: &Path, fresh: bool) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let path = folder.join("lock");
        let lock = File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {
                let state = Self { folder: folder.to_owned(), _lock: lock };
                if fresh {
                    state.empty()?;
                }
                state.check_format()?;
                Ok(state)
            }
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "another local cloud uses {}; stop it, or take another folder with --state",
                folder.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{} cannot be locked", path.display()))
            }
        }
    }

    /// Refuses state whose keys and items this program would misread, and marks a new folder with the format it gets.
    fn check_format(&self) -> anyhow::Result<()> {
        let path = self.folder.join(FORMAT);
        let kept = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !self.database().exists() => {
                return std::fs::write(&path, format!("{CURRENT_FORMAT}\n"))
                    .with_context(|| format!("{} cannot be written", path.display()));
            }
            // Formats have been marked since the second one.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "1".to_owned(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        anyhow::ensure!(
            kept == CURRENT_FORMAT.to_string(),
            "the state in {} has format {kept}, and this version reads format {CURRENT_FORMAT}; start with --fresh to forget \
             it, take another folder with --state, or use the version that wrote it",
            self.folder.display()
        );
        Ok(())
    }

    /// Forgets whatever was kept. Files are known by their names, so a folder of something else stays as it is.
    fn empty(&self) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if KEPT.iter().any(|kept| name.starts_with(kept)) && path.is_file() {
                std::fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
            }
        }
        Ok(())
    }

    pub(super) fn secrets(&self) -> anyhow::Result<Secrets> {
        Secrets::kept(&self.folder.join(SECRETS))
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.join(DATABASE)
    }

    pub(super) fn queues(&self) -> PathBuf {
        self.folder.join(QUEUES)
    }

    /// Leaves the summary for scripts that come by.
    pub(super) fn leave_summary(&self, summary: &Summary) -> anyhow::Result<()> {
        let path = self.folder.join(SUMMARY);
        std::fs::write(&path, summary.to_json()? + "\n")
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Takes the summary away: nobody answers there any more.
    pub(super) fn forget_summary(&self) {
        if let Err(error) = std::fs::remove_file(self.folder.join(SUMMARY)) {
            tracing::debug!("the summary stays: {error}");
        }
    }
}

const SECRETS: &str = "secrets.json";
const DATABASE: &str = "dynamodb.sqlite";
const QUEUES: &str = "sqs.sqlite";
const SUMMARY: &str = "ready.json";
const FORMAT: &str = "state-format";
/// The format of what is kept: it changes with every key or item that an older version would misread. 2: the actor is part
/// of the key of every fact of a track.
const CURRENT_FORMAT: u32 = 2;
/// What names in the folder begin with.
const KEPT: [&str; 6] = [SECRETS, DATABASE, QUEUES, SUMMARY, FORMAT, "cargo-lambda.env"];
