//! The interface for `curl`: requests and answers in HTTP and JSON, figures, and a page for people.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, FromRequest, FromRequestParts, Multipart, Path, Request, State,
        multipart::{Field, MultipartError},
    },
    http::{
        StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
        request::Parts,
    },
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::time::timeout;

use super::{
    Service, ServiceError, UPLOAD_TIME,
    upload::{AROUND, Upload},
};
use crate::{
    job::{JobId, OptionNames, Options, Priority, Terms},
    jobs::JobsError,
    queue::QueueError,
    record::{Record, State as JobState},
};

type Shared = State<Arc<Service>>;

/// The requests that there are.
pub fn routes(service: &Arc<Service>) -> Router {
    let max_bytes = service.jobs.rules().max_job_bytes.saturating_add(AROUND);
    let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    Router::new()
        .route("/", get(page))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/v1/jobs", get(list).post(submit))
        .route("/v1/prove", post(prove))
        .route("/v1/jobs/{id}", get(status).delete(cancel))
        .route("/v1/jobs/{id}/statement", get(statement))
        .route("/v1/jobs/{id}/proof", get(proof))
        .route("/v1/workers", get(workers))
        .method_not_allowed_fallback(async |request: Request| {
            let method = request.method();
            refusal(
                &request,
                Refusal::Method,
                &format!("there is no {method} of it"),
            )
        })
        .layer(DefaultBodyLimit::max(max_bytes))
        .with_state(service.clone())
}

/// Paths that everybody may see: the page, which has nothing in it, and whether the service is well.
const OPEN: [&str; 2] = ["/", "/health"];

/// The calls of gRPC that everybody may make.
const OPEN_SERVICE: &str = "/grpc.health.v1.Health/";

/// The same requests, but only for clients that show the token, if there is one. What there is not is
/// answered in the client's own way.
pub fn guarded(routes: Router, token: Option<String>) -> Router {
    let routes = routes.fallback(async |request: Request| {
        let path: String = request.uri().path().chars().take(SHOWN).collect();
        refusal(&request, Refusal::Path, &format!("there is no `{path}`"))
    });
    let Some(token) = token else { return routes };
    let expected: Arc<str> = format!("Bearer {token}").into();
    routes.layer(middleware::from_fn(move |request: Request, next: Next| {
        let expected = expected.clone();
        async move {
            let path = request.uri().path();
            let given = request.headers().get(AUTHORIZATION);
            let given = given.map_or(&[][..], |given| given.as_bytes());
            let is_known = bool::from(given.ct_eq(expected.as_bytes()));
            if is_known || OPEN.contains(&path) || path.starts_with(OPEN_SERVICE) {
                return next.run(request).await;
            }
            let message = "the token is missing or wrong: send `authorization: Bearer TOKEN`";
            refusal(&request, Refusal::Token, message)
        }
    }))
}

/// The length at which an answer cuts a path that does not exist.
const SHOWN: usize = 100;

/// Why a request is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// There is nothing under its path.
    Path,
    /// The path exists, but not for this method.
    Method,
    /// It does not show the token.
    Token,
}

/// An answer to a request that is not let through, as its kind of client reads it.
fn refusal(request: &Request, refusal: Refusal, message: &str) -> Response {
    let (status, code, reason) = match refusal {
        Refusal::Path => (StatusCode::NOT_FOUND, tonic::Code::Unimplemented, "path"),
        Refusal::Method => (
            StatusCode::METHOD_NOT_ALLOWED,
            tonic::Code::Unimplemented,
            "method",
        ),
        Refusal::Token => (
            StatusCode::UNAUTHORIZED,
            tonic::Code::Unauthenticated,
            "token",
        ),
    };
    let kind = request.headers().get(CONTENT_TYPE);
    match kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        true => tonic::Status::new(code, message).into_http(),
        false => {
            let body = json!({ "error": message, "reason": reason });
            (status, Json(body)).into_response()
        }
    }
}

