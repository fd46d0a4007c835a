//! The server: gRPC and HTTP on one address, with all that happens beside requests.

pub mod grpc;
pub mod http;
mod upload;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::{
        Semaphore,
        broadcast::{self, error::RecvError},
        watch,
    },
    task::spawn_blocking,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tracing::{error, warn};

use self::upload::Room;
pub use self::upload::{SILENCE, UPLOAD_TIME};
use crate::{
    job::{Job, JobError, JobId, Options, Terms},
    jobs::{Jobs, JobsError},
    metrics::Metrics,
    owned::Owned,
    queue::QueueError,
    record::{Record, WorkerStatus},
    stop::stopped,
};

/// The settings of a server.
#[derive(Clone, Default)]
pub struct ServerOptions {
    /// The token that clients have to show; nothing if anybody may come.
    pub token: Option<String>,
    /// Certificate and key, in PEM; nothing for a server without TLS.
    pub tls: Option<Identity>,
}

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ServiceError {
    /// The bytes are no job.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The request is not one.
    #[error("{0}")]
    Malformed(String),
    /// The job is longer than one may be.
    #[error("the job is larger than the limit of {0} bytes")]
    TooLarge(u64),
    /// The client took too long to send it.
    #[error("the job did not arrive within {} s", UPLOAD_TIME.as_secs())]
    TooSlow,
    /// The client stopped sending it.
    #[error("nothing of the job arrived for {} s", SILENCE.as_secs())]
    Silent,
    /// More arrives than the server has room for.
    #[error("the server has no room for more jobs: try again later")]
    Busy,
    /// The server is about to stop.
    #[error("the server is about to stop and takes no more jobs: try again later")]
    Stopping,
    /// The jobs refuse it.
    #[error(transparent)]
    Jobs(#[from] JobsError),
}

impl ServiceError {
    /// The reason in one word, for figures.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Job(_) => "job",
            Self::Malformed(_) => "malformed",
            Self::TooLarge(_) => "too-large",
            Self::TooSlow | Self::Silent => "too-slow",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
            Self::Jobs(JobsError::Cycles { .. }) => "cycles",
            Self::Jobs(JobsError::Unknown(_)) => "unknown",
            Self::Jobs(JobsError::NoProof { .. }) => "no-proof",
            Self::Jobs(JobsError::Queue(QueueError::Full)) => "full",
            Self::Jobs(JobsError::Queue(_)) => "queue",
        }
    }
}

/// The jobs that are looked at at one time; others wait for these.
const MAX_PREPARED: usize = 16;

/// The records of jobs that are over that are kept for who is slow to read them.
const KEPT_RECORDS: usize = 1024;

/// The interval at which deadlines are looked at.
const SWEEP: Duration = Duration::from_millis(500);

