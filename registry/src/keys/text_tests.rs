use proptest::prelude::*;

use super::*;
use crate::keys::fake::{CHEAP, store};

/// The example of `FORMAT.md`.
const PLAIN: &str = "\
subrosa key 1
store 00112233445566778899aabbccddeeff
key 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
checksum d7045de07847aa13ae10f7c73bad81fb773956063c42efde1bc53030fede7cd6
";

/// Puts the right checksum under a text, as somebody would who changes it on purpose.
fn sealed(body: &str) -> String {
    let checksum = checksum_line(body.as_bytes());
    body.to_owned() + &checksum
}

fn check(text: &str, expected: KeyTextError) {
    let found = read(text.as_bytes()).err();
    assert_eq!(found, Some(expected), "{text}");
}

fn check_damaged(text: &str, why: &'static str) {
    check(text, KeyTextError::Damaged(why));
}

#[test]
fn a_key_is_written_as_the_format_says() {
    let store = StoreId::parse("00112233445566778899aabbccddeeff").unwrap();
    let bytes: Vec<u8> = (0..32).collect();
    let key = MasterKey::from_bytes(Zeroizing::new(bytes.try_into().unwrap()));
    assert_eq!(key.to_text(&store).as_slice(), PLAIN.as_bytes());
    let (found, again) = MasterKey::from_text(PLAIN.as_bytes()).unwrap();
    assert_eq!(found, store);
    assert!(again.is(&key));
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(id in "[0-9a-f]{32}", bytes: [u8; 32]) {
        let store = StoreId::parse(&id).unwrap();
        let text = MasterKey::from_bytes(Zeroizing::new(bytes)).to_text(&store);
        let (found, key) = MasterKey::from_text(&text).unwrap();
        prop_assert_eq!(found, store);
        prop_assert_eq!(key.bytes(), &bytes);
    }

    #[test]
    fn no_bytes_are_a_panic(bytes: Vec<u8>) {
        prop_assert!(read(&bytes).is_err());
    }

    #[test]
    fn no_lines_under_a_right_checksum_are_a_panic(lines in "(store |key |salt |argon2id |[0-9a-f]{32}|\n){0,12}") {
        let text = sealed(&format!("subrosa key 1\n{lines}\n"));
        prop_assert!(read(text.as_bytes()).is_err());
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    for at in 0..PLAIN.len() {
        for bit in 0..8 {
            let mut text = PLAIN.as_bytes().to_vec();
            text[at] ^= 1 << bit;
            assert!(read(&text).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn every_other_length_is_noticed() {
    for len in 0..PLAIN.len() {
        assert!(read(&PLAIN.as_bytes()[..len]).is_err(), "{len} bytes");
    }
    for end in ["\n", " ", "\0", "x", PLAIN] {
        assert!(read(format!("{PLAIN}{end}").as_bytes()).is_err(), "{end:?} after the end");
    }
}

#[test]
fn what_is_no_key_is_told_from_what_was_damaged() {
    check_damaged("", "is no key");
    check_damaged("hunter2\n", "is no key");
    check_damaged("subrosa key one\n", "is no key");
    check_damaged("subrosa key 0\n", "is no key");
    check_damaged("subrosa key 1\n", "is cut off");
    check_damaged("subrosa key 1\nstore 0\n", "does not end with its checksum");
    check_damaged(&PLAIN.replace("key 00", "key 01"), "does not match its checksum");
    check_damaged(&PLAIN.replace('\n', "\r\n"), "is no key");
    check_damaged(&format!("{PLAIN}{}", "\n".repeat(1024)), "is no key");
}

#[test]
fn a_newer_format_is_named() {
    check("subrosa key 2\nwhatever it holds", KeyTextError::TooNew(2));
    check(&sealed("subrosa key 77\n"), KeyTextError::TooNew(77));
}

#[test]
fn a_changed_text_under_a_right_checksum_is_refused() {
    let body = &PLAIN[..PLAIN.find("checksum").unwrap()];
    let check = |from: &str, to: &str, why| check_damaged(&sealed(&body.replace(from, to)), why);
    let hex = "has a value that is no lower-case hex of the right length";
    let line = "has another line where one of the format belongs";
    let spelling = "is not spelled as it is written";
    check("0a0b", "0A0B", hex);
    check("0a0b", "0a", hex);
    check("0a0b", "0a0b0c", hex);
    check("key 0001", "key  001", hex);
    check("ccddeeff", "CCDDEEFF", "names no registry");
    check("ccddeeff", "ccddeeff ", "names no registry");
    check("store ", "Store ", line);
    check("key 00", "comment 00", line);
    check("1f\n", "1f\nuser ada\n", spelling);
    check("subrosa key 1", "subrosa key 01", spelling);
}

#[test]
fn parameters_out_of_bounds_are_refused_before_they_are_used() {
    let text = |parameters: &str| {
        let zeros = |digits: usize| "0".repeat(digits);
        sealed(&format!(
            "subrosa key 1\nstore {}\nargon2id {parameters}\nsalt {}\nnonce {}\nwrapped {}\n",
            zeros(32),
            zeros(32),
            zeros(48),
            zeros(96),
        ))
    };
    for good in ["m=8 t=1 p=1", "m=65536 t=3 p=1", "m=1048576 t=10 p=4"] {
        assert!(matches!(read(text(good).as_bytes()), Ok(KeyText::Wrapped(_))), "{good}");
    }
    let bad = [
        "m=1048577 t=3 p=1",
        "m=4294967295 t=3 p=1",
        "m=99999999999 t=3 p=1",
        "m=65536 t=11 p=1",
        "m=65536 t=0 p=1",
        "m=65536 t=3 p=5",
        "m=65536 t=3 p=0",
        "m=7 t=3 p=1",
        "m=-8 t=3 p=1",
        "t=3 m=65536 p=1",
        "m=65536 t=3",
        "",
    ];
    for parameters in bad {
        check_damaged(&text(parameters), "asks for more memory, passes or lanes than is allowed");
    }
    for parameters in ["m=065536 t=3 p=1", "m=+65536 t=3 p=1", "m=65536 t=3 p=1 x=1"] {
        check_damaged(&text(parameters), "is not spelled as it is written");
    }
}

#[test]
fn a_text_with_a_passphrase_gives_no_key_without_one() {
    let derivation = Derivation { cost: CHEAP, salt: [1; 16] };
    let wrapped = Wrapped { store: store('a'), derivation, nonce: [2; 24], sealed: [3; 48] };
    let text = write_wrapped(&wrapped);
    assert_eq!(MasterKey::from_text(&text).err(), Some(KeyTextError::Protected));
}
