//! The fields of the smaller mappings.

use super::{Section, Shape, alias, refused, works};

/// An entry of `secrets:`.
pub(crate) static SECRET: Section = Section {
    name: "a secret",
    id: "secret",
    fields: &[
        works("name", Shape::Text, "The variable that gets the value."),
        works(
            "ref",
            Shape::Text,
            "Key in the registry: `prod/db-password`. Excludes the other three.",
        ),
        works(
            "provider",
            Shape::Text,
            "Where else it comes from: `env`, `file`, `vault` and others, or a plugin.",
        ),
        works("key", Shape::Text, "What to ask the provider for. Literal, nothing is expanded."),
        works("options", Shape::TextMap, "Settings of the provider. Literal."),
        works(
            "mask",
            Shape::Flag,
            "`false`: the value is not hidden in output. Every run says so and records it.",
        ),
    ],
};

/// `masking:`.
pub(crate) static MASKING: Section = Section {
    name: "`masking`",
    id: "masking",
    fields: &[
        works(
            "short",
            Shape::OneOf(&["always", "word", "never"]),
            "Where values are masked that are short or common words: everywhere, as whole words (default), nowhere. `--short` wins.",
        ),
        works(
            "keys",
            Shape::Texts,
            "Keys whose texts are masked in `outputs.json`, in recorded outputs and in results of calls, whatever they are: `password`, `token`. In any case of letters.",
        ),
    ],
};

/// `trigger:`.
pub(crate) static TRIGGER: Section = Section {
    name: "`trigger`",
    id: "trigger",
    fields: &[works(
        "http",
        Shape::Object(&TRIGGER_HTTP),
        "A `POST` to `/hooks/NAME` of `subrosa serve` starts the workflow.",
    )],
};

/// `trigger.http:`.
pub(crate) static TRIGGER_HTTP: Section = Section {
    name: "`http`",
    id: "trigger_http",
    fields: &[
        works("name", Shape::Text, "`NAME` of the address; without it the workflow's name."),
        works(
            "credentials_path",
            Shape::Text,
            "The file with the bearer token, or the user name and password, that callers have to show; without it what the server was started with.",
        ),
        works("signature", Shape::Object(&SIGNATURE), "Callers have to sign the body."),
        works(
            "user",
            Shape::OneOf(&["required", "optional"]),
            "`required`: callers have to show a user's token as well, who may start runs here.",
        ),
        works("anonymous", Shape::Flag, "`true`: callers have to show nothing."),
        works(
            "body",
            Shape::Text,
            "The parameter that gets the body; without it `WEBHOOK_PAYLOAD`.",
        ),
        works(
            "params",
            Shape::TextMap,
            "Parameters from a JSON body, each by a JSON pointer: `{BRANCH: /ref}`.",
        ),
        works(
            "max_body",
            Shape::Whole(1),
            "Bytes that the body may have: at most 98304, as without it.",
        ),
    ],
};

/// `trigger.http.signature:`.
pub(crate) static SIGNATURE: Section = Section {
    name: "`signature`",
    id: "trigger_signature",
    fields: &[
        works(
            "scheme",
            Shape::OneOf(&["github", "gitlab", "slack", "standard", "stripe"]),
            "How the caller signs. `standard`: Standard Webhooks.",
        ),
        works("ref", Shape::Text, "The key of the registry that holds the signing secret."),
        works(
            "within_sec",
            Shape::Whole(1),
            "How old a signed time may be; without it 300. Schemes without a time have none.",
        ),
    ],
};

/// `handler_on:`.
pub(crate) static HANDLERS: Section = Section {
    name: "`handler_on`",
    id: "handlers",
    fields: &[
        works("init", Shape::Step, "Before the steps."),
        works("success", Shape::Step, "After a success."),
        works("failure", Shape::Step, "After a failure."),
        alias("abort", &["cancel"], Shape::Step, "After a cancel."),
        works("exit", Shape::Step, "At the end, always."),
        refused("wait", "belongs to approvals, which need a server", "remove it"),
    ],
};

/// A condition.
pub(crate) static CONDITION: Section = Section {
    name: "a condition",
    id: "condition",
    fields: &[
        alias(
            "condition",
            &["command"],
            Shape::Scalar,
            "With `expected` a text; without it a shell command that must exit with 0.",
        ),
        works("expected", Shape::Scalar, "What the text must be: literal, or `re:` and a pattern."),
        works("negate", Shape::Flag, "Holds when it would not."),
    ],
};

/// `continue_on:`.
pub(crate) static CONTINUE_ON: Section = Section {
    name: "`continue_on`",
    id: "continue_on",
    fields: &[
        alias("failure", &["failed"], Shape::Flag, "After any failure."),
        works("skipped", Shape::Flag, "After the step was skipped."),
        works("exit_code", Shape::ExitCodes, "After these exit codes."),
        works(
            "output",
            Shape::Texts,
            "If a line of stdout has one of these in it: literal, or `re:` and a pattern.",
        ),
        works("mark_success", Shape::Flag, "And the step counts as succeeded."),
    ],
};

/// `retry_policy:`.
pub(crate) static RETRY: Section = Section {
    name: "`retry_policy`",
    id: "retry_policy",
    fields: &[
        works("limit", Shape::Whole(0), "Tries after the first."),
        works("interval_sec", Shape::Whole(0), "Seconds between tries; without it none."),
        works("backoff", Shape::Backoff, "Factor by which the pause grows; `true` is 2."),
        works("max_interval_sec", Shape::Whole(0), "Bound of the growing pause."),
        works("exit_code", Shape::ExitCodes, "Only after these exit codes."),
    ],
};

