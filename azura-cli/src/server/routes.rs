//! The routes, and what every answer has in common.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::budget::{Budget, Held};
use super::metrics::Metrics;
use super::pool::{Answer, Pool};
use super::problem::Problem;
use super::{Models, Options, Served, guard};
use crate::output::say;

/// What every request may look at.
#[derive(Clone)]
pub struct Shared {
    /// The models.
    pub models: Models,
    /// The workers.
    pub pool: Arc<Pool>,
    /// Bytes of bodies that may be held at once.
    pub budget: Arc<Budget>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The options, with the port that was really taken.
    pub options: Arc<Options>,
    /// False once the server is stopping.
    pub ready: Arc<AtomicBool>,
    /// When the server started.
    pub started: SystemTime,
}

/// All routes.
pub fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/models", get(list))
        .route("/v1/models/{model}", get(show))
        .route("/v1/models/{model}/predict", post(predict))
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(shared.clone(), around))
        .with_state(shared)
}

/// Guards the request, counts it, gives it an id.
async fn around(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = guard::request_id(request.headers());
    let route = label(request.uri().path());
    // A name that nobody serves must not make a new label, or a caller could fill the memory with them.
    let model = request
        .uri()
        .path()
        .strip_prefix("/v1/models/")
        .and_then(|rest| rest.split('/').next())
        .and_then(|name| shared.models.iter().find(|served| served.id == name))
        .map_or("", |served| served.id.as_str());
    let model = model.to_string();
    let method = request.method().clone();
    let path = request.uri().path().to_string();
    shared.metrics.in_flight.fetch_add(1, Ordering::Relaxed);
    let mut response = match guard::check(
        shared.options.addr,
        &shared.options.hosts,
        request.headers(),
    ) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    shared.metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
    let status = response.status().as_u16();
    let took = began.elapsed();
    shared.metrics.answered(&model, route, status, took);
    if shared.options.log {
        say!(
            "{method} {path} {status} {:.1} ms id={}",
            took.as_secs_f64() * 1e3,
            id.to_str().unwrap_or_default()
        );
    }
    let headers = response.headers_mut();
    headers.insert("x-request-id", id);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn label(path: &str) -> &'static str {
    match path {
        "/" => "index",
        "/livez" => "livez",
        "/readyz" | "/healthz" => "readyz",
        "/metrics" => "metrics",
        "/v1/models" => "models",
        path => match path
            .strip_prefix("/v1/models/")
            .map(|rest| rest.split_once('/'))
        {
            Some(None) => "model",
            Some(Some((_, "predict"))) => "predict",
            _ => "none",
        },
    }
}

fn document(value: &Value) -> Response {
    let mut response = value.to_string().into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

async fn index(State(shared): State<Shared>) -> Response {
    let models: Vec<_> = shared
        .models
        .iter()
        .map(|served| format!("/v1/models/{}/predict", served.id))
        .collect();
    document(&json!({
        "server": concat!("azura ", env!("CARGO_PKG_VERSION")),
        "predict": models,
        "models": "/v1/models",
        "health": ["/livez", "/readyz"],
        "metrics": "/metrics",
    }))
}

async fn livez() -> &'static str {
    "ok\n"
}

/// 200 while requests are welcome, 503 once the server is stopping; `?verbose` names each check.
async fn readyz(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let ready = shared.ready.load(Ordering::Relaxed);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mark = if ready { "[+]" } else { "[-]" };
    let mut text = String::new();
    if query.is_some_and(|query| query.split('&').any(|part| part == "verbose")) {
        text += &format!("{mark} accepting requests\n");
        for served in shared.models.iter() {
            text += &format!("[+] model {} loaded and verified\n", served.id);
        }
    }
    text += if ready { "ok\n" } else { "stopping\n" };
    (status, text).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let text = shared
        .metrics
        .render(&shared.models, shared.budget.held(), shared.started);
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn list(State(shared): State<Shared>) -> Response {
    let models: Vec<Value> = shared.models.iter().map(brief).collect();
    document(&json!({ "models": models }))
}

fn brief(served: &Served) -> Value {
    let info = served.model.info();
    json!({"name": served.id, "app": info.app, "sha256": served.sha256, "parameters": info.parameters})
}

async fn show(State(shared): State<Shared>, model: Named) -> Response {
    match named(&shared, model) {
        Err(problem) => problem.into_response(),
        Ok(at) => {
            let served = &shared.models[at];
            let info = served.model.info();
            let mut value = brief(served);
            value["signature"] = json!(served.model.signature());
            value["data"] = json!(info.data);
            value["scores"] = json!(
                info.scores
                    .iter()
                    .map(|(p, s)| (p.name(), s))
                    .collect::<std::collections::BTreeMap<_, _>>()
            );
            document(&value)
        }
    }
}

/// The model's name in an address, or why it is no text.
type Named = Result<Path<String>, PathRejection>;

fn named(shared: &Shared, name: Named) -> Result<usize, Problem> {
    match name {
        Ok(Path(name)) => find(shared, &name),
        Err(_) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "address",
            "the model's name in the address is not UTF-8",
        )),
    }
}

