//! The form as questions to a person on the controlling terminal.
//!
//! Each answer is judged at once; one that cannot be meant is asked for again, with what is wrong. What
//! is typed for a secret is not shown. Values of several lines cannot be typed in one, so for these the
//! path of a file is asked for.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use subrosa_connections::form::{self, Current, Filled};
use subrosa_connections::{ConnectionType, Field, Format};
use subrosa_engine::names::closest;

use super::{file, given};
use crate::failure::Failure;
use crate::prompt::Hiding;
use crate::render::Look;
use crate::wiring::World;
use crate::{prompt, text, value};

/// Columns of a line of help, on however wide a terminal: longer ones are hard to read.
const WIDTH_MAX: usize = 88;
/// Before everything that belongs to a question.
const INDENT: &str = "  ";

/// A person at a terminal.
pub(crate) struct Person {
    device: File,
    look: Look,
    home: Option<PathBuf>,
}

impl Person {
    /// Whoever sits at the controlling terminal.
    pub(crate) fn at_terminal(world: &World) -> Result<Person, Failure> {
        let device = prompt::open()?;
        let look = world.look(&device);
        let home = world.var("HOME").map(PathBuf::from);
        Ok(Person { device, look, home })
    }

    /// Shows text.
    pub(crate) fn say(&self, text: &str) -> Result<(), Failure> {
        (&self.device)
            .write_all(text.as_bytes())
            .map_err(|error| Failure::engine(format!("the terminal cannot be used: {error}")))
    }

    /// Asks for something that everybody may see.
    pub(crate) fn ask(&self, question: &str) -> Result<String, Failure> {
        prompt::line(&self.device, question)
    }

    /// What a form begins with: what it is for, and how to answer.
    pub(crate) fn begin(
        &self,
        title: &str,
        kind: &ConnectionType,
        how: &str,
    ) -> Result<(), Failure> {
        let mut head = format!("{}\n", self.bold(title));
        head.push_str(&self.wrapped(&kind.summary));
        if let Some(docs) = &kind.docs {
            head.push_str(&self.wrapped(&format!("How to get the credential: {docs}")));
        }
        head.push('\n');
        head.push_str(&self.wrapped(how).replace(INDENT, ""));
        self.say(&head)
    }

    /// Asks for the answers of these fields.
    pub(crate) fn fill(
        &self,
        kind: &ConnectionType,
        fields: &[&Field],
        current: &Current,
        filled: &mut Filled,
    ) -> Result<(), Failure> {
        let last_hidden = fields.iter().rposition(|field| is_hidden(field));
        let mut hiding = None;
        for (index, field) in fields.iter().enumerate() {
            // A file that was named for an earlier field may have answered this one.
            if filled.has(&field.name) {
                continue;
            }
            // Up to the last hidden question nothing is shown as it is typed: it may be for that one.
            if last_hidden.is_some_and(|last| index <= last) {
                hiding.get_or_insert_default();
            } else {
                hiding = None;
            }
            let place = format!("{} of {}", index + 1, fields.len());
            let mut head = format!("\n{} ({place})\n", self.bold(&text::shown(&field.label)));
            head.push_str(&self.wrapped(&field.help));
            for (number, choice) in field.choices.iter().enumerate() {
                head.push_str(&format!("{INDENT}{}) {}\n", number + 1, text::shown(choice)));
            }
            self.say(&head)?;
            self.fill_one((kind, field), hiding.as_ref(), current, filled)?;
        }
        Ok(())
    }

    fn fill_one(
        &self,
        (kind, field): (&ConnectionType, &Field),
        hiding: Option<&Hiding>,
        current: &Current,
        filled: &mut Filled,
    ) -> Result<(), Failure> {
        let question = format!("{INDENT}{}> ", before_answer(field, current));
        loop {
            match self.answer((kind, field), (hiding, &question), current, filled)? {
                Ok(()) => return Ok(()),
                Err(why) => self.say(&self.wrapped(&format!("! {}", text::shown(&why))))?,
            }
        }
    }

