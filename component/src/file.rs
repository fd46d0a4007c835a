//! Reading files that can be anything, and need not have an end.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// The most bytes of a file that is read as a whole.
pub const MAX_FILE_LEN: u64 = 1 << 28;

/// Reads a file.
///
/// # Errors
/// Returns an error if it cannot be read, or has more than [`MAX_FILE_LEN`] bytes.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_FILE_LEN + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_LEN {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than the {MAX_FILE_LEN} bytes that it may have"),
        ));
    }
    Ok(bytes)
}