/// A model's name is looked up among those that are served, and is never a path.
fn find(shared: &Shared, name: &str) -> Result<usize, Problem> {
    shared
        .models
        .iter()
        .position(|served| served.id == name)
        .ok_or_else(|| {
            let names: Vec<_> = shared
                .models
                .iter()
                .map(|served| served.id.as_str())
                .collect();
            Problem::new(
                StatusCode::NOT_FOUND,
                "model",
                "no model of this name is served",
            )
            .hint(format!("served: {}", names.join(", ")))
        })
}

async fn nothing() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "route",
        "there is nothing at this address",
    )
    .hint("GET / lists the addresses")
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "this address does not take this method",
    )
}

/// `POST /v1/models/{model}/predict`
async fn predict(
    State(shared): State<Shared>,
    model: Named,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let began = Instant::now();
    let limit = limit(&headers, shared.options.timeout);
    match answer(&shared, model, &headers, body, began, limit).await {
        Ok(Answer { body, waited, took }) => {
            let mut response = match body {
                Ok(text) => {
                    let mut response = text.into_response();
                    let kind = HeaderValue::from_static("application/json");
                    response.headers_mut().insert(header::CONTENT_TYPE, kind);
                    response
                }
                Err(problem) => problem.into_response(),
            };
            let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
            let timing = format!(
                "queue;dur={:.3}, compute;dur={:.3}",
                milliseconds(waited),
                milliseconds(took)
            );
            if let Ok(timing) = HeaderValue::from_str(&timing) {
                response.headers_mut().insert("server-timing", timing);
            }
            response
        }
        Err(problem) => {
            match problem.code {
                "queue_full" | "queue_slow" | "crowded" | "timeout" | "too_large" => {
                    shared.metrics.rejected(problem.code);
                }
                _ => {}
            }
            problem.into_response()
        }
    }
}

/// The server's limit, which a request may lower.
fn limit(headers: &HeaderMap, most: Duration) -> Duration {
    let asked = headers
        .get("x-request-timeout-ms")
        .and_then(|value| value.to_str().ok()?.parse().ok());
    asked.map_or(most, |ms| most.min(Duration::from_millis(ms)))
}

async fn answer(
    shared: &Shared,
    model: Named,
    headers: &HeaderMap,
    body: Body,
    began: Instant,
    limit: Duration,
) -> Result<Answer, Problem> {
    let at = named(shared, model)?;
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        // `curl -d` sends a form's type, so that one is taken for JSON too.
        let kind = kind
            .to_str()
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_lowercase();
        if !matches!(
            kind.as_str(),
            "application/json" | "application/x-www-form-urlencoded"
        ) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media_type",
                "the body must be application/json",
            ));
        }
    }
    if let Some(coding) = headers.get(header::CONTENT_ENCODING)
        && coding.as_bytes() != b"identity"
    {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "encoding",
            "the body must not be compressed",
        )
        .hint("send it without content-encoding"));
    }
    let deadline = began + limit;
    let until = tokio::time::Instant::from_std(deadline);
    shared.pool.has_time(limit)?;
    let mut held = shared.budget.hold();
    let body = tokio::time::timeout_at(until, read(body, shared.options.max_body, &mut held))
        .await
        .map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "slow_body",
                "the body did not arrive in time",
            )
        })??;
    let answer = shared.pool.submit(at, body, held, deadline)?;
    match tokio::time::timeout_at(until, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        // The worker dropped it because it was late, or time is over here.
        Ok(Err(_)) | Err(_) => Err(Problem::late(limit)),
    }
}

/// The whole body, if it is not larger than `most` and the budget has room for it; what is refused is refused before it is
/// held in memory.
async fn read(mut body: Body, most: usize, held: &mut Held) -> Result<Vec<u8>, Problem> {
    if body.size_hint().lower() > most as u64 {
        return Err(Problem::too_large(most));
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    held.grow(announced)?;
    let mut bytes = Vec::with_capacity(announced);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "body",
                format!("the body cannot be read: {error}"),
            )
        })?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > most {
                return Err(Problem::too_large(most));
            }
            if bytes.len() + data.len() > bytes.capacity() {
                // The new and the old piece of memory, until one is copied to the other.
                let size = (bytes.len() + data.len()).max(2 * bytes.len());
                held.grow(size)?;
                bytes.reserve_exact(size - bytes.len());
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}