    /// Asks once; what is wrong with the answer, if it cannot be taken.
    fn answer(
        &self,
        (kind, field): (&ConnectionType, &Field),
        (hiding, question): (Option<&Hiding>, &str),
        current: &Current,
        filled: &mut Filled,
    ) -> Result<Result<(), String>, Failure> {
        if is_hidden(field) {
            let typed = match hiding {
                Some(hiding) => hiding.ask(question)?,
                None => prompt::hidden(question)?,
            };
            return Ok(match unanswered(field, &typed, current, filled) {
                Some(judged) => judged,
                None => {
                    if typed.trim_ascii().len() < typed.len() {
                        self.say(&self.wrapped("It begins or ends with a blank, which is kept."))?;
                    }
                    form::put(field, &typed, filled)
                }
            });
        }
        let typed = match hiding {
            Some(hiding) => hiding.line(question)?,
            None => self.ask(question)?,
        };
        let typed = typed.trim();
        if let Some(judged) = unanswered(field, typed.as_bytes(), current, filled) {
            return Ok(judged);
        }
        let file = if field.is_secret { Some(typed) } else { typed.strip_prefix('@') };
        match file.filter(|_| has_lines(field)) {
            Some(path) => self.take_file((kind, field), path, filled),
            None => Ok(form::put(field, chosen(field, typed).as_bytes(), filled)
                .map_err(|why| with_nearest(field, typed, why))),
        }
    }

    fn take_file(
        &self,
        (kind, field): (&ConnectionType, &Field),
        path: &str,
        filled: &mut Filled,
    ) -> Result<Result<(), String>, Failure> {
        let path = given::path(path, self.home.as_deref());
        let read = match field.is_secret {
            true => value::credentials(&path),
            false => value::bytes(Some(&path)),
        };
        match read {
            Ok(bytes) => Ok(form::put(field, &bytes, filled)
                .inspect(|()| file::take_others(&bytes, kind, field, filled))),
            Err(Failure::Untold(reason)) => Ok(Err(reason.message().to_owned())),
            Err(told) => Err(told),
        }
    }

