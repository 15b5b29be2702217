//! What was answered for already, kept in a file, so that a later run need not ask again.
//!
//! The first line names the API, each further one a key and a digest of what was sent with it. A purchase is listed after it
//! was answered for, so the file may lag behind, and never tells of more than there is. What is corrected in the export is
//! another order of the same key, and so is not done. A line that was cut off is taken out, what is no key is left alone.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::plan::{Assumed, Purchase, is_digest, is_key};

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

/// What was sent with each key, by its digest; nothing where a file of an earlier version does not say.
pub type Listing = HashMap<String, Option<String>>;

/// The keys of what is done, and their file.
pub struct Done {
    keys: Listing,
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
            None => (Listing::new(), 0),
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
    pub fn keys(path: &Path) -> Result<Listing, DoneError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(parse(&bytes)?.map(|listed| listed.keys).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Listing::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this purchase is done as it is sent now.
    #[must_use]
    pub fn contains(&self, purchase: &Purchase, assumed: &Assumed) -> bool {
        is_done(&self.keys, purchase, assumed)
    }

    /// Whether something else was sent with this purchase's key.
    #[must_use]
    pub fn differs(&self, purchase: &Purchase, assumed: &Assumed) -> bool {
        let before = self.keys.get(&purchase.key()).and_then(Option::as_ref);
        before.is_some_and(|before| purchase.digest(assumed).as_ref() != Some(before))
    }

    /// Lists what is done now.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&mut self, key: String, digest: String) -> io::Result<()> {
        self.file.write_all(format!("{key} {digest}\n").as_bytes())?;
        self.keys.insert(key, Some(digest));
        Ok(())
    }
}

/// Whether a purchase is listed as it is sent now.
#[must_use]
pub fn is_done(listing: &Listing, purchase: &Purchase, assumed: &Assumed) -> bool {
    let before = listing.get(&purchase.key()).and_then(Option::as_ref);
    before.is_some() && before == purchase.digest(assumed).as_ref()
}

/// What stands in a file, up to the last line that is whole.
struct Listed {
    head: String,
    keys: Listing,
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
    let entry = |line: &str| {
        let (key, digest) = line.split_once(' ').map_or((line, None), |(key, digest)| (key, Some(digest)));
        let is_whole = is_key(key) && digest.is_none_or(is_digest);
        is_whole.then(|| (key.to_owned(), digest.map(str::to_owned)))
    };
    let keys = lines.filter_map(entry).collect();
    Ok(Some(Listed { head, keys, length: last as u64 + 1 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{Holding, Kind, Terms};

    const API: &str = "http://127.0.0.1:8255";

    fn key(digit: char) -> String {
        format!("migrate:{}", digit.to_string().repeat(40))
    }

    fn digest(digit: char) -> String {
        digit.to_string().repeat(40)
    }

    fn keys(path: &Path) -> Vec<String> {
        let mut keys: Vec<String> = Done::keys(path).unwrap().into_keys().collect();
        keys.sort();
        keys
    }

    fn purchase(item: &str, amount: u64) -> Purchase {
        let holding = Holding { user: "sam".to_owned(), kind: Kind::Course, item: item.to_owned() };
        let terms = Terms { amount: Some(amount), ..Terms::default() };
        Purchase { line: 1, holding, terms }
    }

    fn assumed() -> Assumed {
        Assumed {
            currency: "USD".parse().unwrap(),
            undated: Some("2024-12-31T00:00:00Z".parse().unwrap()),
            payment_method: "unknown".to_owned(),
        }
    }

    fn add(done: &mut Done, purchase: &Purchase) {
        done.add(purchase.key(), purchase.digest(&assumed()).unwrap()).unwrap();
    }

    #[test]
    fn a_later_run_knows_what_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.done");
        assert_eq!(keys(&path), [""; 0]);
        let (one, other) = (purchase("a", 1), purchase("b", 1));
        let mut done = Done::open(&path, API).unwrap();
        assert!(matches!(Done::open(&path, API), Err(DoneError::InUse)));
        add(&mut done, &one);
        assert!(done.contains(&one, &assumed()) && !done.contains(&other, &assumed()));
        drop(done);
        let mut done = Done::open(&path, &format!("{API}/")).unwrap();
        assert!(done.contains(&one, &assumed()) && !done.contains(&other, &assumed()));
        // What was corrected is not what was sent.
        let corrected = purchase("a", 2);
        assert!(!done.contains(&corrected, &assumed()) && done.differs(&corrected, &assumed()));
        assert!(!done.differs(&one, &assumed()) && !done.differs(&other, &assumed()));
        add(&mut done, &other);
        drop(done);
        let mut expected = [one.key(), other.key()];
        expected.sort();
        assert_eq!(keys(&path), expected);
        let line = |purchase: &Purchase| format!("{} {}\n", purchase.key(), purchase.digest(&assumed()).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("# migrate, done at {API}\n{}{}", line(&one), line(&other)));
        // A file of an earlier version does not say what was sent: that is asked for again.
        std::fs::write(&path, format!("# migrate, done at {API}\n{}\n", one.key())).unwrap();
        let done = Done::open(&path, API).unwrap();
        assert!(!done.contains(&one, &assumed()) && !done.differs(&one, &assumed()));
    }

    #[test]
    fn a_line_that_was_cut_off_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.done");
        let whole = format!("{HEAD}{API}\n{} {}\n{} {}\n", key('a'), digest('1'), key('b'), digest('2'));
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole.as_bytes()[..length]).unwrap();
            let known = keys(&path).len();
            let mut done = Done::open(&path, API).unwrap();
            let expected =
                whole[..length].lines().count().saturating_sub(if whole[..length].ends_with('\n') { 1 } else { 2 });
            assert_eq!((known, done.keys.len()), (expected, expected), "{length}");
            done.add(key('c'), digest('3')).unwrap();
            drop(done);
            assert_eq!(keys(&path).len(), expected + 1, "{length}");
            assert!(Done::open(&path, API).unwrap().keys.contains_key(&key('c')), "{length}");
        }
        // A power cut may leave anything behind the end.
        std::fs::write(&path, [whole.as_bytes(), b"\0\0\0\xff\n\0\0"].concat()).unwrap();
        let mut done = Done::open(&path, API).unwrap();
        done.add(key('c'), digest('3')).unwrap();
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
