//! Reading and writing files.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
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

/// Writes a file so that at any time there is either all of it or what was there before: into a
/// new file in the same folder, which then takes its name.
///
/// # Errors
/// Returns an error if the folder or the file cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", process::id()));
    let temporary = path.with_file_name(name);
    let written = write_new(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        // If it is not there, there is nothing to clean up.
        fs::remove_file(&temporary).ok();
        Failure::failed(format!("`{}` cannot be written: {error}", path.display()))
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