/// An error as an answer.
struct Refused(ServiceError);

impl<E: Into<ServiceError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(error) = &self;
        let status = match error {
            ServiceError::Job(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ServiceError::Malformed(_) => StatusCode::BAD_REQUEST,
            ServiceError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ServiceError::TooSlow | ServiceError::Silent => StatusCode::REQUEST_TIMEOUT,
            ServiceError::Busy => StatusCode::TOO_MANY_REQUESTS,
            ServiceError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            ServiceError::Jobs(error) => match error {
                JobsError::Cycles { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                JobsError::Unknown(_) => StatusCode::NOT_FOUND,
                JobsError::NoProof { .. } => StatusCode::CONFLICT,
                JobsError::Queue(QueueError::Full) => StatusCode::TOO_MANY_REQUESTS,
                JobsError::Queue(QueueError::NoObject(_)) => StatusCode::NOT_FOUND,
                JobsError::Queue(
                    QueueError::WrongObject { .. } | QueueError::WrongRecord { .. },
                ) => StatusCode::INTERNAL_SERVER_ERROR,
                JobsError::Queue(QueueError::Broken(_)) => StatusCode::SERVICE_UNAVAILABLE,
            },
        };
        let body = Json(json!({ "error": error.to_string(), "reason": error.reason() }));
        let is_for_now = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        match is_for_now {
            true => (status, [(RETRY_AFTER, "5")], body).into_response(),
            false => (status, body).into_response(),
        }
    }
}

async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}

async fn health(State(service): Shared) -> (StatusCode, &'static str) {
    match service.is_stopping() {
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        false => (StatusCode::OK, "ok\n"),
    }
}

async fn metrics(State(service): Shared) -> impl IntoResponse {
    const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, KIND)], service.figures().await)
}

/// The wishes of a form, in JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wishes {
    set: String,
    hash: String,
    max_cycles: u32,
    priority: Priority,
    deadline_seconds: Option<u32>,
    slices: u8,
}

/// A form, whose lack is answered in JSON.
struct Form(Multipart);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let form = Multipart::from_request(request, state).await;
        let form = form.map_err(|error| ServiceError::Malformed(error.body_text()))?;
        Ok(Self(form))
    }
}

/// The job that a path names.
struct Named(JobId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|error| ServiceError::Malformed(error.body_text()))?;
        let id = id.parse::<JobId>();
        let id = id.map_err(|error| ServiceError::Malformed(error.to_string()))?;
        Ok(Self(id))
    }
}

/// Reads the parts of a form: `target`, and if they are there `inputs` and `options`.
async fn receive(
    service: &Service,
    mut form: Multipart,
    upload: &mut Upload<'_>,
) -> Result<(Bytes, Bytes, Options, Terms), ServiceError> {
    let max_bytes = service.jobs.rules().max_job_bytes;
    let malformed = |error: MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ServiceError::TooLarge(max_bytes),
        _ => ServiceError::Malformed(error.body_text()),
    };
    let mut parts = [None, None, None];
    let bytes = async |mut field: Field<'_>, upload: &mut Upload<'_>| {
        let mut bytes = BytesMut::new();
        while let Some(piece) = upload.more(field.chunk()).await?.map_err(malformed)? {
            upload.hold(piece.len())?;
            bytes.extend_from_slice(&piece);
        }
        Ok::<_, ServiceError>(bytes.freeze())
    };
    while let Some(field) = upload.more(form.next_field()).await?.map_err(malformed)? {
        let name = field.name().unwrap_or_default().to_owned();
        let names = ["target", "inputs", "options"];
        let part = names.iter().position(|known| *known == name);
        let part = part.and_then(|index| parts.get_mut(index));
        let part = part.ok_or_else(|| {
            let names = names.join("`, `");
            ServiceError::Malformed(format!("there is no part `{name}`: there are `{names}`"))
        })?;
        if part.replace(bytes(field, upload).await?).is_some() {
            return Err(ServiceError::Malformed(format!(
                "there is a part `{name}` twice"
            )));
        }
    }
    let [target, inputs, wishes] = parts;
    let target =
        target.ok_or_else(|| ServiceError::Malformed("there is no part `target`".into()))?;
    let inputs = inputs.unwrap_or_default();
    if (target.len() + inputs.len()) as u64 > max_bytes {
        return Err(ServiceError::TooLarge(max_bytes));
    }
    let wishes: Wishes = match wishes {
        Some(json) => serde_json::from_slice(&json)
            .map_err(|error| ServiceError::Malformed(format!("the options: {error}")))?,
        None => Wishes::default(),
    };
    let options = Options::try_from(OptionNames {
        set: wishes.set,
        hash: wishes.hash,
        max_cycles: wishes.max_cycles,
        slices: wishes.slices,
    });
    let options = options.map_err(|error| ServiceError::Malformed(error.to_string()))?;
    let terms = Terms {
        priority: wishes.priority,
        deadline: wishes
            .deadline_seconds
            .map(|seconds| Duration::from_secs(seconds.into())),
        is_detached: false,
    };
    Ok((target, inputs, options, terms))
}

