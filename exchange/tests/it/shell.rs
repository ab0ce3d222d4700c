//! A POSIX shell takes exported dotenv files with `.`, whatever the values are.

use std::process::Command;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use secrecy::SecretSlice;
use subrosa_exchange::{Format, Outgoing, write};
use subrosa_registry::SecretRef;

/// What a shell finds in the variable of the only secret.
fn sourced(value: &str) -> Vec<u8> {
    let secret = Outgoing {
        reference: SecretRef::parse("the-value").expect("a ref"),
        value: SecretSlice::from(value.as_bytes().to_vec()),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("exported.env");
    let bytes = write(Format::Dotenv, &[secret]).expect("a text can be written");
    std::fs::write(&file, &*bytes).expect("the folder is ours");
    let output = Command::new("/bin/sh")
        .args(["-euc", ". \"$1\"; printf %s \"$THE_VALUE\"", "sh"])
        .arg(&file)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("there is a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    output.stdout
}

fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(|c| c.to_string()),
        "['\"$`\\\\{}()#=!&*;|<>~ \n\r\t-]",
        Just("$(exit 1)".to_owned()),
        Just("${HOME}".to_owned()),
    ];
    let text = proptest::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat());
    // The two that have no spelling: NUL is refused, and for CR LF the shell keeps the escape.
    text.prop_map(|text| text.replace('\0', "0").replace("\r\n", "\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_shell_finds_the_value(value in value()) {
        assert_eq!(String::from_utf8(sourced(&value)).unwrap(), value);
    }
}

#[test]
fn line_ends_of_two_characters_are_written_for_the_engine() {
    assert_eq!(sourced("a\r\nb"), b"a\\r\nb");
}
