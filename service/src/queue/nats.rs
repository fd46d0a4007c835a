//! The engine on NATS JetStream, for servers and workers on several machines.
//!
//! Jobs wait in a stream and their parts in another, each with one message that a worker holds until it is done; records are
//! entries of a bucket, whose revisions are their versions; objects are objects.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    time::Duration,
};

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, ServerAddr,
    jetstream::{
        self, AckKind, Context, Message,
        consumer::{AckPolicy, PullConsumer, pull},
        kv::{CreateErrorKind, Operation, Store, UpdateErrorKind},
        object_store::{self, GetErrorKind, ObjectStore},
        stream::{self, DiscardPolicy, RetentionPolicy, StorageType},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    io::AsyncReadExt,
    sync::broadcast,
    time::{Instant, sleep, timeout},
};
use tracing::warn;

use super::{Lease, MAX_OBJECT_BYTES, Queue, QueueError, Seen, changes, checked, read_record};
use crate::{
    job::{Digest, Duty, Item, JobId, Priority, Role},
    record::{Record, State, WorkerStatus},
};

/// The stream of jobs that wait, that of their parts, which has no bound, and the buckets of
/// everything else.
const STREAM: &str = "MIDEN_CVM_JOBS";
const PARTS: &str = "MIDEN_CVM_PARTS";
const SUBJECT: &str = "miden-cvm";
const RECORDS: &str = "miden-cvm-records";
const WORKERS: &str = "miden-cvm-workers";
const OBJECTS: &str = "miden-cvm-objects";

/// The interval at which a worker asks for jobs that it was not told of.
const ASK: Duration = Duration::from_secs(1);

/// The number of times that the list of a bucket is begun again.
const LISTS: u32 = 3;

/// The time for which a piece of an object, or the next key of a bucket, is waited for.
const SILENCE: Duration = Duration::from_secs(10);

/// The time for which a worker is known that is not heard of, in leases.
const KNOWN_LEASES: u32 = 30;

/// The settings with which a server sets up the engine.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The jobs that may wait at one time, with those that workers have.
    pub capacity: usize,
    /// The time for which a job is a worker's that is not heard of.
    pub lease: Duration,
}

/// The engine on NATS.
pub struct Nats {
    context: Context,
    stream: stream::Stream,
    consumers: BTreeMap<(Lane, Priority), PullConsumer>,
    records: Store,
    workers: Store,
    objects: ObjectStore,
    lease: Duration,
    changes: broadcast::Sender<JobId>,
}

/// Items that wait in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Parts,
    Jobs,
    Sliced,
}

impl Lane {
    const ALL: [Self; 3] = [Self::Parts, Self::Jobs, Self::Sliced];

    const fn of(role: Role) -> Self {
        match role {
            Role::Whole => Self::Jobs,
            Role::Coordinator => Self::Sliced,
            Role::Part(_) => Self::Parts,
        }
    }

    /// Those from which items of a duty are taken, in this order.
    const fn of_duty(duty: Duty) -> &'static [Self] {
        match duty {
            Duty::Prove => &[Self::Parts, Self::Jobs],
            Duty::Coordinate => &[Self::Sliced],
        }
    }

    /// The stream that it is in.
    const fn stream(self) -> &'static str {
        match self {
            Self::Parts => PARTS,
            Self::Jobs | Self::Sliced => STREAM,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Parts => "parts",
            Self::Jobs => "jobs",
            Self::Sliced => "sliced",
        }
    }

    /// The subject of its messages.
    fn subject(self, priority: Priority) -> String {
        format!("{SUBJECT}.{}.{}", self.name(), priority.name())
    }

    /// The name of the consumer of its messages.
    fn consumer(self, priority: Priority) -> String {
        match self {
            Self::Jobs => priority.name().into(),
            Self::Parts | Self::Sliced => format!("{}-{}", self.name(), priority.name()),
        }
    }
}

