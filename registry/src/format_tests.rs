//! The format against `vectors.json`, which a second implementation made from FORMAT.md alone, and the
//! primitives against the vectors of Project Wycheproof.

use data_encoding::{BASE64, HEXLOWER};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::audit::Names;
use crate::crypto::{Context, Inner, Key, Keys, pad, unpad};
use crate::entry::{Content, Version};
use crate::keys::{MasterKey, StoreId};
use crate::leaf::{Leaf, Place};
use crate::names::{Address, Scope, SecretRef};
use crate::piece::Pieces;
use crate::root::{NotRoot, Root};
use crate::vault::Vault;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

fn text<'a>(vectors: &'a Value, path: &str) -> &'a str {
    vectors.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("no {path}"))
}

fn bytes(vectors: &Value, path: &str) -> [u8; 32] {
    HEXLOWER.decode(text(vectors, path).as_bytes()).unwrap().try_into().unwrap()
}

fn store(vectors: &Value) -> StoreId {
    StoreId::parse(text(vectors, "/store")).unwrap()
}

fn keys(vectors: &Value) -> Keys {
    let master = MasterKey::from_bytes(Zeroizing::new(bytes(vectors, "/master")));
    Keys::derive(&master, &store(vectors))
}

fn open_root(vectors: &Value) -> Root {
    Root::open(text(vectors, "/store_files/root").as_bytes(), &keys(vectors)).unwrap()
}

fn inner(vectors: &Value) -> Inner {
    Inner::open(&keys(vectors), &store(vectors), &open_root(vectors).inner).unwrap()
}

#[test]
fn keys_are_derived_as_the_format_says() {
    let vectors = vectors();
    for (purpose, expected) in vectors["derived"].as_object().unwrap() {
        let master = ["kek", "root-mac", "key-id"]
            .iter()
            .any(|name| purpose == &format!("subrosa/{name}/1"));
        let from = bytes(&vectors, if master { "/master" } else { "/inner" });
        let key = Key::derive(&from, &store(&vectors), purpose);
        assert_eq!(HEXLOWER.encode(key.bytes()), expected.as_str().unwrap(), "{purpose}");
    }
    assert_eq!(keys(&vectors).id, text(&vectors, "/key_id"));
}

#[test]
fn places_follow_from_refs() {
    let vectors = vectors();
    for (reference, expected) in vectors["places"].as_object().unwrap() {
        let Place { branch, leaf } =
            Place::of(&SecretRef::parse_kept(reference).unwrap(), &inner(&vectors));
        assert_eq!(serde_json::json!([branch, leaf]), *expected, "{reference}");
    }
}

