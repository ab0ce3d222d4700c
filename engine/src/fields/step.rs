//! The fields of a step, and those that `defaults` can give to all steps.

use super::{
    CONTINUE_ON, EXEC, EXECUTOR, Field, REPEAT, RETRY, STDOUT, Section, Shape, alias, refused,
    works,
};

const BY_SHELL: &str = "call the program from a `run` step";

const ENV: Field = works("env", Shape::Env, "Variables of the step; they win over all others.");
const CONTINUE: Field = works(
    "continue_on",
    Shape::WordOr(&["failed", "failure", "skipped"], &CONTINUE_ON),
    "When dependants run although the step did not succeed.",
);
const RETRY_POLICY: Field = works(
    "retry_policy",
    Shape::Object(&RETRY),
    "How often and when a failed step is tried again.",
);
const REPEAT_POLICY: Field =
    works("repeat_policy", Shape::Object(&REPEAT), "How often and when the step is run again.");
const PRECONDITIONS: Field = alias(
    "preconditions",
    &["precondition"],
    Shape::Conditions,
    "The step is skipped unless all hold.",
);
const TIMEOUT: Field = works("timeout_sec", Shape::Whole(0), "Seconds for a try; 0: any time.");
const SIGNAL: Field =
    works("signal_on_stop", Shape::Text, "Signal that asks the step to end; without it `SIGTERM`.");

/// One step.
pub(crate) static STEP: Section = Section {
    name: "a step",
    id: "step",
    fields: &[
        works(
            "name",
            Shape::Text,
            "Name, unique among the steps; without it the `id` or a number.",
        ),
        works("id", Shape::Text, "Short name for references: `${id.stdout}`."),
        works("description", Shape::Text, "What it does, for people."),
        works("run", Shape::Texts, "Shell text; a list is run one after the other."),
        works("command", Shape::Texts, "As `run`; with `script` the program that gets the script."),
        works("script", Shape::Text, "A script, run by `command`, its `#!` line or the shell."),
        works("exec", Shape::TextsOr(&EXEC), "A program and its arguments, without a shell."),
        works("call", Shape::Text, "Another workflow: a document of this file, or a file."),
        works("action", Shape::Text, "`exec` or `dag.run`, or an operation of a kind of step."),
        alias(
            "with",
            &["config"],
            Shape::With,
            "Parameters of `type` or `action`; for `run`: `shell`, `shell_args`.",
        ),
        works("params", Shape::CallParams, "Parameters for the called workflow."),
        works("parallel", Shape::Parallel, "Calls the workflow once for each item."),
        works("shell", Shape::Texts, "Shell of this step."),
        works("shell_args", Shape::Texts, "More arguments of `shell`."),
        ENV,
        alias("working_dir", &["dir"], Shape::Text, "Folder of this step."),
        works("depends", Shape::Texts, "Names or ids of steps that must be done first."),
        works("output", Shape::Output, "Variables that dependants get from what the step prints."),
        works("stdout", Shape::TextOr(&STDOUT), "File that gets the masked stdout too."),
        works("stderr", Shape::Text, "File that gets the masked stderr too."),
        CONTINUE,
        RETRY_POLICY,
        REPEAT_POLICY,
        PRECONDITIONS,
        TIMEOUT,
        SIGNAL,
        works("log_output", Shape::OneOf(&["separate", "merged"]), "As for the workflow."),
        works("type", Shape::Text, "The kind of step; without it `command`."),
        works("executor", Shape::TextOr(&EXECUTOR), "The older spelling of `type` and `with`."),
        works("connection", Shape::Text, "The connection that authenticates a step of some kinds."),
        works("credentials_path", Shape::Text, "The file that authenticates a step of some kinds."),
        works("llm", Shape::OfKind, "The model of a `chat` step."),
        works("messages", Shape::OfKind, "The messages of a `chat` step."),
        works("tools", Shape::OfKind, "The tools of a `chat` step."),
        refused(
            "container",
            "is not supported yet",
            "run `docker run` or `podman run` in the step",
        ),
        refused("foreach", "is not run by subrosa yet", "use `call` with `parallel`"),
        refused("outputs", "is not supported yet", "use `output`, or `stdout: {outputs: ...}`"),
        refused("output_schema", "is not checked by subrosa yet", "check it in the step"),
        refused("shell_packages", "is not done by subrosa", "write `shell: nix-shell -p ...`"),
        refused("output_buffering", "is not needed: output appears as it comes", "remove it"),
        refused("worker_selector", "needs a server with workers", "start subrosa on that machine"),
        refused("mail_on_error", "sends mail, which subrosa does not do", "use `handler_on`"),
        refused("approval", "needs a server to ask on", "split the workflow in two"),
        refused("pass_env", "is not supported yet", "hand values over with `params`"),
        refused("agent", "belongs to steps of `type: agent`, which are not run", BY_SHELL),
        refused(
            "value",
            "belongs to steps of `type: router`, which are not run",
            "use `preconditions`",
        ),
        refused(
            "routes",
            "belongs to steps of `type: router`, which are not run",
            "use `preconditions`",
        ),
    ],
};

/// `defaults:` of a workflow.
pub(crate) static DEFAULTS: Section = Section {
    name: "`defaults`",
    id: "defaults",
    fields: &[
        ENV,
        PRECONDITIONS,
        CONTINUE,
        RETRY_POLICY,
        REPEAT_POLICY,
        TIMEOUT,
        SIGNAL,
        refused("mail_on_error", "sends mail, which subrosa does not do", "use `handler_on`"),
        refused("agent", "belongs to steps of `type: agent`, which are not run", BY_SHELL),
    ],
};
