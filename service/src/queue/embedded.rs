//! The engine in the process of the server itself, with or without a folder that outlives it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::{Notify, broadcast},
    task::spawn_blocking,
    time::timeout_at,
};

use super::{Lease, Queue, QueueError, Seen, changes, checked};
use crate::{
    job::{Digest, Duty, Item, JobId, Priority, Role},
    record::{Record, WorkerStatus},
};

/// The engine in the process.
#[derive(Debug, Clone)]
pub struct Embedded {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: Option<PathBuf>,
    /// The jobs that may wait at one time.
    capacity: usize,
    lease: Duration,
    state: Mutex<State>,
    /// Told when an item begins to wait.
    pushed: Notify,
    changes: broadcast::Sender<JobId>,
}

#[derive(Debug, Default)]
struct State {
    /// Records with their versions.
    records: BTreeMap<JobId, (Record, u64)>,
    /// Objects, if there is no folder.
    objects: HashMap<Digest, Bytes>,
    waiting: BTreeSet<Waiting>,
    /// Leases by number.
    leases: BTreeMap<u64, Leased>,
    /// A number for each job that waits and each lease.
    next: u64,
    workers: BTreeMap<String, WorkerStatus>,
}

/// An item that waits, in the order in which they are given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    priority: Reverse<Priority>,
    is_job: bool,
    number: u64,
    item: Item,
    is_again: bool,
    not_before: Instant,
}

#[derive(Debug)]
struct Leased {
    waiting: Waiting,
    until: Instant,
}

/// Returns `true` if an item takes one of the places for jobs that wait.
fn is_job(role: Role) -> bool {
    !matches!(role, Role::Part(_))
}

/// The folders in which records and objects are.
const RECORDS: &str = "records";
const OBJECTS: &str = "objects";

/// The endings of the names of records, and of files that are being written.
const RECORD: &str = "json";
const UNFINISHED: &str = "new";

