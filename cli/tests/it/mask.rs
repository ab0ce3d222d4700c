//! `mask` as a filter.

use crate::program::{Ended, Place};

fn masked(values: &str, arguments: &[&str], input: &[u8]) -> Ended {
    let place = Place::new();
    place.write("values.json", values);
    place.feed(&[&["mask", "--secrets-file", "values.json"], arguments].concat(), input)
}

#[test]
fn values_and_their_forms_are_masked() {
    let values = r#"["hunter2-hunter2", {"b64": "/wD/AP8A"}]"#;
    let input = b"a hunter2-hunter2 \xff\0\xff\0\xff\0 aHVudGVyMi1odW50ZXIy\n";
    let ended = masked(values, &[], input);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "a ******* ******* *******\n"));
    let ended = masked(values, &["--forms", "raw"], input);
    let expected = "a ******* ******* aHVudGVyMi1odW50ZXIy\n";
    assert_eq!((ended.code, ended.stdout.as_str()), (0, expected));
}

#[test]
fn a_file_of_another_shape_is_refused_without_quoting_it() {
    for values in [r#"{"a": "hunter2"}"#, r#"[{"b64": "hunter2"}]"#, r#"[{"hunter2": "aGk="}]"#] {
        let ended = masked(values, &[], b"text");
        let told = ended.stderr;
        assert_eq!((ended.code, ended.stdout.as_str()), (3, ""), "{told}");
        assert!(told.contains("values.json") && !told.contains("hunter2"), "{told}");
    }
}
