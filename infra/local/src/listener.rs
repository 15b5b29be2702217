//! Listening: every server of the local cloud takes its connections here.
//!
//! A client that begins a request and does not go on is let go of: its connection is closed when the head is not there in
//! time, and it is told 408 when the body is not. The time for a head is also how long an idle connection stays open.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use futures::StreamExt as _;
use http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How long a request's line and headers may take.
const HEAD: Duration = Duration::from_secs(30);
/// How long the body may take after that.
const BODY: Duration = Duration::from_secs(30);
/// How long to wait where no connection can be taken, for lack of file handles for example.
const REST: Duration = Duration::from_millis(100);

/// Serves until the future ends, and finishes what is under way. Handlers find the caller's address as `ConnectInfo`.
pub async fn serve(router: Router, listener: TcpListener, shutdown: impl Future<Output = ()> + Send + 'static) {
    // Connections hold its receivers: it is closed when the last of them is gone.
    let stopping = watch::Sender::new(false);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let taken = tokio::select! {
            () = &mut shutdown => break,
            taken = listener.accept() => taken,
        };
        match taken {
            Ok((stream, caller)) => take(&router, stream, caller, stopping.subscribe()),
            Err(error) => {
                tracing::warn!("a connection was not taken: {error}");
                tokio::time::sleep(REST).await;
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    stopping.closed().await;
}

fn take(router: &Router, stream: TcpStream, caller: SocketAddr, mut stopping: watch::Receiver<bool>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("a connection keeps its delay: {error}");
    }
    let service = TowerToHyperService::new(router.clone().layer(Extension(ConnectInfo(caller))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        // An error means that the server is gone, which is a stop too.
        let stopped = async { drop(stopping.wait_for(|stopping| *stopping).await) };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!("a connection ended: {error}");
        }
    });
}

/// Why there is no body to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBody {
    /// It is larger than the limit.
    TooLarge,
    /// The caller did not send all that it promised.
    Broken,
    /// It took too long.
    Slow,
}

/// Reads a body of at most `limit` bytes. One that is larger, but not than `drained`, is read to its end all the same, so
/// that the caller gets to hear of it.
///
/// # Errors
/// Why there is none.
pub async fn read(body: Body, limit: usize, drained: usize) -> Result<Bytes, NoBody> {
    let reading = async {
        let mut chunks = body.into_data_stream();
        let mut read = Vec::new();
        let mut size = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| NoBody::Broken)?;
            size += chunk.len();
            if size > drained {
                break;
            }
            if size <= limit {
                read.extend_from_slice(&chunk);
            }
        }
        if size <= limit { Ok(Bytes::from(read)) } else { Err(NoBody::TooLarge) }
    };
    tokio::time::timeout(BODY, reading).await.unwrap_or(Err(NoBody::Slow))
}

/// Lets a request through when its body of at most `limit` bytes is there, for handlers that do not [`read`] by themselves.
pub async fn whole(request: Request, limit: usize, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let status = match read(body, limit, limit).await {
        Ok(body) => return next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(NoBody::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
        Err(NoBody::Slow) => StatusCode::REQUEST_TIMEOUT,
        Err(NoBody::Broken) => StatusCode::BAD_REQUEST,
    };
    status.into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    async fn started() -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let router =
            Router::new().fallback(async |ConnectInfo(caller): ConnectInfo<SocketAddr>, request: Request| match read(
                request.into_body(),
                8,
                16,
            )
            .await
            {
                Ok(body) => (StatusCode::OK, format!("{} of {}", body.len(), caller.ip())),
                Err(NoBody::Slow) => (StatusCode::REQUEST_TIMEOUT, String::new()),
                Err(NoBody::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, String::new()),
                Err(NoBody::Broken) => (StatusCode::BAD_REQUEST, String::new()),
            });
        let serving = tokio::spawn(serve(router, listener, async { drop(stopped.await) }));
        (address, stop, serving)
    }

    /// What is answered to this, and nothing more, until the connection is closed.
    async fn sent(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    // Time passes only while all tasks wait: then it jumps to the next timeout.
    #[tokio::test(start_paused = true)]
    async fn incomplete_requests_time_out() {
        let (address, _stop, _serving) = started().await;
        for head in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: localhost\r\n"] {
            let answer = sent(address, head).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{head:?}: {answer:?}");
        }
        let half = sent(address, "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 8\r\n\r\nhalf").await;
        assert!(half.starts_with("HTTP/1.1 408"), "{half:?}");
    }

    #[tokio::test]
    async fn complete_requests_are_answered() {
        let (address, stop, serving) = started().await;
        let post = |body: &str| {
            format!(
                "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        assert!(sent(address, &post("whole")).await.ends_with("\r\n\r\n5 of 127.0.0.1"));
        assert!(sent(address, &post("much too large")).await.starts_with("HTTP/1.1 413"));
        stop.send(()).unwrap();
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
