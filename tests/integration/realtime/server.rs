//! A real HTTP server that answers as the test decides.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server and the functions know of each other.
pub(super) const APP: &str = "4711";
pub(super) const KEY: &str = "278d425bdf160c739803";
pub(super) const SECRET: &str = "7ad3773142a6692b25b8";

/// Where the secret is, if it is in Secrets Manager.
pub(super) const SECRET_ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:channels-a1B2c3";

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is answered with this status.
    Status(u16),
    /// The connection breaks.
    Drop,
    /// It is never answered.
    Hang,
    /// It is taken if it is signed with the secret, and answered with 401 if not.
    IfSigned,
}

/// An event of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) channel: String,
    pub(super) name: String,
    /// The data of the event.
    pub(super) data: Value,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
    pub(super) how: How,
}

type Rule = dyn FnMut(&[Told]) -> How + Send;

/// The server; it goes when the test does.
pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What both sign with.
pub(super) fn signature(text: &str) -> String {
    signature_with(SECRET, text)
}

pub(super) fn signature_with(secret: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hexadecimal(hmac::sign(&key, text.as_bytes()).as_ref())
}

impl Asked {
    /// The events that are sent; a request that is not as it must be is none.
    pub(super) fn events(&self) -> Vec<Told> {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        let batch = body["batch"].as_array().unwrap();
        assert_eq!(body, json!({"batch": batch}));
        assert!((1..=10).contains(&batch.len()), "{} events at once", batch.len());
        let told = |event: &Value| {
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            let (channel, name, data) = (text("channel"), text("name"), text("data"));
            assert_eq!(*event, json!({"channel": channel, "name": name, "data": data}));
            Told { channel, name, data: serde_json::from_str(&data).unwrap() }
        };
        batch.iter().map(told).collect()
    }

    fn has_good_signature(&self) -> bool {
        let target = self.line.strip_prefix("POST ").and_then(|line| line.strip_suffix(" HTTP/1.1")).unwrap();
        let (signed, with) = target.split_once("&auth_signature=").unwrap();
        with == signature(&format!("POST\n{}", signed.replacen('?', "\n", 1)))
    }

    /// Asserts that the request is signed as the protocol requires. Returns the time of the signature in seconds.
    #[track_caller]
    pub(super) fn is_signed(&self) -> i64 {
        let target = self.line.strip_prefix("POST ").and_then(|line| line.strip_suffix(" HTTP/1.1")).unwrap();
        let (path, query) = target.split_once('?').unwrap();
        assert_eq!((path, self.content_type.as_str()), (&*format!("/apps/{APP}/batch_events"), "application/json"));
        let mut pairs: Vec<(&str, &str)> = query.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
        pairs.sort_unstable();
        let of = |name: &str| pairs.iter().find(|(of, _)| *of == name).unwrap().1.to_owned();
        let signed: Vec<String> = pairs
            .iter()
            .filter(|(name, _)| *name != "auth_signature")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(signed.len(), 4, "{query}");
        assert_eq!((of("auth_key"), of("auth_version")), (KEY.to_owned(), "1.0".to_owned()));
        assert_eq!(of("body_md5"), hexadecimal(&Md5::digest(&self.body)));
        assert_eq!(of("auth_signature"), signature(&format!("POST\n{path}\n{}", signed.join("&"))));
        of("auth_timestamp").parse().unwrap()
    }
}

impl Server {
    /// A server that takes everything.
    pub(super) async fn willing() -> Self {
        Self::start(|_| How::Status(200)).await
    }

    /// A server that answers by a rule.
    pub(super) async fn start(rule: impl FnMut(&[Told]) -> How + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, rule): (_, Arc<Mutex<Rule>>) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(rule)));
        let all = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, rule) = (Arc::clone(&all), Arc::clone(&rule));
                tokio::spawn(async move { serve(stream, &asked, &rule).await });
            }
        });
        Self { url, asked }
    }

    /// All that was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The events taken so far.
    pub(super) fn taken(&self) -> Vec<Told> {
        self.asked().iter().filter(|asked| asked.how == How::Status(200)).flat_map(Asked::events).collect()
    }
}

/// Answers one request after the other, until the connection ends.
async fn serve(stream: TcpStream, all: &Mutex<Vec<Asked>>, rule: &Mutex<Rule>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut lines, mut line) = (Vec::new(), String::new());
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        if lines.is_empty() {
            return;
        }
        let header = |name: &str| {
            let mut headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
            headers.find(|(of, _)| of.eq_ignore_ascii_case(name)).unwrap().1.to_owned()
        };
        let mut body = vec![0; header("content-length").parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let content_type = header("content-type");
        let mut asked = Asked { line: lines[0].clone(), content_type, body, how: How::Hang };
        let how = match (rule.lock().unwrap())(&asked.events()) {
            How::IfSigned => How::Status(if asked.has_good_signature() { 200 } else { 401 }),
            how => how,
        };
        asked.how = how;
        all.lock().unwrap().push(asked);
        match how {
            How::Status(status) => {
                let answer = format!("HTTP/1.1 {status} Told\r\ncontent-length: 7\r\n\r\nbecause");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            How::Drop => return,
            How::Hang | How::IfSigned => std::future::pending().await,
        }
    }
}
