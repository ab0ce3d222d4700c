//! Examples, each named for what it shows; `|` in a text is where one write ends and the next begins.

use std::io::{self, Write};
use std::sync::Arc;

use subrosa_masker::{MASK, MaskSet, MaskWriter, Policy, Reach, Short};

use crate::sha256::sha256;

fn set(values: &[&str], policy: &Policy) -> Arc<MaskSet> {
    Arc::new(MaskSet::new(values.iter().map(|value| value.as_bytes()), policy).unwrap())
}

fn check_with(policy: &Policy, values: &[&str], text: &str, expected: &str) {
    let mut writer = MaskWriter::new(set(values, policy), Vec::new());
    for part in text.split('|') {
        writer.write_all(part.as_bytes()).unwrap();
        writer.flush().unwrap();
    }
    assert_eq!(String::from_utf8_lossy(&writer.finish().unwrap()), expected);
}

fn check(values: &[&str], text: &str, expected: &str) {
    check_with(&Policy::default(), values, text, expected);
}

/// What is out before the end of the input.
fn check_out(values: &[&str], text: &str, expected: &str) {
    let mut writer = MaskWriter::new(set(values, &Policy::default()), Vec::new());
    writer.write_all(text.as_bytes()).unwrap();
    writer.flush().unwrap();
    assert_eq!(String::from_utf8_lossy(writer.get_ref()), expected);
}

#[test]
fn a_value_cut_by_a_write_is_found() {
    check(&["hunter2"], "hun|ter2", MASK);
}

#[test]
fn overlapping_needles_become_one_region() {
    check(&["abcd", "cdef"], "xabcdefx", "x*******x");
    check(&["abcd", "cdef"], "xabcd|e|fx", "x*******x");
}

#[test]
fn touching_regions_are_one_and_a_byte_between_makes_two() {
    check(&["abcd"], "abcdabcd|abcd", MASK);
    check(&["abcd"], "abcd abcd", "******* *******");
}

#[test]
fn of_a_value_and_its_prefix_the_longer_one_is_hidden() {
    check(&["abcd", "abcdef"], "abcdef abcde|", "******* *******e");
}

#[test]
fn the_mask_in_the_input_is_text() {
    check(&["***xyz", "abcd"], "abcdxyz *******", "*******xyz *******");
}

#[test]
fn whitespace_around_a_value_is_not_part_of_it() {
    check(&[" \thunter2\r\n", "", " \n"], "a hunter2\nb", "a *******\nb");
}

#[test]
fn a_short_value_is_a_whole_word() {
    check(&["7", "on"], "7 70 a7 x_7 7.|7", "******* 70 a7 x_7 *******.*******");
    check(&["true"], "true|st true", "truest *******");
    check(&["TRUE"], "true TRUE", "true *******");
}

#[test]
fn a_short_value_is_masked_anywhere_or_nowhere_if_asked() {
    let always = Policy { short: Short::Always, ..Policy::default() };
    let never = Policy { short: Short::Never, ..Policy::default() };
    check_with(&always, &["7"], "70", "*******0");
    check_with(&never, &["7", "hunter2"], "7 hunter2", "7 *******");
}

#[test]
fn reach_tells_what_will_happen_to_a_value() {
    let check = |value: &str, expected| {
        assert_eq!(Policy::default().reach(value.as_bytes()), expected);
    };
    check("hunter2", Reach::Anywhere);
    check(" abc\n", Reach::WholeWord);
    check("False", Reach::WholeWord);
    check(" \n", Reach::Nowhere);
}

#[test]
fn a_multi_line_value_is_found_in_any_layout() {
    let key = "-----BEGIN K-----\nabcd\nefgh\n-----END K-----\n";
    check(&[key], "<-----BEGIN K-----\r\nabcd\r\nefgh\r\n-----END K----->", "<*******>");
    check(&[key], "<-----BEGIN K----- abcd | efgh -----END K----->", "<*******>");
    check(&[key], "<-----BEGIN K-----\\nabcd\\|nefgh\\n-----END K----->", "<*******>");
    check(
        &[key],
        "<-----BEGIN K-----abcdefgh-----END K----->",
        "<-----BEGIN K-----abcdefgh-----END K----->",
    );
}

#[test]
fn a_first_line_that_repeats_itself_begins_a_layout_wherever_it_ends() {
    let (line, more) = ("ab".repeat(40), "ab".repeat(50));
    let key = format!("{line}\nefgh");
    check(&[&key], &format!("c{more}|\\nefgh"), &format!("c{MASK}"));
    check(&[&key], &format!("{line}| efg {line}\t|efgh"), &format!("{MASK} efg {MASK}"));
    // A longer value that ends with the line does not hide it.
    check(&[&key, &format!("c{line}")], &format!("c{line}|  efgh"), MASK);
    // Nor does it matter that the line alone is no needle.
    let armour = format!("-----BEGIN {}-----", "AB".repeat(40));
    check(
        &[&format!("{armour}\nefgh")],
        &format!("{armour} e {armour}|  efgh"),
        &format!("{armour} e {MASK}"),
    );
}

#[test]
fn lines_of_eight_bytes_are_masked_alone_and_armour_is_not() {
    let key = "-----BEGIN K-----\nabcdefgh\nabc\n-----END K-----\n";
    check(&[key], "-----BEGIN K----- abc abcdefgh", "-----BEGIN K----- abc *******");
}

#[test]
fn a_gap_of_endless_blanks_is_let_go() {
    let (short, long) = (" ".repeat(256), " ".repeat(257));
    check(&["abcd\nefgh"], &format!("abcd{short}efgh"), MASK);
    check(&["abcd\nefgh"], &format!("abcd{long}efgh"), &format!("abcd{long}efgh"));
}

