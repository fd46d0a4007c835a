//! The gRPC interfaces: our own, and that of Miden's remote prover.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming, service::Routes};

use super::{Service, ServiceError, UPLOAD_TIME, upload::Upload};
use crate::{
    job::{JobId, OptionNames, Options, Priority, Terms},
    jobs::JobsError,
    pb::{
        self,
        prover_server::{Prover, ProverServer},
        remote::{
            self,
            api_server::{Api, ApiServer},
            proxy_status_api_server::{ProxyStatusApi, ProxyStatusApiServer},
            worker_status_api_server::{WorkerStatusApi, WorkerStatusApiServer},
        },
    },
    queue::QueueError,
    record::{Cause, Part, PartState, Record, State},
};

/// The services, with health and reflection.
pub fn routes(service: &Arc<Service>) -> Routes {
    let (reporter, health) = tonic_health::server::health_reporter();
    let stopping = service.clone();
    tokio::spawn(async move {
        reporter.set_serving::<ProverServer<Interface>>().await;
        stopping.stopped().await;
        reporter.set_not_serving::<ProverServer<Interface>>().await;
        reporter
            .set_service_status("", tonic_health::ServingStatus::NotServing)
            .await;
    });
    let interface = Interface(service.clone());
    let routes = Routes::new(health)
        .add_service(ProverServer::new(interface.clone()))
        .add_service(ApiServer::new(interface.clone()))
        .add_service(ProxyStatusApiServer::new(interface.clone()))
        .add_service(WorkerStatusApiServer::new(interface));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTION)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    match reflection {
        Ok(reflection) => routes.add_service(reflection),
        Err(error) => {
            tracing::warn!(%error, "reflection is not available");
            routes
        }
    }
}

/// The length of the pieces in which statements and proofs are sent, far below what a message may have.
const PIECE: usize = 1 << 20;

/// The service that answers calls.
#[derive(Clone)]
struct Interface(Arc<Service>);

/// A stream of answers.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Interface {
    /// The status for an error, which is counted.
    fn refuse(&self, error: impl Into<ServiceError>) -> Status {
        let error = error.into();
        self.0.metrics.refuse(error.reason());
        let code = match &error {
            ServiceError::Job(_) | ServiceError::Malformed(_) => Code::InvalidArgument,
            ServiceError::TooLarge(_) => Code::OutOfRange,
            ServiceError::TooSlow | ServiceError::Silent => Code::DeadlineExceeded,
            ServiceError::Busy => Code::ResourceExhausted,
            ServiceError::Stopping => Code::Unavailable,
            ServiceError::Jobs(error) => match error {
                JobsError::Cycles { .. } => Code::OutOfRange,
                JobsError::Unknown(_) => Code::NotFound,
                JobsError::NoProof { .. } => Code::FailedPrecondition,
                JobsError::Queue(QueueError::Full) => Code::ResourceExhausted,
                JobsError::Queue(QueueError::NoObject(_)) => Code::NotFound,
                JobsError::Queue(
                    QueueError::WrongObject { .. } | QueueError::WrongRecord { .. },
                ) => Code::DataLoss,
                JobsError::Queue(QueueError::Broken(_)) => Code::Unavailable,
            },
        };
        Status::new(code, error.to_string())
    }

    fn id(&self, request: Request<pb::JobId>) -> Result<JobId, Status> {
        let id = request.into_inner().id.parse::<JobId>();
        id.map_err(|error| self.refuse(ServiceError::Malformed(error.to_string())))
    }

    /// Receives a job and takes it.
    async fn take(
        &self,
        parts: Streaming<pb::JobPart>,
        is_detached: bool,
    ) -> Result<Record, Status> {
        let mut upload = self.0.room.upload();
        let received = timeout(UPLOAD_TIME, self.receive(parts, &mut upload));
        let received = received.await.unwrap_or(Err(ServiceError::TooSlow));
        let (target, inputs, options, terms) = received.map_err(|error| self.refuse(error))?;
        let terms = Terms {
            is_detached,
            ..terms
        };
        let taken = self.0.submit(target, inputs, options, terms).await;
        taken.map_err(|error| self.refuse(error))
    }

    async fn receive(
        &self,
        mut parts: Streaming<pb::JobPart>,
        upload: &mut Upload<'_>,
    ) -> Result<(Bytes, Bytes, Options, Terms), ServiceError> {
        let malformed = |error: String| ServiceError::Malformed(error);
        let max_bytes = self.0.jobs.rules().max_job_bytes;
        let mut terms = None;
        let mut received = [BytesMut::new(), BytesMut::new()];
        while let Some(part) = upload.more(parts.next()).await? {
            let part = part.map_err(|status| malformed(status.message().into()))?;
            let part = part
                .part
                .ok_or_else(|| malformed("a part is empty".into()))?;
            let (index, bytes) = match part {
                pb::job_part::Part::Terms(given) if terms.is_none() => {
                    terms = Some(read_terms(given)?);
                    continue;
                }
                pb::job_part::Part::Terms(_) => {
                    return Err(malformed("there are terms twice".into()));
                }
                pb::job_part::Part::Target(bytes) => (0, bytes),
                pb::job_part::Part::Inputs(bytes) => (1, bytes),
            };
            let others = received.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
            if others + bytes.len() as u64 > max_bytes {
                return Err(ServiceError::TooLarge(max_bytes));
            }
            upload.hold(bytes.len())?;
            received[index].extend_from_slice(&bytes);
        }
        let (options, terms) = terms.ok_or_else(|| malformed("there are no terms".into()))?;
        let [target, inputs] = received.map(BytesMut::freeze);
        Ok((target, inputs, options, terms))
    }

    /// Tells a job now and after every change, until it is over or nobody listens.
    async fn follow<T>(
        &self,
        mut record: Record,
        to: &mpsc::Sender<Result<T, Status>>,
        told: impl Fn(pb::Job) -> T,
    ) -> Option<Record> {
        loop {
            to.send(Ok(told((&record).into()))).await.ok()?;
            if record.state.is_over() {
                return Some(record);
            }
            let changed = tokio::select! {
                changed = self.0.jobs.changed(&record) => changed.map_err(ServiceError::from),
                () = self.0.stopped() => Err(ServiceError::Stopping),
                () = to.closed() => return None,
            };
            match changed {
                Ok(changed) => record = changed,
                Err(error) => {
                    to.send(Err(self.refuse(error))).await.ok();
                    return None;
                }
            }
        }
    }

    /// The proof of a job in pieces, the statement first.
    async fn pieces(&self, id: JobId) -> Result<Vec<pb::ProofPart>, Status> {
        let proof = self.0.jobs.proof(id).await;
        let (_, statement, proof) = proof.map_err(|error| self.refuse(error))?;
        let statement = cut(statement).map(pb::proof_part::Part::Statement);
        let proof = cut(proof).map(pb::proof_part::Part::Proof);
        let parts = statement.chain(proof);
        Ok(parts
            .map(|part| pb::ProofPart { part: Some(part) })
            .collect())
    }
}

