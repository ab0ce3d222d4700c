//! The fields of a workflow.

use super::{
    DEFAULTS, Field, HANDLERS, MASKING, Section, Shape, Status, TRIGGER, alias, refused, works,
};

const NOT_RUN: &str = "is not run by subrosa";
const NOT_YET: &str = "is not run by subrosa yet";
const NO_EXECUTOR: &str = "configures steps of a kind that subrosa does not run yet";
const NO_MAIL: &str = "sends mail, which subrosa does not do";
const BY_SHELL: &str = "call the program from a `run` step";
const BY_HANDLER: &str = "send it from a step below `handler_on`";
const BY_CRON: &str = "start the workflow from cron, a timer or CI";

/// A document of the file.
pub(crate) static WORKFLOW: Section = Section {
    name: "a workflow",
    id: "workflow",
    fields: &[
        works("name", Shape::Text, "The workflow's name; without it the file's name."),
        works("description", Shape::Text, "What it does, for people."),
        works(
            "type",
            Shape::OneOf(&["graph", "chain"]),
            "`graph` (default): steps run as soon as what they depend on is done. `chain`: one after the other.",
        ),
        alias(
            "labels",
            &["tags"],
            Shape::Labels,
            "Labels. `workspace=NAME` chooses the workspace of `ref` secrets.",
        ),
        works("env", Shape::Env, "Variables for all steps; later ones may use earlier ones."),
        works(
            "dotenv",
            Shape::Texts,
            "Files of variables. Without it `.env`, which is also read before named files; `[]` reads none.",
        ),
        works("params", Shape::Params, "Parameters and their defaults."),
        works("secrets", Shape::Secrets, "Secrets and the variables that get them."),
        works(
            "environment",
            Shape::Text,
            "The environment of the registry whose values `ref` secrets get before the defaults; `--env` wins.",
        ),
        works(
            "audit",
            Shape::OneOf(&["required", "optional"]),
            "`required`: no value is taken from the registry unless its audit log can be written.",
        ),
        works("masking", Shape::Object(&MASKING), "How values are hidden."),
        works("trigger", Shape::Object(&TRIGGER), "What starts the workflow, beside people."),
        works("working_dir", Shape::Text, "Folder of the steps; without it the file's folder."),
        works("shell", Shape::Texts, "Shell of the steps, with arguments: `bash -e`."),
        works("shell_args", Shape::Texts, "More arguments of `shell`."),
        works("steps", Shape::Steps, "What is run."),
        works("handler_on", Shape::Object(&HANDLERS), "Steps for how the run goes."),
        alias(
            "preconditions",
            &["precondition"],
            Shape::Conditions,
            "The run goes on only if all hold.",
        ),
        works("max_active_steps", Shape::Whole(0), "Steps that may run at once; 0: any number."),
        works("timeout_sec", Shape::Whole(0), "Seconds for the whole run; 0: any time."),
        works(
            "log_output",
            Shape::OneOf(&["separate", "merged"]),
            "One log per stream (default), or one for both.",
        ),
        works("defaults", Shape::Object(&DEFAULTS), "What steps have unless they say otherwise."),
        Field {
            name: "group",
            aliases: &[],
            shape: Shape::Text,
            doc: "Sorts workflows on a screen.",
            status: Status::Shown,
        },
        Field {
            name: "run_config",
            aliases: &[],
            shape: Shape::Any,
            doc: "What a web form lets people edit before a run.",
            status: Status::Shown,
        },
        refused("schedule", NOT_RUN, BY_CRON),
        refused("skip_if_successful", "belongs to a schedule", BY_CRON),
        refused("catchup_window", "belongs to a schedule", BY_CRON),
        refused("overlap_policy", "belongs to a schedule", BY_CRON),
        refused("restart_wait_sec", "belongs to a supervisor", "let the supervisor wait"),
        refused("delay_sec", NOT_RUN, "begin with a step that sleeps"),
        refused("queue", "needs a server with queues", "limit runs where they are started"),
        refused(
            "max_active_runs",
            "needs a server",
            "limit runs where they are started, with `flock`",
        ),
        refused("worker_selector", "needs a server with workers", "start subrosa on that machine"),
        refused("webhook", "has another form here", "write `trigger: {http: ...}`"),
        refused("resources", "limits resources of workers", "use `systemd-run` or `ulimit`"),
        refused(
            "retry_policy",
            "is only known for steps",
            "give it to steps, or below `defaults` to all of them",
        ),
        refused(
            "hist_retention_days",
            "is not done by subrosa",
            "remove old run folders with a timer",
        ),
        refused(
            "hist_retention_runs",
            "is not done by subrosa",
            "remove old run folders with a timer",
        ),
        refused("log_dir", "cannot be chosen per workflow", "set `SUBROSA_HOME`"),
        refused("max_output_size", "cannot be chosen per workflow", "remove it"),
        refused("max_clean_up_time_sec", "cannot be chosen per workflow", "remove it"),
        refused("output_buffering", "is not needed: output appears as it comes", "remove it"),
        refused("artifacts", NOT_YET, "write to a folder of your own"),
        refused("consts", NOT_YET, "use `env` or `params`"),
        refused("actions", NOT_YET, "use a workflow of its own and `call`"),
        refused("step_types", NOT_YET, "use a workflow of its own and `call`"),
        refused("tools", "installs programs, which subrosa does not do", "install them before"),
        refused("container", "is not supported yet", "run `docker run` or `podman run` in a step"),
        refused("registry_auths", "belongs to containers", "log in from a step"),
        refused("ssh", NO_EXECUTOR, BY_SHELL),
        refused("s3", NO_EXECUTOR, BY_SHELL),
        refused("redis", NO_EXECUTOR, BY_SHELL),
        refused("kubernetes", NO_EXECUTOR, BY_SHELL),
        refused("llm", NO_EXECUTOR, BY_SHELL),
        refused("harness", NO_EXECUTOR, BY_SHELL),
        refused("harnesses", NO_EXECUTOR, BY_SHELL),
        refused("smtp", NO_MAIL, BY_HANDLER),
        refused("mail_on", NO_MAIL, BY_HANDLER),
        refused("error_mail", NO_MAIL, BY_HANDLER),
        refused("info_mail", NO_MAIL, BY_HANDLER),
        refused("wait_mail", NO_MAIL, BY_HANDLER),
        refused("otel", "is not sent by subrosa yet", "remove it"),
    ],
};

#[cfg(test)]
mod tests {
    use super::WORKFLOW;

    #[test]
    fn refused_fields_say_what_to_do() {
        for field in WORKFLOW.fields {
            if let super::Status::Refused { why, instead } = field.status {
                assert!(!why.is_empty() && !instead.is_empty(), "{}", field.name);
            } else {
                assert!(field.doc.ends_with('.'), "{}", field.name);
            }
        }
    }
}