/// The stream of these lanes, with at most so many messages.
fn stream_of(name: &str, max_messages: i64) -> stream::Config {
    let lanes = Lane::ALL.into_iter().filter(|lane| lane.stream() == name);
    let subjects = lanes.flat_map(|lane| Priority::ALL.map(|priority| lane.subject(priority)));
    stream::Config {
        name: name.into(),
        subjects: subjects.collect(),
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        max_messages,
        storage: StorageType::File,
        ..stream::Config::default()
    }
}

impl Nats {
    /// Connects to the server at an address, and sets the engine up, or takes it as a server has set it
    /// up. A server that is not there yet, or an engine that nobody has set up yet, is waited for as long
    /// as `patience` says.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or has no JetStream, or if nobody has set the
    /// engine up.
    pub async fn connect(
        url: &str,
        settings: Option<Settings>,
        patience: Duration,
    ) -> Result<Self, QueueError> {
        let until = Instant::now() + patience;
        let client = connected(url, until, patience).await?;
        let context = jetstream::new(client);
        let missing = |error: &dyn ToString| {
            QueueError::broken(format!(
                "there is nothing to take jobs from at {url}, start `miden-cvm serve --nats` first: {}",
                error.to_string()
            ))
        };
        let stream = match settings {
            Some(settings) => set_up(&context, settings, url, until).await?,
            None => ready(until, || context.get_stream(STREAM))
                .await
                .map_err(|error| missing(&error))?,
        };
        let records = context
            .get_key_value(RECORDS)
            .await
            .map_err(|error| missing(&error))?;
        let workers = context
            .get_key_value(WORKERS)
            .await
            .map_err(|error| missing(&error))?;
        let objects = context
            .get_object_store(OBJECTS)
            .await
            .map_err(|error| missing(&error))?;
        let parts = context.get_stream(PARTS).await;
        let parts = parts.map_err(|error| missing(&error))?;
        let mut consumers = BTreeMap::new();
        let mut lease = Duration::ZERO;
        for lane in Lane::ALL {
            let stream = match lane {
                Lane::Parts => &parts,
                Lane::Jobs | Lane::Sliced => &stream,
            };
            for priority in Priority::ALL {
                let consumer: PullConsumer = stream
                    .get_consumer(&lane.consumer(priority))
                    .await
                    .map_err(|error| missing(&error))?;
                lease = consumer.cached_info().config.ack_wait;
                consumers.insert((lane, priority), consumer);
            }
        }
        let changes = changes();
        tokio::spawn(follow(records.clone(), changes.clone()));
        Ok(Self {
            context,
            stream,
            consumers,
            records,
            workers,
            objects,
            lease,
            changes,
        })
    }

    /// Puts the message of an item into its stream.
    async fn publish(&self, item: Item, priority: Priority) -> Result<(), QueueError> {
        let subject = Lane::of(item.role).subject(priority);
        let published = match self.context.publish(subject, item.to_string().into()).await {
            Ok(acknowledged) => acknowledged.await,
            Err(error) => Err(error),
        };
        let Err(error) = published else { return Ok(()) };
        if let Role::Part(_) = item.role {
            return Err(QueueError::broken(error));
        }
        let info = self.stream.get_info().await;
        match info.is_ok_and(|info| {
            i64::try_from(info.state.messages)
                .is_ok_and(|waiting| waiting >= info.config.max_messages)
        }) {
            true => Err(QueueError::Full),
            false => Err(QueueError::broken(error)),
        }
    }
}

/// The stream that is a bucket of entries. The client's own way of making one asks the server for what
/// servers before 2.10 do not tell.
fn bucket_of(name: &str) -> stream::Config {
    stream::Config {
        name: format!("KV_{name}"),
        subjects: vec![format!("$KV.{name}.>")],
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        allow_rollup: true,
        allow_direct: true,
        deny_delete: true,
        ..stream::Config::default()
    }
}