/// Bytes in pieces that a message may have.
fn cut(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || match bytes.len() {
        0 => None,
        length => Some(bytes.split_to(length.min(PIECE))),
    })
}

fn read_terms(terms: pb::Terms) -> Result<(Options, Terms), ServiceError> {
    let priority = match terms.priority() {
        pb::Priority::Normal => Priority::Normal,
        pb::Priority::Low => Priority::Low,
        pb::Priority::High => Priority::High,
    };
    let names = OptionNames {
        set: terms.set,
        hash: terms.hash,
        max_cycles: terms.max_cycles,
        slices: u8::try_from(terms.slices).unwrap_or(u8::MAX),
    };
    let options = Options::try_from(names);
    let options = options.map_err(|error| ServiceError::Malformed(error.to_string()))?;
    let terms = Terms {
        priority,
        deadline: match terms.deadline_seconds {
            0 => None,
            seconds => Some(Duration::from_secs(seconds.into())),
        },
        is_detached: false,
    };
    Ok((options, terms))
}

impl From<&Record> for pb::Job {
    fn from(record: &Record) -> Self {
        let state = match record.state {
            State::Queued => pb::State::Queued,
            State::Running { .. } => pb::State::Running,
            State::Proven { .. } => pb::State::Proven,
            State::Done { .. } => pb::State::Done,
            State::Failed => pb::State::Failed,
            State::Cancelled => pb::State::Cancelled,
        };
        let slices = record.slices.as_ref();
        let stage = slices.map(|slices| slices.asked.stage.clone());
        let parts = slices.iter().flat_map(|slices| &slices.parts);
        let report = record.state.result().map(|result| pb::Report {
            cycles: result.report.cycles,
            rows: result.report.rows,
            run_seconds: result.report.run_seconds,
            prove_seconds: result.report.prove_seconds,
            peak_memory: result.report.peak_memory,
            proof_bytes: result.report.proof_bytes,
        });
        Self {
            id: record.id.to_string(),
            state: state.into(),
            attempts: record.attempts,
            causes: record.causes.iter().map(pb::Cause::from).collect(),
            submitted_ms: record.submitted.0,
            finished_ms: record.finished.unwrap_or_default().0,
            worker: record.worker().unwrap_or_default().into(),
            report,
            stage: stage.unwrap_or_default(),
            parts: parts.map(pb::Part::from).collect(),
        }
    }
}

impl From<&Cause> for pb::Cause {
    fn from(cause: &Cause) -> Self {
        Self {
            kind: cause.kind.name().into(),
            message: cause.message.clone(),
            worker: cause.worker.clone(),
        }
    }
}

impl From<&Part> for pb::Part {
    fn from(part: &Part) -> Self {
        let state = match part.state {
            PartState::Idle => pb::PartState::Idle,
            PartState::Queued => pb::PartState::Queued,
            PartState::Held { .. } => pb::PartState::Held,
        };
        let answered = part.answers.iter().map(|answer| answer.stage.clone());
        Self {
            state: state.into(),
            worker: part.worker().unwrap_or_default().into(),
            attempts: part.attempts,
            causes: part.causes.iter().map(pb::Cause::from).collect(),
            answered: answered.collect(),
        }
    }
}

