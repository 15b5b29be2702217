//! The latency of a sorted set in Redis, if it is installed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bench::table::Table;

use super::long::{SELLER, places, seller, value};
use crate::options::Options;

/// Maximum time until the first answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sellers of one command that writes them.
const TOGETHER: usize = 100;

/// Repetitions per request of the other rows: single commands are too short to measure.
const TIMES: usize = 100;

pub(super) fn measure(options: &Options) -> anyhow::Result<Table> {
    let mut table = Table::new(["sellers", "command, one client, a socket of this machine", "p50 ms", "p99 ms"]);
    let sellers = options.sellers;
    let is_there = ["redis-server", "redis-benchmark", "redis-cli"].map(|program| {
        let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    });
    if is_there.contains(&false) {
        table.row([format!("{sellers}"), "left out: Redis is not installed".to_owned(), "–".into(), "–".into()]);
        return Ok(table);
    }
    let redis = Redis::start()?;
    redis.fill(sellers)?;
    let mut commands = vec![
        ("ZADD of a random member".to_owned(), format!("ZADD board 7 {SELLER}__rand_int__")),
        ("ZREVRANGE, the first 100".to_owned(), "ZREVRANGE board 0 99 WITHSCORES".to_owned()),
    ];
    for place in places(sellers) {
        commands.push((format!("ZREVRANK of place {place}"), format!("ZREVRANK board {}", seller(place))));
        let (from, to) = (place.saturating_sub(6), place + 4);
        let around = format!("ZREVRANGE board {from} {to} WITHSCORES");
        commands.push((format!("ZREVRANGE around place {place}, 5 on each side"), around));
    }
    // Writes change the data that reads return, so they run last.
    commands.rotate_left(1);
    for (what, command) in commands {
        let [p50, p99] = redis.ask(&command, options.requests * TIMES, sellers)?;
        table.row([format!("{sellers}"), what, p50, p99]);
    }
    Ok(table)
}

/// A server of its own, which keeps nothing. It ends when this value is dropped.
struct Redis {
    process: Child,
    folder: PathBuf,
}

impl Redis {
    fn start() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("tally-bench-redis-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(socket(&folder))
            .arg("--dir")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let redis = Self { process, folder };
        let began = Instant::now();
        while !redis.client("redis-cli").arg("ping").output()?.status.success() {
            ensure!(began.elapsed() < PATIENCE, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(redis)
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-s").arg(socket(&self.folder)).stdin(Stdio::null());
        command
    }

    /// Writes the sellers and what they have.
    fn fill(&self, sellers: usize) -> anyhow::Result<()> {
        let mut client = self.client("redis-cli");
        let mut pipe = client.arg("--pipe").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut commands = std::io::BufWriter::new(pipe.stdin.take().context("no input")?);
        let all: Vec<usize> = (1..=sellers).collect();
        for some in all.chunks(TOGETHER) {
            write!(commands, "ZADD board")?;
            for place in some {
                write!(commands, " {} {}", value(sellers, *place), seller(*place))?;
            }
            write!(commands, "\r\n")?;
        }
        drop(commands);
        ensure!(pipe.wait()?.success(), "redis-cli failed");
        let counted = self.client("redis-cli").args(["ZCARD", "board"]).output()?;
        let counted = String::from_utf8_lossy(&counted.stdout);
        ensure!(counted.trim() == sellers.to_string(), "Redis has {counted} of {sellers} sellers");
        Ok(())
    }

    /// Sends the same command so many times, one after the other; p50 and p99 in milliseconds.
    fn ask(&self, command: &str, times: usize, sellers: usize) -> anyhow::Result<[String; 2]> {
        let mut client = self.client("redis-benchmark");
        client.args(["-c", "1", "--csv", "-n", &times.to_string(), "-r", &sellers.to_string()]);
        let answer = client.args(command.split(' ')).output()?;
        let said = String::from_utf8_lossy(&answer.stdout);
        let mut lines = said.lines().filter(|line| line.starts_with('"'));
        let mut cells =
            || lines.next().unwrap_or_default().split("\",\"").map(|cell| cell.trim_matches('"').to_owned());
        let names: Vec<String> = cells().collect();
        let told: BTreeMap<String, String> = names.into_iter().zip(cells()).collect();
        let cell = |name: &str| told.get(name).cloned().with_context(|| format!("redis-benchmark printed {said}"));
        Ok([cell("p50_latency_ms")?, cell("p99_latency_ms")?])
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("socket")
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}
