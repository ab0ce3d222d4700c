use super::*;
use crate::keys::fake::{CHEAP, answers, key, nobody, store};

const PLACE: &str = "the file /keys/protected.key";

fn protected(passphrase: &str) -> Wrapped {
    let with = answers(passphrase).0.choose(PLACE).unwrap();
    Wrapped::seal(&store('a'), &key(7), &with).unwrap()
}

#[test]
fn one_answer_is_enough_for_a_process() {
    let wrapped = protected("hunter2");
    let (passphrase, asked) = answers("hunter2");
    for _ in 0..3 {
        assert!(passphrase.open(PLACE, &wrapped).unwrap().is(&key(7)));
    }
    let next = Wrapped::seal(&store('a'), &key(8), &passphrase.of(PLACE, &wrapped).unwrap());
    assert!(passphrase.open(PLACE, &next.unwrap()).unwrap().is(&key(8)));
    assert_eq!(*asked.lock().unwrap(), [Ask::Existing { place: PLACE.to_owned() }]);
}

#[test]
fn a_chosen_passphrase_is_not_asked_for_again() {
    let (passphrase, asked) = answers("hunter2");
    let with = passphrase.choose(PLACE).unwrap();
    let wrapped = Wrapped::seal(&store('a'), &key(7), &with).unwrap();
    assert!(passphrase.open(PLACE, &wrapped).unwrap().is(&key(7)));
    assert_eq!(*asked.lock().unwrap(), [Ask::New { place: PLACE.to_owned() }]);
}

#[test]
fn a_wrong_answer_is_not_asked_for_again() {
    let wrapped = protected("hunter2");
    let (passphrase, asked) = answers("hunter3");
    for _ in 0..2 {
        let error = passphrase.open(PLACE, &wrapped).err().unwrap();
        assert_eq!(error.to_string(), format!("the passphrase does not open {PLACE}"));
    }
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn an_empty_passphrase_protects_nothing() {
    let error = answers("").0.choose(PLACE).err().unwrap();
    assert_eq!(error.to_string(), format!("{PLACE}: the passphrase is empty"));
}

#[test]
fn who_cannot_be_asked_is_named() {
    let error = nobody().open(PLACE, &protected("hunter2")).err().unwrap();
    assert_eq!(error.to_string(), "the passphrase: there is no terminal to ask at");
}

#[test]
fn new_keys_get_the_cost_that_was_set() {
    assert_eq!(protected("hunter2").derivation.cost, CHEAP);
}
