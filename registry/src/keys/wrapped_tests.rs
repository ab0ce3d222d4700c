use super::*;
use crate::keys::fake::{CHEAP, key, store};
use crate::keys::text::{KeyText, read, write_wrapped};

/// Examples made with other implementations: argon2-cffi and libsodium.
const CHEAP_EXAMPLE: &str = "\
subrosa key 1
store 00112233445566778899aabbccddeeff
argon2id m=64 t=1 p=1
salt 404142434445464748494a4b4c4d4e4f
nonce 606162636465666768696a6b6c6d6e6f7071727374757677
wrapped 7fa50504a55208f1c1b737a17bf4baecd061703abcb00403d0bbbfd7a8eb28b7fa7d0e4bd2edac727f5452ab2ba57add
checksum 058089edbecb06a4ba84868cbbba1e0e03dd04439c8c36b03f173341ce95e9b8
";
const DEFAULT_EXAMPLE: &str = "\
subrosa key 1
store 00112233445566778899aabbccddeeff
argon2id m=65536 t=3 p=1
salt 404142434445464748494a4b4c4d4e4f
nonce 606162636465666768696a6b6c6d6e6f7071727374757677
wrapped 9c3d08ef147c6fe90c5c5d58337938fcf7fb4786287d2652d30c075850ee7fd1246e78b3485e561113b210c22aa41f1e
checksum 965e192e1c8f5260cc5201859a2e46ff9d37d2e05281f28b3342781fd9de117a
";
const PASSPHRASE: &[u8] = b"correct horse battery staple";

fn wrapped(text: &str) -> Wrapped {
    match read(text.as_bytes()) {
        Ok(KeyText::Wrapped(wrapped)) => wrapped,
        Ok(KeyText::Plain(..)) => panic!("a plain key"),
        Err(error) => panic!("{error}"),
    }
}

fn example_key() -> MasterKey {
    let bytes: Vec<u8> = (0..32).collect();
    MasterKey::from_bytes(Zeroizing::new(bytes.try_into().unwrap()))
}

fn check_example(text: &str) {
    let example = wrapped(text);
    let with = WrappingKey::derive(PASSPHRASE, example.derivation).unwrap();
    assert!(example.open(&with).unwrap().is(&example_key()));
    let again = Wrapped::seal_with_nonce(&example.store, &example_key(), &with, example.nonce);
    assert_eq!(write_wrapped(&again).as_slice(), text.as_bytes());
}

#[test]
fn the_examples_of_the_format_open() {
    check_example(CHEAP_EXAMPLE);
    check_example(DEFAULT_EXAMPLE);
}

#[test]
fn the_cost_of_the_second_example_is_the_default() {
    assert_eq!(wrapped(DEFAULT_EXAMPLE).derivation.cost, Cost::default());
}

#[test]
fn another_passphrase_opens_nothing() {
    let example = wrapped(CHEAP_EXAMPLE);
    let wrong: [&[u8]; 4] =
        [b"", b"correct horse battery staples", b"Correct horse battery staple", b"\xff\0"];
    for passphrase in wrong {
        let with = WrappingKey::derive(passphrase, example.derivation).unwrap();
        assert!(example.open(&with).is_none());
    }
}

#[test]
fn nothing_of_a_wrapped_key_can_be_exchanged() {
    let example = || wrapped(CHEAP_EXAMPLE);
    let with = WrappingKey::derive(PASSPHRASE, example().derivation).unwrap();
    assert!(example().open(&with).is_some());
    let cost = Cost { passes: 2, ..example().derivation.cost };
    let changed = [
        Wrapped { store: store('a'), ..example() },
        Wrapped { nonce: [0; 24], ..example() },
        Wrapped { sealed: [0; 48], ..example() },
        Wrapped { derivation: Derivation { salt: [0; 16], ..example().derivation }, ..example() },
        Wrapped { derivation: Derivation { cost, ..example().derivation }, ..example() },
    ];
    for wrapped in changed {
        assert!(wrapped.open(&with).is_none(), "{wrapped:?}");
    }
}

#[test]
fn wrapping_the_same_key_twice_gives_unrelated_texts() {
    let with = WrappingKey::derive(PASSPHRASE, Derivation::new(CHEAP).unwrap()).unwrap();
    let wrap = || Wrapped::seal(&store('a'), &key(7), &with).unwrap();
    let (one, other) = (wrap(), wrap());
    assert_ne!(one.nonce, other.nonce);
    assert_ne!(one.sealed, other.sealed);
    assert_ne!(Derivation::new(CHEAP).unwrap(), Derivation::new(CHEAP).unwrap());
}
