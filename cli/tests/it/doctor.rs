//! `doctor`: homes that were spoiled, what is found in each, and what is mended of it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::at_rest::below;
use crate::program::{Ended, Place};
use crate::secret::set;

/// A home with a secret that was changed once, and a place that remembers how new the registry is.
struct Patient(Place);

impl Patient {
    fn healthy() -> Patient {
        let patient = Patient(Place::new());
        for value in ["hunter1", "hunter2"] {
            let ended = patient.run_with(&["secret", "set", "prod/db"], value);
            assert_eq!(ended.code, 0, "{ended:?}");
        }
        patient
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.home().join(name)
    }

    /// The file of the newest state that was seen.
    fn anchor(&self) -> PathBuf {
        let found = fs::read_dir(self.0.path().join("state/subrosa/anchors")).unwrap();
        let mut found = found.map(|entry| entry.unwrap().path());
        found.find(|path| path.extension().is_none()).unwrap()
    }

    fn index(&self) -> PathBuf {
        let mut found: Vec<PathBuf> = below(&self.path("secrets/idx"));
        found.sort();
        found.pop().unwrap()
    }

    fn run_with(&self, words: &[&str], input: &str) -> Ended {
        let value = self.0.write("value", input);
        let mut command = self.0.command(words);
        command.env("XDG_STATE_HOME", self.0.path().join("state"));
        let ended = Ended::of(&command.stdin(File::open(&value).unwrap()).output().unwrap());
        fs::remove_file(value).unwrap();
        ended
    }

    /// Lets the doctor look; exit code, and what it tells programs.
    fn see(&self, words: &[&str]) -> (i32, Value) {
        let ended = self.run_with(&[&["doctor", "--json"], words].concat(), "");
        assert!(
            !ended.stderr.contains("panicked") && !ended.stdout.contains("hunter"),
            "{ended:?}"
        );
        let told = serde_json::from_str(&ended.stdout);
        (ended.code, told.unwrap_or_else(|_| panic!("{ended:?}")))
    }

    fn value(&self) -> Option<String> {
        let got = self.0.path().join("got");
        fs::remove_file(&got).ok();
        let words =
            ["exec", "--secret", "A=ref:prod/db", "--", "sh", "-c", "printf %s \"$A\" > got"];
        (self.run_with(&words, "").code == 0).then(|| fs::read_to_string(got).unwrap())
    }
}

