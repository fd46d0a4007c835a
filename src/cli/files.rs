//! Reading and writing files.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
};

use miden_cvm::similar_path;

use super::outcome::{Failure, Outcome};

/// The path that stands for the standard input, or the standard output.
pub const STANDARD: &str = "-";

/// Returns `true` if a path stands for the standard input or output.
pub fn is_standard(path: &Path) -> bool {
    path == STANDARD
}

/// Refuses the standard input for what has to be a file or folder of its own; `what` says what it is.
///
/// # Errors
/// Returns an error if the path stands for the standard input.
pub fn not_standard(path: &Path, what: &str) -> Result<(), Failure> {
    match is_standard(path) {
        true => Err(Failure::usage(format!(
            "{what}, and cannot be the standard input or output"
        ))),
        false => Ok(()),
    }
}

/// Where an output goes: where it is said, or else beside the target; `say` names what is to be said.
///
/// # Errors
/// Returns an error if nothing is said and the target is the standard input.
pub fn or_beside(
    given: Option<&PathBuf>,
    target: &Path,
    ending: &str,
    say: &str,
) -> Result<PathBuf, Failure> {
    match given {
        Some(path) => Ok(path.clone()),
        None if is_standard(target) => Err(Failure::usage(format!(
            "there is nothing beside the standard input: say where {say}"
        ))),
        None => Ok(target.with_extension(ending)),
    }
}

/// Reads a file, or the standard input, that has at most `limit` bytes.
///
/// # Errors
/// Returns an error if it cannot be read or has more bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let read_all = |from: &mut dyn Read| {
        let mut bytes = Vec::new();
        from.take(limit + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    let read = match is_standard(path) {
        true => read_all(&mut io::stdin().lock()),
        false => File::open(path).and_then(|mut file| read_all(&mut file)),
    };
    let bytes = read.map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > limit {
        let name = name(path);
        return Err(Failure::failed(format!(
            "{name} has more than the {limit} bytes that it may have"
        )));
    }
    Ok(bytes)
}

/// That a file cannot be read; if there is none, which one was probably meant.
pub fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let name = name(path);
    Failure::Failed(format!("{name} cannot be read: {error}{}", meant(path)))
}

/// The path that was probably meant, for the end of an error, if there is nothing at this one.
pub fn meant(path: &Path) -> String {
    let similar = similar_path(path).filter(|_| !is_standard(path));
    let similar = similar.map(|path| format!("\n  help: did you mean `{}`?", path.display()));
    similar.unwrap_or_default()
}

/// A path as messages name it.
pub fn name(path: &Path) -> String {
    match is_standard(path) {
        true => "the standard input".into(),
        false => format!("`{}`", path.display()),
    }
}

/// The files that a command is going to write, looked at before it does its work: what can be known to
/// fail afterwards fails now. Folders that are missing are made.
#[derive(Debug)]
pub struct Outputs {
    outputs: Vec<Output>,
    /// The folders that were made, each after those that it is in.
    made: Vec<PathBuf>,
}

/// One of the files.
#[derive(Debug)]
struct Output {
    /// Its name in messages, such as `the proof`.
    what: String,
    /// Its path as it was given.
    path: PathBuf,
    place: OutputTarget,
}

/// Where an output goes.
#[derive(Debug, PartialEq, Eq)]
enum OutputTarget {
    StandardOutput,
    /// A device or a pipe.
    Device,
    /// The file, with links resolved.
    File(PathBuf),
}

/// The devices that are the standard output.
const STANDARD_OUTPUTS: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// The endings of files in a folder that is an input as a whole.
const SOURCES: [&str; 2] = ["masm", "wit"];

impl Outputs {
    /// Looks at these files, each with what it is. `inputs` are the files and folders that the command
    /// reads, none of which may be written.
    ///
    /// # Errors
    /// Returns an error if one of them cannot be written, if two are the same file, or if one is an
    /// input.
    pub fn check<'a>(
        wanted: impl IntoIterator<Item = (&'a str, PathBuf)>,
        inputs: &[PathBuf],
    ) -> Result<Self, Failure> {
        let wanted: Vec<(&str, PathBuf)> = wanted.into_iter().collect();
        let mut outputs = Self {
            outputs: Vec::new(),
            made: Vec::new(),
        };
        // All folders first: that of one output can be the path of another.
        for (_, path) in &wanted {
            outputs
                .make_folder(path)
                .map_err(|error| unwritable(path, &error))?;
        }
        for (what, path) in wanted {
            let place = OutputTarget::of(&path).map_err(|error| unwritable(&path, &error))?;
            let same = outputs
                .outputs
                .iter()
                .find(|other| other.place.is_same(&place));
            if let Some(other) = same {
                return Err(Failure::usage(format!(
                    "{} and {what} would both be written to `{}`: give them files of their own",
                    other.what,
                    path.display()
                )));
            }
            if let OutputTarget::File(file) = &place
                && let Some(input) = inputs.iter().find(|input| is_part(file, input))
            {
                return Err(Failure::usage(format!(
                    "{what} would overwrite `{}`, which is read as `{}`: give it another file",
                    path.display(),
                    input.display()
                )));
            }
            outputs.outputs.push(Output {
                what: what.into(),
                path,
                place,
            });
        }
        Ok(outputs)
    }

