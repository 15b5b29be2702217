//! The state folder: it survives restarts.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::start::STACK;
use crate::dynamodb::Database;
use crate::private;
use crate::sqs::Queues;
use crate::tokens::Secrets;

/// A state folder, locked for this process.
pub(super) struct State {
    folder: PathBuf,
    /// The format of its content before this start.
    format: u32,
    _lock: File,
}

impl State {
    /// Locks the folder, creates it if necessary, and empties it for a fresh start.
    pub(super) fn take(folder: &Path, fresh: bool) -> anyhow::Result<Self> {
        private::make_folder(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
        let path = folder.join(LOCK);
        let lock = private::file(&path).with_context(|| format!("{} cannot be created", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {
                let mut state = Self { folder: folder.to_owned(), format: CURRENT_FORMAT, _lock: lock };
                if fresh {
                    state.empty()?;
                }
                state.format = state.format()?;
                state.make_private().with_context(|| format!("{} cannot be made private", folder.display()))?;
                Ok(state)
            }
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "another local cloud uses {}; stop it, or choose another folder with --state",
                folder.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{} cannot be locked", path.display()))
            }
        }
    }

    /// The format of the content. A new folder gets the current one before anything else is written.
    fn format(&self) -> anyhow::Result<u32> {
        let path = self.folder.join(FORMAT);
        let kept = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !self.database().exists() => {
                self.mark()?;
                return Ok(CURRENT_FORMAT);
            }
            // Formats have been marked since the second one.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "1".to_owned(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        let format = kept.parse().ok().filter(|format| READ_FORMATS.contains(format));
        format.with_context(|| {
            format!(
                "the state in {} has format {kept}, and this version reads formats {} to {CURRENT_FORMAT}; start with --fresh \
                 to delete it, choose another folder with --state, or use the version that wrote it",
                self.folder.display(),
                READ_FORMATS.start()
            )
        })
    }

    /// Marks the folder with the current format.
    fn mark(&self) -> anyhow::Result<()> {
        let path = self.folder.join(FORMAT);
        std::fs::write(&path, format!("{CURRENT_FORMAT}\n"))
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Brings older state to the current format, and marks it. Every step can be repeated: after a crash between them the
    /// next start does all of them again.
    pub(super) fn migrate(&self, database: &Database, queues: &Queues) -> anyhow::Result<()> {
        if self.format < FORMAT_OF_RENAMED_READERS_AND_QUEUES {
            for (old, new) in RENAMED_READERS {
                database.rename_reader(old, new)?;
            }
            for (old, new) in RENAMED_QUEUES {
                queues.rename(&format!("{STACK}-{old}"), &format!("{STACK}-{new}"))?;
            }
        }
        self.mark()
    }

    /// Deletes the stored state. It recognizes files by name, so other files stay.
    fn empty(&self) -> anyhow::Result<()> {
        for path in self.kept()?.0 {
            std::fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
        }
        Ok(())
    }

    /// Makes the files private to their owner: they contain secrets and user data. SQLite copies the mode of a database to
    /// the files beside it, so the databases are created first. A folder with other files keeps its mode.
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

    /// The files of the state, and whether the folder contains nothing else.
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

/// The secrets in a state folder, or `None` if there are none.
///
/// # Errors
/// The file cannot be read.
pub fn kept_secrets(folder: &Path) -> anyhow::Result<Option<Secrets>> {
    let path = folder.join(SECRETS);
    if path.exists() { Secrets::kept(&path).map(Some) } else { Ok(None) }
}

/// The database in a state folder, or `None` if there is none. No cloud may use it meanwhile.
///
/// # Errors
/// A cloud uses the database, or it cannot be read.
pub fn kept_database(folder: &Path) -> anyhow::Result<Option<Database>> {
    let path = folder.join(DATABASE);
    if path.exists() { Ok(Some(Database::open(&path)?)) } else { Ok(None) }
}

const LOCK: &str = "lock";
const SECRETS: &str = "secrets.json";
const DATABASE: &str = "dynamodb.sqlite";
const QUEUES: &str = "sqs.sqlite";
const FORMAT: &str = "state-format";
/// The format of the state that this version writes. It changes with every key, item or name that an older version would
/// misread. 2: the key of every fact of a track contains the actor. 3: facts of tracks have short attribute names, and do
/// not repeat their keys. 4: a reader of streams and five queues have new names.
const CURRENT_FORMAT: u32 = 4;
/// The formats that this version reads.
const READ_FORMATS: std::ops::RangeInclusive<u32> = 2..=CURRENT_FORMAT;

const FORMAT_OF_RENAMED_READERS_AND_QUEUES: u32 = 4;
/// Functions whose checkpoints older state keeps under another name.
const RENAMED_READERS: [(&str, &str); 1] = [("SalesUpdaterFunction", "RevenueUpdaterFunction")];
/// Logical ids of queues whose messages older state keeps under another name.
const RENAMED_QUEUES: [(&str, &str); 5] = [
    ("SalesDeferredQueue", "RevenueDeferredQueue"),
    ("SalesFailuresQueue", "RevenueFailuresQueue"),
    ("RefreshQueue", "PackageRebuildQueue"),
    ("RefreshFailuresQueue", "PackageRebuildFailuresQueue"),
    ("NumbersQueue", "StatsQueue"),
];

/// Prefixes of the names of state files.
const KEPT: [&str; 6] = [SECRETS, DATABASE, QUEUES, FORMAT, "ready.json", "cargo-lambda"];
/// Lock files.
const LOCKS: [&str; 4] = [LOCK, "ready.lock", "dynamodb.lock", "sqs.lock"];
