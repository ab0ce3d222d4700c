//! How a step of `type: chat` is written, and what can be said of one without asking anybody.

use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::kind::{Field, Kind, Section, Shape, alias, refused, section, works};
use subrosa_engine::workflow::{Tree, Typed};

use super::service::PROVIDERS;

/// The kind.
pub static CHAT: Kind = Kind {
    name: "chat",
    words: &[],
    actions: &[("chat.completion", "completion")],
    with: &WITH,
    beside: &BESIDE,
    check,
};

const ROLES: &[&str] = &["system", "user", "assistant", "tool"];

const PROVIDER: Field = works(
    "provider",
    Shape::OneOf(PROVIDERS),
    "Who runs the model. Needed unless a connection says it.",
);
const MODEL: Field = works("model", Shape::Text, "The model, as the provider calls it.");
const SYSTEM: Field = works("system", Shape::Text, "What the model is told before all messages.");
const TEMPERATURE: Field =
    works("temperature", Shape::Number, "How freely it chooses its words, from 0 to 2.");
const MAX_TOKENS: Field = works("max_tokens", Shape::Whole(1), "Tokens a reply may have.");
const TOP_P: Field =
    works("top_p", Shape::Number, "How much of what is likely it chooses from, from 0 to 1.");
const BASE_URL: Field = alias(
    "base_url",
    &["baseURL"],
    Shape::Text,
    "Another server that speaks the protocol of the provider.",
);
const API_KEY_NAME: Field = works(
    "api_key_name",
    Shape::Literal,
    "The variable of the step that holds the API key, instead of the provider's usual one.",
);
const STREAM: Field =
    works("stream", Shape::Flag, "Whether the reply is shown while it comes. Without it `true`.");
const THINKING: Field = refused(
    "thinking",
    "is not asked for by subrosa yet",
    "remove it, or choose a model that thinks by itself",
);
const WEB_SEARCH: Field = refused(
    "web_search",
    "is not asked for by subrosa yet",
    "fetch what the model needs in a step before, and put its output into a message",
);
const MAX_TOOL_ITERATIONS: Field = refused(
    "max_tool_iterations",
    "is for tools that the step runs by itself, which subrosa does not do",
    "run what the model asks for in a step of its own",
);
const MESSAGES: Field =
    works("messages", Shape::Objects(&MESSAGE), "The conversation so far, from the first on.");
const TOOLS: Field = works(
    "tools",
    Shape::Objects(&TOOL),
    "What the model may ask for. Its calls are printed, a JSON object a line, and not carried out.",
);

/// What `llm:` takes.
pub static LLM: Section = section(
    "the model of a chat",
    "chat-llm",
    &[
        PROVIDER,
        MODEL,
        SYSTEM,
        TEMPERATURE,
        MAX_TOKENS,
        TOP_P,
        BASE_URL,
        API_KEY_NAME,
        STREAM,
        THINKING,
        WEB_SEARCH,
        MAX_TOOL_ITERATIONS,
        refused(
            "tools",
            "names workflows that the model may call, which subrosa does not do",
            "describe tools in `tools` beside `llm`, and run what the model asks for in a step",
        ),
    ],
);

/// What `with:` takes.
pub static WITH: Section = section(
    "a chat",
    "chat-with",
    &[
        PROVIDER,
        MODEL,
        SYSTEM,
        TEMPERATURE,
        MAX_TOKENS,
        TOP_P,
        BASE_URL,
        API_KEY_NAME,
        STREAM,
        MESSAGES,
        TOOLS,
        works("connection", Shape::Text, "The connection that holds the API key."),
        works("credentials_path", Shape::Text, "The file that holds the API key."),
        THINKING,
        WEB_SEARCH,
        MAX_TOOL_ITERATIONS,
    ],
);

static BESIDE: [Field; 3] =
    [works("llm", Shape::Object(&LLM), "The model, and how it is asked."), MESSAGES, TOOLS];

/// A message.
pub static MESSAGE: Section = section(
    "a message",
    "chat-message",
    &[
        works("role", Shape::OneOf(ROLES), "Whose message it is."),
        works("content", Shape::Text, "Its text."),
        works(
            "tool_calls",
            Shape::Objects(&TOOL_CALL),
            "What an `assistant` asked for, as it was printed.",
        ),
        works("tool_call_id", Shape::Text, "The `id` of the call that a `tool` answers."),
    ],
);

