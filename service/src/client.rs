//! A client: it submits a job, waits for the proof, and looks at nothing of it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use miden_cvm::with_reasons;
use thiserror::Error;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use crate::pb::{self, job_part, proof_part, prover_client::ProverClient};

/// Where a service is, and what it wants to be shown.
#[derive(Debug, Clone, Default)]
pub struct Remote {
    /// Its address, such as `http://127.0.0.1:7700`.
    pub url: String,
    /// The token.
    pub token: Option<String>,
    /// The certificate, in PEM, of who signed the service's; nothing for those that the system trusts.
    pub authority: Option<Vec<u8>>,
}

/// Why there is no proof.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address is none.
    #[error("`{url}` is not the address of a service: {reason}")]
    Address {
        /// The address.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The token cannot be sent.
    #[error("the token has characters that cannot be sent")]
    Token,
    /// The service is not there, or has no room.
    #[error("the service does not take the job: {0}")]
    Unavailable(String),
    /// The service refuses the job.
    #[error("the service refuses the job: {0}")]
    Refused(String),
    /// The job is over without a proof.
    #[error("the job {state}: {reason}")]
    Failed {
        /// Its result.
        state: String,
        /// Why.
        reason: String,
    },
    /// The service ended its answer too early.
    #[error("the service's answer has no end")]
    Incomplete,
}

impl ClientError {
    /// Returns `true` if the job itself is not at fault, so that it can be proven elsewhere.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Incomplete)
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            Code::Unavailable
            | Code::ResourceExhausted
            | Code::Unknown
            | Code::Cancelled
            | Code::Internal
            | Code::DeadlineExceeded => Self::Unavailable(message),
            _ => Self::Refused(message),
        }
    }
}

/// A proof as it came.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// The service's record of the job.
    pub job: pb::Job,
    /// The statement, in JSON.
    pub statement: Vec<u8>,
    /// The proof.
    pub proof: Vec<u8>,
}

/// The length of the pieces in which a job is sent.
const PIECE: usize = 1 << 20;

/// The time that it may take to reach a service.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// The most bytes of a statement and a proof that are received.
const MAX_RECEIVED: usize = 1 << 29;

impl Remote {
    /// Connects to the service.
    ///
    /// # Errors
    /// Returns an error if the address is none, or nobody answers there.
    pub async fn connect(&self) -> Result<ProverClient<Channel>, ClientError> {
        let address = |reason: String| ClientError::Address {
            url: self.url.clone(),
            reason,
        };
        let endpoint = Endpoint::from_shared(self.url.clone());
        let mut endpoint = endpoint.map_err(|error| address(error.to_string()))?;
        endpoint = endpoint
            .connect_timeout(CONNECT_TIME)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_while_idle(true);
        if self.url.starts_with("https:") {
            let tls = match &self.authority {
                Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            let secured = endpoint.tls_config(tls);
            endpoint = secured.map_err(|error| address(with_reasons(&error)))?;
        }
        let channel = endpoint.connect().await;
        let channel = channel.map_err(|error| ClientError::Unavailable(with_reasons(&error)))?;
        Ok(ProverClient::new(channel))
    }

    /// A request that shows the token.
    ///
    /// # Errors
    /// Returns an error if the token cannot be sent.
    pub fn request<T>(&self, message: T) -> Result<Request<T>, ClientError> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            let value: Result<MetadataValue<Ascii>, _> = format!("Bearer {token}").parse();
            let value = value.map_err(|_| ClientError::Token)?;
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }

    /// Submits a job, tells each state that it is in, and waits for its proof. Dropped before that, the
    /// job is cancelled, unless somebody else wants it too.
    ///
    /// # Errors
    /// Returns an error if the service is not there or refuses the job, or if there is no proof.
    pub async fn prove(
        &self,
        terms: pb::Terms,
        target: Bytes,
        inputs: Bytes,
        mut tell: impl FnMut(&pb::Job),
    ) -> Result<Received, ClientError> {
        let mut client = self.connect().await?;
        let part = |part| pb::JobPart { part: Some(part) };
        let mut parts = vec![part(job_part::Part::Terms(terms))];
        let pieces = |bytes: &Bytes| {
            let bytes = bytes.clone();
            let starts = (0..bytes.len()).step_by(PIECE);
            let pieces = starts.map(move |at| bytes.slice(at..bytes.len().min(at + PIECE)));
            pieces.collect::<Vec<_>>()
        };
        parts.extend(
            pieces(&target)
                .into_iter()
                .map(|bytes| part(job_part::Part::Target(bytes))),
        );
        parts.extend(
            pieces(&inputs)
                .into_iter()
                .map(|bytes| part(job_part::Part::Inputs(bytes))),
        );
        let request = self.request(stream::iter(parts))?;
        let mut answers = client.prove(request).await?.into_inner();
        let mut received = Received::default();
        while let Some(answer) = answers.next().await {
            match answer?.part {
                Some(proof_part::Part::Job(job)) => {
                    tell(&job);
                    received.job = job;
                }
                Some(proof_part::Part::Statement(bytes)) => received.statement.extend(bytes),
                Some(proof_part::Part::Proof(bytes)) => received.proof.extend(bytes),
                None => {}
            }
            if received.statement.len() + received.proof.len() > MAX_RECEIVED {
                return Err(ClientError::Refused(
                    "it sends more than a proof can be".into(),
                ));
            }
        }
        match received.job.state() {
            pb::State::Done if !received.proof.is_empty() => Ok(received),
            state @ (pb::State::Failed | pb::State::Cancelled) => {
                let last = received.job.causes.last();
                Err(ClientError::Failed {
                    state: match state {
                        pb::State::Failed => "failed",
                        _ => "was cancelled",
                    }
                    .into(),
                    reason: last.map_or_else(String::new, |cause| cause.message.clone()),
                })
            }
            _ => Err(ClientError::Incomplete),
        }
    }
}
