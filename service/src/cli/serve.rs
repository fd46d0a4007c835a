//! `serve`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, builder::RangedU64ValueParser};
use miden_cvm::{Inputs, with_reasons};
use miden_cvm_service::{
    jobs::{Jobs, Rules},
    owned::Owned,
    queue::{
        Queue,
        embedded::Embedded,
        nats::{Nats, Settings},
    },
    server::{ServerOptions, Service, serve},
    traces::Traces,
};
use tokio::net::TcpListener;
use tonic::transport::Identity;
use tracing::{info, warn};

use super::{
    Failure, Log, TOKEN, token,
    workers::{Patience, WorkerArgs, stop_on_signal},
};

/// Takes jobs from clients, and proves them.
#[derive(Debug, Args)]
pub struct ServeCommand {
    /// The address for gRPC and HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7700")]
    listen: SocketAddr,
    /// A folder for jobs and proofs, which outlive the server there; without it they are in memory
    #[arg(long, value_name = "FOLDER", conflicts_with = "nats")]
    data: Option<PathBuf>,
    /// The address of a NATS server with JetStream, where jobs and proofs are kept; then workers can be
    /// on other machines (`miden-cvm worker --nats`), and several servers can share one queue
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    #[command(flatten)]
    patience: Patience,
    /// The certificate for TLS, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Serve without a token to others than this machine; otherwise they have to show the one in the
    /// environment variable MIDEN_CVM_TOKEN
    #[arg(long)]
    open: bool,
    /// The jobs that may wait at one time
    #[arg(long, value_name = "JOBS", default_value_t = 1000)]
    queue: usize,
    /// The seconds after which a job comes back from a worker that is not heard of
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    lease: u64,
    /// The jobs in slices whose workers are asked at one time; others wait
    #[arg(long, value_name = "JOBS", default_value_t = 1,
        value_parser = RangedU64ValueParser::<usize>::new().range(0..=1024))]
    coordinators: usize,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    log: Log,
    /// A composition whose claimed instances are this service's, as far as there is advice for them (`--claim-input`)
    #[arg(long, value_name = "FILE", requires = "claim_inputs")]
    claims_of: Option<PathBuf>,
    /// The advice of a claimed instance, as inputs in JSON without an operand stack; can be given several times. Who
    /// submits a run of the instance does not see it
    #[arg(long = "claim-input", value_name = "INSTANCE=FILE", value_parser = claim_input, requires = "claims_of")]
    claim_inputs: Vec<(String, PathBuf)>,
    /// The address of a collector that is sent a trace of each job when it is over, by OTLP over gRPC, such
    /// as `http://localhost:4317`
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
}

/// The limits of jobs.
#[derive(Debug, Args)]
struct RulesArgs {
    /// The most bytes of a job's target and inputs
    #[arg(long, value_name = "BYTES", default_value_t = Rules::default().max_job_bytes)]
    max_job_bytes: u64,
    /// The most cycles of a job's run
    #[arg(long, value_name = "CYCLES", default_value_t = Rules::default().max_cycles,
        value_parser = clap::value_parser!(u32).range(1..))]
    max_cycles: u32,
    /// The most seconds from a job's submission to its proof, whatever its own deadline
    #[arg(long, value_name = "SECONDS", default_value_t = Rules::default().max_total.as_secs())]
    max_total: u64,
    /// The most attempts at a job
    #[arg(long, value_name = "ATTEMPTS", default_value_t = Rules::default().max_attempts,
        value_parser = clap::value_parser!(u32).range(1..))]
    max_attempts: u32,
    /// The seconds for which proofs and failures are kept
    #[arg(long, value_name = "SECONDS", default_value_t = Rules::default().keep.as_secs())]
    keep: u64,
}

impl RulesArgs {
    fn rules(&self) -> Rules {
        Rules {
            max_job_bytes: self.max_job_bytes,
            max_cycles: self.max_cycles,
            max_total: Duration::from_secs(self.max_total),
            max_attempts: self.max_attempts,
            keep: Duration::from_secs(self.keep),
        }
    }
}

/// Reads `INSTANCE=FILE`.
fn claim_input(text: &str) -> Result<(String, PathBuf), String> {
    let (instance, file) = text
        .split_once('=')
        .ok_or("it is the name of a claimed instance, `=` and a file")?;
    Ok((instance.to_owned(), file.into()))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = std::fs::read(path);
    bytes.map_err(|error| Failure::failed(format!("`{}` cannot be read: {error}", path.display())))
}

impl ServeCommand {
    /// The claimed instances that are this service's.
    fn owned(&self) -> Result<Owned, Failure> {
        let Some(composition) = &self.claims_of else {
            return Ok(Owned::default());
        };
        let mut all = BTreeMap::new();
        for (instance, path) in &self.claim_inputs {
            let inputs = Inputs::read(path).map_err(Failure::failed)?;
            if all.insert(instance.clone(), inputs).is_some() {
                return Err(Failure::failed(format!(
                    "--claim-input: the advice of `{instance}` is given twice"
                )));
            }
        }
        Owned::of(composition, all).map_err(|error| {
            Failure::failed(format!("--claims-of {}: {error}", composition.display()))
        })
    }

    /// Serves until it is told to stop.
    pub async fn run(self) -> Result<(), Failure> {
        self.log.init();
        let token = token();
        if token.is_none() && !self.open && !self.listen.ip().is_loopback() {
            return Err(Failure::failed(format!(
                "{} can be reached by others: set the environment variable {TOKEN} to what they have \
                 to show, or say `--open`",
                self.listen
            )));
        }
        let tls = match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(Identity::from_pem(read(certificate)?, read(key)?))
            }
            _ => None,
        };
        let owned = self.owned()?;
        let traces = self.otlp.as_deref().map(Traces::to).transpose();
        let traces = traces.map_err(|error| Failure::failed(with_reasons(&error)))?;
        let lease = Duration::from_secs(self.lease);
        let queue: Arc<dyn Queue> = match &self.nats {
            Some(url) => {
                let settings = Settings {
                    capacity: self.queue,
                    lease,
                };
                let queue = Nats::connect(url, Some(settings), self.patience.duration()).await;
                Arc::new(queue.map_err(Failure::failed)?)
            }
            None => {
                let queue = Embedded::open(self.data.as_deref(), self.queue, lease);
                Arc::new(queue.map_err(Failure::failed)?)
            }
        };
        let jobs = Jobs::new(queue, self.rules.rules());
        jobs.recover().await.map_err(Failure::failed)?;
        let stop = stop_on_signal()?;
        let listener = TcpListener::bind(self.listen).await;
        let listener = listener.map_err(|error| {
            Failure::failed(format!("{} cannot be served: {error}", self.listen))
        })?;
        let address = listener.local_addr().map_err(Failure::failed)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        info!("serving {scheme}://{address}");
        if self.workers.workers == 0 && self.nats.is_none() {
            warn!("there are no workers, and there cannot be any elsewhere");
        }
        let service = Service::new(jobs.clone(), owned, stop.clone());
        let options = ServerOptions { token, tls };
        let traces = traces.map(|traces| tokio::spawn(traces.follow(service.over())));
        let coordinators = self.coordinators;
        let (served, worked, coordinated) = tokio::join!(
            serve(service, listener, options),
            self.workers.run(&jobs, &stop),
            self.workers.coordinate(coordinators, &jobs, &stop),
        );
        if let Some(traces) = traces {
            traces.abort();
        }
        served.map_err(|error| Failure::failed(with_reasons(&error)))?;
        worked.and(coordinated)
    }
}
