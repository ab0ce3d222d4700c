//! Archives as streams: round trips, damage, hostile contents, and what the age tool itself made.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::{ProptestConfig, any, proptest};
use secrecy::SecretSlice;
use tar::{EntryType, Header};

use super::{ArchiveError, EntryName, Identity, Recipient, Recipients, encrypt, seal, unseal};

const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const OTHER_RECIPIENT: &str = "age1d0007rqnaed2da9yzpfrq8qxfsm0q3jxz8pph0nzvf5frvehu39sdtdvs9";

/// What age puts before the pieces, and a piece with its tag.
const NONCE_LEN: usize = 16;
const PIECE_LEN: usize = (64 << 10) + 16;

type Files = Vec<(String, Vec<u8>)>;

fn keys(texts: &[&str]) -> Recipients {
    Recipients::Keys(texts.iter().map(|text| Recipient::parse(text).unwrap()).collect())
}

fn identity() -> Identity {
    Identity::parse(&SecretSlice::from(IDENTITY.as_bytes().to_vec())).unwrap()
}

fn passphrase(text: &str) -> Identity {
    Identity::passphrase(&SecretSlice::from(text.as_bytes().to_vec())).unwrap()
}

fn name(text: &str) -> EntryName {
    EntryName::parse(text).unwrap()
}

fn sealed(files: &[(&str, &[u8])], recipients: &Recipients) -> Vec<u8> {
    let mut archive = seal(Vec::new(), recipients).unwrap();
    for (path, content) in files {
        archive.add(&name(path), content.len() as u64, &mut Cursor::new(content)).unwrap();
    }
    archive.finish().unwrap()
}

fn opened(bytes: impl Read, identity: &Identity, bytes_max: u64) -> Result<Files, ArchiveError> {
    let mut files = Vec::new();
    unseal(bytes, identity, bytes_max, &mut |name, size, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        assert_eq!(bytes.len() as u64, size);
        files.push((name.as_str().to_owned(), bytes));
        Ok(())
    })?;
    Ok(files)
}

/// The age file around any bytes.
fn around(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut stream = keys(&[RECIPIENT]).encryptor().unwrap().wrap_output(&mut out).unwrap();
    stream.write_all(content).unwrap();
    stream.finish().unwrap();
    out
}

const FILES: [(&str, &[u8]); 4] = [
    ("root", b"one line\n"),
    ("idx/00.7", b""),
    ("obj/ab/0f", &[7; 512]),
    ("obj/ab/10", &[9; 70_000]),
];

fn check_files(found: Result<Files, ArchiveError>) {
    let expected: Files = FILES.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).into();
    assert!(found.unwrap() == expected);
}

#[test]
fn each_recipient_opens_it_alone() {
    check_files(opened(sealed(&FILES, &keys(&[RECIPIENT])).as_slice(), &identity(), 1 << 20));
    let both = keys(&[OTHER_RECIPIENT, RECIPIENT]);
    check_files(opened(sealed(&FILES, &both).as_slice(), &identity(), 1 << 20));
    assert_eq!(opened(sealed(&[], &both).as_slice(), &identity(), 1024).unwrap(), []);
}

#[test]
fn a_passphrase_opens_it() {
    let bytes = sealed(&FILES, &Recipients::quick_passphrase("correct horse", 4));
    check_files(opened(bytes.as_slice(), &passphrase("correct horse"), 1 << 20));
    assert!(matches!(
        opened(bytes.as_slice(), &passphrase("wrong horse"), 1 << 20),
        Err(ArchiveError::WrongKey)
    ));
    assert!(matches!(
        opened(bytes.as_slice(), &identity(), 1 << 20),
        Err(ArchiveError::OtherKind { found: "with a passphrase", given: "a key" })
    ));
}

