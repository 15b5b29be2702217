//! A packaged function's weight, and its start as Lambda sees it.
//!
//! The function's process gets a runtime API of its own: a socket that waits for the first request
//! for work. From the start of the process to that request is what a cold start costs beyond the
//! platform's own part.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use flate2::Compression;
use flate2::write::DeflateEncoder;

/// The request for work.
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next";

/// Maximum time until a function requests its first invocation.
const PATIENCE: Duration = Duration::from_secs(10);

/// One start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Time from the start of the process to its first request for work.
    pub ready: Duration,
    /// The most memory that was resident until then, in bytes.
    pub peak: u64,
}

/// Starts the function this many times and returns the median of each number.
///
/// # Errors
/// The function did not ask for work in time.
pub fn start(binary: &Path, environment: &BTreeMap<String, String>, times: usize) -> anyhow::Result<Start> {
    let starts = (0..times.max(1)).map(|_| start_once(binary, environment)).collect::<Result<Vec<_>, _>>()?;
    let mut ready: Vec<Duration> = starts.iter().map(|start| start.ready).collect();
    let mut peak: Vec<u64> = starts.iter().map(|start| start.peak).collect();
    ready.sort_unstable();
    peak.sort_unstable();
    let middle = starts.len() / 2;
    Ok(Start {
        ready: ready.get(middle).copied().unwrap_or_default(),
        peak: peak.get(middle).copied().unwrap_or_default(),
    })
}

fn start_once(binary: &Path, environment: &BTreeMap<String, String>) -> anyhow::Result<Start> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs(environment)
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    let mut process = Process(command.spawn().with_context(|| format!("cannot start {}", binary.display()))?);
    let mut asking = accept(&listener, &mut process.0, start).with_context(|| binary.display().to_string())?;
    let request = read_head(&mut asking)?;
    let ready = start.elapsed();
    if !request.starts_with(NEXT) {
        bail!("{} sent another request first: {request}", binary.display());
    }
    let peak = peak_memory(process.0.id())?;
    // The work that never comes is no error of the function's.
    asking.write_all(b"HTTP/1.1 500 -\r\ncontent-length: 0\r\n\r\n")?;
    Ok(Start { ready, peak })
}

/// A process that ends when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn accept(listener: &TcpListener, process: &mut Child, start: Instant) -> anyhow::Result<TcpStream> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(status) = process.try_wait()? {
            bail!("ended with {status} before it requested an invocation");
        }
        if start.elapsed() > PATIENCE {
            bail!("did not ask for work within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_micros(50));
    }
}

fn read_head(stream: &mut TcpStream) -> anyhow::Result<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        anyhow::ensure!(count > 0, "hung up before it asked for work");
        head.extend(buffer.iter().take(count));
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The most memory that was ever resident, in bytes.
fn peak_memory(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("peak memory is known on Linux only")?;
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    let kilobytes: u64 = kilobytes.context("the system does not tell the peak memory")?;
    Ok(kilobytes * 1024)
}

/// The bytes of the zip that deploys this binary: one file named `bootstrap`, deflated.
///
/// # Errors
/// The binary cannot be read.
pub fn zip_size(binary: &Path) -> anyhow::Result<u64> {
    // Local header, central directory and its end, and the name twice.
    const FRAME: usize = 30 + 46 + 22 + 2 * "bootstrap".len();
    let content = fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
    deflated.write_all(&content)?;
    Ok((deflated.finish()?.len() + FRAME) as u64)
}