#[test]
fn only_what_may_become_a_needle_is_held_back() {
    check_out(&["hunter2"], "Password: ", "Password: ");
    check_out(&["hunter2"], "so hunt", "so ");
    check_out(&["hunter2"], "so hunter2", "so *******");
    check_out(&["abcd", "bc_1", "xabcdx"], "abc", "");
    check_out(&["abcd", "abcdef"], "abcd", MASK);
    check_out(&["on"], "on", "");
    check_out(&["on"], "button", "button");
}

#[test]
fn a_cut_stream_does_not_end_in_the_beginning_of_a_value() {
    let cut = |text: &str| {
        let mut writer = MaskWriter::new(set(&["hunter2-hunter2"], &Policy::default()), Vec::new());
        writer.write_all(text.as_bytes()).unwrap();
        String::from_utf8(writer.finish_cut().unwrap()).unwrap()
    };
    assert_eq!(cut("x hunter2-"), "x *******");
    assert_eq!(cut("x hunter2"), "x hunter2");
}

#[test]
fn a_new_set_finds_a_value_that_is_half_in() {
    let policy = Policy::default();
    let mut writer = MaskWriter::new(set(&["abcdef"], &policy), Vec::new());
    writer.write_all(b"x abc").unwrap();
    writer.set_masks(set(&["abcdef", "bcdxyz"], &policy)).unwrap();
    writer.write_all(b"dxyz abcdef").unwrap();
    assert_eq!(writer.finish().unwrap(), b"x a******* *******");
}

#[test]
fn a_region_in_progress_stays_one_when_the_set_changes() {
    let policy = Policy::default();
    let mut writer = MaskWriter::new(set(&["abcd", "cdef"], &policy), Vec::new());
    writer.write_all(b"abcd").unwrap();
    writer.set_masks(set(&["cdef"], &policy)).unwrap();
    writer.write_all(b"ef.").unwrap();
    assert_eq!(writer.finish().unwrap(), b"*******.");
}

#[test]
fn what_the_former_set_found_in_the_tail_does_not_swallow_what_stands_before_it() {
    let policy = Policy::default();
    let mut writer = MaskWriter::new(set(&["1234567890abcd.", "abcd"], &policy), Vec::new());
    writer.write_all(b"1234567890abcd").unwrap();
    writer.set_masks(set(&["3456"], &policy)).unwrap();
    assert_eq!(writer.finish().unwrap(), b"12*******7890*******");
}

#[test]
fn an_empty_set_passes_everything() {
    assert!(MaskSet::empty().is_empty());
    assert!(set(&["", " "], &Policy::default()).is_empty());
    assert!(!set(&["hunter2"], &Policy::default()).is_empty());
    check(&[], "any\0|thing\r\n", "any\0thing\r\n");
}

#[test]
fn masked_text_stays_text_when_a_needle_cuts_a_character() {
    let masks =
        MaskSet::new([&b"ab\xc3"[..]], &Policy { min_len: 1, ..Policy::default() }).unwrap();
    assert_eq!(masks.mask_text("xab\u{e4}y").as_str(), "x*******\u{fffd}y");
    assert_eq!(masks.mask_text("plain").to_string(), "plain");
}

#[cfg(feature = "serde")]
#[test]
fn masked_text_serializes_as_a_string() {
    let text = set(&["hunter2"], &Policy::default()).mask_text("a \"hunter2\"");
    assert_eq!(serde_json::to_string(&text).unwrap(), r#""a \"*******\"""#);
}

#[test]
fn a_set_says_whether_it_finds_something() {
    let masks = set(&["hunter2"], &Policy::default());
    assert!(masks.finds(b"a hunter2"));
    assert!(!masks.finds(b"a hunter"));
}

#[test]
fn a_set_beyond_the_limits_is_refused() {
    let value = |number: usize| format!("value-{number}");
    let values: Vec<String> = (0..10_001).map(value).collect();
    let new = |values: &[String]| {
        MaskSet::new(values.iter().map(|value| value.as_bytes()), &Policy::default())
    };
    assert!(new(&values[..10_000]).is_ok());
    assert_eq!(new(&values).err().unwrap().to_string(), "too many or too large values to mask");
    assert!(new(&["x".repeat((4 << 20) + 1)]).is_err());
}

#[test]
fn a_set_of_the_largest_count_masks_like_a_small_one() {
    let values: Vec<String> = (0..10_000).map(|n: u32| sha256(&n.to_be_bytes())).collect();
    let masks =
        MaskSet::new(values.iter().map(|value| value.as_bytes()), &Policy::default()).unwrap();
    let text = format!("a {} {} {}", values[0], &values[5000][1..], values[9999]);
    let expected = format!("a {MASK} {} {MASK}", &values[5000][1..]);
    assert_eq!(masks.mask_text(&text).as_str(), expected);
}

/// Counts the calls and bytes that reach it.
#[derive(Default)]
struct Counting {
    calls: usize,
    bytes: usize,
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        self.bytes += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_unmasked_run_is_one_write() {
    let mut writer = MaskWriter::new(set(&["hunter2"], &Policy::default()), Counting::default());
    writer.write_all(b"a long line with hunter2 and then more").unwrap();
    let counting = writer.finish().unwrap();
    assert_eq!((counting.calls, counting.bytes), (3, 17 + 7 + 14));
}

#[test]
fn a_byte_costs_at_most_one_inner_write_however_long_the_needle_it_may_begin() {
    let value = format!("{}b", "a".repeat(500));
    let mut writer = MaskWriter::new(set(&[&value], &Policy::default()), Counting::default());
    for _ in 0..20_000 {
        writer.write_all(b"a").unwrap();
    }
    let out = writer.get_ref();
    assert_eq!((out.calls, out.bytes), (19_500, 19_500));
}
