use super::*;
use crate::keys::fake::{Folder, key, nobody, places, store};
use crate::keys::settings::{Chosen, change};
use crate::keys::{MasterKey, Slot};

fn check(places: &Places, expected: &str) {
    assert_eq!(places.place(&store('a')).unwrap().describe(), expected);
}

#[test]
fn the_settings_name_the_place_and_a_path_of_this_call_comes_first() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let mut places = places(&folder, &elsewhere, nobody());
    check(&places, "the file /keys/master.key");
    let sources = [
        (Source::Passphrase { path: None }, "the file /keys/protected.key"),
        (Source::File { path: Some("/media/stick/a.key".into()) }, "the file /keys/a.key"),
        (Source::Passphrase { path: Some("/media/stick/b.key".into()) }, "the file /keys/b.key"),
        (Source::Command { argv: vec!["pass".to_owned()] }, "the command `pass`"),
        #[cfg(feature = "keyring")]
        (Source::Keyring, "the keyring of the system"),
    ];
    for (source, expected) in sources {
        change(&folder, &store('a'), &Chosen::only(source)).unwrap();
        check(&places, expected);
    }
    places.key_file = Some("/media/stick/c.key".into());
    check(&places, "the file /keys/c.key");
    // Damaged settings are not asked then.
    folder.put("source.json", b"{");
    check(&places, "the file /keys/c.key");
    places.key_file = None;
    assert!(matches!(places.place(&store('a')), Err(KeyError::Damaged { .. })));
}

#[test]
fn a_key_elsewhere_is_kept_under_its_own_name() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let mut places = places(&folder, &elsewhere, nobody());
    places.key_file = Some("/media/stick/c.key".into());
    places.place(&store('a')).unwrap().keep(&store('a'), Slot::Current, &key(1)).unwrap();
    assert_eq!(folder.names(), Vec::<String>::new());
    assert_eq!(elsewhere.names(), ["c.key"]);
    let (_, kept) = MasterKey::from_text(&elsewhere.content("c.key").unwrap()).unwrap();
    assert!(kept.is(&key(1)));
}

#[test]
fn a_path_that_names_no_file_is_refused() {
    let mut places = places(&Folder::new(), &Folder::new(), nobody());
    for path in ["/", "/media/.."] {
        places.key_file = Some(path.into());
        let error = places.place(&store('a')).err().unwrap().to_string();
        assert_eq!(error, format!("the file {path}: it names no file in UTF-8"));
    }
}
