//! Each thing that can happen, at each call of an operation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::io::Errno;

use super::{CallKind, Crash, Fault, ModelFiles, Plan};

/// Runs `act` on what `setup` left, once for each fault at each of its calls, and has `judge` look at
/// what a later process finds.
///
/// `judge` gets the files after the end of the acting process, what `act` said, and what was done to
/// it, in words. A stop is followed by a kill and by every power cut worth trying; an error, which the
/// process survives, by its normal end and by the power cuts that show whether what it acknowledged is
/// durable. At last `act` runs undisturbed and is judged in the same way. What `setup` does is not
/// disturbed; it may leave things unsynced.
///
/// `act` may differ from run to run, but must end if its calls fail. It may use more processes; a stop
/// ends only the one that made the call.
pub(crate) fn for_every_fault<Outcome>(
    setup: impl Fn(&ModelFiles),
    act: impl Fn(&ModelFiles) -> Outcome,
    judge: impl Fn(&ModelFiles, &Outcome, &str),
) {
    let run = |plan: Option<Plan>| {
        let files = ModelFiles::new();
        setup(&files);
        files.arm(plan);
        let outcome = act(&files);
        (files, outcome)
    };
    for index in 0.. {
        let plan = Plan::Once(index, Fault::StopBefore);
        let (files, outcome) = run(Some(plan));
        judge_all(&files, &outcome, Some(plan), &judge);
        let Some(kind) = files.kind_of(index) else { break };
        for plan in plans(index, kind) {
            let (files, outcome) = run(Some(plan));
            judge_all(&files, &outcome, Some(plan), &judge);
        }
    }
    let (files, outcome) = run(None);
    judge_all(&files, &outcome, None, &judge);
}

/// All that can happen at this call, but for the stop before it.
fn plans(index: usize, kind: CallKind) -> impl Iterator<Item = Plan> {
    let once = kind.faults().into_iter().filter(|fault| *fault != Fault::StopBefore);
    let lasting = [Errno::NOSPC, Errno::ROFS, Errno::IO, Errno::MFILE];
    let lasting = lasting.into_iter().filter(move |errno| kind.errors().contains(errno));
    once.map(move |fault| Plan::Once(index, fault))
        .chain(lasting.map(move |errno| Plan::From(index, errno)))
}

fn judge_all<Outcome>(
    files: &ModelFiles,
    outcome: &Outcome,
    plan: Option<Plan>,
    judge: &impl Fn(&ModelFiles, &Outcome, &str),
) {
    let is_stop = matches!(plan, Some(Plan::Once(_, fault)) if fault.is_stop());
    let cuts = if is_stop { files.power_cuts() } else { files.plain_power_cuts() };
    let crashes = cuts.into_iter().map(Crash::PowerCut);
    for crash in std::iter::once(Crash::Kill).chain(crashes) {
        let injected = match plan {
            Some(plan) => format!("{plan:?}, then {crash:?}"),
            None => format!("no fault, then {crash:?}"),
        };
        let found = files.crash(crash);
        let judged = catch_unwind(AssertUnwindSafe(|| judge(&found, outcome, &injected)));
        if judged.is_err() {
            panic!("judged wrong after {injected}; the calls were:\n{}", files.dump());
        }
    }
}