#[tonic::async_trait]
impl Prover for Interface {
    async fn submit(
        &self,
        request: Request<Streaming<pb::JobPart>>,
    ) -> Result<Response<pb::Job>, Status> {
        let record = self.take(request.into_inner(), true).await?;
        Ok(Response::new((&record).into()))
    }

    type ProveStream = Answers<pb::ProofPart>;

    async fn prove(
        &self,
        request: Request<Streaming<pb::JobPart>>,
    ) -> Result<Response<Self::ProveStream>, Status> {
        let record = self.take(request.into_inner(), false).await?;
        let waits = self.0.wait_for(record.id);
        let (to, answers) = mpsc::channel(4);
        let this = self.clone();
        tokio::spawn(async move {
            let _waits = waits;
            let told = |job| pb::ProofPart {
                part: Some(pb::proof_part::Part::Job(job)),
            };
            let Some(record) = this.follow(record, &to, told).await else {
                return;
            };
            if !matches!(record.state, State::Done { .. }) {
                return;
            }
            match this.pieces(record.id).await {
                Ok(pieces) => {
                    for piece in pieces {
                        if to.send(Ok(piece)).await.is_err() {
                            return;
                        }
                    }
                }
                Err(status) => {
                    to.send(Err(status)).await.ok();
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn status(&self, request: Request<pb::JobId>) -> Result<Response<pb::Job>, Status> {
        let record = self.0.jobs.status(self.id(request)?).await;
        let record = record.map_err(|error| self.refuse(error))?;
        Ok(Response::new((&record).into()))
    }

    type WatchStream = Answers<pb::Job>;

    async fn watch(
        &self,
        request: Request<pb::JobId>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let record = self.0.jobs.status(self.id(request)?).await;
        let record = record.map_err(|error| self.refuse(error))?;
        let (to, answers) = mpsc::channel(4);
        let this = self.clone();
        tokio::spawn(async move { this.follow(record, &to, |job| job).await });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    type FetchStream = Answers<pb::ProofPart>;

    async fn fetch(
        &self,
        request: Request<pb::JobId>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let pieces = self.pieces(self.id(request)?).await?;
        let pieces = stream::iter(pieces.into_iter().map(Ok));
        Ok(Response::new(Box::pin(pieces)))
    }

    async fn cancel(&self, request: Request<pb::JobId>) -> Result<Response<pb::Job>, Status> {
        let record = self.0.jobs.cancel(self.id(request)?).await;
        let record = record.map_err(|error| self.refuse(error))?;
        Ok(Response::new((&record).into()))
    }

    async fn workers(
        &self,
        _: Request<pb::WorkersRequest>,
    ) -> Result<Response<pb::WorkerList>, Status> {
        let workers = self.0.workers().await;
        let workers = workers.map_err(|error| self.refuse(error))?;
        let workers = workers.into_iter().map(|(worker, healthy)| pb::Worker {
            name: worker.name,
            version: worker.version,
            healthy,
            draining: worker.is_draining,
            job: worker.job.map(|id| id.to_string()).unwrap_or_default(),
            done: worker.done,
            failed: worker.failed,
            seen_ms: worker.seen.0,
            coordinator: worker.is_coordinator,
        });
        Ok(Response::new(pb::WorkerList {
            workers: workers.collect(),
        }))
    }
}

#[tonic::async_trait]
impl Api for Interface {
    /// Transactions, batches and blocks are inputs of Miden's protocol, which this service has no code
    /// of: their proofs are made by `miden-cvm-miden` in the node's own process.
    async fn prove(
        &self,
        request: Request<remote::ProofRequest>,
    ) -> Result<Response<remote::Proof>, Status> {
        let kind = request.into_inner().proof_type().as_str_name();
        self.0.metrics.refuse("proof-type");
        Err(Status::unimplemented(format!(
            "this service proves programs and compositions, and nothing of the type {kind}: submit \
             them to `miden_cvm.service.v1.Prover`"
        )))
    }
}

#[tonic::async_trait]
impl ProxyStatusApi for Interface {
    async fn status(&self, _: Request<()>) -> Result<Response<remote::ProxyStatus>, Status> {
        let workers = self.0.workers().await;
        let workers = workers.map_err(|error| self.refuse(error))?;
        let workers = workers.into_iter().map(|(worker, is_healthy)| {
            let status = match is_healthy {
                true => remote::WorkerHealthStatus::Healthy,
                false => remote::WorkerHealthStatus::Unhealthy,
            };
            remote::ProxyWorkerStatus {
                address: worker.name,
                version: worker.version,
                status: status.into(),
            }
        });
        Ok(Response::new(remote::ProxyStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            supported_proof_type: remote::ProofType::Transaction.into(),
            workers: workers.collect(),
        }))
    }
}

#[tonic::async_trait]
impl WorkerStatusApi for Interface {
    async fn status(&self, _: Request<()>) -> Result<Response<remote::WorkerStatus>, Status> {
        Ok(Response::new(remote::WorkerStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            supported_proof_type: remote::ProofType::Transaction.into(),
        }))
    }
}
