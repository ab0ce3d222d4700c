//! Texts of SQL, looked at as far as bound parameters go: values are never pasted into them.

/// A language of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    MySql,
    Sqlite,
}

/// A text whose named parameters have become positional ones.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// As the server gets it.
    pub(super) sql: String,
    /// The names in the order of their places.
    pub(super) order: Vec<String>,
    /// How many statements it has.
    pub(super) count: usize,
    /// Whether it has places of its own, such as `$1` or `?`.
    pub(super) has_places: bool,
}

impl Statement {
    /// Reads a text; `names` are those of the parameters that were given by name.
    pub(super) fn read(dialect: Dialect, text: &str, names: &[String]) -> Statement {
        let (sql, order) = (String::new(), Vec::new());
        let mut reader = Reader { dialect, names, sql, order, has_places: false };
        let count = reader.read(text);
        let Reader { sql, order, has_places, .. } = reader;
        Statement { sql, order, count, has_places }
    }
}

struct Reader<'a> {
    dialect: Dialect,
    names: &'a [String],
    sql: String,
    order: Vec<String>,
    has_places: bool,
}

impl Reader<'_> {
    fn read(&mut self, text: &str) -> usize {
        let (mut rest, mut count, mut is_open) = (text, 0, false);
        while let Some(first) = rest.chars().next() {
            let before = self.sql.chars().next_back();
            let len = self.inert(rest).unwrap_or(0);
            if len > 0 {
                is_open |= !is_comment(rest, self.dialect);
                self.sql.push_str(&rest[..len]);
                rest = &rest[len..];
                continue;
            }
            if first == ':'
                && before != Some(':')
                && let Some(name) = self.name(&rest[1..])
            {
                let len = name.len() + 1;
                self.place(name);
                rest = &rest[len..];
                is_open = true;
                continue;
            }
            self.has_places |= self.is_place(rest);
            match first {
                ';' => {
                    count += usize::from(is_open);
                    is_open = false;
                }
                other => is_open |= !other.is_whitespace(),
            }
            self.sql.push(first);
            rest = &rest[first.len_utf8()..];
        }
        count + usize::from(is_open)
    }

    /// Whether a place for a value begins here, as the database itself has them.
    fn is_place(&self, text: &str) -> bool {
        match self.dialect {
            Dialect::Postgres => {
                let digits = text.strip_prefix('$');
                digits.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            }
            Dialect::MySql | Dialect::Sqlite => text.starts_with('?'),
        }
    }

    /// A name that was given a value.
    fn name(&self, text: &str) -> Option<String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
        self.names.iter().find(|name| **name == text[..end]).cloned()
    }

    fn place(&mut self, name: String) {
        if self.dialect == Dialect::MySql {
            self.sql.push('?');
            self.order.push(name);
            return;
        }
        let known = self.order.iter().position(|other| *other == name);
        let number = known.unwrap_or_else(|| {
            self.order.push(name);
            self.order.len() - 1
        }) + 1;
        let sign = if self.dialect == Dialect::Postgres { '$' } else { '?' };
        self.sql.push_str(&format!("{sign}{number}"));
    }

    /// The length of a quoted text or comment that begins here.
    fn inert(&self, text: &str) -> Option<usize> {
        let bytes = text.as_bytes();
        let backslashes = match self.dialect {
            Dialect::MySql => true,
            // `E'...'` only.
            Dialect::Postgres => self.sql.ends_with(['E', 'e']) && !self.is_word_before(),
            Dialect::Sqlite => false,
        };
        match bytes[0] {
            b'\'' => Some(quoted(text, '\'', backslashes)),
            b'"' => Some(quoted(text, '"', self.dialect == Dialect::MySql)),
            b'`' if self.dialect != Dialect::Postgres => Some(quoted(text, '`', false)),
            b'[' if self.dialect == Dialect::Sqlite => {
                Some(text.find(']').map_or(text.len(), |end| end + 1))
            }
            b'-' if is_dashes(text, self.dialect) => Some(line(text)),
            b'#' if self.dialect == Dialect::MySql => Some(line(text)),
            b'/' if bytes.starts_with(b"/*") => {
                Some(comment(text, self.dialect == Dialect::Postgres))
            }
            b'$' if self.dialect == Dialect::Postgres => dollar_quoted(text),
            _ => None,
        }
    }

    /// Whether the `E` before a quote belongs to a longer word.
    fn is_word_before(&self) -> bool {
        let before = self.sql.chars().rev().nth(1);
        before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    }
}

/// In MySQL `5--1` is a difference.
fn is_dashes(text: &str, dialect: Dialect) -> bool {
    let after = text.strip_prefix("--");
    let is_apart = |c: char| c.is_whitespace() || c.is_control();
    after.is_some_and(|rest| {
        dialect != Dialect::MySql || rest.is_empty() || rest.starts_with(is_apart)
    })
}

fn is_comment(text: &str, dialect: Dialect) -> bool {
    is_dashes(text, dialect)
        || text.starts_with("/*")
        || dialect == Dialect::MySql && text.starts_with('#')
}

fn line(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |end| end + 1)
}

/// To the closing quote; a doubled one does not close.
fn quoted(text: &str, quote: char, backslashes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if backslashes && c == '\\' {
            characters.next();
        } else if c == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => {
                    characters.next();
                }
                _ => return at + c.len_utf8(),
            }
        }
    }
    text.len()
}

