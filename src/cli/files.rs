//! Reading and writing files.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
};

use super::outcome::Failure;

/// Reads a file that has at most `limit` bytes.
///
/// # Errors
/// Returns an error if the file cannot be read or has more bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            Failure::failed(format!("`{}` cannot be read: {error}", path.display()))
        })?;
    if bytes.len() as u64 > limit {
        return Err(Failure::failed(format!(
            "`{}` has more than the {limit} bytes that it may have",
            path.display()
        )));
    }
    Ok(bytes)
}

/// Writes a file so that at any time, and after a crash, there is either all of it or what was there
/// before: into a new file in the same folder, which then takes its name.
///
/// A link is followed, so that what it leads to is replaced. Devices and pipes are written to.
///
/// # Errors
/// Returns an error if the folder or the file cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = match fs::metadata(path) {
        Ok(found) if found.is_file() => {
            fs::canonicalize(path).and_then(|file| replace(&file, bytes))
        }
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // Nothing of it can be lost, and it must not become a file.
        Ok(_) => OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut device| device.write_all(bytes)),
        Err(_) => replace(path, bytes),
    };
    written.map_err(|error| {
        Failure::failed(format!("`{}` cannot be written: {error}", path.display()))
    })
}

/// The most names that are tried for the new file; all of them are taken only if as many runs with
/// one process id were killed while they wrote.
const MAX_ATTEMPTS: u32 = 1000;

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let (temporary, file) = create(folder, name)?;
    let written = write_all(file, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // The first error is the one to be told.
        fs::remove_file(&temporary).ok();
        return Err(error);
    }
    sync_folder(folder)
}

/// Makes a new file in a folder. Its name begins with a dot and ends with `.tmp`, so nothing takes it
/// for a file of ours if it is left behind.
fn create(folder: &Path, name: &OsStr) -> io::Result<(PathBuf, File)> {
    for attempt in 0..MAX_ATTEMPTS {
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{attempt}.tmp", process::id()));
        let path = folder.join(hidden);
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Writes all bytes through to the disk: otherwise the name could get there before them.
fn write_all(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes the names in a folder through to the disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // There are file systems that cannot, and folders that can be written but not read.
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidInput
                    | io::ErrorKind::Unsupported
                    | io::ErrorKind::PermissionDenied
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Only Unix opens folders as files.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
