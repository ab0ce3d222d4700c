//! `mask` as a filter.

use std::io::Write;
use std::process::Stdio;

use crate::program::Place;

fn masked(values: &str, arguments: &[&str], input: &[u8]) -> (i32, Vec<u8>, String) {
    let place = Place::new();
    place.write("values.json", values);
    let words = [&["mask", "--secrets-file", "values.json"], arguments].concat();
    let mut command = place.command(&words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), output.stdout, told)
}

#[test]
fn values_and_their_forms_are_masked() {
    let values = r#"["hunter2-hunter2", {"b64": "/wD/AP8A"}]"#;
    let input = b"a hunter2-hunter2 \xff\0\xff\0\xff\0 aHVudGVyMi1odW50ZXIy\n";
    let (code, out, _) = masked(values, &[], input);
    assert_eq!((code, out.as_slice()), (0, &b"a ******* ******* *******\n"[..]));
    let (code, out, _) = masked(values, &["--forms", "raw"], input);
    assert_eq!((code, out.as_slice()), (0, &b"a ******* ******* aHVudGVyMi1odW50ZXIy\n"[..]));
}

#[test]
fn a_file_of_another_shape_is_refused_without_quoting_it() {
    for values in [r#"{"a": "hunter2"}"#, r#"[{"b64": "hunter2"}]"#, r#"[{"hunter2": "aGk="}]"#] {
        let (code, out, told) = masked(values, &[], b"text");
        assert_eq!((code, out.as_slice()), (3, &b""[..]), "{told}");
        assert!(told.contains("values.json") && !told.contains("hunter2"), "{told}");
    }
}