/// A call of a tool.
pub static TOOL_CALL: Section = section(
    "a call of a tool",
    "chat-tool-call",
    &[
        works("id", Shape::Text, "What the answer names."),
        works("name", Shape::Text, "The tool."),
        works("arguments", Shape::Data, "What it was called with."),
    ],
);

/// A tool.
pub static TOOL: Section = section(
    "a tool",
    "chat-tool",
    &[
        works("name", Shape::Text, "What the model calls it."),
        works("description", Shape::Text, "What it is for."),
        works("parameters", Shape::Data, "What it takes: a JSON Schema."),
    ],
);

fn check(step: &Typed) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let llm = step.get("llm");
    if llm.is_some()
        && LLM.fields.iter().any(|field| step.get(field.name).is_some() && field.name != "tools")
    {
        let problem = Diagnostic::error("several-actions", "both `llm` and its fields in `with`");
        found.push(problem.at(step.span, "").help("keep one"));
    }
    let setting = |name: &str| match llm {
        Some(Tree::Map(entries)) => {
            entries.iter().find(|(key, _)| key == name).map(|(_, tree)| tree)
        }
        _ => step.get(name),
    };
    let has_key_name = is_given(setting("api_key_name"));
    let mut missing = |what: &str, help: &str| {
        let problem = Diagnostic::error("missing-field", format!("a chat without {what}"));
        found.push(problem.at(step.span, "").help(help));
    };
    if !is_given(setting("model")) {
        missing("`model`", "write `model: NAME` in `llm`, or in `with`");
    }
    if !is_given(setting("provider")) && step.connection.is_none() {
        missing(
            "`provider`",
            &format!("write one of {}, or `connection: NAME`", PROVIDERS.join(", ")),
        );
    }
    if items(step.get("messages")).is_empty() {
        missing("`messages`", "write `messages: [{role: user, content: ...}]`");
    }
    if step.connection.is_some() && has_key_name {
        let problem = Diagnostic::error("several-actions", "both `connection` and `api_key_name`");
        found.push(problem.at(step.span, "").help("keep one"));
    }
    found.extend(items(step.get("messages")).iter().flat_map(|message| message_of(step, message)));
    for (name, most) in [("temperature", 2.0), ("top_p", 1.0)] {
        let Some(Tree::Number(number)) = setting(name) else { continue };
        if !number.parse().is_ok_and(|number: f64| (0.0..=most).contains(&number)) {
            let message = format!("`{name}` is {number}, wanted a number from 0 to {most}");
            found.push(Diagnostic::error("wrong-value", message).at(step.span, ""));
        }
    }
    found
}

fn is_given(tree: Option<&Tree>) -> bool {
    match tree {
        Some(Tree::Text(text) | Tree::Literal(text)) => !text.raw.trim().is_empty(),
        Some(_) => true,
        None => false,
    }
}

fn items(tree: Option<&Tree>) -> &[Tree] {
    match tree {
        Some(Tree::List(items)) => items,
        _ => &[],
    }
}

/// What is wrong with a message.
fn message_of(step: &Typed, message: &Tree) -> Vec<Diagnostic> {
    let Tree::Map(entries) = message else { return Vec::new() };
    let get = |name: &str| entries.iter().find(|(key, _)| key == name).map(|(_, tree)| tree);
    let role = match get("role") {
        Some(Tree::Literal(text)) => text.raw.as_str(),
        _ => "",
    };
    let problem = |message: String, help: &str| {
        Diagnostic::error("missing-field", message).at(step.span, "").help(help)
    };
    let mut found = Vec::new();
    if role.is_empty() {
        found.push(problem(
            "a message without `role`".to_owned(),
            "write `role: user`, `system`, `assistant` or `tool`",
        ));
    }
    let is_asking = role == "assistant" && !items(get("tool_calls")).is_empty();
    if get("content").is_none() && !is_asking {
        found.push(problem("a message without `content`".to_owned(), "write its text"));
    }
    if role == "tool" && !is_given(get("tool_call_id")) {
        found.push(problem(
            "a message of a tool without `tool_call_id`".to_owned(),
            "write the `id` of the call that it answers",
        ));
    }
    for (name, of) in [("tool_calls", "assistant"), ("tool_call_id", "tool")] {
        if get(name).is_some() && role != of && !role.is_empty() {
            let message = format!("`{name}` in a message of `role: {role}`");
            let help = format!("only messages of `role: {of}` have it");
            found.push(Diagnostic::error("misplaced-field", message).at(step.span, "").help(help));
        }
    }
    found
}