/// Sets the engine up, as a server does; returns the stream of jobs.
async fn set_up(
    context: &Context,
    Settings { capacity, lease }: Settings,
    url: &str,
    until: Instant,
) -> Result<stream::Stream, QueueError> {
    let jobs = stream_of(STREAM, i64::try_from(capacity).unwrap_or(i64::MAX));
    // A server may still be on its way up.
    let stream = ready(until, || context.get_or_create_stream(jobs.clone()))
        .await
        .map_err(|error| {
            QueueError::broken(format!(
                "the NATS server at {url} cannot keep jobs; it has to have JetStream \
                 (`nats-server -js`): {error}"
            ))
        })?;
    context
        .update_stream(jobs)
        .await
        .map_err(QueueError::broken)?;
    let parts = context.get_or_create_stream(stream_of(PARTS, -1)).await;
    let parts = parts.map_err(QueueError::broken)?;
    for bucket in [RECORDS, WORKERS] {
        let created = context.get_or_create_stream(bucket_of(bucket)).await;
        created.map_err(QueueError::broken)?;
    }
    for lane in Lane::ALL {
        let stream = match lane {
            Lane::Parts => &parts,
            Lane::Jobs | Lane::Sliced => &stream,
        };
        for priority in Priority::ALL {
            let config = pull::Config {
                durable_name: Some(lane.consumer(priority)),
                filter_subject: lane.subject(priority),
                ack_policy: AckPolicy::Explicit,
                ack_wait: lease,
                // Attempts are counted by the rules.
                max_deliver: -1,
                max_ack_pending: -1,
                ..pull::Config::default()
            };
            let created = stream.create_consumer(config).await;
            created.map_err(QueueError::broken)?;
        }
    }
    let objects = context.create_object_store(object_store::Config {
        bucket: OBJECTS.into(),
        storage: StorageType::File,
        ..object_store::Config::default()
    });
    objects.await.map_err(QueueError::broken)?;
    Ok(stream)
}

/// Connects to a server, which need not be there at once.
async fn connected(url: &str, until: Instant, patience: Duration) -> Result<Client, QueueError> {
    let wrong = |reason: &dyn ToString| {
        QueueError::broken(format!(
            "`{url}` is not the address of a NATS server, such as `nats://127.0.0.1:4222`: {}",
            reason.to_string()
        ))
    };
    let address: ServerAddr = url.parse().map_err(|error: io::Error| wrong(&error))?;
    if address.host().is_empty() {
        return Err(wrong(&"it names no host"));
    }
    loop {
        let connecting = ConnectOptions::new()
            .name("miden-cvm-service")
            .connection_timeout(Duration::from_secs(5))
            .connect(address.clone());
        let error = match connecting.await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        let is_refused = matches!(
            error.kind(),
            ConnectErrorKind::AuthorizationViolation
                | ConnectErrorKind::Authentication
                | ConnectErrorKind::Tls
        );
        if is_refused {
            return Err(QueueError::broken(format!(
                "the NATS server at {url} refuses the connection: {error}"
            )));
        }
        if Instant::now() + ASK > until {
            return Err(QueueError::broken(format!(
                "there is no NATS server at {url}, tried for {} s (`--nats-wait`): {error}",
                patience.as_secs()
            )));
        }
        warn!(%error, "there is no NATS server at {url} yet");
        sleep(ASK).await;
    }
}

/// Asks until there is an answer, for as long as that may take.
async fn ready<T, E, F>(until: Instant, ask: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    loop {
        let answer = ask().await;
        if answer.is_ok() || Instant::now() + ASK > until {
            return answer;
        }
        sleep(ASK).await;
    }
}

/// Tells the changes of records for as long as somebody may listen. After a break all records may have
/// changed.
async fn follow(records: Store, changes: broadcast::Sender<JobId>) {
    loop {
        match records.watch_with_history(">").await {
            Ok(mut watch) => {
                while let Some(Ok(entry)) = watch.next().await {
                    if let Ok(id) = entry.key.parse() {
                        changes.send(id).ok();
                    }
                }
            }
            Err(error) => warn!(%error, "changes are not followed for now"),
        }
        sleep(ASK).await;
    }
}

