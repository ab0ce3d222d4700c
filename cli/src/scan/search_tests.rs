use std::io::{self, Read};

use secrecy::SecretSlice;

use super::Known;
use super::matcher::Matcher;
use super::search::Search;

fn known(name: &str, value: &[u8]) -> Known {
    Known { name: name.to_owned(), value: SecretSlice::from(value.to_vec()) }
}

const PASSWORD: &[u8] = b"hunter2-Zq9xK4vL8mPw";

/// A key of three lines between its armour.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n16VtPPz5pE3HFmka\nCRr/6mqHFEr/cerM\n\
                   Cr4zLMvcrdMO1C4b\n-----END PRIVATE KEY-----\n";

/// What is found, as `line:column name form`, with pieces of this length.
fn found(matcher: &Matcher, text: &[u8], piece_len: usize) -> Vec<String> {
    let mut search = Search::with_piece(matcher, piece_len);
    let places = search.places(text, |_| {}).unwrap();
    assert!(!places.is_cut);
    let shown = |place: &super::search::Place| {
        let name = matcher.name(place.secret);
        format!("{}:{} {name} {}", place.line, place.column, place.how.name())
    };
    places.places.iter().map(shown).collect()
}

#[track_caller]
fn check(known: &[Known], text: &[u8], expected: &[&str]) {
    let matcher = Matcher::new(known).unwrap();
    for piece_len in [1, 2, 7, 64, 1 << 18] {
        assert_eq!(found(&matcher, text, piece_len), expected, "pieces of {piece_len}");
    }
}

#[test]
fn values_are_found_as_they_are_and_encoded() {
    let password = [known("pw", PASSWORD)];
    check(&password, b"login hunter2-Zq9xK4vL8mPw\n", &["1:7 pw raw"]);
    check(&password, b"a\n\nx=aHVudGVyMi1acTl4SzR2TDhtUHc=\n", &["3:3 pw base64"]);
    check(&password, b"68756e746572322d5a7139784b34764c386d5077", &["1:1 pw hex"]);
    check(&password, b"hunter2-Zq9xK4vL8mP", &[]);
    let twice = b"hunter2-Zq9xK4vL8mPwhunter2-Zq9xK4vL8mPw";
    check(&password, twice, &["1:1 pw raw", "1:21 pw raw"]);
    check(&[known("j", b"a\"b\\cdefgh")], b"{\"a\\\"b\\\\cdefgh\"}", &["1:3 j json"]);
}

#[test]
fn whitespace_around_a_value_is_not_part_of_it() {
    check(&[known("pw", b" hunter2-Zq9xK4vL8mPw\n")], b"hunter2-Zq9xK4vL8mPw", &["1:1 pw raw"]);
}

#[test]
fn every_secret_with_the_same_or_an_overlapping_value_is_told() {
    let pair =
        [known("a", b"abcdefgh-XXXX"), known("b", b"abcdefgh-XXXX"), known("c", b"XXXX-tail")];
    check(&pair, b"abcdefgh-XXXX-tail", &["1:1 a raw", "1:1 b raw", "1:10 c raw"]);
}

#[test]
fn a_value_of_many_lines_is_found_whole_or_by_line() {
    let key = [known("key", KEY.as_bytes())];
    check(&key, format!("x\n{KEY}").as_bytes(), &["2:1 key raw"]);
    check(&key, KEY.replace('\n', "\\n").as_bytes(), &["1:1 key json"]);
}

#[test]
fn armour_alone_is_no_finding_and_a_line_alone_is() {
    let key = [known("key", KEY.as_bytes())];
    check(&key, b"-----BEGIN PRIVATE KEY-----\nMIIBpublic\n-----END PRIVATE KEY-----\n", &[]);
    check(&key, b"error near 'CRr/6mqHFEr/cerM'", &["1:13 key line"]);
    let crlf = KEY.replace('\n', "\r\n");
    check(&key, crlf.as_bytes(), &["2:1 key line", "3:1 key line", "4:1 key line"]);
}

#[test]
fn short_values_are_found_as_words_or_not_at_all() {
    let pin = [known("pin", b"4711")];
    check(&pin, b"pin: 4711", &["1:6 pin raw"]);
    check(&pin, b"4711", &["1:1 pin raw"]);
    check(&pin, b"14711 47110 _4711 4711x", &[]);
    check(&pin, b"34373131", &[]);
    check(&pin, "é4711é".as_bytes(), &["1:3 pin raw"]);
    for value in ["abc", "true", "NULL", "", " \n", "0"] {
        let matcher = Matcher::new(&[known("short", value.as_bytes())]).unwrap();
        assert_eq!(matcher.left_out(), 1, "{value}");
        let text = format!("{value} abc true NULL 0");
        assert_eq!(found(&matcher, text.as_bytes(), 64), [""; 0], "{value}");
    }
    assert_eq!(Matcher::new(&pin).unwrap().left_out(), 0);
}

#[test]
fn a_value_at_the_edge_of_a_piece_is_found_once() {
    let password = [known("pw", PASSWORD), known("pin", b"4711")];
    let matcher = Matcher::new(&password).unwrap();
    for start in 0..300 {
        let mut text = vec![b'.'; start];
        text.extend_from_slice(PASSWORD);
        text.extend_from_slice(b"\n4711");
        let expected = [format!("1:{} pw raw", start + 1), "2:1 pin raw".to_owned()];
        assert_eq!(found(&matcher, &text, 64), expected, "{start}");
    }
}

/// A text of any length that is never in memory as a whole.
struct Endless {
    left: u64,
    tail: &'static [u8],
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return self.tail.read(buffer);
        }
        let count = buffer.len().min(usize::try_from(self.left).unwrap());
        buffer[..count].fill(b'x');
        self.left -= count as u64;
        Ok(count)
    }
}

#[test]
fn a_long_line_needs_no_more_memory_than_a_short_one() {
    let matcher = Matcher::new(&[known("pw", PASSWORD)]).unwrap();
    let text = Endless { left: 20 << 20, tail: PASSWORD };
    let places = Search::new(&matcher).places(text, |_| {}).unwrap();
    assert_eq!((places.places[0].line, places.places[0].column), (1, (20 << 20) + 1));
}

#[test]
fn a_text_full_of_a_value_is_told_in_part() {
    let matcher = Matcher::new(&[known("pw", PASSWORD)]).unwrap();
    let text = PASSWORD.repeat(5000);
    let places = Search::with_piece(&matcher, 512).places(text.as_slice(), |_| {}).unwrap();
    assert!(places.is_cut && places.places.len() >= 1000, "{}", places.places.len());
}

#[test]
fn an_error_while_reading_is_no_end() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
    let matcher = Matcher::new(&[known("pw", PASSWORD)]).unwrap();
    let error = Search::new(&matcher).places(PASSWORD.chain(Broken), |_| {}).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn names_are_shown_without_values_and_controls() {
    let matcher = Matcher::new(&[known("pw", PASSWORD), known("s", b"xyz"), known("p", b"4711")]);
    let shown = |name: &[u8]| matcher.as_ref().unwrap().shown(name);
    assert_eq!(shown(b"a/hunter2-Zq9xK4vL8mPw.txt"), "a/*******.txt");
    assert_eq!(shown(b"aHVudGVyMi1acTl4SzR2TDhtUHc="), "*******c=");
    assert_eq!(shown(b"a\nb\x1b/xyz/\xff"), "a\\nb\\u{1b}/*******/\u{fffd}");
    assert_eq!(shown(b"backup4711.tar"), "backup*******.tar");
}