/// `repeat_policy:`.
pub(crate) static REPEAT: Section = Section {
    name: "`repeat_policy`",
    id: "repeat_policy",
    fields: &[
        works("repeat", Shape::Repeat, "`true`: always; `while` or `until` the condition holds."),
        works("condition", Shape::Scalar, "As of a precondition."),
        works("expected", Shape::Scalar, "As of a precondition."),
        works("exit_code", Shape::ExitCodes, "In place of a condition: the step's exit code."),
        works("interval_sec", Shape::Whole(0), "Seconds between rounds."),
        works("limit", Shape::Whole(1), "Rounds at most."),
        works("backoff", Shape::Backoff, "Factor by which the pause grows; `true` is 2."),
        works("max_interval_sec", Shape::Whole(0), "Bound of the growing pause."),
    ],
};

/// `parallel:` as a mapping.
pub(crate) static PARALLEL: Section = Section {
    name: "`parallel`",
    id: "parallel",
    fields: &[
        works(
            "items",
            Shape::Items,
            "The items, or a text that expands to them: JSON, or parted by line ends, else `|`, `;`, `,`, blanks.",
        ),
        works("max_concurrent", Shape::Whole(1), "Calls that may run at once; without it 10."),
    ],
};

/// A definition of a parameter.
pub(crate) static PARAM: Section = Section {
    name: "a parameter",
    id: "param",
    fields: &[
        works("name", Shape::Text, "Its name."),
        works("default", Shape::Scalar, "Its value if none is given."),
        works("required", Shape::Flag, "A run without it is refused."),
        works(
            "type",
            Shape::OneOf(&["string", "integer", "number", "boolean"]),
            "What a value must look like.",
        ),
        works("enum", Shape::Texts, "The values it may have."),
        works("description", Shape::Text, "What it is for."),
        refused("eval", "runs a command to find the default", "compute it in a step"),
        refused("pattern", "is not checked by subrosa yet", "check it in a precondition"),
        refused("minimum", "is not checked by subrosa yet", "check it in a precondition"),
        refused("maximum", "is not checked by subrosa yet", "check it in a precondition"),
        refused("min_length", "is not checked by subrosa yet", "check it in a precondition"),
        refused("max_length", "is not checked by subrosa yet", "check it in a precondition"),
    ],
};

/// `output:` as a mapping that names one variable.
pub(crate) static OUTPUT: Section = Section {
    name: "`output`",
    id: "output",
    fields: &[
        works("name", Shape::Text, "The variable."),
        works("key", Shape::Text, "Its key in `outputs.json`; without it the name in camelCase."),
        works("omit", Shape::Flag, "Leaves it out of `outputs.json`."),
    ],
};

/// One entry of `output:` as a mapping of variables, or of `stdout.outputs.fields`.
pub(crate) static OUTPUT_ENTRY: Section = Section {
    name: "an output",
    id: "output_entry",
    fields: &[
        works("from", Shape::OneOf(&["stdout"]), "The stream."),
        works("decode", Shape::OneOf(&["text", "json"]), "How it is read; without it as text."),
        works("select", Shape::Text, "A path into the JSON: `.version`, `.items[0].id`."),
        refused("path", "reads a file", "print the file in the step"),
        refused("value", "is a literal", "use `env`"),
    ],
};

/// `stdout:` as a mapping.
pub(crate) static STDOUT: Section = Section {
    name: "`stdout`",
    id: "stdout",
    fields: &[
        works("outputs", Shape::TextOr(&STDOUT_OUTPUTS), "Variables that dependants get."),
        refused("artifact", "is not supported yet", "write `stdout: PATH`"),
    ],
};

/// `stdout.outputs:`.
pub(crate) static STDOUT_OUTPUTS: Section = Section {
    name: "`stdout.outputs`",
    id: "stdout_outputs",
    fields: &[
        works("field", Shape::Text, "The variable."),
        works("decode", Shape::OneOf(&["text", "json"]), "How it is read; without it as text."),
        works("select", Shape::Text, "A path into the JSON."),
        works("fields", Shape::Output, "Several variables, each with `decode` and `select`."),
    ],
};

/// `exec:` as a mapping, and `with:` of `action: exec`.
pub(crate) static EXEC: Section = Section {
    name: "`exec`",
    id: "exec",
    fields: &[
        works("command", Shape::Scalar, "The program."),
        works("args", Shape::Texts, "Its arguments."),
    ],
};

/// `executor:` as a mapping, the older spelling of `type` and `with`.
pub(crate) static EXECUTOR: Section = Section {
    name: "`executor`",
    id: "executor",
    fields: &[
        works("type", Shape::Text, "The kind of step."),
        works("config", Shape::With, "What `with` is."),
    ],
};

/// `with:` of `action: exec`.
pub(crate) static WITH_EXEC: Section =
    Section { name: "`with` of `exec`", id: "with_exec", fields: EXEC.fields };

/// `with:` of `action: dag.run`.
pub(crate) static WITH_CALL: Section = Section {
    name: "`with` of `dag.run`",
    id: "with_call",
    fields: &[
        works("dag", Shape::Text, "The workflow, as of `call`."),
        works("params", Shape::CallParams, "Its parameters."),
    ],
};

/// `with:` of a `run` step.
pub(crate) static WITH_SHELL: Section = Section {
    name: "`with` of a shell step",
    id: "with_shell",
    fields: &[
        works("shell", Shape::Texts, "Shell of this step."),
        works("shell_args", Shape::Texts, "More arguments of `shell`."),
        refused("shell_packages", "is not done by subrosa", "write `shell: nix-shell -p ...`"),
    ],
};
