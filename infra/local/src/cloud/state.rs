//! The folder that keeps a cloud's state across restarts.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::dynamodb::Database;
use crate::private;
use crate::tokens::Secrets;

/// A folder that this process alone uses, as long as this value lives.
pub(super) struct State {
    folder: PathBuf,
    _lock: File,
}

impl State {
    /// Takes the folder, making it if it is not there, and empties it if it is to be fresh.
    pub(super) fn take(folder: &Path, fresh: bool) -> anyhow::Result<Self> {
        private::make_folder(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let path = folder.join(LOCK);
        let lock = private::file(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {
                let state = Self { folder: folder.to_owned(), _lock: lock };
                if fresh {
                    state.empty()?;
                }
                state.check_format()?;
                state.make_private().with_context(|| format!("{} cannot be made private", folder.display()))?;
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

    /// Refuses state whose keys and items this program would misread, and marks a folder with the format that it gets.
    fn check_format(&self) -> anyhow::Result<()> {
        let path = self.folder.join(FORMAT);
        let kept = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !self.database().exists() => {
                CURRENT_FORMAT.to_string()
            }
            // Formats have been marked since the second one.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "1".to_owned(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        anyhow::ensure!(
            kept.parse().is_ok_and(|format: u32| READ_FORMATS.contains(&format)),
            "the state in {} has format {kept}, and this version reads formats {} to {CURRENT_FORMAT}; start with --fresh to \
             forget it, take another folder with --state, or use the version that wrote it",
            self.folder.display(),
            READ_FORMATS.start()
        );
        std::fs::write(&path, format!("{CURRENT_FORMAT}\n"))
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Forgets whatever was kept. Files are known by their names, so a folder of something else stays as it is.
    fn empty(&self) -> anyhow::Result<()> {
        for path in self.kept()?.0 {
            std::fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
        }
        Ok(())
    }

    /// Takes what is kept from everybody but the owner: secrets, and whatever was stored. SQLite gives the files beside a
    /// database the database's own mode, so the databases are there before it is asked. A folder that holds something
    /// else too stays as open as it is.
    fn make_private(&self) -> anyhow::Result<()> {
        for database in [self.database(), self.queues()] {
            drop(private::file(&database)?);
        }
        let (kept, is_ours_alone) = self.kept()?;
        for path in kept {
            drop(private::file(&path)?);
        }
        if is_ours_alone {
            private::narrow_folder(&self.folder)?;
        }
        Ok(())
    }

    /// The files that are kept, and whether there is nothing else in the folder.
    fn kept(&self) -> anyhow::Result<(Vec<PathBuf>, bool)> {
        let (mut kept, mut is_ours_alone) = (Vec::new(), true);
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if KEPT.iter().any(|kept| name.starts_with(kept)) && entry.file_type()?.is_file() {
                kept.push(entry.path());
            } else {
                is_ours_alone &= LOCKS.contains(&name.as_str());
            }
        }
        Ok((kept, is_ours_alone))
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
}

/// The secrets that a state folder keeps; nothing if there are none.
///
/// # Errors
/// The file cannot be read.
pub fn kept_secrets(folder: &Path) -> anyhow::Result<Option<Secrets>> {
    let path = folder.join(SECRETS);
    if path.exists() { Secrets::kept(&path).map(Some) } else { Ok(None) }
}

/// The database that a state folder keeps; nothing if there is none. No cloud may run on it meanwhile.
///
/// # Errors
/// The folder or the database is used by a cloud, or cannot be read.
pub fn kept_database(folder: &Path) -> anyhow::Result<Option<Database>> {
    let path = folder.join(DATABASE);
    if path.exists() { Ok(Some(Database::open(&path)?)) } else { Ok(None) }
}

const LOCK: &str = "lock";
const SECRETS: &str = "secrets.json";
const DATABASE: &str = "dynamodb.sqlite";
const QUEUES: &str = "sqs.sqlite";
const FORMAT: &str = "state-format";
/// The format of what is kept: it changes with every key or item that an older version would misread. 2: the actor is part
/// of the key of every fact of a track. 3: facts of tracks have short attribute names, and do not repeat what their keys say.
const CURRENT_FORMAT: u32 = 3;
/// The formats that this program reads. What it writes is of the current one.
const READ_FORMATS: std::ops::RangeInclusive<u32> = 2..=CURRENT_FORMAT;
/// What names in the folder begin with.
const KEPT: [&str; 6] = [SECRETS, DATABASE, QUEUES, FORMAT, "ready.json", "cargo-lambda"];
/// Files that are only there to be locked.
const LOCKS: [&str; 4] = [LOCK, "ready.lock", "dynamodb.lock", "sqs.lock"];
