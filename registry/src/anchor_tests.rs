//! Anchors, over a folder in memory.

use proptest::prelude::{any, prop, proptest};

use super::{Anchor, Anchors, Stored, Verdict};
use crate::audit::Head;
use crate::audit::fake::{Fails, Fake};
use crate::keys::StoreId;

const FORMAT: &str = include_str!("../FORMAT.md");
const ID: &str = "000102030405060708090a0b0c0d0e0f";

fn anchor(generation: u64, root: u8, seq: u64) -> Anchor {
    Anchor {
        store: StoreId::parse(ID).unwrap(),
        generation,
        root_mac: [root; 32],
        audit: Head { seq, mac: [0xcd; 32] },
    }
}

fn read(files: &Fake) -> Stored {
    Anchors::new(files).read(&StoreId::parse(ID).unwrap())
}

#[test]
fn the_file_is_that_of_the_format_document() {
    let files = Fake::default();
    Anchors::new(&files).write(&anchor(12, 0xab, 34)).unwrap();
    let text = String::from_utf8(files.content(ID).unwrap()).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(FORMAT.contains(&text), "{text}");
    assert_eq!(read(&files), Stored::Whole(anchor(12, 0xab, 34)));
}

#[test]
fn a_root_is_judged_by_what_was_seen() {
    for (generation, root, verdict) in [
        (12, 1, Verdict::Fine),
        (13, 1, Verdict::Newer),
        (13, 2, Verdict::Newer),
        (11, 1, Verdict::RolledBack { seen: 12 }),
        (0, 2, Verdict::RolledBack { seen: 12 }),
        (12, 2, Verdict::Forked),
    ] {
        assert_eq!(anchor(12, 1, 5).judge(generation, &[root; 32]), verdict);
    }
}

#[test]
fn an_anchor_never_goes_backwards_by_itself() {
    for (new, is_kept) in [
        (anchor(13, 2, 1), true),
        (anchor(12, 1, 6), true),
        (anchor(12, 1, 5), false),
        (anchor(12, 1, 4), false),
        (anchor(12, 2, 6), false),
        (anchor(11, 2, 9), false),
    ] {
        let files = Fake::default();
        let anchors = Anchors::new(&files);
        let old = anchor(12, 1, 5);
        anchors.write(&old).unwrap();
        anchors.write(&new).unwrap();
        let kept = if is_kept { &new } else { &old };
        assert_eq!(read(&files).anchor().as_ref(), Some(kept), "{new:?}");
    }
}

#[test]
fn without_a_file_nothing_was_seen() {
    assert_eq!(read(&Fake::default()), Stored::Nothing);
}

#[test]
fn damage_is_told_and_written_over() {
    let files = Fake::default();
    let anchors = Anchors::new(&files);
    anchors.write(&anchor(12, 1, 5)).unwrap();
    let content = files.content(ID).unwrap();
    for at in 0..content.len() {
        for bit in [0, 5] {
            let mut changed = content.clone();
            changed[at] ^= 1 << bit;
            files.put(ID, &changed);
            assert_eq!(read(&files), Stored::Damaged, "bit {bit} of byte {at}");
        }
        files.put(ID, &content[..at]);
        assert_eq!(read(&files), Stored::Damaged, "{at} bytes");
    }
    files.put(ID, &[&content[..], b"\n"].concat());
    assert_eq!(read(&files), Stored::Damaged);
    files.put(ID, &vec![b'x'; 5000]);
    assert_eq!(read(&files), Stored::Damaged);
    anchors.write(&anchor(3, 1, 5)).unwrap();
    assert_eq!(read(&files), Stored::Whole(anchor(3, 1, 5)));
}

#[test]
fn the_anchor_of_another_store_is_none() {
    let files = Fake::default();
    Anchors::new(&files).write(&anchor(12, 1, 5)).unwrap();
    let other = StoreId::parse(&"f".repeat(32)).unwrap();
    files.put(other.as_str(), &files.content(ID).unwrap());
    assert_eq!(Anchors::new(&files).read(&other), Stored::Damaged);
}