fn comment(text: &str, nests: bool) -> usize {
    let (mut depth, mut at) = (1_usize, 2);
    while depth > 0 {
        let Some(rest) = text.get(at..) else { return text.len() };
        // Whichever comes first: a look for one of them alone would read all of the rest, again and again.
        let is_end = |pair: &[u8]| pair == b"*/" || nests && pair == b"/*";
        let Some(next) = rest.as_bytes().windows(2).position(is_end) else { return text.len() };
        if rest.as_bytes()[next] == b'*' {
            depth -= 1;
        } else {
            depth += 1;
        }
        at += next + 2;
    }
    at
}

/// `$tag$ ... $tag$`.
fn dollar_quoted(text: &str) -> Option<usize> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[..end];
    let inner = &tag[1..end - 1];
    let is_tag = inner.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !inner.starts_with(|c: char| c.is_ascii_digit());
    if !is_tag {
        return None;
    }
    let rest = &text[end..];
    Some(rest.find(tag).map_or(text.len(), |at| end + at + tag.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Dialect, Statement};

    fn check(dialect: Dialect, text: &str, sql: &str, order: &[&str], count: usize) {
        let names = ["id".to_owned(), "name".to_owned()];
        let order = order.iter().map(|name| (*name).to_owned()).collect();
        let expected = Statement { sql: sql.to_owned(), order, count, has_places: false };
        assert_eq!(Statement::read(dialect, text, &names), expected, "{text}");
    }

    #[test]
    fn names_become_places() {
        use Dialect::{MySql, Postgres, Sqlite};
        let text = "SELECT :id, :name, :id::text";
        check(Postgres, text, "SELECT $1, $2, $1::text", &["id", "name"], 1);
        check(MySql, "SELECT :id, :id", "SELECT ?, ?", &["id", "id"], 1);
        check(Sqlite, "SELECT :id, :name, :id", "SELECT ?1, ?2, ?1", &["id", "name"], 1);
        // Not a name that has a value, and a cast.
        check(Postgres, "SELECT a[x:y], b::id", "SELECT a[x:y], b::id", &[], 1);
    }

    #[test]
    fn quoted_texts_and_comments_stay_as_they_are() {
        use Dialect::{MySql, Postgres, Sqlite};
        for text in [
            "SELECT ':id' -- :id",
            "SELECT ':id'':id'",
            "SELECT \":id\"",
            "SELECT /* :id /* :id */ :id */ 1",
            "SELECT $$ :id ; $$",
            "SELECT $a$ $$ :id $a$",
            "SELECT E'\\':id'",
        ] {
            check(Postgres, text, text, &[], 1);
        }
        check(Postgres, "SELECT 'a\\' , :id", "SELECT 'a\\' , $1", &["id"], 1);
        check(Postgres, "SELECT /* x */ :id", "SELECT /* x */ $1", &["id"], 1);
        for text in ["SELECT '\\':id'", "SELECT `:id` # :id", "SELECT \"a\\\":id\""] {
            check(MySql, text, text, &[], 1);
        }
        check(MySql, "SELECT 5--1, :id", "SELECT 5--1, ?", &["id"], 1);
        check(Sqlite, "SELECT [a:id], `b:id`", "SELECT [a:id], `b:id`", &[], 1);
    }

    #[test]
    fn places_of_the_database_are_seen() {
        use Dialect::{MySql, Postgres, Sqlite};
        for (dialect, text, expected) in [
            (Postgres, "SELECT $1", true),
            (Postgres, "SELECT '$1', $$ $1 $$, a ? 'b', '?'", false),
            (MySql, "SELECT ?", true),
            (MySql, "SELECT '?', :id -- ?", false),
            (Sqlite, "SELECT ?1", true),
            (Sqlite, "SELECT [?]", false),
        ] {
            let names = ["id".to_owned()];
            assert_eq!(Statement::read(dialect, text, &names).has_places, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_without_names_stays_as_it_is(text in "[-'\"`$a;:?/*#E\\\\\\[\\] \n\u{e9}]{0,24}") {
            for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
                prop_assert_eq!(&Statement::read(dialect, &text, &[]).sql, &text);
                let names = ["a".to_owned()];
                let named = Statement::read(dialect, &text, &names);
                // Nothing but names is taken out, and each is put somewhere.
                if named.order.is_empty() {
                    prop_assert_eq!(&named.sql, &text);
                }
            }
        }
    }

    #[test]
    fn comments_within_comments_are_read_once() {
        let deep = 170_000;
        let text = format!("{}x{}", "/* ".repeat(deep), " */".repeat(deep));
        let began = std::time::Instant::now();
        check(Dialect::Postgres, &text, &text, &[], 0);
        assert!(began.elapsed().as_secs() < 5);
    }

    #[test]
    fn statements_are_counted() {
        use Dialect::{MySql, Postgres};
        for (text, count) in [
            ("", 0),
            (" ; ;; ", 0),
            ("-- nothing", 0),
            ("SELECT 1", 1),
            ("SELECT 1;", 1),
            ("SELECT ';'; -- ;\n", 1),
            ("SELECT 1; SELECT 2", 2),
            ("SELECT $f$ ; $f$; SELECT 2;", 2),
        ] {
            check(Postgres, text, text, &[], count);
        }
        check(MySql, "SELECT 1 # ;\n; SELECT 2", "SELECT 1 # ;\n; SELECT 2", &[], 2);
        // What is not closed goes to the end.
        for text in ["SELECT '", "SELECT $a$", "SELECT /*", "SELECT /* /*"] {
            check(Postgres, text, text, &[], 1);
        }
    }
}
