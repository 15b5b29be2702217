//! An HTTP server of a few lines that answers as a test wants.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::api::{Api, Credential, Patience};

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Status and body; nothing breaks the connection off.
type Reply = Option<(u16, String)>;

/// The server; it ends with the test's runtime.
pub(crate) struct Stub {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

/// Five tries, with hardly a rest.
pub(crate) fn impatient() -> Patience {
    Patience { tries: 5, first: Duration::from_millis(1), longest: Duration::from_millis(2) }
}

impl Stub {
    /// Starts a server that answers the request of a number (from 0) by `reply`.
    pub(crate) async fn start(reply: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        let reply = Arc::new(reply);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, reply) = (Arc::clone(&log), Arc::clone(&reply));
                tokio::spawn(async move {
                    let answer = |request: Received| {
                        let mut log = log.lock().unwrap();
                        log.push(request.clone());
                        reply(log.len() - 1, &request)
                    };
                    converse(stream, answer).await;
                });
            }
        });
        Self { url, received }
    }

    /// A client of it.
    pub(crate) fn api(&self) -> Api {
        Api::new(&self.url, Some(&Credential::Token("secret".to_owned())), impatient()).unwrap()
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// Answers the requests of one connection until the client ends it.
async fn converse(mut stream: TcpStream, answer: impl Fn(Received) -> Reply) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            if !read_more(&mut stream, &mut buffer).await {
                return;
            }
        };
        let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let length: usize = length.unwrap_or(0);
        while buffer.len() < end + length {
            if !read_more(&mut stream, &mut buffer).await {
                return;
            }
        }
        let body = String::from_utf8(buffer[end..end + length].to_vec()).unwrap();
        buffer.drain(..end + length);
        let line = head.lines().next().unwrap().to_owned();
        let Some((status, body)) = answer(Received { line, head, body }) else { return };
        let reply = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(reply.as_bytes()).await.unwrap();
    }
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    stream.read_buf(buffer).await.is_ok_and(|count| count > 0)
}