fn json(value: &impl serde::Serialize) -> Result<Bytes, QueueError> {
    let json = serde_json::to_vec(value).map_err(QueueError::broken)?;
    Ok(json.into())
}

#[async_trait]
impl Queue for Nats {
    async fn put(&self, object: Digest, bytes: Bytes) -> Result<(), QueueError> {
        let name = object.to_string();
        if let Ok(info) = self.objects.info(&name).await
            && !info.deleted
        {
            return Ok(());
        }
        let put = self.objects.put(name.as_str(), &mut &bytes[..]).await;
        put.map_err(QueueError::broken)?;
        Ok(())
    }

    async fn get(&self, object: Digest) -> Result<Bytes, QueueError> {
        let mut found = match self.objects.get(object.to_string()).await {
            Ok(found) => found,
            Err(error) if error.kind() == GetErrorKind::NotFound => {
                return Err(QueueError::NoObject(object));
            }
            Err(error) => return Err(QueueError::broken(error)),
        };
        let wrong = |reason: &str| QueueError::wrong_object(object, reason);
        if found.info.size as u64 > MAX_OBJECT_BYTES {
            return Err(wrong("it is longer than one can be"));
        }
        let mut bytes = Vec::new();
        // Its description can be wrong about how much there is.
        while bytes.len() as u64 <= MAX_OBJECT_BYTES {
            match timeout(SILENCE, found.read_buf(&mut bytes)).await {
                Ok(Ok(0)) => return checked(object, bytes.into()),
                Ok(Ok(_)) => {}
                Ok(Err(error)) if error.kind() == ErrorKind::InvalidData => {
                    return Err(wrong(&error.to_string()));
                }
                Ok(Err(error)) => return Err(QueueError::broken(error)),
                Err(_) => return Err(wrong("a part of it is not there")),
            }
        }
        Err(wrong("it is longer than one can be"))
    }

    async fn delete(&self, object: Digest) -> Result<(), QueueError> {
        // It may not be there.
        self.objects.delete(object.to_string()).await.ok();
        Ok(())
    }

    async fn create(&self, record: &Record) -> Result<bool, QueueError> {
        let created = self
            .records
            .create(record.id.to_string(), json(record)?)
            .await;
        match created {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(QueueError::broken(error)),
        }
    }

    async fn load(&self, id: JobId) -> Result<Option<Seen>, QueueError> {
        let entry = self.records.entry(id.to_string()).await;
        let entry = entry.map_err(QueueError::broken)?;
        let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else {
            return Ok(None);
        };
        Ok(Some(Seen {
            record: read_record(id, &entry.value)?,
            version: entry.revision,
        }))
    }

