//! The server from the outside: a real process, a real socket, a trained model.

#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::{Folder, short, signal};
use serde_json::{Value, json};

fn trained() -> &'static Folder {
    static TRAINED: OnceLock<Folder> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = Folder::new("serve-shared");
        folder.ok(short(["train.epochs=1", "-q"]));
        folder
    })
}

/// A server on a free port; killed if the test does not stop it.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(more: &[&str]) -> Server {
        let args = ["serve", "weather", "--addr", "127.0.0.1:0", "--json"];
        let mut child = trained()
            .azura(args.iter().chain(more))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let document: Value = serde_json::from_str(&line).unwrap();
        let address = document["url"]
            .as_str()
            .unwrap()
            .trim_start_matches("http://")
            .to_string();
        Server { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    fn send(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let head = format!(
            "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // A server that refuses a large body does not read it to the end.
        let _ = stream.write_all(body);
        Answer::read(stream)
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1"), b"")
    }

    fn predict(&self, body: &Value) -> Answer {
        self.send(
            "POST /v1/models/weather/predict HTTP/1.1",
            body.to_string().as_bytes(),
        )
    }

    /// Waits for the process, which must end by itself.
    fn exit(mut self) -> Option<i32> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server does not stop");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Answer {
        let mut bytes = Vec::new();
        // A reset after the answer loses nothing that was already read.
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Answer {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|s| s.parse().ok())
                .unwrap_or(0),
            head: head.to_lowercase(),
            body: body.to_string(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn rows(count: usize) -> Value {
    let row = |i: usize| {
        json!({
            "time": format!("2020-{:02}-{:02}T{:02}:00", 1 + i / 672 % 12, 1 + i / 24 % 28, i % 24),
            "temperature_2m": 10 + i % 7,
            "relative_humidity_2m": 60 + i % 5,
            "precipitation": 0,
            "cloud_cover": 50,
        })
    };
    Value::Array((0..count).map(row).collect())
}

#[test]
fn it_predicts_what_the_command_line_predicts() {
    let server = Server::start(&[]);
    let answer = server.predict(&json!({"rows": rows(40), "id": "a"}));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let document = answer.json();
    assert_eq!(document["model"], "weather");
    assert_eq!(document["id"], "a");
    let mut csv =
        "time,temperature_2m,relative_humidity_2m,precipitation,cloud_cover\n".to_string();
    for row in rows(40).as_array().unwrap() {
        csv += &format!(
            "{},{},{},0,50\n",
            row["time"].as_str().unwrap(),
            row["temperature_2m"],
            row["relative_humidity_2m"]
        );
    }
    trained().write("rows.csv", &csv);
    let command = trained()
        .ok(["predict", "weather", "rows.csv", "--json", "-q"])
        .json();
    assert_eq!(document["predictions"], command["predictions"]);
    assert!(answer.head.contains("x-request-id: "));
    assert!(answer.head.contains("server-timing: queue;dur="));
    let named = server.send("GET /livez HTTP/1.1\r\nX-Request-Id: abc-7", b"");
    assert!(named.head.contains("x-request-id: abc-7"));
}

#[test]
fn every_wrong_request_has_its_answer() {
    let server = Server::start(&["--max-body", "100000"]);
    let post = "POST /v1/models/weather/predict HTTP/1.1";
    for (head, body, status, code) in [
        (post, "{\"rows\": [", 400, "json"),
        (post, "[]", 400, "shape"),
        (post, "{}", 400, "shape"),
        (post, "{\"rows\": [], \"row\": 1}", 400, "shape"),
        (post, "{\"rows\": 7}", 400, "rows"),
        (post, "{\"rows\": []}", 422, "rows"),
        (
            post,
            "{\"rows\": [{\"time\": \"2020-01-01\", \"temperature_2m\": \"x\"}]}",
            422,
            "rows",
        ),
        ("POST /v1/models/nope/predict HTTP/1.1", "{}", 404, "model"),
        (
            "POST /v1/models/..%2f..%2fetc/predict HTTP/1.1",
            "{}",
            404,
            "model",
        ),
        ("GET /v1/models/weather/predict HTTP/1.1", "", 405, "method"),
        ("GET /nope HTTP/1.1", "", 404, "route"),
        (
            "POST /v1/models/weather/predict HTTP/1.1\r\nContent-Type: text/csv",
            "{}",
            415,
            "media_type",
        ),
        (
            "POST /v1/models/weather/predict HTTP/1.1\r\nContent-Encoding: gzip",
            "{}",
            415,
            "encoding",
        ),
        ("GET /livez HTTP/1.1\r\nHost: evil.example", "", 421, "host"),
        ("POST /v1/models/%ff/predict HTTP/1.1", "{}", 400, "address"),
        ("GET /v1/models/%ff HTTP/1.1", "", 400, "address"),
        (
            "GET /livez HTTP/1.1\r\nOrigin: http://evil.example",
            "",
            403,
            "origin",
        ),
    ] {
        let answer = server.send(head, body.as_bytes());
        assert_eq!(answer.status, status, "{head}\n{body}\n{}", answer.body);
        assert!(
            answer.head.contains("application/problem+json"),
            "{}",
            answer.head
        );
        assert_eq!(answer.json()["code"], code, "{body}");
        assert_eq!(answer.json()["status"], status);
    }
    let deep = format!(
        "{{\"rows\": {}1{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(server.send(post, deep.as_bytes()).status, 400);
    let large = server.send(post, &vec![b' '; 100_001]);
    assert_eq!(large.status, 413);
    let pointed = server.predict(&json!({"rows": [
        {"time": "2020-01-01", "temperature_2m": 1, "relative_humidity_2m": 1, "precipitation": 0, "cloud_cover": 1},
        {"time": "2020-01-01T01:00", "temperature_2m": "warm", "relative_humidity_2m": 1, "precipitation": 0, "cloud_cover": 1},
    ]}));
    assert_eq!(pointed.json()["pointer"], "/rows/1/temperature_2m");
    // After all that it still works.
    assert_eq!(server.predict(&json!({"rows": rows(30)})).status, 200);
}

#[test]
fn a_chunked_body_is_cut_at_the_limit_too() {
    let server = Server::start(&["--max-body", "1000"]);
    let mut stream = server.connect();
    stream
        .write_all(b"POST /v1/models/weather/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    for _ in 0..3 {
        let _ = stream.write_all(format!("200\r\n{}\r\n", " ".repeat(512)).as_bytes());
    }
    assert_eq!(Answer::read(stream).status, 413);
}

#[test]
fn slow_clients_are_let_go() {
    let server = Server::start(&["--timeout", "0.2"]);
    let began = Instant::now();
    let mut body = server.connect();
    body.write_all(b"POST /v1/models/weather/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{")
        .unwrap();
    assert_eq!(Answer::read(body).status, 408);
    let mut head = server.connect();
    head.write_all(b"GET /livez HTTP/1.1\r\nHost: local")
        .unwrap();
    let mut rest = Vec::new();
    // Closed by the server, with an answer or without one.
    let _ = head.read_to_end(&mut rest);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "the head's time limit is not applied"
    );
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn what_takes_too_long_is_answered_504() {
    let server = Server::start(&["--timeout", "10", "--workers", "1"]);
    let body = json!({"rows": rows(2000)}).to_string();
    let answer = server.send(
        "POST /v1/models/weather/predict HTTP/1.1\r\nX-Request-Timeout-Ms: 1",
        body.as_bytes(),
    );
    assert!(matches!(answer.status, 504 | 408), "{}", answer.body);
    assert_eq!(server.predict(&json!({"rows": rows(30)})).status, 200);
}

#[test]
fn a_full_queue_refuses_at_once_and_the_rest_is_served() {
    let server = Server::start(&["--workers", "1", "--queue", "1", "--timeout", "60"]);
    let body = json!({"rows": rows(4000)});
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| server.predict(&body)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    });
    let count = |status| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!(count(200) + count(503), 8);
    assert!(
        count(200) >= 1 && count(503) >= 1,
        "{} served, {} refused",
        count(200),
        count(503)
    );
    let refused = answers.iter().find(|answer| answer.status == 503).unwrap();
    assert!(refused.head.contains("retry-after: 1"));
    assert_eq!(refused.json()["code"], "queue_full");
    let metrics = server.get("/metrics").body;
    assert!(
        metrics.contains(&format!(
            "azura_rejected_total{{reason=\"queue_full\"}} {}",
            count(503)
        )),
        "{metrics}"
    );
    assert!(metrics.contains("azura_queue_depth 0"));
}

#[test]
fn bodies_that_are_too_many_bytes_together_are_refused_at_once() {
    let server = Server::start(&["--max-in-flight", "100000", "--timeout", "20"]);
    let small = json!({"rows": rows(60)});
    let size = 95_000;
    let mut running = server.connect();
    let head = format!(
        "POST /v1/models/weather/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    );
    running.write_all(head.as_bytes()).unwrap();
    common::wait_for("the body to be counted", || {
        server
            .get("/metrics")
            .body
            .contains("azura_body_bytes_in_flight 95000")
    });
    let refused = server.predict(&small);
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(refused.json()["code"], "crowded");
    assert!(refused.head.contains("retry-after: 1"));
    let mut body = small.to_string().into_bytes();
    body.resize(size, b' ');
    running.write_all(&body).unwrap();
    assert_eq!(Answer::read(running).status, 200);
    assert_eq!(server.predict(&small).status, 200);
    assert!(
        server
            .get("/metrics")
            .body
            .contains("azura_body_bytes_in_flight 0")
    );
}

#[test]
fn work_that_leaves_no_time_is_refused_before_its_body_is_read() {
    let server = Server::start(&["--workers", "1", "--timeout", "60"]);
    let body = json!({"rows": rows(4000)});
    // From this one the server learns its pace.
    assert_eq!(server.predict(&body).status, 200);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| server.predict(&body)))
            .collect();
        common::wait_for("the queue to fill", || {
            server.get("/metrics").body.contains("azura_queue_depth 2")
        });
        let hasty = server.send(
            "POST /v1/models/weather/predict HTTP/1.1\r\nX-Request-Timeout-Ms: 1",
            json!({"rows": rows(30)}).to_string().as_bytes(),
        );
        assert_eq!(hasty.status, 503, "{}", hasty.body);
        assert_eq!(hasty.json()["code"], "queue_slow");
        assert!(hasty.head.contains("retry-after: "));
        for client in clients {
            assert_eq!(client.join().unwrap().status, 200);
        }
    });
    assert_eq!(server.predict(&json!({"rows": rows(30)})).status, 200);
}

