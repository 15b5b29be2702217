//! What was answered for already, kept in a file, so that a later run need not ask again.
//!
//! The first line names the API, each further one is a key. A purchase is listed after it was answered for, so the file
//! may lag behind, and never tells of more than there is. A line that was cut off is taken out, what is no key is left
//! alone.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::plan::is_key;

/// What the first line begins with; the API's URL follows.
const HEAD: &str = "# migrate, done at ";

/// Why a file cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum DoneError {
    /// It is another kind of file.
    #[error("it does not list what is done")]
    Other,
    /// It is of another API.
    #[error("it lists what is done at {0}")]
    OtherApi(String),
    /// A run writes it at this moment.
    #[error("another run is using it")]
    InUse,
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The keys of what is done, and their file.
pub struct Done {
    keys: HashSet<String>,
    file: File,
}

impl Done {
    /// Opens the file of an API's migration, or begins it.
    ///
    /// # Errors
    /// If it is none, or of another API, or in use.
    pub fn open(path: &Path, api_url: &str) -> Result<Self, DoneError> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // Where files cannot be locked, two runs at once only do some work twice.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(DoneError::InUse);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let head = format!("{HEAD}{}", api_url.trim_end_matches('/'));
        let (keys, length) = match parse(&bytes)? {
            None => (HashSet::new(), 0),
            Some(listed) if listed.head == head => (listed.keys, listed.length),
            Some(listed) => return Err(DoneError::OtherApi(listed.head.trim_start_matches(HEAD).to_owned())),
        };
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        if length == 0 {
            file.write_all(format!("{head}\n").as_bytes())?;
        }
        Ok(Self { keys, file })
    }

    /// The keys that a file lists, of whichever API; none if there is no such file.
    ///
    /// # Errors
    /// If it is another kind of file, or cannot be read.
    pub fn keys(path: &Path) -> Result<HashSet<String>, DoneError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(parse(&bytes)?.map(|listed| listed.keys).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashSet::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this is done.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Lists what is done now.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&mut self, key: String) -> io::Result<()> {
        self.file.write_all(format!("{key}\n").as_bytes())?;
        self.keys.insert(key);
        Ok(())
    }
}

/// What stands in a file, up to the last line that is whole.
struct Listed {
    head: String,
    keys: HashSet<String>,
    /// Its length, in bytes.
    length: u64,
}

/// Reads a file; nothing if not even its first line is whole.
fn parse(bytes: &[u8]) -> Result<Option<Listed>, DoneError> {
    let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        let is_begun = HEAD.as_bytes().starts_with(bytes) || bytes.starts_with(HEAD.as_bytes());
        return if is_begun { Ok(None) } else { Err(DoneError::Other) };
    };
    let (whole, _) = bytes.split_at(last);
    let text = String::from_utf8_lossy(whole);
    let mut lines = text.lines();
    let head = lines.next().filter(|line| line.starts_with(HEAD)).ok_or(DoneError::Other)?.to_owned();
    let keys = lines.filter(|line| is_key(line)).map(str::to_owned).collect();
    Ok(Some(Listed { head, keys, length: last as u64 + 1 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "http://127.0.0.1:3000";

    fn key(digit: char) -> String {
        format!("migrate:{}", digit.to_string().repeat(40))
    }

    fn keys(path: &Path) -> Vec<String> {
        let mut keys: Vec<String> = Done::keys(path).unwrap().into_iter().collect();
        keys.sort();
        keys
    }

    #[test]
    fn a_later_run_knows_what_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.done");
        assert_eq!(keys(&path), [""; 0]);
        let mut done = Done::open(&path, API).unwrap();
        assert!(matches!(Done::open(&path, API), Err(DoneError::InUse)));
        done.add(key('a')).unwrap();
        assert!(done.contains(&key('a')) && !done.contains(&key('b')));
        drop(done);
        let mut done = Done::open(&path, &format!("{API}/")).unwrap();
        assert!(done.contains(&key('a')) && !done.contains(&key('b')));
        done.add(key('b')).unwrap();
        drop(done);
        assert_eq!(keys(&path), [key('a'), key('b')]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("# migrate, done at {API}\n{}\n{}\n", key('a'), key('b')));
    }

    #[test]
    fn a_line_that_was_cut_off_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.done");
        let whole = format!("{HEAD}{API}\n{}\n{}\n", key('a'), key('b'));
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole.as_bytes()[..length]).unwrap();
            let known = keys(&path).len();
            let mut done = Done::open(&path, API).unwrap();
            let expected =
                whole[..length].lines().count().saturating_sub(if whole[..length].ends_with('\n') { 1 } else { 2 });
            assert_eq!((known, done.keys.len()), (expected, expected), "{length}");
            done.add(key('c')).unwrap();
            drop(done);
            assert_eq!(keys(&path).len(), expected + 1, "{length}");
            assert!(Done::open(&path, API).unwrap().contains(&key('c')), "{length}");
        }
        // A power cut may leave anything behind the end.
        std::fs::write(&path, [whole.as_bytes(), b"\0\0\0\xff\n\0\0"].concat()).unwrap();
        let mut done = Done::open(&path, API).unwrap();
        done.add(key('c')).unwrap();
        drop(done);
        assert_eq!(keys(&path), [key('a'), key('b'), key('c')]);
    }

    #[test]
    fn no_other_file_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        for text in ["{\"_id\": 1}\n", "{\"_id\": 1}", "\n", "#\n", "x"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Done::open(&path, API), Err(DoneError::Other)), "{text}");
            assert!(Done::keys(&path).is_err(), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        std::fs::write(&path, format!("{HEAD}https://other\n{}\n", key('a'))).unwrap();
        let error = Done::open(&path, API).err().unwrap();
        assert_eq!(error.to_string(), "it lists what is done at https://other");
        assert_eq!(keys(&path), [key('a')]);
    }
}
