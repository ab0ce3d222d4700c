//! Times the store against the physical limit of the same disk, in one run:
//!
//!     cargo run --release -p subrosa-registry --example bench -- FOLDER [SECRETS]
//!
//! FOLDER must not exist and should be on the disk that matters; SECRETS is 100000 unless given. Prints
//! medians and the ratios that `docs/performance.md` quotes. The writers and the readers are processes
//! of their own: this program, started again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use secrecy::SecretSlice;
use subrosa_registry::{
    Actor, Address, Disk, Import, KeyError, KeyPlace, Lookup, MasterKey, Names, Reader, Registry,
    Scope, SecretRef, SetOptions, Slot, StoreId, Surroundings,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 41;
const WRITERS: usize = 16;
const SETS_EACH: usize = 40;

/// The key is not what is measured: it is the same fixed bytes for every process.
struct FixedKey;

impl KeyPlace for FixedKey {
    fn describe(&self) -> String {
        "the benchmark".to_owned()
    }

    fn load(&self, _: &StoreId, slot: Slot) -> Result<Option<MasterKey>, KeyError> {
        Ok((slot == Slot::Current).then(|| MasterKey::from_bytes([7; 32].into())))
    }

    fn keep(&self, _: &StoreId, _: Slot, _: &MasterKey) -> Result<(), KeyError> {
        Ok(())
    }

    fn promote(&self, _: &StoreId) -> Result<(), KeyError> {
        Ok(())
    }

    fn forget(&self, _: &StoreId, _: Slot) -> Result<(), KeyError> {
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a program of its own has the clock for itself")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn registry(folder: &Path) -> Registry {
    Registry::new(Surroundings {
        files: Arc::new(Disk::private(&folder.join("secrets"))),
        keys: Arc::new(|_| Ok(Arc::new(FixedKey))),
        anchors: Some(Arc::new(Disk::private(&folder.join("anchors")))),
        clock: now,
    })
}

fn reference(number: usize) -> SecretRef {
    SecretRef::parse(&format!("team-{}/service-{}/token", number % 97, number)).expect("a slug")
}

fn address(number: usize) -> Address {
    Address { reference: reference(number), scope: Scope::default() }
}

fn value(number: usize) -> SecretSlice<u8> {
    SecretSlice::from(format!("value-of-{number}-8f14e45fceea167a5a36").into_bytes())
}

fn imports(numbers: std::ops::Range<usize>) -> Vec<Import> {
    numbers.map(|n| Import { address: address(n), value: value(n) }).collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// Write, fsync, rename, fsync of the folder: the least that a durable change of a file takes.
fn replace_file(folder: &Path) -> Outcome<()> {
    let temp = folder.join("replaced.tmp");
    let mut file = std::fs::File::create(&temp)?;
    file.write_all(&[b'x'; 200])?;
    file.sync_all()?;
    std::fs::rename(&temp, folder.join("replaced"))?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

fn resolve(folder: &Path, count: usize, secrets: usize) -> Outcome<()> {
    let step = (secrets / count).max(1);
    let references: Vec<SecretRef> = (0..count).map(|n| reference(n * step)).collect();
    let lookup = Lookup {
        scope: Scope::default(),
        allow_protected: false,
        allow_expired: false,
        allow_disabled: false,
        audit_required: false,
        actor: Actor::default(),
    };
    let answer = registry(folder).resolve(&lookup, &references)?;
    let found = answer.results.iter().filter(|result| result.is_ok()).count();
    if found == count { Ok(()) } else { Err(format!("{found} of {count} found").into()) }
}

fn set(folder: &Path, number: usize) -> Outcome<()> {
    registry(folder).admin(Actor::default()).set(
        &address(number),
        &value(number),
        &SetOptions::default(),
    )?;
    Ok(())
}

fn child(folder: &Path, words: &[String]) -> Outcome<std::process::Child> {
    Ok(Command::new(std::env::current_exe()?)
        .arg("--child")
        .arg(folder)
        .args(words)
        .stdout(Stdio::piped())
        .spawn()?)
}

/// The total time of some writers at once, and the longest single wait.
fn writers(folder: &Path, count: usize, secrets: usize) -> Outcome<(Duration, Duration)> {
    let start = Instant::now();
    let children: Vec<_> = (0..count)
        .map(|n| child(folder, &["set".into(), (n * secrets / WRITERS).to_string()]))
        .collect::<Result<_, _>>()?;
    let mut longest = Duration::ZERO;
    for child in children {
        let output = child.wait_with_output()?;
        let micros: u64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
        longest = longest.max(Duration::from_micros(micros));
    }
    Ok((start.elapsed(), longest))
}

/// A child: does its work, prints the longest single time in microseconds, or its peak memory.
fn be_child(words: &[String]) -> Outcome<String> {
    let folder = PathBuf::from(&words[0]);
    let number: usize = words[2].parse()?;
    match words[1].as_str() {
        "set" => {
            let each = (0..SETS_EACH).map(|n| timed(|| set(&folder, number + n)));
            let longest = each.collect::<Result<Vec<_>, _>>()?.into_iter().max();
            Ok(longest.unwrap_or_default().as_micros().to_string())
        }
        _ => {
            let secrets: usize = words[3].parse()?;
            let time = timed(|| resolve(&folder, number, secrets))?;
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            Ok(format!("{} {}", time.as_micros(), peak.unwrap_or("?").trim()))
        }
    }
}

/// How many bytes the last change of the store wrote.
fn newest_index_len(folder: &Path) -> Outcome<usize> {
    let entries = std::fs::read_dir(folder.join("secrets/idx"))?.collect::<Result<Vec<_>, _>>()?;
    let newest = entries.iter().max_by_key(|entry| entry.file_name()).ok_or("no index file")?;
    Ok(usize::try_from(newest.metadata()?.len())?)
}

fn measure(folder: &Path, secrets: usize) -> Outcome<Vec<String>> {
    std::fs::create_dir(folder)?;
    let mut lines = Vec::new();
    let admin_of = registry(folder);
    let admin = admin_of.admin(Actor::default());
    admin.create_store(Names::Open)?;
    let small: Vec<Duration> =
        (0..ROUNDS).map(|n| timed(|| set(folder, secrets + n))).collect::<Result<_, _>>()?;
    let filled = timed(|| Ok(admin.import(&imports(0..secrets))?))?;
    lines.push(format!("import of {secrets}: {filled:?}"));

    let (mut sets, mut replaces) = (Vec::new(), Vec::new());
    for n in 0..ROUNDS {
        replaces.push(timed(|| replace_file(folder))?);
        sets.push(timed(|| set(folder, n * 7))?);
    }
    let (set_time, replace_time) = (median(sets), median(replaces));
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    lines.push(format!(
        "set: {set_time:?}, {:.2}x of a durable file replace ({replace_time:?}); in a store of {ROUNDS}: {:?}",
        ratio(set_time, replace_time),
        median(small),
    ));

    for count in [1, 10, 1000] {
        let words = ["resolve".to_owned(), count.to_string(), secrets.to_string()];
        let (mut times, mut peak) = (Vec::new(), String::new());
        for _ in 0..15 {
            let output = child(folder, &words)?.wait_with_output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let (micros, memory) = text.split_once(' ').ok_or("a reader failed")?;
            times.push(Duration::from_micros(micros.parse()?));
            memory.trim().clone_into(&mut peak);
        }
        lines.push(format!("open and resolve {count}: {:?}, peak memory {peak}", median(times)));
    }

    let list = (0..5).map(|_| timed(|| Ok(admin.list()?.len()))).collect::<Result<Vec<_>, _>>()?;
    lines.push(format!("list: {:?}", median(list)));

    let many = imports(secrets..secrets + 10_000);
    let import = timed(|| Ok(admin.import(&many)?))?;
    let bytes = vec![b'x'; newest_index_len(folder)?];
    let raw = timed(|| {
        let mut file = std::fs::File::create(folder.join("raw"))?;
        file.write_all(&bytes)?;
        Ok(file.sync_all()?)
    })?;
    lines.push(format!(
        "import of 10000: {import:?}, {:.2}x of 20 sets ({:?}) and a raw write of its {} MB ({raw:?})",
        ratio(import, set_time * 20 + raw),
        set_time * 20,
        bytes.len() / 1_000_000,
    ));

    let (alone, _) = writers(folder, 1, secrets)?;
    let (together, longest) = writers(folder, WRITERS, secrets)?;
    let rate = ratio(alone * u32::try_from(WRITERS)?, together);
    lines.push(format!(
        "{WRITERS} writers: {rate:.2}x the rate of one; longest wait {longest:?}, {:.1}x of a lone set",
        ratio(longest, set_time),
    ));
    Ok(lines)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let told = Mutex::new(std::io::stdout());
    let say = |text: &str| {
        let mut stream = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        writeln!(stream, "{text}").ok();
    };
    let outcome = match words.first().map(String::as_str) {
        Some("--child") => be_child(&words[1..]).map(|line| vec![line]),
        Some(folder) => {
            let secrets = words.get(1).map_or(Ok(100_000), |text| text.parse());
            secrets.map_err(Into::into).and_then(|secrets| measure(Path::new(folder), secrets))
        }
        None => Err("which folder? It must not exist yet".into()),
    };
    match outcome {
        Ok(lines) => {
            lines.iter().for_each(|line| say(line));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}