/// Receives a job and takes it.
async fn take(service: &Service, form: Multipart, is_detached: bool) -> Result<Record, Refused> {
    let taken = async {
        let mut upload = service.room.upload();
        let received = timeout(UPLOAD_TIME, receive(service, form, &mut upload)).await;
        let received = received.unwrap_or(Err(ServiceError::TooSlow));
        let (target, inputs, options, terms) = received?;
        let terms = Terms {
            is_detached,
            ..terms
        };
        service.submit(target, inputs, options, terms).await
    };
    let taken = taken.await;
    if let Err(error) = &taken {
        service.metrics.refuse(error.reason());
    }
    Ok(taken?)
}

async fn submit(State(service): Shared, Form(form): Form) -> Result<impl IntoResponse, Refused> {
    let record = take(&service, form, true).await?;
    Ok((StatusCode::ACCEPTED, Json(record)))
}

/// Answers when the job is over. A client that goes away before gives it up.
async fn prove(State(service): Shared, Form(form): Form) -> Result<impl IntoResponse, Refused> {
    let mut record = take(&service, form, false).await?;
    let _waits = service.wait_for(record.id);
    while !record.state.is_over() {
        record = tokio::select! {
            changed = service.jobs.changed(&record) => changed?,
            () = service.stopped() => return Err(ServiceError::Stopping.into()),
        };
    }
    let status = match record.state {
        JobState::Done { .. } => StatusCode::OK,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Ok((status, Json(record)))
}

async fn list(State(service): Shared) -> Json<Vec<Record>> {
    // More than that nobody looks at.
    const MOST: usize = 1000;
    let mut records = service.records();
    records.truncate(MOST);
    Json(records)
}

async fn status(State(service): Shared, Named(id): Named) -> Result<Json<Record>, Refused> {
    Ok(Json(service.jobs.status(id).await?))
}

async fn cancel(State(service): Shared, Named(id): Named) -> Result<Json<Record>, Refused> {
    Ok(Json(service.jobs.cancel(id).await?))
}

async fn statement(State(service): Shared, Named(id): Named) -> Result<impl IntoResponse, Refused> {
    let (_, statement, _) = service.jobs.proof(id).await?;
    Ok(([(CONTENT_TYPE, "application/json")], statement))
}

async fn proof(State(service): Shared, Named(id): Named) -> Result<impl IntoResponse, Refused> {
    let (_, _, proof) = service.jobs.proof(id).await?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], proof))
}

async fn workers(State(service): Shared) -> Result<impl IntoResponse, Refused> {
    let workers = service.workers().await?.into_iter();
    let workers =
        workers.map(|(worker, is_healthy)| json!({ "worker": worker, "is_healthy": is_healthy }));
    Ok(Json(workers.collect::<Vec<_>>()))
}