#[test]
fn other_keys_do_not_open_it() {
    let bytes = sealed(&FILES, &keys(&[OTHER_RECIPIENT]));
    let found = opened(bytes.as_slice(), &identity(), 1 << 20);
    assert!(matches!(found, Err(ArchiveError::WrongKey)));
    let found = opened(bytes.as_slice(), &passphrase("x"), 1 << 20);
    assert!(matches!(found, Err(ArchiveError::OtherKind { found: "to keys", .. })));
    assert!(matches!(seal(Vec::new(), &keys(&[])), Err(ArchiveError::NoRecipients)));
}

#[test]
fn a_passphrase_that_takes_hours_to_try_is_refused_at_once() {
    let bytes = sealed(&[], &Recipients::quick_passphrase("x", 4));
    let mut text = bytes.clone();
    let end = text.iter().position(|b| *b == b'\n').unwrap() + 1;
    let line_end = end + text[end..].iter().position(|b| *b == b'\n').unwrap();
    assert!(text[..line_end].ends_with(b" 4"), "the work factor ends the second line");
    text.splice(line_end - 1..line_end, *b"21");
    assert!(matches!(
        opened(text.as_slice(), &passphrase("x"), 1 << 20),
        Err(ArchiveError::TooSlow { found: 21, most: 20 })
    ));
}

#[test]
fn equal_entries_make_equal_plaintexts() {
    let plaintext = || {
        let bytes = sealed(&FILES, &keys(&[RECIPIENT]));
        let decryptor = age::Decryptor::new_buffered(bytes.as_slice()).unwrap();
        let mut text = Vec::new();
        identity().decrypt(decryptor).unwrap().read_to_end(&mut text).unwrap();
        text
    };
    let first = plaintext();
    assert!(first == plaintext());
    let mut tar = tar::Archive::new(first.as_slice());
    let mut names = Vec::new();
    for entry in tar.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.mode().unwrap(), header.mtime().unwrap()), (0o600, 0));
        names.push(entry.path().unwrap().to_str().unwrap().to_owned());
    }
    assert_eq!(names, FILES.map(|(name, _)| name), "another tar reader agrees");
}

#[test]
fn a_text_alone_is_encrypted_as_it_is() {
    let plain = vec![7; 70_000];
    let sealed = encrypt(&plain, &keys(&[RECIPIENT])).unwrap();
    assert!(!sealed.windows(64).any(|part| part == &plain[..64]));
    let decryptor = age::Decryptor::new_buffered(sealed.as_slice()).unwrap();
    let mut text = Vec::new();
    identity().decrypt(decryptor).unwrap().read_to_end(&mut text).unwrap();
    assert!(text == plain);
    assert!(matches!(encrypt(b"x", &keys(&[])), Err(ArchiveError::NoRecipients)));
}

#[test]
fn every_cut_is_noticed() {
    let bytes = sealed(&FILES[..3], &keys(&[RECIPIENT]));
    for len in 0..bytes.len() {
        assert!(opened(&bytes[..len], &identity(), 1 << 20).is_err(), "{len} bytes");
    }
    // At the border of a piece, too, where what is left is a whole number of pieces.
    let bytes = sealed(&FILES, &keys(&[RECIPIENT]));
    let header_end = bytes.windows(5).position(|part| part == b"\n--- ").unwrap() + 5 + 43 + 1;
    let border = header_end + NONCE_LEN + PIECE_LEN;
    assert!(border < bytes.len());
    for len in [border - 1, border, border + 1, bytes.len() - 1] {
        let found = opened(&bytes[..len], &identity(), 1 << 20);
        assert!(matches!(found, Err(ArchiveError::Damaged)), "{len}");
    }
}

#[test]
fn every_flipped_byte_is_noticed() {
    let mut bytes = sealed(&FILES[..2], &keys(&[RECIPIENT]));
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        assert!(opened(bytes.as_slice(), &identity(), 1 << 20).is_err(), "byte {at}");
        bytes[at] ^= 1;
    }
    bytes.push(0);
    assert!(opened(bytes.as_slice(), &identity(), 1 << 20).is_err(), "an added byte");
}

