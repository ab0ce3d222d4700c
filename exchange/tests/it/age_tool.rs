//! The age tool opens what was sealed here, and what it seals opens here.
//!
//! Needs `age` and `tar` (Debian: `apt-get install age`); without them these tests fail. The passphrase
//! takes as long to try as it is meant to, which is long in a build for debugging.

use std::io::{Cursor, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use secrecy::SecretSlice;
use subrosa_exchange::{EntryName, Identity, Recipient, Recipients, encrypt, seal, unseal};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/exchange");
const CONTENT: &[u8] = &[b'x'; 200_000];

fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it was started");
    writer.join().expect("writing does not panic").expect("all is read");
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

fn identity_file() -> String {
    std::fs::read_to_string(Path::new(FIXTURES).join("not-secret-identity.txt"))
        .expect("the fixture is there")
}

fn recipient() -> String {
    let file = identity_file();
    let line = file.lines().find_map(|line| line.strip_prefix("# public key: "));
    let line = line.expect("age-keygen says the recipient");
    line.to_owned()
}

fn opened(bytes: &[u8], identity: &Identity) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    unseal(bytes, identity, 1 << 20, &mut |name, _, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        files.push((name.to_string(), bytes));
        Ok(())
    })
    .expect("the archive is whole");
    files
}

#[test]
fn the_age_tool_opens_what_was_sealed_here() {
    let recipients = Recipients::Keys(vec![Recipient::parse(&recipient()).unwrap()]);
    let mut archive = seal(Vec::new(), &recipients).unwrap();
    let name = EntryName::parse("obj/ab/cd").unwrap();
    archive.add(&name, CONTENT.len() as u64, &mut Cursor::new(CONTENT)).unwrap();
    let bytes = archive.finish().unwrap();
    let key = Path::new(FIXTURES).join("not-secret-identity.txt");
    let tar = run(Command::new("age").arg("-d").arg("-i").arg(key), &bytes);
    assert_eq!(run(Command::new("tar").arg("-t"), &tar), b"obj/ab/cd\n");
    assert!(run(Command::new("tar").args(["-xO", "obj/ab/cd"]), &tar) == CONTENT);
}

#[test]
fn the_age_tool_opens_a_text_alone() {
    let recipients = Recipients::Keys(vec![Recipient::parse(&recipient()).unwrap()]);
    let sealed = encrypt(CONTENT, &recipients).unwrap();
    let key = Path::new(FIXTURES).join("not-secret-identity.txt");
    assert!(run(Command::new("age").arg("-d").arg("-i").arg(key), &sealed) == CONTENT);
}

#[test]
fn what_the_age_tool_seals_opens_here() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("obj")).unwrap();
    std::fs::write(folder.path().join("obj/x"), CONTENT).unwrap();
    let mut pack = Command::new("tar");
    pack.arg("-C").arg(folder.path()).args(["--format=ustar", "-c", "obj/x"]);
    let tar = run(&mut pack, b"");
    let sealed = run(Command::new("age").arg("-r").arg(recipient()), &tar);
    let identity = Identity::parse(&SecretSlice::from(identity_file().into_bytes())).unwrap();
    assert!(opened(&sealed, &identity) == [("obj/x".to_owned(), CONTENT.to_vec())]);
}

#[test]
fn a_passphrase_of_the_age_tool_opens_here() {
    let sealed = std::fs::read(Path::new(FIXTURES).join("passphrase.tar.age")).unwrap();
    let passphrase = SecretSlice::from(b"not a secret passphrase".to_vec());
    let identity = Identity::passphrase(&passphrase).unwrap();
    let names: Vec<String> = opened(&sealed, &identity).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["idx/00.7", "root"]);
}
