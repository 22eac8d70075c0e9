//! Errors as RFC 9457 `application/problem+json`, with a code, the place in the request and a hint.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use azura_learner::data::{DataError, DataErrorKind};
use serde_json::{Value, json};

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: &'static str,
    /// What is wrong.
    pub detail: String,
    /// Where in the request's document (RFC 6901).
    pub pointer: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Seconds after which to try again.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem with its status, code and text.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Problem {
            status,
            code,
            detail: detail.into(),
            pointer: None,
            hint: None,
            retry_after: None,
        }
    }

    /// The same problem, with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem, at a place of the document.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// The same problem, which goes away after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The queue is full.
    pub fn busy() -> Self {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "queue_full",
            "all workers are busy and the queue is full",
        )
        .hint("try again later, or send fewer requests at once")
        .retry_after(1)
    }

    /// The work before it would take longer than the request may.
    pub fn behind(wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs_f64();
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "queue_slow",
            format!("the requests before this one need about {seconds:.1} s more, which is longer than its limit"),
        )
        .hint("try again later, or send fewer rows at once")
        .retry_after(seconds.ceil().clamp(1.0, 600.0) as u32)
    }

    /// All bodies together are more bytes than may be held.
    pub fn crowded(most: usize) -> Self {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "crowded",
            format!("the requests that are being answered hold the {most} bytes that they may"),
        )
        .hint("try again later, or start the server with a larger --max-in-flight")
        .retry_after(1)
    }

    /// The server is going down.
    pub fn stopping() -> Self {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "the server is shutting down",
        )
        .retry_after(1)
    }

    /// The time is over.
    pub fn late(limit: std::time::Duration) -> Self {
        Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "timeout",
            format!("no answer within the limit of {} ms", limit.as_millis()),
        )
        .hint("send fewer rows, or start the server with a larger --timeout")
    }

    /// The body is larger than allowed.
    pub fn too_large(limit: usize) -> Self {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is larger than {limit} bytes"),
        )
        .hint("send fewer rows, or start the server with a larger --max-body")
    }

    /// Rows that the model cannot take.
    pub fn rows(error: &DataError) -> Self {
        let status = match error.kind() {
            DataErrorKind::Json => StatusCode::BAD_REQUEST,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let mut problem = Problem::new(status, "rows", error.what());
        problem.pointer = pointer(error);
        problem.hint = error.advice().map(str::to_string);
        problem
    }

    fn document(&self) -> Value {
        let mut document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if let Some(pointer) = &self.pointer {
            document["pointer"] = pointer.as_str().into();
        }
        if let Some(hint) = &self.hint {
            document["hint"] = hint.as_str().into();
        }
        document
    }
}

/// The place that a row error names: `row index 3, key `temp`` is `/rows/3/temp`.
fn pointer(error: &DataError) -> Option<String> {
    let rest = error.what().strip_prefix("row index ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let row: usize = digits.parse().ok()?;
    let key = rest[digits.len()..]
        .strip_prefix(", key `")
        .and_then(|rest| rest.split_once("`: "))
        .map(|(key, _)| format!("/{}", key.replace('~', "~0").replace('/', "~1")));
    Some(format!("/rows/{row}{}", key.unwrap_or_default()))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.document().to_string();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use azura_learner::data::{Column, from_json_rows};

    #[test]
    fn a_bad_cell_is_pointed_at() {
        let rows = json!([{"temp": 1.0}, {"temp": "cold"}]);
        let error = from_json_rows(&rows, "request", &[Column::number("temp")]).unwrap_err();
        let problem = Problem::rows(&error);
        assert_eq!(problem.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem.pointer.as_deref(), Some("/rows/1/temp"));
        let rows = json!([{"temp": 1.0}, {"tmp": 2.0}]);
        let error = from_json_rows(&rows, "request", &[Column::number("temp")]).unwrap_err();
        assert_eq!(Problem::rows(&error).pointer.as_deref(), Some("/rows/1"));
        let error = from_json_rows(&json!(7), "request", &[]).unwrap_err();
        assert_eq!(Problem::rows(&error).status, StatusCode::BAD_REQUEST);
    }
}