    /// Makes the folder of a file, if it is missing.
    fn make_folder(&mut self, path: &Path) -> io::Result<()> {
        if is_standard(path) || fs::metadata(path).is_ok() {
            return Ok(());
        }
        let target = followed(path);
        let missing = folder_of(&target)
            .ancestors()
            .filter(|folder| !folder.as_os_str().is_empty())
            .take_while(|folder| fs::metadata(folder).is_err())
            .map(Path::to_owned)
            .collect::<Vec<_>>();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(&folder) {
                Ok(()) => self.made.push(folder),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of them, in the order in which they were named.
    ///
    /// # Errors
    /// Returns an error if one cannot be written after all; those before it are.
    pub fn write<'a>(self, contents: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Failure> {
        for (output, bytes) in self.outputs.iter().zip(contents) {
            let written = match &output.place {
                OutputTarget::StandardOutput => {
                    let mut stdout = io::stdout().lock();
                    stdout.write_all(bytes).and_then(|()| stdout.flush())
                }
                // Nothing of it can be lost, and it must not become a file.
                OutputTarget::Device => OpenOptions::new()
                    .write(true)
                    .open(&output.path)
                    .and_then(|mut device| device.write_all(bytes)),
                OutputTarget::File(file) => replace(file, bytes),
            };
            written.map_err(|error| unwritable(&output.path, &error))?;
        }
        Ok(())
    }

    /// Writes all of them as [`Outputs::write`] does, and returns the answer of the command; it goes elsewhere if
    /// one of them goes to the standard output.
    ///
    /// # Errors
    /// Returns an error if one cannot be written after all; those before it are.
    pub fn answer<'a>(
        self,
        outcome: Outcome,
        contents: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Outcome, Failure> {
        let mut places = self.outputs.iter().map(|output| &output.place);
        let outcome = match places.any(|place| *place == OutputTarget::StandardOutput) {
            true => outcome.beside_output(),
            false => outcome,
        };
        self.write(contents)?;
        Ok(outcome)
    }
}

impl Drop for Outputs {
    /// Folders in which nothing was written are removed again.
    fn drop(&mut self) {
        for folder in self.made.iter().rev() {
            fs::remove_dir(folder).ok();
        }
    }
}

impl OutputTarget {
    /// Returns `true` if what is written to both would be in one file.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::StandardOutput, Self::StandardOutput) => true,
            (Self::File(file), Self::File(other)) => is_same_file(file, other),
            _ => false,
        }
    }

    /// Where an output with this path goes, whose folder is there.
    fn of(path: &Path) -> io::Result<Self> {
        if is_standard(path) || STANDARD_OUTPUTS.iter().any(|standard| path == *standard) {
            return Ok(Self::StandardOutput);
        }
        let file = match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(found) if !found.is_file() => return Ok(Self::Device),
            Ok(found) if found.permissions().readonly() => {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "the file is read-only",
                ));
            }
            Ok(_) => fs::canonicalize(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.as_os_str().is_empty() {
                    return Err(io::ErrorKind::InvalidFilename.into());
                }
                if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                let target = followed(path);
                let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
                fs::canonicalize(folder_of(&target))?.join(name)
            }
            Err(error) => return Err(error),
        };
        // The only way to know that the folder can be written is to do it.
        let (temporary, _) = create(folder_of(&file))?;
        fs::remove_file(temporary)?;
        Ok(Self::File(file))
    }
}

/// The most links that are followed one after the other, as by the operating system.
const MAX_LINKS: usize = 40;

/// Where links lead from a path at whose end nothing is yet.
fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => break,
        }
    }
    path
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns `true` if a file is an input, or one of the sources in an input that is a folder.
fn is_part(file: &Path, input: &Path) -> bool {
    let Ok(input) = fs::canonicalize(input) else {
        return false;
    };
    if !input.is_dir() {
        return is_same_file(file, &input);
    }
    let ending = file.extension().and_then(OsStr::to_str);
    file.starts_with(&input)
        && file.exists()
        && ending.is_some_and(|ending| SOURCES.contains(&ending))
}

/// Returns `true` if two paths, with links resolved, are of one file, also by different names of it.
#[cfg(unix)]
fn is_same_file(file: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let identity = |path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
    file == other
        || matches!((identity(file), identity(other)), (Ok(file), Ok(other)) if file == other)
}

/// Only Unix tells which names a file has.
#[cfg(not(unix))]
fn is_same_file(file: &Path, other: &Path) -> bool {
    file == other
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("`{}` cannot be written: {error}", path.display()))
}

/// The most names that are tried for the new file; all of them are taken only if as many runs with
/// one process id were killed while they wrote.
const MAX_ATTEMPTS: u32 = 1000;

/// Writes a file so that at any time, and after a crash, there is either all of it or what was there
/// before: into a new file in the same folder, which then takes its name.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let (temporary, file) = create(folder)?;
    let written = write_all(file, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // The first error is the one to be told.
        fs::remove_file(&temporary).ok();
        return Err(error);
    }
    sync_folder(folder)
}

/// Makes a new file in a folder. Its name begins with a dot and ends with `.tmp`, so nothing takes it
/// for a file of ours if it is left behind; it is short, so that the one which it gets can be as long as names may be.
fn create(folder: &Path) -> io::Result<(PathBuf, File)> {
    for attempt in 0..MAX_ATTEMPTS {
        let path = folder.join(format!(".miden-cvm-{}-{attempt}.tmp", process::id()));
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