#[test]
fn a_file_that_cannot_be_read_blocks_nothing() {
    let files = Fake::default();
    Anchors::new(&files).write(&anchor(12, 1, 5)).unwrap();
    files.fail(Some(Fails::At(0)));
    assert_eq!(read(&files), Stored::Damaged);
}

#[test]
fn an_anchor_that_cannot_be_read_is_not_written_over() {
    let files = Fake::default();
    let anchors = Anchors::new(&files);
    anchors.write(&anchor(12, 1, 5)).unwrap();
    for call in 0..3 {
        files.fail(Some(Fails::At(call)));
        assert!(anchors.write(&anchor(11, 1, 5)).is_err());
    }
    files.fail(None);
    assert_eq!(read(&files), Stored::Whole(anchor(12, 1, 5)));
    files.put(ID, &vec![b'x'; 5000]);
    anchors.write(&anchor(11, 1, 5)).unwrap();
    assert_eq!(read(&files), Stored::Whole(anchor(11, 1, 5)));
}

#[test]
fn after_a_failure_or_a_kill_at_any_call_the_old_or_the_new_one_is_there() {
    for fails in [Fails::At, Fails::From] {
        let mut call = 0;
        loop {
            let files = Fake::default();
            let anchors = Anchors::new(&files);
            let (old, new) = (anchor(12, 1, 5), anchor(13, 2, 6));
            anchors.write(&old).unwrap();
            files.calls();
            files.fail(Some(fails(call)));
            let done = anchors.write(&new);
            files.fail(None);
            let stored = read(&files);
            assert!(
                stored.clone().anchor().as_ref() == Some(&new)
                    || done.is_err() && stored.clone().anchor().as_ref() == Some(&old)
            );
            anchors.write(&new).unwrap();
            assert_eq!(read(&files).anchor().as_ref(), Some(&new));
            if done.is_ok() && call > 20 {
                break;
            }
            call += 1;
        }
    }
}

#[test]
fn it_is_written_without_sync() {
    let files = Fake::default();
    Anchors::new(&files).write(&anchor(12, 1, 5)).unwrap();
    assert_eq!(
        files.calls(),
        ["make_folder", "lock", "read", "remove", "create", "write", "rename"]
    );
}

#[test]
fn a_full_disk_keeps_the_old_one() {
    let files = Fake::default();
    let anchors = Anchors::new(&files);
    anchors.write(&anchor(12, 1, 5)).unwrap();
    files.fill(Some(20));
    assert!(anchors.write(&anchor(13, 1, 5)).is_err());
    assert_eq!(read(&files), Stored::Whole(anchor(12, 1, 5)));
    assert_eq!(files.content(&format!("{ID}.new")), None);
}

proptest! {
    #[test]
    fn any_anchor_comes_back(
        generation in any::<u64>(), seq in any::<u64>(),
        root_mac in prop::array::uniform32(any::<u8>()), mac in prop::array::uniform32(any::<u8>()),
    ) {
        let store = StoreId::parse(ID).unwrap();
        let anchor = Anchor { store, generation, root_mac, audit: Head { seq, mac } };
        let files = Fake::default();
        Anchors::new(&files).write(&anchor).unwrap();
        assert_eq!(read(&files), Stored::Whole(anchor));
    }

    #[test]
    fn of_many_the_highest_generation_stays(generations in prop::collection::vec(0_u64..9, 1..12)) {
        let files = Fake::default();
        for generation in &generations {
            Anchors::new(&files).write(&anchor(*generation, *generation as u8, 1)).unwrap();
        }
        let highest = generations.iter().max().copied();
        assert_eq!(read(&files).anchor().map(|anchor| anchor.generation), highest);
    }

    #[test]
    fn no_content_makes_it_panic(content in any::<Vec<u8>>()) {
        let files = Fake::default();
        files.put(ID, &content);
        assert_eq!(read(&files), Stored::Damaged);
    }
}