/// The state that requests are served with.
pub struct Service {
    jobs: Jobs,
    owned: Arc<Owned>,
    metrics: Metrics,
    /// The records as they were last seen.
    mirror: Mutex<BTreeMap<JobId, Record>>,
    /// Tells the records of jobs that are over.
    over: broadcast::Sender<Record>,
    /// The number of clients that wait for each job.
    waiting: Mutex<HashMap<JobId, usize>>,
    room: Room,
    prepared: Semaphore,
    stop: watch::Receiver<bool>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    /// Serves these jobs until it is told to stop, and owns some claimed programs.
    pub fn new(jobs: Jobs, owned: Owned, stop: watch::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self {
            room: Room::new(jobs.rules().max_job_bytes),
            prepared: Semaphore::new(MAX_PREPARED),
            jobs,
            owned: Arc::new(owned),
            metrics: Metrics::default(),
            mirror: Mutex::default(),
            over: broadcast::channel(KEPT_RECORDS).0,
            waiting: Mutex::default(),
            stop,
        })
    }

    /// Tells the records of jobs that are over from now on, each once.
    pub fn over(&self) -> broadcast::Receiver<Record> {
        self.over.subscribe()
    }

    /// The jobs.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Returns `true` if it is about to stop.
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until it is told to stop.
    async fn stopped(&self) {
        stopped(&self.stop).await;
    }

    /// Takes a job.
    async fn submit(
        &self,
        target: Bytes,
        inputs: Bytes,
        options: Options,
        terms: Terms,
    ) -> Result<Record, ServiceError> {
        if self.is_stopping() {
            return Err(ServiceError::Stopping);
        }
        let options = Options {
            max_cycles: match options.max_cycles {
                cycles if cycles == Options::longest(options.settings) => {
                    cycles.min(self.jobs.rules().max_cycles)
                }
                cycles => cycles,
            },
            ..options
        };
        let permit = self.prepared.acquire().await;
        let permit = permit.map_err(|_| ServiceError::Stopping)?;
        let owned = self.owned.clone();
        let prepare = spawn_blocking(move || Job::prepare(&target, &inputs, options, &owned));
        let prepared = prepare.await;
        drop(permit);
        let job = prepared.map_err(|error| JobError::Thread(error.to_string()))??;
        Ok(self.jobs.submit(&job, terms).await?)
    }

    /// Counts a client that waits for a job. When the last one is gone before the job is over, a job that
    /// nobody submitted to be done anyway is cancelled.
    fn wait_for(self: &Arc<Self>, id: JobId) -> Waits {
        *locked(&self.waiting).entry(id).or_default() += 1;
        Waits {
            service: self.clone(),
            id,
        }
    }

    /// Returns the workers, and whether each was heard of lately.
    async fn workers(&self) -> Result<Vec<(WorkerStatus, bool)>, JobsError> {
        let queue = self.jobs.queue();
        let within = queue.lease();
        let workers = queue.workers().await?.into_iter();
        let workers = workers.map(|worker| {
            let is_healthy = worker.is_healthy(within);
            (worker, is_healthy)
        });
        Ok(workers.collect())
    }

    /// All jobs as they were last seen, the newest first.
    fn records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = locked(&self.mirror).values().cloned().collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.submitted));
        records
    }

    /// Looks at a record again, and does what there is to do about it.
    async fn see(&self, id: JobId) -> Result<(), JobsError> {
        let record = match self.jobs.queue().load(id).await {
            Ok(seen) => seen.map(|seen| seen.record),
            Err(error) if error.is_final() => {
                warn!(%error, "a job is left out");
                None
            }
            Err(error) => return Err(error.into()),
        };
        self.metrics.count(id, record.as_ref());
        match record {
            Some(record) => {
                let has_result = !record.state.is_over() && record.state.result().is_some();
                let ended = record.ended();
                let over = ended.map(|_| record.clone());
                let before = locked(&self.mirror).insert(id, record);
                let ended_before = before.and_then(|before| before.ended());
                if let Some(over) = over.filter(|_| ended_before != ended) {
                    // There may be nobody who wants to know.
                    self.over.send(over).ok();
                }
                if has_result {
                    self.jobs.judge(id).await?;
                }
            }
            None => {
                locked(&self.mirror).remove(&id);
            }
        }
        Ok(())
    }

    /// Looks at all records.
    async fn see_all(&self) -> Result<(), JobsError> {
        for id in self.jobs.queue().ids().await? {
            self.see(id).await?;
        }
        Ok(())
    }

    /// Follows changes, verifies results and sweeps, for as long as it is polled.
    pub async fn supervise(&self) {
        let mut changes = self.jobs.queue().changes();
        let mut tick = interval(SWEEP);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_known = false;
        loop {
            let done = tokio::select! {
                change = changes.recv() => match change {
                    Ok(id) => self.see(id).await,
                    Err(RecvError::Lagged(_)) => self.see_all().await,
                    Err(RecvError::Closed) => return,
                },
                _ = tick.tick() => match is_known {
                    true => self.sweep().await,
                    false => self.see_all().await,
                },
            };
            match done {
                Ok(()) => is_known = true,
                Err(error) => {
                    warn!(%error, "records are looked at again later");
                    is_known = false;
                    sleep(SWEEP).await;
                }
            }
        }
    }

    async fn sweep(&self) -> Result<(), JobsError> {
        for record in self.records() {
            match self.jobs.sweep(&record).await {
                // Another server swept it.
                Err(JobsError::Unknown(_)) => {}
                swept => swept?,
            }
        }
        Ok(())
    }

    /// The figures, as they are now.
    async fn figures(&self) -> String {
        self.metrics.set_jobs(locked(&self.mirror).values());
        if let Ok(mut workers) = self.workers().await {
            workers.retain(|(worker, _)| !worker.is_coordinator);
            let healthy = workers.iter().filter(|(_, is_healthy)| *is_healthy).count();
            self.metrics.set_workers(healthy, workers.len() - healthy);
        }
        self.metrics.text()
    }
}

/// A client that waits for a job.
struct Waits {
    service: Arc<Service>,
    id: JobId,
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut waiting = locked(&self.service.waiting);
        let Some(count) = waiting.get_mut(&self.id) else {
            return;
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        waiting.remove(&self.id);
        drop(waiting);
        // A server that stops does not give up what it was asked for: clients come again.
        if self.service.is_stopping() {
            return;
        }
        let (service, id) = (self.service.clone(), self.id);
        tokio::spawn(async move {
            if locked(&service.waiting).contains_key(&id) {
                return;
            }
            if let Err(error) = service.jobs.abandon(id).await {
                warn!(job = %id, %error, "a job that nobody waits for is not given up");
            }
        });
    }
}

/// Serves on a socket until the service is told to stop and all requests are answered.
///
/// # Errors
/// Returns an error if the certificate cannot be used, or if the socket fails.
pub async fn serve(
    service: Arc<Service>,
    listener: TcpListener,
    options: ServerOptions,
) -> Result<(), tonic::transport::Error> {
    let routes = grpc::routes(&service)
        .into_axum_router()
        .merge(http::routes(&service));
    let routes = http::guarded(routes, options.token);
    let mut server = Server::builder()
        .accept_http1(true)
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(Duration::from_secs(20)));
    if let Some(identity) = options.tls {
        server = server.tls_config(ServerTlsConfig::new().identity(identity))?;
    }
    let stopped = {
        let service = service.clone();
        async move { service.stopped().await }
    };
    let supervised = {
        let service = service.clone();
        tokio::spawn(async move { service.supervise().await })
    };
    let served = server
        .add_routes(tonic::service::Routes::from(routes))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped)
        .await;
    supervised.abort();
    if let Err(error) = &served {
        error!(%error, "the server ended");
    }
    served
}
