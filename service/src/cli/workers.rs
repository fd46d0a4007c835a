//! Workers: in the process of a server, or by themselves.

use std::{env, fs, num::NonZeroUsize, process, sync::Arc, thread, time::Duration};

use clap::{Args, builder::RangedU64ValueParser};
use miden_cvm_service::{
    child::ProcessLimits,
    job::Duty,
    jobs::{Jobs, Rules},
    queue::nats::Nats,
    worker::Worker,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tracing::info;

use super::{Failure, Log};

/// Takes jobs from a queue on NATS, and proves them.
#[derive(Debug, Args)]
pub struct WorkerCommand {
    /// The address of the NATS server
    #[arg(long, value_name = "URL")]
    nats: String,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    workers: WorkerArgs,
    /// The most attempts at a job
    #[arg(long, value_name = "ATTEMPTS", default_value_t = Rules::default().max_attempts,
        value_parser = clap::value_parser!(u32).range(1..))]
    max_attempts: u32,
    #[command(flatten)]
    log: Log,
}

impl WorkerCommand {
    /// Works until it is told to stop.
    pub async fn run(self) -> Result<(), Failure> {
        self.log.init();
        let queue = Nats::connect(&self.nats, None, self.patience.duration())
            .await
            .map_err(Failure::failed)?;
        let rules = Rules {
            max_attempts: self.max_attempts,
            ..Rules::default()
        };
        let jobs = Jobs::new(Arc::new(queue), rules);
        let stop = stop_on_signal()?;
        info!("working for {}", self.nats);
        self.workers.run(&jobs, &stop).await
    }
}

/// The time for which NATS is waited for.
#[derive(Debug, Args)]
pub struct Patience {
    /// The seconds for which a NATS server that is not there yet is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(0..=86_400))]
    nats_wait: u64,
}

impl Patience {
    /// As long as was said.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.nats_wait)
    }
}

/// Workers, and what a job may use of this machine.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// The jobs that are proven at one time
    #[arg(long, value_name = "WORKERS", default_value_t = 1,
        value_parser = RangedU64ValueParser::<usize>::new().range(0..=1024))]
    pub workers: usize,
    /// The threads of a job; without it the processors, shared out among the workers
    #[arg(long, value_name = "THREADS")]
    threads: Option<NonZeroUsize>,
    /// The most memory of a job's process, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 8192,
        value_parser = clap::value_parser!(u64).range(1..=1 << 32))]
    job_memory: u64,
    /// The most seconds of one attempt at a job
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    job_time: u64,
    /// The seconds for which workers go on with their jobs when they are told to stop
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    grace: u64,
}

impl WorkerArgs {
    /// Runs the workers until they are told to stop.
    pub async fn run(&self, jobs: &Jobs, stop: &watch::Receiver<bool>) -> Result<(), Failure> {
        self.start(self.workers, Duty::Prove, jobs, stop).await
    }

    /// Runs coordinators until they are told to stop, whose processes may use what those of workers may.
    pub async fn coordinate(
        &self,
        count: usize,
        jobs: &Jobs,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        self.start(count, Duty::Coordinate, jobs, stop).await
    }

    async fn start(
        &self,
        count: usize,
        duty: Duty,
        jobs: &Jobs,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let executable = env::current_exe().map_err(Failure::failed)?;
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let shared = processors.div_ceil(self.workers.max(1));
        let host = fs::read_to_string("/proc/sys/kernel/hostname");
        let host = host.as_deref().unwrap_or("worker").trim().to_owned();
        let kind = match duty {
            Duty::Prove => "",
            Duty::Coordinate => "coordinator-",
        };
        let workers = (1..=count).map(|number| {
            let worker = Worker {
                jobs: jobs.clone(),
                name: format!("{host}-{}-{kind}{number}", process::id()),
                duty,
                executable: executable.clone(),
                limits: ProcessLimits {
                    memory: self.job_memory << 20,
                    time: Duration::from_secs(self.job_time),
                    threads: self.threads.map_or(shared, NonZeroUsize::get),
                },
                grace: Duration::from_secs(self.grace),
            };
            tokio::spawn(worker.run(stop.clone()))
        });
        let workers: Vec<_> = workers.collect();
        for worker in workers {
            worker.await.map_err(Failure::failed)?;
        }
        Ok(())
    }
}

/// A flag that becomes `true` when the process is told to stop.
pub fn stop_on_signal() -> Result<watch::Receiver<bool>, Failure> {
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("stopping, as asked");
        stop.send(true).ok();
        // A second time is an order.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        process::exit(1);
    });
    Ok(stopped)
}
