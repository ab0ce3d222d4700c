//! Our words for what the parser found.
//!
//! The parser says what it was doing, often with a piece of the file; people want to know what to
//! change. Its texts are only looked at to choose one of ours, so an unknown one costs clarity and
//! never shows anything of the file.

use crate::diagnostic::Diagnostic;
use crate::source::Span;

use super::tree::too_deep;

struct Known {
    /// What the parser's text contains.
    found: &'static str,
    code: &'static str,
    message: &'static str,
    help: &'static str,
}

const QUOTE: &str =
    "close it with the quote it began with; `\"` inside of `\"...\"` is written `\\\"`";
const INDENT: &str = "entries of one list or mapping begin in the same column";
const COLON: &str = "put a text that contains `: ` or begins with a special character into quotes";

/// The first that fits is taken.
const KNOWN: &[Known] = &[
    Known {
        found: "tab",
        code: "yaml-tab",
        message: "a tab is used for indentation",
        help: "indent with spaces",
    },
    Known {
        found: "quoted scalar, found unexpected",
        code: "yaml-unclosed-quote",
        message: "a quoted text is not closed",
        help: QUOTE,
    },
    Known {
        found: "invalid indentation in quoted scalar",
        code: "yaml-unclosed-quote",
        message: "a quoted text goes on in a line that is not indented: it may not be closed",
        help: QUOTE,
    },
    Known {
        found: "trailing content after double-quoted",
        code: "yaml-unclosed-quote",
        message: "something follows a quoted text",
        help: QUOTE,
    },
    Known {
        found: "escape",
        code: "yaml-syntax",
        message: "a backslash in double quotes begins no known escape",
        help: "write `\\\\` for a backslash, or use single quotes",
    },
    Known {
        found: "hexadecimal number",
        code: "yaml-syntax",
        message: "an escape in double quotes lacks its hexadecimal digits",
        help: "write `\\\\` for a backslash, or use single quotes",
    },
    Known {
        found: "',' or '}'",
        code: "yaml-unclosed-bracket",
        message: "a `{` is not closed, or a comma is missing",
        help: "separate entries with `, ` and close with `}`",
    },
    Known {
        found: "',' or ']'",
        code: "yaml-unclosed-bracket",
        message: "a `[` is not closed, or a comma is missing",
        help: "separate items with `, ` and close with `]`",
    },
    Known {
        found: "flow construct",
        code: "yaml-unclosed-bracket",
        message: "a line inside of brackets is not indented: they may not be closed",
        help: "close the `[` or `{`, or indent the line",
    },
    Known {
        found: "only valid inside a block",
        code: "yaml-unclosed-bracket",
        message: "a `- item` inside of brackets: they may not be closed",
        help: "close what is opened above, `[` with `]` and `{` with `}`",
    },
    Known {
        found: "misplaced bracket",
        code: "yaml-syntax",
        message: "a closing bracket without its opening one",
        help: COLON,
    },
    Known {
        found: "unknown anchor",
        code: "yaml-alias",
        message: "an alias of an anchor that is not there",
        help: "define it before (`&name`); put a text that begins with `*` into quotes",
    },
    Known {
        found: "anchor or alias",
        code: "yaml-alias",
        message: "`&` or `*` without a name",
        help: COLON,
    },
    Known {
        found: "mapping values are not allowed",
        code: "yaml-syntax",
        message: "a `:` where no value can begin",
        help: COLON,
    },
    Known {
        found: "':'",
        code: "yaml-syntax",
        message: "neither `key: value` nor `- item`",
        help: "write `key: value` with a space after the colon, and check the indentation",
    },
    Known {
        found: "simple key expected",
        code: "yaml-syntax",
        message: "neither `key: value` nor `- item`",
        help: "write `key: value` with a space after the colon, and check the indentation",
    },
    Known {
        found: "did not find expected key",
        code: "yaml-syntax",
        message: "this line does not belong to the mapping around it",
        help: INDENT,
    },
    Known {
        found: "'-' indicator",
        code: "yaml-syntax",
        message: "this line does not belong to the list around it",
        help: INDENT,
    },
    Known {
        found: "block sequence entries",
        code: "yaml-syntax",
        message: "a list item where no list can begin",
        help: "begin the list in a line of its own",
    },
    Known {
        found: "indent",
        code: "yaml-syntax",
        message: "the indentation fits no line above",
        help: INDENT,
    },
    Known {
        found: "unexpected character",
        code: "yaml-syntax",
        message: "a text cannot begin with this character",
        help: COLON,
    },
    Known {
        found: "plain scalar",
        code: "yaml-syntax",
        message: "a text without quotes cannot be written like this",
        help: COLON,
    },
    Known {
        found: "block scalar",
        code: "yaml-syntax",
        message: "the text after `|` or `>` is not indented as it should be",
        help: "end the line after `|` or `>` and indent all lines of the text alike",
    },
    Known {
        found: "directive",
        code: "yaml-syntax",
        message: "a line that begins with `%`",
        help: COLON,
    },
    Known { found: "tag", code: "yaml-tag", message: "a tag that is not complete", help: COLON },
    Known {
        found: "handle",
        code: "yaml-tag",
        message: "a tag that means nothing here",
        help: "remove the `!...`",
    },
    Known {
        found: "byte order mark",
        code: "yaml-syntax",
        message: "a byte order mark in the middle of the file",
        help: "remove the invisible character U+FEFF",
    },
    Known {
        found: "document",
        code: "yaml-syntax",
        message: "something follows the end of a document",
        help: "begin another document with `---` in a line of its own",
    },
];

/// The diagnostic for a parser error at a byte offset. `bracket` is the innermost one that is open
/// there: in brackets nearly every error is one of them.
pub(super) fn problem(info: &str, at: usize, text: &str, bracket: Option<Span>) -> Diagnostic {
    let at = floor_char(text, at);
    if info.contains("recursion limit") {
        return too_deep(character(text, at));
    }
    let Some(known) = KNOWN.iter().find(|known| info.contains(known.found)) else {
        return match bracket {
            Some(bracket) => Diagnostic::error(
                "yaml-unclosed-bracket",
                "a bracket is not closed, or closed by another one",
            )
            .at(character(text, at), "")
            .at(character(text, bracket.start), "opened here")
            .help("close what is opened, `[` with `]` and `{` with `}`"),
            None => Diagnostic::error("yaml-syntax", "this is no YAML")
                .at(character(text, at), "")
                .help("look at the indentation, quotes and brackets around this place"),
        };
    };
    // Told at the end of the line before.
    let tab = text[at..].find('\t').filter(|_| known.code == "yaml-tab");
    let problem = Diagnostic::error(known.code, known.message)
        .at(character(text, at + tab.unwrap_or(0)), "")
        .help(known.help);
    match bracket.filter(|_| known.code == "yaml-unclosed-bracket") {
        Some(bracket) => problem.at(character(text, bracket.start), "opened here"),
        None => problem,
    }
}

/// The character at an offset, nothing at the end of a line.
fn character(text: &str, at: usize) -> Span {
    let width = text[at..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
    Span::new(at..at + width)
}

fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
