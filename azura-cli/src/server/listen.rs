//! The socket: accepts connections, and stops in order.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use super::budget::Budget;
use super::metrics::Metrics;
use super::pool::Pool;
use super::routes::{Shared, router};
use super::{Models, Options};
use crate::failure::{Code, Failure};
use crate::output::say;
use crate::signals::Signals;

/// A client that has not sent its whole head by this many times a request's limit is closed; so is one that is
/// silent between two requests.
const HEAD: u32 = 5;
/// Open connections; most systems give a process 1024 files.
const CONNECTIONS: usize = 900;
/// After a signal, connections are still accepted for so long: time for a load balancer to see that `/readyz`
/// fails.
const LAME: Duration = Duration::from_millis(500);

/// Serves until SIGINT or SIGTERM, then finishes what runs. `listening` is told the address that was taken.
/// Returns whether all running requests were finished in time.
///
/// # Errors
/// [`Code::Exists`] if the address is in use, [`Code::Unexpected`] for what else the system refuses.
pub fn serve(
    models: Models,
    options: Options,
    listening: impl FnOnce(SocketAddr),
) -> Result<bool, Failure> {
    let bad =
        |error: std::io::Error| Failure::new(Code::Unexpected, format!("cannot serve: {error}"));
    let socket = bind(options.addr)?;
    let mut options = options;
    options.addr = socket.local_addr().map_err(bad)?;
    let metrics = Arc::new(Metrics::default());
    let pool =
        Arc::new(Pool::start(&models, &metrics, options.workers, options.queue).map_err(bad)?);
    let shared = Shared {
        models,
        pool,
        budget: Budget::new(options.max_in_flight),
        metrics,
        options: Arc::new(options),
        ready: Arc::new(AtomicBool::new(true)),
        started: SystemTime::now(),
    };
    let (stop, stopped) = oneshot::channel();
    let ready = Arc::clone(&shared.ready);
    let signals = Signals::listen(move || {
        ready.store(false, Ordering::Relaxed);
        // The receiver is gone only if the server already ended.
        let _ = stop.send(());
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(bad)?;
    let finished = runtime
        .block_on(run(socket, shared, stopped, listening))
        .map_err(bad)?;
    // Idle connections are closed with the runtime.
    runtime.shutdown_background();
    drop(signals);
    Ok(finished)
}

fn bind(addr: SocketAddr) -> Result<StdListener, Failure> {
    StdListener::bind(addr).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Failure::new(Code::Exists, format!("{addr} is in use by another process"))
                .help("stop it, or listen elsewhere: --addr 127.0.0.1:0 takes a free port")
        }
        std::io::ErrorKind::PermissionDenied => Failure::new(
            Code::Exposed,
            format!("{addr} may not be listened on: {error}"),
        )
        .help("ports below 1024 need privileges; use another"),
        _ => Failure::new(
            Code::Unexpected,
            format!("cannot listen on {addr}: {error}"),
        ),
    })
}

async fn run(
    socket: StdListener,
    shared: Shared,
    stopped: oneshot::Receiver<()>,
    listening: impl FnOnce(SocketAddr),
) -> std::io::Result<bool> {
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from_std(socket)?;
    listening(shared.options.addr);
    let drain = shared.options.drain;
    let head = shared.options.timeout * HEAD;
    let app = router(shared);
    let connections = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let lame = async {
        // A dropped sender means the same: nobody can stop the server any more.
        let _ = stopped.await;
        say!("stopping: finishing running requests (once more to quit at once)");
        tokio::time::sleep(LAME.min(drain / 4)).await;
    };
    let mut lame = std::pin::pin!(lame);
    loop {
        let next = async {
            // Beyond the cap, connections wait in the system's queue.
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let accepted = tokio::select! {
            () = &mut lame => break,
            accepted = next => accepted,
        };
        match accepted {
            (Ok(slot), Ok((stream, _))) => converse(stream, &app, &connections, slot, head),
            (_, Err(error)) => {
                // Out of files, or a client that left at once: the others go on.
                say!("warning: a connection was not accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (Err(_), Ok(_)) => break,
        }
    }
    drop(listener);
    Ok(tokio::time::timeout(drain, connections.shutdown())
        .await
        .is_ok())
}

/// Speaks HTTP/1 with one client, in a task of its own.
fn converse(
    stream: TcpStream,
    app: &Router,
    connections: &GracefulShutdown,
    slot: tokio::sync::OwnedSemaphorePermit,
    head: Duration,
) {
    // Answers are small and must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        // Without a timer hyper takes the time limit and never applies it.
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        // A client that breaks off is no event for the server.
        let _: Result<(), _> = connection.await;
        drop(slot);
    });
}