/// What was found: severity and kind, worst first.
fn kinds(told: &Value) -> Vec<String> {
    let kind = |finding: &Value| {
        let text = |name: &str| finding[name].as_str().unwrap_or_else(|| panic!("{finding}"));
        assert!(!text("what").is_empty() && !text("means").is_empty(), "{finding}");
        format!("{} {}", text("severity"), text("kind"))
    };
    told["findings"].as_array().unwrap().iter().map(kind).collect()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn private(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    chmod(path, 0o600);
}

/// Makes a file two hours old.
fn age(path: &Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(modified - Duration::from_secs(7200)).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn pipe(path: &Path) {
    fs::remove_file(path).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

type Spoil<'a> = &'a dyn Fn(&Patient);

/// Spoils a healthy home; the doctor finds it, and its repair leaves what it must not touch.
fn check(spoil: Spoil<'_>, found: &[&str], left: &[&str]) {
    let patient = Patient::healthy();
    spoil(&patient);
    let bad = |kinds: &[&str]| i32::from(kinds.iter().any(|kind| !kind.starts_with("note ")));
    let (code, told) = patient.see(&[]);
    assert_eq!(
        (kinds(&told), code),
        (found.iter().map(|kind| (*kind).to_owned()).collect(), bad(found)),
        "{told}"
    );
    let before = below(patient.0.path());
    let (code, told) = patient.see(&["--repair"]);
    assert_eq!(
        (kinds(&told), code),
        (left.iter().map(|kind| (*kind).to_owned()).collect(), bad(left)),
        "{told}"
    );
    let is_mended = found != left;
    assert_eq!(!told["repaired"].as_array().unwrap().is_empty(), is_mended, "{told}");
    // Only what is nobody's was removed.
    for path in before.iter().filter(|path| !path.exists()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_ours = name.starts_with("tmp-")
            || name.starts_with('.')
            || name.contains("-0123")
            || name.ends_with(".next");
        assert!(is_ours, "{} was removed", path.display());
    }
    if left.is_empty() {
        assert_eq!(patient.value().as_deref(), Some("hunter2"));
    }
}

#[test]
fn a_healthy_home_is_called_so_and_an_empty_one_has_no_registry() {
    let (code, told) = Patient::healthy().see(&["--repair"]);
    assert_eq!((code, kinds(&told)), (0, vec![]), "{told}");
    assert_eq!((&told["secrets"], &told["versions"]), (&1.into(), &2.into()));
    let place = Place::new();
    let ended = place.run(&["doctor"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("there is no registry in"), "{ended:?}");
    assert!(!place.home().exists());
    let ended = Ended::of(&place.command(&["doctor"]).env_clear().output().unwrap());
    assert_eq!(ended.code, 5, "{ended:?}");
}

#[test]
fn what_others_could_open_is_closed() {
    let lax = "error open-to-others";
    let rest = "note rest-unseen";
    check(&|it| chmod(&it.path("secrets"), 0o755), &[lax, rest], &[]);
    check(&|it| chmod(&it.path("secrets/idx"), 0o750), &[lax], &[]);
    check(&|it| chmod(&it.path("secrets/root"), 0o644), &[lax, rest], &[]);
    check(&|it| chmod(&it.path("secrets/store.json"), 0o640), &[lax], &[]);
    check(&|it| chmod(&it.path("secrets/audit.log"), 0o604), &[lax], &[]);
    check(&|it| chmod(&it.path("keys"), 0o711), &[lax, rest], &[]);
    check(&|it| chmod(&it.path("keys/master.key"), 0o644), &[lax, rest], &[]);
    check(&|it| chmod(&it.index(), 0o666), &[lax], &[]);
    check(&|it| chmod(&it.anchor(), 0o644), &[lax], &[]);
    check(
        &|it| {
            for name in ["secrets", "secrets/idx", "keys"] {
                chmod(&it.path(name), 0o755);
            }
        },
        &[lax, lax, lax, rest],
        &[],
    );
    check(&|it| chmod(&it.path("secrets/audit.lock"), 0o400), &["error shut"], &[]);
    check(
        &|it| chmod(&it.0.home(), 0o777),
        &["warning exchangeable"; 1],
        &["warning exchangeable"; 1],
    );
}

#[test]
fn what_is_no_plain_file_is_left_alone() {
    let kind = "error not-plain";
    let rest = "note rest-unseen";
    let link = |it: &Patient, name: &str| {
        let (path, moved) = (it.path(name), it.0.path().join("moved"));
        fs::rename(&path, &moved).unwrap();
        symlink(&moved, &path).unwrap();
    };
    for (name, found) in [
        ("secrets", &[kind, rest][..]),
        ("secrets/root", &[kind, rest]),
        ("secrets/store.json", &[kind]),
        ("keys", &[kind, rest]),
        ("keys/master.key", &[kind, rest]),
    ] {
        check(&|it| link(it, name), found, found);
    }
    check(&|it| pipe(&it.path("secrets/root")), &[kind, rest], &[kind, rest]);
    check(&|it| pipe(&it.path("secrets/root.prev")), &[kind], &[kind]);
    check(&|it| pipe(&it.path("keys/master.key")), &[kind, rest], &[kind, rest]);
    check(&|it| symlink("/etc/passwd", it.path("secrets/link")).unwrap(), &[kind], &[kind]);
}

#[test]
fn damage_is_told_apart() {
    let both = |spoil: Spoil<'_>, kinds: &[&str]| check(spoil, kinds, kinds);
    both(&|it| flip(&it.path("secrets/root"), 9999), &["error damaged-root"]);
    both(&|it| flip(&it.path("secrets/root"), 0), &["error damaged-root"]);
    both(&|it| private(&it.path("secrets/root"), b""), &["error damaged-root"]);
    both(&|it| fs::remove_file(it.path("secrets/root")).unwrap(), &["error missing-root"]);
    let newer = br#"{"subrosa":"root","format":2}"#;
    both(
        &|it| private(&it.path("secrets/root"), &[&newer[..], b"\n"].concat()),
        &["error too-new"],
    );
    // A byte of the registry's name in it: to the key it is the root of another one.
    both(&|it| flip(&it.path("secrets/root"), 45), &["error damaged-root"]);
    both(&|it| flip(&it.index(), 0), &["error damaged-index"]);
    both(&|it| fs::remove_file(it.index()).unwrap(), &["error damaged-index"]);
    both(&|it| fs::remove_file(it.path("secrets/root.prev")).unwrap(), &["note no-previous-root"]);
    both(&|it| private(&it.path("secrets/used"), b"noise\n"), &["note times-of-use"]);
    both(&|it| flip(&it.path("secrets/audit.log"), 20), &["error audit"]);
    both(&|it| private(&it.path("secrets/notes.txt"), b""), &["warning foreign-file"]);
    both(&|it| private(&it.path("secrets/idx/notes"), b""), &["warning foreign-file"]);
    both(
        &|it| {
            for name in ["root", "store.json"] {
                fs::remove_file(it.path("secrets").join(name)).unwrap();
            }
        },
        &["error remains"],
    );
    both(
        &|it| {
            private(
                &it.path("secrets/store.json"),
                format!("{{\"subrosa\":\"store\",\"format\":1,\"id\":\"{}\"}}\n", "a".repeat(32))
                    .as_bytes(),
            )
        },
        &["error marker"],
    );
}

#[test]
fn what_is_wrong_with_the_key_is_told_apart() {
    let both = |spoil: Spoil<'_>, kinds: &[&str]| check(spoil, kinds, kinds);
    both(&|it| fs::remove_file(it.path("keys/master.key")).unwrap(), &["error key-missing"]);
    both(&|it| flip(&it.path("keys/master.key"), 70), &["error key-damaged"]);
    both(&|it| private(&it.path("keys/source.json"), b"{"), &["error key-damaged"]);
    let other = Patient::healthy();
    both(
        &|it| {
            private(&it.path("keys/master.key"), &fs::read(other.path("keys/master.key")).unwrap())
        },
        &["error key-wrong"],
    );
    // The rest is looked at as far as that goes without it.
    both(
        &|it| {
            fs::remove_file(it.path("keys/master.key")).unwrap();
            flip(&it.index(), 0);
        },
        &["error key-missing", "error damaged-index"],
    );
}

#[test]
fn what_was_cut_off_is_tidied() {
    let left = |it: &Patient, name: &str| {
        private(&it.path(name), b"left");
        age(&it.path(name));
    };
    check(&|it| left(it, "secrets/tmp-0123456789abcdef"), &["note rubbish"], &[]);
    check(&|it| left(it, "secrets/idx/0000000000ff-01234567"), &["note rubbish"], &[]);
    check(&|it| left(it, "keys/.master.key.0123456789abcdef"), &["warning left-over-key"], &[]);
    check(&|it| private(&it.path("secrets/tmp-0123456789abcdef"), b""), &[], &[]);
    check(&|it| fs::remove_file(it.path("secrets/store.json")).unwrap(), &["warning marker"], &[]);
    check(&|it| private(&it.path("secrets/store.json"), b"{"), &["warning marker"], &[]);
    check(&|it| private(&it.anchor(), b"noise"), &["warning anchor-damaged"], &[]);
    check(&|it| fs::remove_file(it.anchor()).unwrap(), &["note no-anchor"], &["note no-anchor"]);
    // The new key is there, nothing uses it.
    let next = "keys/master.key.next";
    check(
        &|it| {
            let former = fs::read(it.path("keys/master.key")).unwrap();
            let root = fs::read(it.path("secrets/root")).unwrap();
            let anchor = fs::read(it.anchor()).unwrap();
            assert_eq!(it.run_with(&["key", "rotate"], "").code, 0);
            fs::rename(it.path("keys/master.key"), it.path(next)).unwrap();
            private(&it.path("keys/master.key"), &former);
            private(&it.path("secrets/root"), &root);
            private(&it.anchor(), &anchor);
        },
        &["warning half-rotated"],
        &[],
    );
    // The new key is in use, the former one has its name still.
    check(
        &|it| {
            let former = fs::read(it.path("keys/master.key")).unwrap();
            assert_eq!(it.run_with(&["key", "rotate"], "").code, 0);
            fs::rename(it.path("keys/master.key"), it.path(next)).unwrap();
            private(&it.path("keys/master.key"), &former);
        },
        &["warning half-rotated"],
        &[],
    );
}

/// Puts the store back as it was before the last change.
fn roll_back(it: &Patient) {
    let root = fs::read(it.path("secrets/root")).unwrap();
    assert_eq!(it.run_with(&["secret", "set", "prod/db"], "hunter3").code, 0);
    private(&it.path("secrets/root"), &root);
}

#[test]
fn an_older_copy_is_noticed_and_taken_only_if_it_is_said_so() {
    check(&roll_back, &["error rolled-back"], &["error rolled-back"]);
    let patient = Patient::healthy();
    assert_eq!(patient.run_with(&["doctor", "--accept-rollback"], "").code, 2);
    roll_back(&patient);
    assert_eq!(patient.value(), None);
    let (code, told) = patient.see(&["--accept-rollback"]);
    assert_eq!((code, kinds(&told)), (0, vec![]), "{told}");
    assert_eq!(patient.value().as_deref(), Some("hunter2"));
    let log = patient.run_with(&["audit", "list"], "").stdout;
    assert!(log.contains("accept") && log.contains("doctor"), "{log}");
}

#[test]
fn a_damaged_root_is_gone_back_from_only_if_it_is_said_so() {
    let patient = Patient::healthy();
    let ended = patient.run_with(&["doctor", "--restore-previous-root"], "");
    assert_eq!(ended.code, 2, "{ended:?}");
    flip(&patient.path("secrets/root"), 40);
    assert_eq!(patient.value(), None);
    let (code, told) = patient.see(&["--restore-previous-root"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(patient.value().as_deref(), Some("hunter1"), "the last change is undone");
    fs::remove_file(patient.path("keys/master.key")).unwrap();
    private(&patient.path("secrets/root"), b"");
    let ended = patient.run_with(&["doctor", "--restore-previous-root"], "");
    assert_eq!(ended.code, 5, "{ended:?}");
}

#[test]
fn a_key_file_elsewhere_is_closed_as_well() {
    let patient = Patient::healthy();
    let moved = ["key", "move", "--to", "file", "--key-file", "stick.key"];
    assert_eq!(patient.run_with(&moved, "").code, 0);
    let stick = patient.0.path().join("stick.key");
    chmod(&stick, 0o644);
    let words = ["--key-file", "stick.key"];
    let (code, told) = patient.see(&words);
    assert_eq!((code, kinds(&told)), (1, vec!["error open-to-others".to_owned()]), "{told}");
    let (code, told) = patient.see(&[&words[..], &["--repair"]].concat());
    assert_eq!((code, kinds(&told)), (0, vec![]), "{told}");
    assert_eq!(fs::metadata(stick).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn a_move_that_was_cut_off_is_told() {
    let patient = Patient::healthy();
    let moved = ["key", "move", "--to", "file", "--key-file", "stick.key"];
    assert_eq!(patient.run_with(&moved, "").code, 0);
    let settings = fs::read_to_string(patient.path("keys/source.json")).unwrap();
    let cut = settings.replacen("\"source\"", "\"left\": {\"source\": \"file\"}, \"source\"", 1);
    private(&patient.path("keys/source.json"), cut.as_bytes());
    let (code, told) = patient.see(&[]);
    assert_eq!((code, kinds(&told)), (1, vec!["warning half-moved".to_owned()]), "{told}");
    let cure = told["findings"][0]["cure"].as_str().unwrap();
    assert!(cure.contains("`subrosa key move --to file --key-file "), "{cure}");
    let again = patient.run_with(&moved, "");
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(patient.see(&[]).0, 0);
}

#[test]
fn a_holder_of_the_lock_is_told() {
    let patient = Patient::healthy();
    let lock = patient.path("secrets/lock");
    let script = format!("exec 9<>{}; flock 9; echo held; read line", lock.display());
    let mut holder = Command::new("sh")
        .args(["-c", &script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
    let (code, told) = patient.see(&[]);
    assert_eq!((code, kinds(&told)), (0, vec!["note locked".to_owned()]), "{told}");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert_eq!(kinds(&patient.see(&[]).1), Vec::<String>::new());
}

#[test]
fn garbage_in_any_file_is_no_panic() {
    let healthy = Patient::healthy();
    let all: Vec<PathBuf> =
        below(&healthy.0.home()).into_iter().filter(|it| it.is_file()).collect();
    assert!(all.len() > 7);
    for path in all {
        let whole = fs::read(&path).unwrap();
        let mut noise: Vec<u8> = (0..=255).cycle().take(3000).collect();
        noise.insert(0, b'{');
        for garbage in
            [&b""[..], b"\n", &noise, &whole[..whole.len() / 2], &[&whole[..], &whole].concat()]
        {
            fs::write(&path, garbage).unwrap();
            for words in [&[][..], &["--repair"]] {
                let (code, told) = healthy.see(words);
                assert!(code <= 1, "{} {told}", path.display());
            }
        }
        private(&path, &whole);
    }
    assert_eq!(healthy.see(&["--repair"]).0, 0);
    assert_eq!(healthy.value().as_deref(), Some("hunter2"));
}

#[test]
fn people_are_told_in_sentences() {
    let patient = Patient::healthy();
    chmod(&patient.path("secrets/root"), 0o644);
    let root = patient.path("secrets/root").display().to_string();
    let ended = patient.run_with(&["doctor"], "");
    assert_eq!(ended.code, 1, "{ended:?}");
    let first = format!("error[open-to-others]: `{root}`: open to others (mode 0644)\n  means: ");
    assert!(ended.stdout.starts_with(&first), "{ended:?}");
    assert!(ended.stdout.contains(&format!("`chmod 600 {root}`")), "{ended:?}");
    let ended = patient.run_with(&["doctor", "--repair"], "");
    let done = format!("done: closed `{root}`, which had mode 0644\nnothing is wrong");
    assert!(ended.stdout.starts_with(&done), "{ended:?}");
    set(&patient.0, &["prod/db"], "hunter4");
}