#[test]
fn an_unfinished_archive_cannot_be_opened() {
    let mut out = Vec::new();
    let mut archive = seal(&mut out, &keys(&[RECIPIENT])).unwrap();
    archive.add(&name("a"), 100_000, &mut io::repeat(1).take(100_000)).unwrap();
    drop(archive);
    assert!(matches!(opened(out.as_slice(), &identity(), 1 << 20), Err(ArchiveError::Damaged)));
}

#[test]
fn sizes_are_as_said_and_names_go_in_once() {
    let mut archive = seal(io::sink(), &keys(&[RECIPIENT])).unwrap();
    let mut add = |path: &str, size, content: &[u8]| {
        archive.add(&name(path), size, &mut Cursor::new(content.to_vec()))
    };
    assert!(add("a", 3, b"abc").is_ok());
    assert!(matches!(add("b", 3, b"ab"), Err(ArchiveError::SizeChanged { .. })));
    assert!(matches!(add("c", 3, b"abcd"), Err(ArchiveError::SizeChanged { .. })));
    assert!(matches!(add("A", 0, b""), Err(ArchiveError::Twice { .. })));
}

fn block(path: &[u8], kind: EntryType, size: u64) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o600);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn check_content(blocks: &[&[u8]], expected: &'static str) {
    let found = opened(around(&blocks.concat()).as_slice(), &identity(), 1 << 20);
    match found {
        Err(ArchiveError::Content(why)) => assert_eq!(why, expected),
        other => panic!("{other:?} instead of {expected}"),
    }
}

#[test]
fn hostile_contents_are_refused() {
    const END: &[u8] = &[0; 1024];
    let good = block(b"a", EntryType::Regular, 0);
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Fifo,
        EntryType::Char,
        EntryType::GNULongName,
        EntryType::XHeader,
        EntryType::GNUSparse,
    ] {
        let expected = "something else than a regular file";
        check_content(&[&good, &block(b"b", kind, 0), END], expected);
    }
    for path in [&b"/etc/x"[..], b"../x", b"a/../../x", b"", b"a//b", b"a\\b", b"\xff", b"a/"] {
        let expected = "a name that leads elsewhere";
        check_content(&[&block(path, EntryType::Regular, 0), END], expected);
    }
    let mut broken = good.clone();
    broken[0] = b'b';
    check_content(&[&broken, END], "a header that does not add up");
    check_content(&[&good, &[0; 512], &good], "something follows its end");
    check_content(&[&good, END, &good], "something follows its end");
    let found = opened(around(&[&good[..], &good, END].concat()).as_slice(), &identity(), 1 << 20);
    assert!(matches!(found, Err(ArchiveError::Twice { .. })));
    let found = opened(around(&good).as_slice(), &identity(), 1 << 20);
    assert!(matches!(found, Err(ArchiveError::Damaged)), "without an end");
    let filled = [&good[..], END, &[0; 9 * 1024]].concat();
    assert_eq!(opened(around(&filled).as_slice(), &identity(), 1 << 20).unwrap().len(), 1);
}

#[test]
fn what_comes_out_is_bounded() {
    let huge = block(b"a", EntryType::Regular, 1 << 33);
    let found = opened(around(&huge).as_slice(), &identity(), 1 << 20);
    assert!(matches!(found, Err(ArchiveError::TooLarge { bytes_max: 1_048_576 })));
    let bytes = sealed(&[("a", b"x"), ("b", b"y")], &keys(&[RECIPIENT]));
    assert!(opened(bytes.as_slice(), &identity(), 6 * 512).is_ok());
    let found = opened(bytes.as_slice(), &identity(), 6 * 512 - 1);
    assert!(matches!(found, Err(ArchiveError::TooLarge { .. })));
    let padded = around(&vec![0; 1 << 20]);
    let found = opened(padded.as_slice(), &identity(), 1 << 16);
    assert!(matches!(found, Err(ArchiveError::TooLarge { .. })));
}

