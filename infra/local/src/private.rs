//! Files and folders that only their owner can read: they hold secrets, tokens, and everything that was stored.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Creates a folder and its parents, private to the owner. An existing folder keeps its mode.
///
/// # Errors
/// The file system fails.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file for writing, creates it if necessary, and makes it private to the owner.
///
/// # Errors
/// The file system fails.
pub fn file(path: &Path) -> io::Result<File> {
    let file = options().create(true).truncate(false).open(path)?;
    narrow(path, 0o600)?;
    Ok(file)
}

/// Makes a file that is not there yet.
///
/// # Errors
/// The file system fails.
pub fn new_file(path: &Path) -> io::Result<File> {
    options().create_new(true).open(path)
}

/// Replaces a file atomically, so that no reader sees half of it.
///
/// # Errors
/// The file system fails.
pub fn write(path: &Path, content: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let mut file = file(&part)?;
    file.set_len(0)?;
    file.write_all(content.as_bytes())?;
    std::fs::rename(&part, path)
}

/// Makes an existing folder private to its owner.
///
/// # Errors
/// The file system fails.
pub fn narrow_folder(path: &Path) -> io::Result<()> {
    narrow(path, 0o700)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn narrow(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn narrow(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_and_folders_are_private_to_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let inner = folder.path().join("a/b");
        make_folder(&inner).unwrap();
        assert_eq!((mode(&inner), mode(&folder.path().join("a"))), (0o700, 0o700));
        let old = inner.join("old");
        std::fs::write(&old, "longer than what follows").unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o644)).unwrap();
        drop(file(&old).unwrap());
        assert_eq!(mode(&old), 0o600);
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "longer than what follows");
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o644)).unwrap();
        write(&old, "short").unwrap();
        assert_eq!((mode(&old), std::fs::read_to_string(&old).unwrap().as_str()), (0o600, "short"));
        drop(new_file(&inner.join("new")).unwrap());
        assert_eq!(mode(&inner.join("new")), 0o600);
        assert!(new_file(&old).is_err());
    }
}