    async fn store(&self, record: &Record, version: u64) -> Result<bool, QueueError> {
        let key = record.id.to_string();
        match self.records.update(key, json(record)?, version).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(QueueError::broken(error)),
        }
    }

    async fn remove(&self, id: JobId, version: u64) -> Result<bool, QueueError> {
        let key = id.to_string();
        match self
            .records
            .purge_expect_revision(&key, Some(version))
            .await
        {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(QueueError::broken(error)),
        }
    }

    async fn ids(&self) -> Result<Vec<JobId>, QueueError> {
        let keys = keys(&self.records).await?.into_iter();
        Ok(keys.filter_map(|key| key.parse().ok()).collect())
    }

    fn changes(&self) -> broadcast::Receiver<JobId> {
        self.changes.subscribe()
    }

    async fn push(&self, item: Item, priority: Priority) -> Result<(), QueueError> {
        self.publish(item, priority).await
    }

    async fn resume(&self, record: &Record) -> Result<(), QueueError> {
        match record.state {
            // Its message may never have been sent. A second one does no harm.
            State::Queued => {
                let item = Item::first(record.id, record.options);
                match self.publish(item, record.priority).await {
                    Err(QueueError::Full) => Ok(()),
                    published => published,
                }
            }
            _ => Ok(()),
        }
    }

    async fn pull(&self, duty: Duty) -> Result<Box<dyn Lease>, QueueError> {
        let mut changes = self.changes();
        let lines = Priority::ALL.into_iter().flat_map(|priority| {
            let lanes = Lane::of_duty(duty).iter();
            lanes.map(move |&lane| (lane, priority))
        });
        let consumers = lines.filter_map(|line| self.consumers.get(&line));
        let consumers: Vec<&PullConsumer> = consumers.collect();
        loop {
            for consumer in &consumers {
                let messages = consumer.fetch().max_messages(1).messages().await;
                let mut messages = messages.map_err(QueueError::broken)?;
                let Some(message) = messages.next().await else {
                    continue;
                };
                let message = message.map_err(QueueError::broken)?;
                let text = str::from_utf8(&message.payload).unwrap_or_default();
                let item = text.parse::<Item>();
                let Some(item) = item.ok().filter(|item| item.role.duty() == duty) else {
                    warn!("a message that names no job is dropped");
                    message.ack().await.map_err(QueueError::broken)?;
                    continue;
                };
                let delivered = message.info().map_err(QueueError::broken)?.delivered;
                return Ok(Box::new(NatsLease {
                    item,
                    is_again: delivered > 1,
                    message,
                }));
            }
            // A job that is new is a change.
            timeout(ASK, changes.recv()).await.ok();
        }
    }

    fn lease(&self) -> Duration {
        self.lease
    }

    async fn tell(&self, worker: &WorkerStatus) -> Result<(), QueueError> {
        let put = self.workers.put(&worker.name, json(worker)?).await;
        put.map_err(QueueError::broken)?;
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>, QueueError> {
        let mut workers = Vec::new();
        for key in keys(&self.workers).await? {
            let found = self.workers.get(&key).await.map_err(QueueError::broken)?;
            let Some(bytes) = found else { continue };
            match serde_json::from_slice::<WorkerStatus>(&bytes) {
                Ok(worker) if worker.is_healthy(self.lease * KNOWN_LEASES) => workers.push(worker),
                _ => self.workers.purge(&key).await.map_err(QueueError::broken)?,
            }
        }
        Ok(workers)
    }
}

/// The keys of a bucket. What is removed while they are listed can leave the server nothing to end the list
/// with, so a list that falls silent is begun again.
async fn keys(bucket: &Store) -> Result<Vec<String>, QueueError> {
    for _ in 0..LISTS {
        let mut listed = bucket.keys().await.map_err(QueueError::broken)?;
        let mut keys = Vec::new();
        loop {
            match timeout(SILENCE, listed.next()).await {
                Ok(Some(key)) => keys.push(key.map_err(QueueError::broken)?),
                Ok(None) => return Ok(keys),
                Err(_) => break,
            }
        }
    }
    Err(QueueError::broken(format!(
        "the list of a bucket fell silent {LISTS} times"
    )))
}

/// A message that this worker has.
struct NatsLease {
    item: Item,
    is_again: bool,
    message: Message,
}

#[async_trait]
impl Lease for NatsLease {
    fn item(&self) -> Item {
        self.item
    }

    fn is_again(&self) -> bool {
        self.is_again
    }

    async fn extend(&mut self) -> Result<(), QueueError> {
        let told = self.message.ack_with(AckKind::Progress).await;
        told.map_err(QueueError::broken)
    }

    async fn finish(self: Box<Self>) -> Result<(), QueueError> {
        let told = self.message.double_ack().await;
        told.map_err(QueueError::broken)
    }

    async fn give_back(self: Box<Self>, delay: Duration) -> Result<(), QueueError> {
        let told = self.message.ack_with(AckKind::Nak(Some(delay))).await;
        told.map_err(QueueError::broken)
    }
}