#[test]
fn a_header_without_end_is_given_up() {
    let endless = Cursor::new(b"age-encryption.org/v1\n".to_vec()).chain(io::repeat(b'a'));
    let found = opened(endless, &identity(), 1 << 20);
    assert!(matches!(found, Err(ArchiveError::NotAnArchive("its header has no end"))));
    for (bytes, expected) in [
        (&b""[..], "it is empty"),
        (b"PK\x03\x04", "it does not begin like an age file"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl", "it is armored as text"),
    ] {
        match opened(bytes, &identity(), 1 << 20) {
            Err(ArchiveError::NotAnArchive(why)) => assert_eq!(why, expected),
            other => panic!("{other:?} instead of {expected}"),
        }
    }
}

#[test]
fn failures_of_the_caller_and_of_the_stream_are_told_apart() {
    let bytes = sealed(&FILES, &keys(&[RECIPIENT]));
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let found = unseal(bytes.as_slice(), &identity(), 1 << 20, &mut |_, _, _| Err(full()));
    assert!(matches!(found, Err(ArchiveError::Entry { .. })));
    let unread = unseal(bytes.as_slice(), &identity(), 1 << 20, &mut |_, _, _| Ok(()));
    assert!(unread.is_ok(), "what is not read is passed over");
    let mut swallowed = |_: &EntryName, _: u64, content: &mut dyn Read| {
        drop(content.read_to_end(&mut Vec::new()));
        Ok(())
    };
    let cut = &bytes[..bytes.len() - 1];
    let found = unseal(cut, &identity(), 1 << 20, &mut swallowed);
    assert!(matches!(found, Err(ArchiveError::Damaged)));

    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(matches!(seal(Full, &keys(&[RECIPIENT])), Err(ArchiveError::Io(_))));
}

/// Made by `age` 1.1.1 and GNU tar; how, says `testdata/exchange/README.md`.
#[test]
fn what_the_age_tool_made_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/exchange/");
    let file = |name: &str| std::fs::read(format!("{folder}{name}")).unwrap();
    let expected: Files = vec![
        ("idx/00.7".to_owned(), b"index line\n".to_vec()),
        ("root".to_owned(), b"not a secret\n".to_vec()),
    ];
    let key = Identity::parse(&SecretSlice::from(file("not-secret-identity.txt"))).unwrap();
    assert_eq!(opened(file("keys.tar.age").as_slice(), &key, 1 << 20).unwrap(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn contents_of_any_size_come_back(
        sizes in proptest::collection::vec(0_usize..140_000, 0..4),
        fill in any::<u8>(),
    ) {
        let contents: Vec<Vec<u8>> = sizes.iter().map(|size| vec![fill; *size]).collect();
        let mut archive = seal(Vec::new(), &keys(&[RECIPIENT])).unwrap();
        for (number, content) in contents.iter().enumerate() {
            let mut content = Cursor::new(content);
            let size = content.get_ref().len() as u64;
            archive.add(&name(&format!("f/{number}")), size, &mut content).unwrap();
        }
        let bytes = archive.finish().unwrap();
        let files = opened(bytes.as_slice(), &identity(), 1 << 20).unwrap();
        let found: Vec<Vec<u8>> = files.into_iter().map(|(_, bytes)| bytes).collect();
        assert!(found == contents);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), content in any::<Vec<u8>>()) {
        let begun = [b"age-encryption.org/v1\n-> ", bytes.as_slice()].concat();
        drop(opened(bytes.as_slice(), &identity(), 1 << 20));
        drop(opened(begun.as_slice(), &identity(), 1 << 20));
        drop(opened(around(&content).as_slice(), &identity(), 1 << 20));
    }
}
