//! What a request must satisfy before a route sees it: its host, its origin, its id.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::problem::Problem;

/// On a loopback address only programs of this machine may ask: a web page of elsewhere that runs in a browser here
/// (another `Origin`), or a name of elsewhere that points here (another `Host`), may not. `hosts` are names that may too: those
/// under which a proxy offers the server. On another address they are the only ones, if there are any.
///
/// # Errors
/// 421 for a foreign host, 403 for a foreign origin.
pub fn check(addr: SocketAddr, hosts: &[String], headers: &HeaderMap) -> Result<(), Problem> {
    if !addr.ip().is_loopback() && hosts.is_empty() {
        return Ok(());
    }
    let known = |host: &str| is_local(host) || hosts.contains(&name_of(host).to_lowercase());
    // A header that is there twice must be right twice: who reads it next may take the other one.
    let texts = |name| {
        let values = headers.get_all(name).iter();
        values.map(|value: &HeaderValue| value.to_str().unwrap_or("\u{fffd}"))
    };
    if texts(header::HOST).any(|host| !known(host)) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            "this server answers to localhost only",
        )
        .hint("if a proxy offers it under this name, start it with --allow-host NAME"));
    }
    let foreign = |origin: &str| {
        let host = origin.split_once("://").map(|(_, host)| host);
        !host.is_some_and(known)
    };
    if texts(header::ORIGIN).any(foreign) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "origin",
            "web pages of other origins may not use this server",
        ));
    }
    Ok(())
}

/// A host without its port and brackets.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

fn is_local(host: &str) -> bool {
    let name = name_of(host);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The request's own id, if it is short plain text, else a new one.
pub fn request_id(headers: &HeaderMap) -> HeaderValue {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if let Some(given) = headers.get("x-request-id") {
        let plain = given.as_bytes().iter().all(|b| b.is_ascii_graphic());
        if plain && (1..=128).contains(&given.len()) {
            return given.clone();
        }
    }
    let millis = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    HeaderValue::from_str(&format!("{millis:x}-{:x}-{count:x}", std::process::id()))
        .unwrap_or_else(|_| HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(entries: &[(&'static str, &str)]) -> HeaderMap {
        entries
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn only_this_machine_may_ask() {
        let here: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:8080",
            "[::1]:80",
            "LOCALHOST",
        ] {
            assert!(
                check(here, &[], &headers(&[("host", host)])).is_ok(),
                "{host}"
            );
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "10.0.0.1:8080",
            "",
        ] {
            assert!(
                check(here, &[], &headers(&[("host", host)])).is_err(),
                "{host}"
            );
        }
        assert!(check(here, &[], &headers(&[("origin", "http://localhost:3000")])).is_ok());
        for origin in ["http://evil.example", "null", "https://localhost.evil"] {
            assert!(
                check(here, &[], &headers(&[("origin", origin)])).is_err(),
                "{origin}"
            );
        }
        let mut twice = headers(&[("host", "localhost")]);
        twice.append("host", HeaderValue::from_static("evil.example"));
        assert!(check(here, &[], &twice).is_err());
        let hosts = ["models.example".to_string()];
        for (name, value) in [
            ("host", "models.example"),
            ("host", "Models.Example:443"),
            ("origin", "https://models.example"),
            ("host", "localhost:8080"),
        ] {
            assert!(
                check(here, &hosts, &headers(&[(name, value)])).is_ok(),
                "{value}"
            );
        }
        for host in ["example", "evil.models.example", "models.example.evil"] {
            assert!(
                check(here, &hosts, &headers(&[("host", host)])).is_err(),
                "{host}"
            );
        }
        let open: SocketAddr = "0.0.0.0:8080".parse().unwrap();
        assert!(check(open, &[], &headers(&[("host", "evil.example")])).is_ok());
        assert!(check(open, &hosts, &headers(&[("host", "evil.example")])).is_err());
    }

    #[test]
    fn an_id_is_kept_if_it_is_plain() {
        assert_eq!(request_id(&headers(&[("x-request-id", "abc-1")])), "abc-1");
        assert_ne!(request_id(&headers(&[("x-request-id", "a b")])), "a b");
        let long = "x".repeat(129);
        assert_ne!(
            request_id(&headers(&[("x-request-id", &long)])),
            long.as_str()
        );
        assert_ne!(request_id(&headers(&[])), request_id(&headers(&[])));
    }
}
