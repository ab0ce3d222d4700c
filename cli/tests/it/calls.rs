//! Called workflows: what their end means for the caller.

use crate::program::{Ended, Place, eventually};
use crate::signals::is_gone;

fn run(place: &Place, workflow: &str) -> Ended {
    place.write("w.yaml", workflow);
    place.run(&["run", "w.yaml"])
}

#[test]
fn a_call_that_cannot_be_made_leaves_the_others_to_their_end() {
    let place = Place::new();
    let ended = run(
        &place,
        "steps: [{name: all, call: one, parallel: {items: [{N: 1}, {N: x}]}}]\n---\n\
         name: one\nparams: [{name: N, type: integer}]\n\
         steps: ['echo $$ > pid; sleep 0.5; touch done']\n",
    );
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("the value of parameter `N` is not a whole number"), "{ended:?}");
    assert!(place.path().join("done").exists(), "the other one was cut off");
    let pid = std::fs::read_to_string(place.path().join("pid")).unwrap();
    eventually("nothing is left", || is_gone(pid.trim()));
}

#[test]
fn a_call_whose_precondition_does_not_hold_counts_as_skipped() {
    let workflow = "steps:\n- {name: a, call: one}\n- {name: b, run: 'true', depends: a}\n---\n\
                    name: one\npreconditions: ['false']\nsteps: ['true']\n";
    let ended = run(&Place::new(), workflow);
    assert_eq!(ended.code, 0, "{ended:?}");
    for line in ["a: skipped (", "b: skipped (", "succeeded in"] {
        assert!(ended.stdout.contains(line), "{line}: {ended:?}");
    }
    let ended =
        run(&Place::new(), &workflow.replace("call: one}", "call: one, continue_on: skipped}"));
    assert!(ended.stdout.contains("b: succeeded"), "{ended:?}");
}
