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

#[test]
fn a_report_names_places_forms_and_counts() {
    let values = r#"["unused-value", "hunter2-hunter2"]"#;
    let input = b"hunter2-hunter2 hunter2-hunter2 aHVudGVyMi1odW50ZXIy\n";
    let ended = masked(values, &["--report"], input);
    let expected = "SECRET  FORM    OFFSET  COUNT\n\
                    #2      value   -       2\n\
                    #2      base64  0       1\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (0, expected));
    let none = masked(values, &["--report"], b"nothing\n");
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("nothing\n", "nothing was masked\n"));
}

#[test]
fn the_secrets_of_a_workflow_are_masked_and_named() {
    let place = Place::new();
    place.write("token", "hunter2-hunter2\n");
    place.write(
        "work.yaml",
        "secrets:\n  - {name: TOKEN, provider: file, key: token}\nsteps:\n  - run: exit 1\n",
    );
    let words = ["mask", "--file", "work.yaml", "--report"];
    let ended = place.feed(&words, b"a hunter2-hunter2 b\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "a ******* b\n"), "{ended:?}");
    assert!(ended.stderr.contains("TOKEN   value  -       1"), "{ended:?}");
    let none = place.run(&["mask"]);
    assert_eq!(none.code, 2, "{none:?}");
    let both = place.run(&["mask", "--file", "work.yaml", "--secrets-file", "token"]);
    assert_eq!(both.code, 2, "{both:?}");
    place.write(
        "missing.yaml",
        "secrets:\n  - {name: T, provider: env, key: NONE}\nsteps: [true]\n",
    );
    let missing = place.feed(&["mask", "--file", "missing.yaml"], b"text");
    assert_eq!((missing.code, missing.stdout.as_str()), (4, ""), "{missing:?}");
}