#[test]
fn a_root_is_read_and_written_byte_by_byte() {
    let vectors = vectors();
    let root = open_root(&vectors);
    assert_eq!((root.generation, root.names), (2, Names::Open));
    assert_eq!(root.to_bytes(&keys(&vectors)), text(&vectors, "/store_files/root").as_bytes());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test looks at what is no secret")]
fn a_record_is_read_and_written_byte_by_byte() {
    let vectors = vectors();
    let line = text(&vectors, "/record/line");
    let (inner, store, keys) = (inner(&vectors), store(&vectors), keys(&vectors));
    let place = Place { branch: 0, leaf: 0 };
    let leaf = Leaf::open(line.into(), Names::Open, place, (&inner, &store)).unwrap();
    let (address, entry) = leaf.entries().next().unwrap().unwrap();
    let written = Leaf::default().with(&[(address.clone(), entry.clone())].into());
    assert_eq!(written.to_bytes(Names::Open, place, (&inner, &store)).unwrap(), line.as_bytes());
    let Content::Record { parts, .. } = &entry.current().unwrap().content else {
        panic!("a record was wanted")
    };
    let vault = Vault { keys: &keys, store: &store };
    let (name, part) = parts.first_key_value().unwrap();
    let value = vault.open_part(&address, name, part).unwrap();
    assert_eq!(value.expose_secret(), text(&vectors, "/record/value").as_bytes());
    // It opens under no other name, and at no other address.
    assert!(vault.open_part(&address, "other", part).is_none());
    let elsewhere = Address { scope: Scope::default(), ..address };
    assert!(vault.open_part(&elsewhere, name, part).is_none());
}

#[test]
fn a_version_is_a_value_or_a_record() {
    let time = "2026-11-22T18:26:04Z";
    let part = |n: u64| format!(r#"{{"n":{n},"created":"{time}","dek":"AA==","value":"AA=="}}"#);
    let version = |fields: &str| {
        let json = format!(r#"{{"n":2,"created":"{time}","by":"ada",{fields}}}"#);
        let parsed = serde_json::from_str::<Version>(&json);
        parsed.map(|version| serde_json::to_string(&version).is_ok_and(|again| again == json))
    };
    let value = r#""dek":"AA==","value":"AA==""#;
    let many = |count: usize| {
        let part = |at| format!(r#""p{at:02}":{}"#, part(1));
        (0..count).map(part).collect::<Vec<_>>().join(",")
    };
    for good in [
        value.to_owned(),
        r#""public":"""#.to_owned(),
        format!(r#""public":"a\nb","parts":{{"a_1":{}}}"#, part(2)),
        format!(r#""until":"{time}","replaced":true,"public":"","parts":{{{}}}"#, many(32)),
    ] {
        assert!(version(&good).is_ok_and(|is_same| is_same), "{good}");
    }
    for bad in [
        r#""dek":"AA==""#.to_owned(),
        format!(r#"{value},"public":"""#),
        format!(r#"{value},"parts":{{"a":{}}}"#, part(1)),
        format!(r#""parts":{{"a":{}}}"#, part(1)),
        format!(r#""public":"","parts":{{"A":{}}}"#, part(1)),
        format!(r#""public":"","parts":{{"a":{}}}"#, part(3)),
        format!(r#""public":"","parts":{{"a":{}}}"#, part(0)),
        format!(r#""public":"","parts":{{{}}}"#, many(33)),
        r#""public":"a\tb""#.to_owned(),
        r#""public":"","other":1"#.to_owned(),
    ] {
        assert!(version(&bad).is_err(), "{bad}");
    }
}

#[test]
fn every_changed_byte_of_a_root_is_noticed() {
    let vectors = vectors();
    let whole = text(&vectors, "/store_files/root").as_bytes();
    for at in 0..whole.len() {
        let mut changed = whole.to_vec();
        changed[at] ^= 1;
        assert!(Root::open(&changed, &keys(&vectors)).is_err(), "byte {at}");
        assert!(Root::open(&whole[..at], &keys(&vectors)).is_err(), "cut at {at}");
    }
    let trailing = [whole, b"\n"].concat();
    assert!(Root::open(&trailing, &keys(&vectors)).is_err());
}

#[test]
fn a_newer_root_is_refused_by_its_number() {
    let vectors = vectors();
    let newer = text(&vectors, "/store_files/root").replacen("\"format\":1", "\"format\":2", 1);
    let claim = crate::root::Claim::read(newer.as_bytes());
    assert_eq!(claim.err(), Some(NotRoot::TooNew(2)));
}

#[test]
fn a_sealed_leaf_opens_only_in_its_place() {
    let vectors = vectors();
    let (inner, store) = (inner(&vectors), store(&vectors));
    let sealed = BASE64.decode(text(&vectors, "/sealed_leaf/sealed").as_bytes()).unwrap();
    let number =
        |at: usize| u8::try_from(vectors["sealed_leaf"]["place"][at].as_u64().unwrap()).unwrap();
    let place = Place { branch: number(0), leaf: number(1) };
    let open = |sealed: &[u8], place| {
        Leaf::open(sealed.to_vec(), Names::Sealed, place, (&inner, &store)).and_then(|leaf| {
            leaf.to_bytes(Names::Open, place, (&inner, &store)).map_err(|_| crate::leaf::Unreadable)
        })
    };
    let plain = text(&vectors, "/sealed_leaf/plain").as_bytes();
    assert_eq!(open(&sealed, place).as_deref(), Ok(plain));
    assert!(open(&sealed, Place { leaf: place.leaf ^ 1, ..place }).is_err());
    assert!(open(&sealed[..sealed.len() - 1], place).is_err());
    assert!(open(b"", place).is_err());
}

#[test]
fn pieces_have_one_spelling() {
    let digest = "0".repeat(64);
    let line =
        |number: &str, name: &str, len: &str| format!("{number}\t{name}\t0\t{len}\t{digest}\n");
    let name = "000000000002-0a0b0c0d";
    let good = line("00", name, "5") + &line("3f", name, "7");
    assert_eq!(Pieces::parse(&good).unwrap().to_text(), good);
    for bad in [
        line("40", name, "5"),
        line("0", name, "5"),
        line("zz", name, "5"),
        line("00", "../root", "5"),
        line("00", "000000000002-0a0b0c0D", "5"),
        line("00", "000000000002-0a0b0c", "5"),
        line("00", name, "1073741825"),
        line("00", name, "-1"),
        line("01", name, "5") + &line("00", name, "5"),
        line("01", name, "5") + &line("01", name, "5"),
        line("01", name, "5").replace('\n', "\tx\n"),
        line("01", name, "5").replace("000\n", "00\n"),
        "\n".to_owned(),
    ] {
        assert!(Pieces::parse(&bad).is_none(), "{bad}");
    }
}

#[test]
fn parts_of_a_context_cannot_run_into_each_other() {
    let store = store(&vectors());
    let key = Key::generate().unwrap();
    let context = |a: &[u8], b: &[u8]| Context::new("kind", &store).part(a).part(b);
    let sealed = key.seal(&context(b"ab", b"c"), b"value").unwrap();
    assert!(key.open(&context(b"ab", b"c"), &sealed).is_some());
    assert!(key.open(&context(b"a", b"bc"), &sealed).is_none());
    assert!(key.open(&context(b"ab", b""), &sealed).is_none());
    assert!(key.open(&Context::new("kin", &store).part(b"dab").part(b"c"), &sealed).is_none());
}

#[test]
fn the_same_plaintext_twice_gives_unrelated_ciphertexts() {
    let store = store(&vectors());
    let key = Key::generate().unwrap();
    let context = Context::new("kind", &store);
    let seal = || key.seal(&context, &[7; 4096]).unwrap();
    let (a, b) = (seal(), seal());
    let same = a.iter().zip(&b).filter(|(a, b)| a == b).count();
    // Of 4136 random bytes 16 are the same on average; 100 would happen once in far more than 2^128.
    assert!(same < 100, "{same} of {} bytes are the same", a.len());
}

#[test]
fn padding_hides_the_length_and_is_taken_off_again() {
    for len in [1, 59, 60, 61, 124, 4096] {
        let value = vec![b'x'; len];
        let padded = pad(&value);
        assert_eq!(padded.len() % 64, 0, "{len}");
        assert_eq!(unpad(&padded), Some(value.as_slice()), "{len}");
    }
    assert_eq!(pad(b"short").len(), pad(b"a little longer").len());
    assert_eq!(unpad(b""), None);
    assert_eq!(unpad(&[0, 0, 0, 9, 1]), None);
    assert_eq!(unpad(&[255; 64]), None);
}

#[test]
fn xchacha20_poly1305_agrees_with_wycheproof() {
    use chacha20poly1305::aead::{Aead, Payload};
    use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
    use wycheproof::aead::{TestName, TestSet};

    let set = TestSet::load(TestName::XChaCha20Poly1305).unwrap();
    let mut tried = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let sealed = [&test.ct[..], &test.tag[..]].concat();
            let opened = XNonce::try_from(&test.nonce[..]).ok().and_then(|nonce| {
                let payload = Payload { msg: &sealed, aad: &test.aad };
                XChaCha20Poly1305::new_from_slice(&test.key).ok()?.decrypt(&nonce, payload).ok()
            });
            let valid = !test.result.must_fail();
            assert_eq!(opened.is_some(), valid, "test {}: {}", test.tc_id, test.comment);
            assert!(opened.is_none_or(|plain| plain == test.pt[..]), "test {}", test.tc_id);
            tried += 1;
        }
    }
    assert!(tried > 200, "only {tried} vectors");
}

#[test]
fn hkdf_and_hmac_agree_with_wycheproof() {
    use hmac::{KeyInit, Mac};

    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let expanded = hkdf::Hkdf::<sha2::Sha256>::new(Some(&test.salt), &test.ikm)
            .expand(&test.info, &mut okm);
        assert_eq!(expanded.is_ok(), !test.result.must_fail(), "hkdf test {}", test.tc_id);
        assert!(expanded.is_err() || okm == test.okm[..], "hkdf test {}", test.tc_id);
    }
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            let mut mac = <hmac::Hmac<sha2::Sha256> as KeyInit>::new_from_slice(&test.key).unwrap();
            mac.update(&test.msg);
            let right = mac.verify_truncated_left(&test.tag).is_ok();
            assert_eq!(right, !test.result.must_fail(), "hmac test {}", test.tc_id);
        }
    }
}