/// An error about a path, which it names.
fn of(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

impl Embedded {
    /// An engine in which so many jobs may wait, and whose leases last so long. With a folder, it goes on
    /// with what is there.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read or written.
    pub fn open(folder: Option<&Path>, capacity: usize, lease: Duration) -> io::Result<Self> {
        let mut state = State::default();
        if let Some(folder) = folder {
            for part in [RECORDS, OBJECTS] {
                let path = folder.join(part);
                fs::create_dir_all(&path).map_err(|error| of(&path, error))?;
            }
            let records = folder.join(RECORDS);
            for entry in fs::read_dir(&records).map_err(|error| of(&records, error))? {
                let path = entry?.path();
                match path.extension().and_then(|ending| ending.to_str()) {
                    Some(RECORD) => {
                        let bytes = fs::read(&path).map_err(|error| of(&path, error))?;
                        let record: Record = serde_json::from_slice(&bytes).map_err(|error| {
                            let text = format!("`{}` is not a record: {error}", path.display());
                            io::Error::new(io::ErrorKind::InvalidData, text)
                        })?;
                        state.records.insert(record.id, (record, 1));
                    }
                    // What a crash left of a file that was being written.
                    Some(UNFINISHED) => fs::remove_file(&path).map_err(|error| of(&path, error))?,
                    _ => {}
                }
            }
        }
        Ok(Self {
            shared: Arc::new(Shared {
                folder: folder.map(Path::to_owned),
                capacity,
                lease,
                state: Mutex::new(state),
                pushed: Notify::new(),
                changes: changes(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// Where something is kept, if there is a folder.
    fn path(&self, part: &str, name: impl ToString) -> Option<PathBuf> {
        let folder = self.shared.folder.as_ref()?;
        Some(folder.join(part).join(name.to_string()))
    }

    /// Writes a record, before it counts.
    fn write_record(&self, record: &Record) -> Result<(), QueueError> {
        let Some(path) = self.path(RECORDS, format!("{}.json", record.id)) else {
            return Ok(());
        };
        let json = serde_json::to_vec(record).map_err(QueueError::broken)?;
        write(&path, &json).map_err(QueueError::broken)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Lets an item wait.
    fn wait(&mut self, item: Item, priority: Priority, is_again: bool) {
        if self.waiting.iter().any(|waiting| waiting.item == item) {
            return;
        }
        let number = self.number();
        self.waiting.insert(Waiting {
            priority: Reverse(priority),
            is_job: is_job(item.role),
            number,
            item,
            is_again,
            not_before: Instant::now(),
        });
    }

    /// Lets the jobs of leases that are over wait again.
    fn expire(&mut self, now: Instant) {
        self.leases.retain(|_, leased| {
            let is_over = leased.until <= now;
            if is_over {
                // Their numbers are as before, so that they come first among equals.
                self.waiting.insert(Waiting {
                    is_again: true,
                    not_before: now,
                    ..leased.waiting
                });
            }
            !is_over
        });
    }

    /// The next time at which an item of this duty can be given out that cannot now.
    fn next_time(&self, duty: Duty) -> Option<Instant> {
        let waiting = self.waiting.iter();
        let waiting = waiting.map(|waiting| (waiting.item, waiting.not_before));
        let leased = self.leases.values();
        let leased = leased.map(|leased| (leased.waiting.item, leased.until));
        let times = waiting.chain(leased);
        let times = times.filter(|(item, _)| item.role.duty() == duty);
        times.map(|(_, time)| time).min()
    }
}

/// Writes a file so that there is all of it, or what was there before.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension(UNFINISHED);
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let written = written.and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        fs::remove_file(&new).ok();
    }
    written
}

/// Does what blocks where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, QueueError> {
    let done = spawn_blocking(work).await.map_err(QueueError::broken)?;
    done.map_err(QueueError::broken)
}

#[async_trait]
impl Queue for Embedded {
    async fn put(&self, object: Digest, bytes: Bytes) -> Result<(), QueueError> {
        match self.path(OBJECTS, object) {
            Some(path) => blocking(move || write(&path, &bytes)).await,
            None => {
                self.state().objects.insert(object, bytes);
                Ok(())
            }
        }
    }

    async fn get(&self, object: Digest) -> Result<Bytes, QueueError> {
        match self.path(OBJECTS, object) {
            Some(path) => {
                match blocking(move || Ok(path.exists().then(|| fs::read(path)))).await? {
                    Some(bytes) => checked(object, bytes.map_err(QueueError::broken)?.into()),
                    None => Err(QueueError::NoObject(object)),
                }
            }
            None => {
                let bytes = self.state().objects.get(&object).cloned();
                bytes.ok_or(QueueError::NoObject(object))
            }
        }
    }

    async fn delete(&self, object: Digest) -> Result<(), QueueError> {
        match self.path(OBJECTS, object) {
            Some(path) => {
                blocking(move || match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                })
                .await
            }
            None => {
                self.state().objects.remove(&object);
                Ok(())
            }
        }
    }

    async fn create(&self, record: &Record) -> Result<bool, QueueError> {
        let mut state = self.state();
        if state.records.contains_key(&record.id) {
            return Ok(false);
        }
        self.write_record(record)?;
        state.records.insert(record.id, (record.clone(), 1));
        drop(state);
        self.shared.changes.send(record.id).ok();
        Ok(true)
    }

    async fn load(&self, id: JobId) -> Result<Option<Seen>, QueueError> {
        let state = self.state();
        let found = state.records.get(&id);
        Ok(found.map(|(record, version)| Seen {
            record: record.clone(),
            version: *version,
        }))
    }

    async fn store(&self, record: &Record, version: u64) -> Result<bool, QueueError> {
        let mut state = self.state();
        match state.records.get(&record.id) {
            Some((_, last)) if *last == version => {}
            _ => return Ok(false),
        }
        self.write_record(record)?;
        let next = (record.clone(), version + 1);
        state.records.insert(record.id, next);
        drop(state);
        self.shared.changes.send(record.id).ok();
        Ok(true)
    }

    async fn remove(&self, id: JobId, version: u64) -> Result<bool, QueueError> {
        let mut state = self.state();
        match state.records.get(&id) {
            Some((_, last)) if *last == version => {}
            _ => return Ok(false),
        }
        if let Some(path) = self.path(RECORDS, format!("{id}.json")) {
            fs::remove_file(path).map_err(QueueError::broken)?;
        }
        state.records.remove(&id);
        state.waiting.retain(|waiting| waiting.item.job != id);
        drop(state);
        self.shared.changes.send(id).ok();
        Ok(true)
    }

    async fn ids(&self) -> Result<Vec<JobId>, QueueError> {
        Ok(self.state().records.keys().copied().collect())
    }

    fn changes(&self) -> broadcast::Receiver<JobId> {
        self.shared.changes.subscribe()
    }

    async fn push(&self, item: Item, priority: Priority) -> Result<(), QueueError> {
        let mut state = self.state();
        let jobs = state.waiting.iter().filter(|waiting| waiting.is_job);
        if is_job(item.role) && jobs.count() >= self.shared.capacity {
            return Err(QueueError::Full);
        }
        state.wait(item, priority, false);
        drop(state);
        self.shared.pushed.notify_waiters();
        Ok(())
    }

    async fn resume(&self, record: &Record) -> Result<(), QueueError> {
        // Workers end with the process, so nobody has them.
        for item in record.items() {
            self.state().wait(item, record.priority, true);
        }
        self.shared.pushed.notify_waiters();
        Ok(())
    }

    async fn pull(&self, duty: Duty) -> Result<Box<dyn Lease>, QueueError> {
        loop {
            let pushed = self.shared.pushed.notified();
            let next_time = {
                let mut state = self.state();
                let now = Instant::now();
                state.expire(now);
                let first = state
                    .waiting
                    .iter()
                    .find(|waiting| waiting.not_before <= now && waiting.item.role.duty() == duty);
                if let Some(&waiting) = first {
                    state.waiting.remove(&waiting);
                    let number = state.number();
                    let until = now + self.shared.lease;
                    state.leases.insert(number, Leased { waiting, until });
                    return Ok(Box::new(EmbeddedLease {
                        shared: self.shared.clone(),
                        number,
                        waiting,
                    }));
                }
                state.next_time(duty)
            };
            match next_time {
                Some(time) => {
                    timeout_at(time.into(), pushed).await.ok();
                }
                None => pushed.await,
            }
        }
    }

    fn lease(&self) -> Duration {
        self.shared.lease
    }

    async fn tell(&self, worker: &WorkerStatus) -> Result<(), QueueError> {
        let mut state = self.state();
        state.workers.insert(worker.name.clone(), worker.clone());
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>, QueueError> {
        Ok(self.state().workers.values().cloned().collect())
    }
}

/// A lease of the engine in the process.
struct EmbeddedLease {
    shared: Arc<Shared>,
    number: u64,
    waiting: Waiting,
}

#[async_trait]
impl Lease for EmbeddedLease {
    fn item(&self) -> Item {
        self.waiting.item
    }

    fn is_again(&self) -> bool {
        self.waiting.is_again
    }

    async fn extend(&mut self) -> Result<(), QueueError> {
        let mut state = self.shared.state();
        match state.leases.get_mut(&self.number) {
            Some(leased) => {
                leased.until = Instant::now() + self.shared.lease;
                Ok(())
            }
            None => Err(QueueError::broken("the lease is over")),
        }
    }

    async fn finish(self: Box<Self>) -> Result<(), QueueError> {
        self.shared.state().leases.remove(&self.number);
        Ok(())
    }

    async fn give_back(self: Box<Self>, delay: Duration) -> Result<(), QueueError> {
        let mut state = self.shared.state();
        if let Some(leased) = state.leases.get_mut(&self.number) {
            leased.until = Instant::now() + delay;
        }
        drop(state);
        self.shared.pushed.notify_waiters();
        Ok(())
    }
}
