//! Times `http` steps of the program against a bare loop over the same client and the same server:
//!
//!     benches/http_steps.sh
//!     cargo run --release -p subrosa-executors --example http_steps -- target/release/subrosa [STEPS [AT_ONCE]]
//!
//! Both send so many GETs (1,000 unless given) to a server on loopback, so many at a time (eight unless given). The program's time
//! is that of its process: start, steps, logs and the record. Contenders take turns; figures are medians.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use subrosa_http::header::HeaderMap;
use subrosa_http::{Call, Http, HttpSettings, Method, Roots, Tls, Url};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 5;

fn main() -> ExitCode {
    match measure() {
        Ok(table) => {
            let written = std::io::stdout().write_all(table.as_bytes());
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            drop(writeln!(std::io::stderr(), "{error}"));
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Outcome<String> {
    let mut words = std::env::args().skip(1);
    let program = words.next().ok_or("which program? such as target/release/subrosa")?;
    let program = fs::canonicalize(program)?;
    let steps: usize = words.next().map_or(Ok(1000), |word| word.parse())?;
    let at_once: usize = words.next().map_or(Ok(8), |word| word.parse())?;
    let url = serve()?;
    let folder = tempfile::tempdir()?;
    workflow(folder.path(), &url, steps, at_once)?;
    let mut rounds = Vec::new();
    // One before is not counted.
    for round in 0..=ROUNDS {
        let bare = bare_loop(&url, steps, at_once)?;
        let ours = of_program(&program, folder.path(), round)?;
        if round > 0 {
            rounds.push((bare, ours));
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let bare = median(rounds.iter().map(|(bare, _)| bare.as_secs_f64()).collect());
    let ours = median(rounds.iter().map(|(_, ours)| ours.as_secs_f64()).collect());
    let ratio =
        median(rounds.iter().map(|(bare, ours)| bare.as_secs_f64() / ours.as_secs_f64()).collect());
    let count = f64::from(u32::try_from(steps)?);
    let mut table = String::new();
    writeln!(
        table,
        "| {steps} requests, {at_once} at a time | wall | rate |\n| --- | --- | --- |"
    )?;
    writeln!(table, "| bare loop | {:.1} ms | {:.0}/s |", bare * 1000.0, count / bare)?;
    writeln!(table, "| `http` steps | {:.1} ms | {:.0}/s |", ours * 1000.0, count / ours)?;
    writeln!(table, "\nratio of the rates: {ratio:.3}")?;
    Ok(table)
}

/// A server that answers everything with a few bytes.
fn serve() -> Outcome<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || drop(answer(stream)));
        }
    });
    Ok(url)
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        if line.trim().is_empty() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\n")?;
        }
        line.clear();
    }
    Ok(())
}

fn workflow(folder: &Path, url: &str, steps: usize, at_once: usize) -> Outcome<()> {
    let mut text = format!("type: graph\nmax_active_steps: {at_once}\nsteps:\n");
    for step in 0..steps {
        writeln!(text, "- {{name: s{step}, type: http, with: {{url: '{url}'}}}}")?;
    }
    Ok(fs::write(folder.join("w.yaml"), text)?)
}

fn of_program(program: &Path, folder: &Path, round: usize) -> Outcome<Duration> {
    let begun = Instant::now();
    let status = Command::new(program)
        .args(["run", "w.yaml", "--quiet"])
        .current_dir(folder)
        .env_clear()
        .env("SUBROSA_HOME", folder.join(format!("home{round}")))
        .stdin(Stdio::null())
        .status()?;
    let took = begun.elapsed();
    if status.success() { Ok(took) } else { Err("the run failed".into()) }
}

fn bare_loop(url: &str, steps: usize, at_once: usize) -> Outcome<Duration> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let begun = Instant::now();
    let tls = Tls { roots: Roots::None, identity: None };
    let timeout = Duration::from_secs(60);
    let http = Arc::new(Http::new(&HttpSettings { tls, proxy: None, timeout })?);
    let url = Url::parse(url)?;
    let next = Arc::new(AtomicUsize::new(0));
    let good = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let workers = (0..at_once).map(|_| {
            let (http, url, next, good) = (http.clone(), url.clone(), next.clone(), good.clone());
            tokio::spawn(async move {
                while next.fetch_add(1, Ordering::Relaxed) < steps {
                    let headers = HeaderMap::new();
                    let call = Call { method: Method::GET, url: url.clone(), headers, body: None };
                    if http.send(call).await.is_ok_and(|answer| answer.status.is_success()) {
                        good.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        });
        join_all(workers).await
    });
    let took = begun.elapsed();
    if good.load(Ordering::Relaxed) == steps { Ok(took) } else { Err("requests failed".into()) }
}