#[test]
fn a_name_behind_a_proxy_is_answered_if_it_is_allowed() {
    let ask = |server: &Server, host: &str| {
        let mut stream = server.connect();
        let head = format!("GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        Answer::read(stream)
    };
    let server = Server::start(&[]);
    let refused = ask(&server, "models.example");
    assert_eq!(refused.status, 421);
    assert!(
        refused.json()["hint"]
            .as_str()
            .unwrap()
            .contains("--allow-host")
    );
    let server = Server::start(&["--allow-host", "models.example"]);
    assert_eq!(ask(&server, "models.example").status, 200);
    assert_eq!(ask(&server, "localhost:1").status, 200);
    assert_eq!(ask(&server, "other.example").status, 421);
}

#[test]
fn health_models_and_metrics() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/livez").body, "ok\n");
    assert_eq!(server.get("/healthz").status, 200);
    assert!(
        server
            .get("/readyz?verbose")
            .body
            .contains("[+] model weather")
    );
    assert_eq!(
        server.get("/v1/models").json()["models"][0]["name"],
        "weather"
    );
    let model = server.get("/v1/models/weather").json();
    assert_eq!(model["signature"]["inputs"][0]["kind"], "time");
    server.predict(&json!({"rows": rows(30)}));
    let metrics = server.get("/metrics").body;
    for line in [
        "azura_requests_total{model=\"weather\",route=\"predict\",code=\"200\"} 1",
        "azura_inferences_total 7",
        "azura_model_loaded{model=\"weather\",app=\"weather\",sha256=",
        "process_resident_memory_bytes ",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[test]
fn it_drains_on_sigterm() {
    let server = Server::start(&["--timeout", "10", "--drain", "8"]);
    let body = json!({"rows": rows(30)}).to_string();
    let mut running = server.connect();
    let head = format!(
        "POST /v1/models/weather/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    running.write_all(head.as_bytes()).unwrap();
    running.write_all(&body.as_bytes()[..100]).unwrap();
    // The request is in the server once it is counted, with this one beside it.
    common::wait_for("the request to arrive", || {
        server
            .get("/metrics")
            .body
            .contains("azura_requests_in_flight 2")
    });
    signal(server.child.id(), "TERM");
    common::wait_for("readyz to fail", || server.get("/readyz").status == 503);
    assert_eq!(server.get("/livez").status, 200);
    std::thread::sleep(Duration::from_millis(700));
    assert!(
        TcpStream::connect(&server.address).is_err(),
        "it still accepts connections"
    );
    running.write_all(&body.as_bytes()[100..]).unwrap();
    let answer = Answer::read(running);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(server.exit(), Some(0));
}

#[test]
fn an_address_in_use_and_an_open_one_are_refused() {
    let server = Server::start(&[]);
    let taken = trained().run(["serve", "weather", "--addr", &server.address]);
    assert_eq!(taken.exit, Some(9), "{}", taken.stderr);
    let open = trained().run(["serve", "weather", "--addr", "0.0.0.0:0"]);
    assert_eq!(open.exit, Some(11), "{}", open.stderr);
    let twice = trained().run(["serve", "weather", "weather", "--dry-run"]);
    assert_eq!(twice.exit, Some(2), "{}", twice.stderr);
    trained().ok(["serve", "weather", "--addr", "localhost:0", "--dry-run"]);
    let name = trained().run(["serve", "weather", "--addr", "host.example:80", "--dry-run"]);
    assert!(
        name.stderr.contains("127.0.0.1:8080 or localhost:8080"),
        "{}",
        name.stderr
    );
    let path = trained().run(["serve", "a/b=weather", "--dry-run"]);
    assert_eq!(path.exit, Some(2), "{}", path.stderr);
}

#[test]
fn no_file_is_needed_to_ask_for_help() {
    let output = Command::new(env!("CARGO_BIN_EXE_azura"))
        .args(["serve", "--help"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .starts_with("Examples:")
    );
}
