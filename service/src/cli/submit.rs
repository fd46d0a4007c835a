//! `submit`: the client for programs that have no network.

use std::{
    io::{Read, Write},
    path::PathBuf,
};

use bytes::Bytes;
use clap::Args;
use miden_cvm_service::{client::Remote, job::Priority, pb};
use serde_json::json;

use super::{Failure, token};

/// Sends a job to a service.
///
/// On the standard input are the target and behind it the inputs. On the standard output is a line of
/// JSON with `cycles`, `run_seconds`, `prove_seconds`, `statement_bytes` and `proof_bytes`, then the
/// statement and the proof. Each state of the job is a line of JSON on the standard error.
#[derive(Debug, Args)]
pub struct SubmitCommand {
    /// The address of the service
    #[arg(long)]
    url: String,
    /// The certificate, in PEM, of who signed the service's
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// The parameter set
    #[arg(long)]
    set: String,
    /// The hash function
    #[arg(long)]
    hash: String,
    /// The most cycles of the run
    #[arg(long, default_value_t = 0)]
    max_cycles: u32,
    /// The place among others that wait
    #[arg(long, default_value = "normal", value_parser = priority)]
    priority: Priority,
    /// The number of seconds within which the proof has to be made
    #[arg(long, default_value_t = 0)]
    deadline: u32,
    /// The number of workers that prove the run together
    #[arg(long, default_value_t = 1)]
    slices: u8,
    /// The length of the target
    #[arg(long)]
    target_bytes: usize,
}

/// The exit code if the service is not there or has no room.
const UNAVAILABLE: u8 = 3;

fn priority(text: &str) -> Result<Priority, String> {
    let mut known = Priority::ALL.into_iter();
    known
        .find(|priority| priority.name() == text)
        .ok_or_else(|| "a priority is `high`, `normal` or `low`".into())
}

impl SubmitCommand {
    /// Sends the job, and writes its proof.
    pub async fn run(self) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        // There is nothing else to do meanwhile.
        let read = std::io::stdin().read_to_end(&mut bytes);
        read.map_err(Failure::failed)?;
        let mut target = Bytes::from(bytes);
        if target.len() < self.target_bytes {
            return Err(Failure::failed("the target ends too early"));
        }
        let inputs = target.split_off(self.target_bytes);
        let authority = self.authority.as_ref().map(std::fs::read).transpose();
        let remote = Remote {
            url: self.url,
            token: token(),
            authority: authority.map_err(Failure::failed)?,
        };
        let priority = match self.priority {
            Priority::Low => pb::Priority::Low,
            Priority::Normal => pb::Priority::Normal,
            Priority::High => pb::Priority::High,
        };
        let terms = pb::Terms {
            set: self.set,
            hash: self.hash,
            max_cycles: self.max_cycles,
            priority: priority.into(),
            deadline_seconds: self.deadline,
            slices: self.slices.into(),
        };
        let tell = |job: &pb::Job| {
            let state = match job.state() {
                pb::State::Queued => "queued",
                pb::State::Running => "proving",
                pb::State::Proven => "verifying",
                _ => return,
            };
            eprintln!(
                "{}",
                json!({ "phase": state, "job": job.id, "attempt": job.attempts, "stage": job.stage })
            );
        };
        let proven = remote.prove(terms, target, inputs, tell).await;
        let received = proven.map_err(|error| Failure {
            code: if error.is_unavailable() {
                UNAVAILABLE
            } else {
                1
            },
            ..Failure::failed(&error)
        })?;
        let report = received.job.report.unwrap_or_default();
        let line = json!({
            "cycles": report.cycles,
            "run_seconds": report.run_seconds,
            "prove_seconds": report.prove_seconds,
            "statement_bytes": received.statement.len(),
            "proof_bytes": received.proof.len(),
        });
        let mut stdout = std::io::stdout().lock();
        let written = writeln!(stdout, "{line}")
            .and_then(|()| stdout.write_all(&received.statement))
            .and_then(|()| stdout.write_all(&received.proof))
            .and_then(|()| stdout.flush());
        written.map_err(Failure::failed)
    }
}