    /// A heading; on a terminal without colours, as it is.
    pub(crate) fn bold(&self, text: &str) -> String {
        let style = anstyle::Style::new().bold();
        if self.look.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Lines that fit, indented; nothing of nothing.
    fn wrapped(&self, paragraph: &str) -> String {
        wrapped(paragraph, self.look.width.min(WIDTH_MAX))
    }
}

/// Asks for one secret without a form around it.
pub(crate) fn secret_alone(field: &Field, filled: &mut Filled) -> Result<(), Failure> {
    let name = &field.name;
    let typed = prompt::hidden(&format!("value of {name} (not shown): "))?;
    given::accept(field, &typed, filled)
}

/// Whether what is typed for it is not shown.
fn is_hidden(field: &Field) -> bool {
    field.is_secret && !has_lines(field)
}

fn has_lines(field: &Field) -> bool {
    matches!(field.format, Format::Lines | Format::Json | Format::Pem)
}

/// What stands before the place where the answer is typed.
fn before_answer(field: &Field, current: &Current) -> String {
    let name = field.name.as_str();
    let mut before = match (current.secret.get(name), current.public.get(name)) {
        (Some(version), _) => format!("[set, version {version}] "),
        (None, Some(text)) => format!("[{}] ", text::shown(text)),
        (None, None) => match &field.default {
            Some(default) => format!("[{}] ", text::shown(default)),
            None if !field.is_required => "(optional) ".to_owned(),
            None => String::new(),
        },
    };
    if has_lines(field) {
        before.push_str(if field.is_secret { "path of the file " } else { "text or @FILE " });
    } else if field.is_secret {
        before.push_str("(not shown) ");
    }
    before
}

/// What becomes of an answer that is none: nothing, or `-`, which takes away what is there.
fn unanswered(
    field: &Field,
    typed: &[u8],
    current: &Current,
    filled: &mut Filled,
) -> Option<Result<(), String>> {
    let name = field.name.as_str();
    let is_there = current.secret.contains_key(name) || current.public.contains_key(name);
    match typed {
        b"" if is_there || field.default.is_some() || !field.is_required => Some(Ok(())),
        b"" => Some(Err("an answer is needed here".to_owned())),
        b"-" if is_there && (!field.is_required || field.default.is_some()) => {
            form::remove(field, filled);
            Some(Ok(()))
        }
        b"-" if is_there => Some(Err("it is required, and cannot be taken away".to_owned())),
        _ => None,
    }
}

/// The choice of that number, or what was typed.
fn chosen<'a>(field: &'a Field, typed: &'a str) -> &'a str {
    let is_choice = field.choices.iter().any(|choice| choice == typed);
    let number = typed.parse::<usize>().ok().filter(|_| !is_choice);
    number
        .and_then(|number| field.choices.get(number.checked_sub(1)?))
        .map_or(typed, String::as_str)
}

/// Adds what was probably meant to what is wrong.
fn with_nearest(field: &Field, typed: &str, why: String) -> String {
    match closest(typed, field.choices.iter().map(String::as_str)) {
        Some(near) => format!("it is none of these; did you mean `{near}`?"),
        None if !field.choices.is_empty() => {
            format!("it is none of these: wanted 1 to {}, or a name", field.choices.len())
        }
        None => why,
    }
}

fn wrapped(paragraph: &str, width: usize) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in paragraph.split_whitespace() {
        let word = text::shown(word);
        let columns = INDENT.len() + text::width(&line) + 1 + text::width(&word);
        if !line.is_empty() && columns > width {
            lines.push_str(&format!("{INDENT}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    if !line.is_empty() {
        lines.push_str(&format!("{INDENT}{line}\n"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use subrosa_connections::Format;
    use subrosa_connections::form::{Current, Filled};

    use super::{before_answer, chosen, unanswered, with_nearest, wrapped};
    use crate::form::tests::{kind, text};

    #[test]
    fn help_fits_the_terminal() {
        assert_eq!(wrapped("one two three", 9), "  one two\n  three\n");
        assert_eq!(wrapped("one\n two\u{1b}x", 80), "  one two\\u{1b}x\n");
        assert_eq!(wrapped("muchtoolong a", 5), "  muchtoolong\n  a\n");
        assert_eq!(wrapped("", 80), "");
    }

    #[test]
    fn the_question_says_what_enter_does() {
        let fields = kind().fields;
        let stored = Current {
            public: [("plan".to_owned(), "server".to_owned())].into(),
            secret: [("api_token".to_owned(), 3)].into(),
        };
        let check = |index: usize, current: &Current, expected: &str| {
            assert_eq!(before_answer(&fields[index], current), expected);
        };
        let none = Current::default();
        check(0, &none, "");
        check(1, &none, "[cloud] ");
        check(1, &stored, "[server] ");
        check(2, &none, "(not shown) ");
        check(2, &stored, "[set, version 3] (not shown) ");
        check(3, &none, "(optional) (not shown) ");
        let mut key = text("key", true, true);
        key.format = Format::Pem;
        assert_eq!(before_answer(&key, &none), "path of the file ");
    }

    #[test]
    fn an_empty_answer_keeps_and_a_dash_takes_away() {
        let fields = kind().fields;
        let stored = Current {
            public: [("base_url".to_owned(), "https://a".to_owned())].into(),
            secret: [("backup_key".to_owned(), 3)].into(),
        };
        let none = Current::default();
        let judged = |index: usize, typed: &[u8], current: &Current| {
            let mut filled = Filled::default();
            let judged = unanswered(&fields[index], typed, current, &mut filled);
            (judged.map(|judged| judged.is_ok()), !filled.is_empty())
        };
        assert_eq!(judged(0, b"", &none), (Some(false), false));
        assert_eq!(judged(0, b"", &stored), (Some(true), false));
        assert_eq!(judged(0, b"-", &stored), (Some(false), false));
        assert_eq!(judged(0, b"x", &stored), (None, false));
        assert_eq!(judged(1, b"", &none), (Some(true), false));
        assert_eq!(judged(3, b"", &none), (Some(true), false));
        assert_eq!(judged(3, b"-", &none), (None, false));
        assert_eq!(judged(3, b"-", &stored), (Some(true), true));
    }

    #[test]
    fn a_choice_is_taken_by_number_or_by_name() {
        let mut plan = kind().fields.remove(1);
        for (typed, expected) in
            [("2", "server"), ("cloud", "cloud"), ("3", "3"), ("0", "0"), ("x", "x")]
        {
            assert_eq!(chosen(&plan, typed), expected);
        }
        assert_eq!(
            with_nearest(&plan, "sever", "no".into()),
            "it is none of these; did you mean `server`?"
        );
        assert_eq!(
            with_nearest(&plan, "7", "no".into()),
            "it is none of these: wanted 1 to 2, or a name"
        );
        plan.choices = vec!["2".to_owned(), "1".to_owned()];
        assert_eq!(chosen(&plan, "2"), "2");
    }
}
